package ledger

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

// Names of attributes.
const (
	attrPK        = "pk"
	attrSK        = "sk"
	attrExpires   = "expires" // TTL, Unix seconds
	attrIDs       = "ids"
	attrCount     = "count"
	attrVersion   = "version"
	attrBits      = "bits"
	attrEpoch     = "epoch"   // seconds
	attrHorizon   = "horizon" // seconds; 0: none
	attrParts     = "parts"
	attrSetID     = "id"
	attrDropping  = "dropping"
	suffixSum     = ".sum"
	suffixMin     = ".min"
	suffixMax     = ".max"
	fingerprint   = len(cloudevent.Fingerprint{})
	layoutPK      = "layout"
	layoutSK      = "0"
	numberBytes   = 21 // DynamoDB keeps a number of 38 digits in at most 21 bytes
	itemOverhead  = 100
	aggregateBase = itemOverhead + len(attrPK+attrSK+attrExpires+attrCount+attrVersion) + 3*numberBytes
)

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func key(pk, sk string) item { return item{attrPK: text(pk), attrSK: text(sk)} }

func expire(i item, at int64) item {
	if at != 0 {
		i[attrExpires] = number(at)
	}
	return i
}

// segmentItem holds the fingerprints that one transaction commits to one log, sorted.
func segmentItem(pk string, version uint64, ids []cloudevent.Fingerprint, expires int64) item {
	b := make([]byte, 0, len(ids)*fingerprint)
	for _, id := range ids {
		b = append(b, id[:]...)
	}
	i := key(pk, versionSK(version))
	i[attrIDs] = &types.AttributeValueMemberB{Value: b}
	return expire(i, expires)
}

func readSegment(i item) (version uint64, ids []byte, err error) {
	sk, err := textOf(i, attrSK)
	if err != nil {
		return 0, nil, err
	}
	if version, err = strconv.ParseUint(sk, 10, 64); err != nil {
		return 0, nil, fmt.Errorf("segment version %q: %w", sk, err)
	}
	b, ok := i[attrIDs].(*types.AttributeValueMemberB)
	if !ok || len(b.Value)%fingerprint != 0 {
		return 0, nil, fmt.Errorf("segment %s: ids are not fingerprints of %d bytes", sk, fingerprint)
	}
	return version, b.Value, nil
}

// columns are the names of a measure's attributes.
type columns struct{ sum, min, max string }

func columnsOf(m *meter.Meter) []columns {
	names := make([]columns, len(m.Measures))
	for k, measure := range m.Measures {
		names[k] = columns{measure.Name + suffixSum, measure.Name + suffixMin, measure.Name + suffixMax}
	}
	return names
}

func aggregateItem(pk, sk string, names []columns, a meter.Aggregate, version, expires int64) item {
	i := make(item, 5+3*len(a.Stats))
	i[attrPK], i[attrSK] = text(pk), text(sk)
	i[attrCount], i[attrVersion] = number(a.Count), number(version)
	for k, s := range a.Stats {
		i[names[k].sum], i[names[k].min], i[names[k].max] = decimal(s.Sum), decimal(s.Min), decimal(s.Max)
	}
	return expire(i, expires)
}

func decimal(d meter.Decimal) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: d.String()}
}

func readAggregate(i item, m *meter.Meter) (a meter.Aggregate, version int64, err error) {
	a.Count, err = numberOf(i, attrCount)
	if err != nil {
		return a, 0, err
	}
	if version, err = numberOf(i, attrVersion); err != nil {
		return a, 0, err
	}
	a.Stats = make([]meter.Stat, len(m.Measures))
	var errs [3]error
	for k, measure := range m.Measures {
		s := &a.Stats[k]
		s.Sum, errs[0] = decimalOf(i, measure.Name+suffixSum)
		s.Min, errs[1] = decimalOf(i, measure.Name+suffixMin)
		s.Max, errs[2] = decimalOf(i, measure.Name+suffixMax)
		if err := errors.Join(errs[:]...); err != nil {
			return a, 0, err
		}
	}
	return a, version, nil
}

func layoutItem(l Layout) item {
	i := key(layoutPK, layoutSK)
	i[attrBits] = number(int64(l.Bits))
	i[attrEpoch] = number(int64(l.Epoch / time.Second))
	i[attrHorizon] = number(int64(l.Horizon / time.Second))
	i[attrParts] = number(int64(l.parts()))
	return i
}

func readLayout(i item) (Layout, error) {
	bits, err1 := numberOf(i, attrBits)
	epoch, err2 := numberOf(i, attrEpoch)
	horizon, err3 := numberOf(i, attrHorizon)
	parts, err4 := numberOf(i, attrParts)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return Layout{}, fmt.Errorf("layout item: %w", err)
	}
	l := Layout{int(bits), time.Duration(epoch) * time.Second, time.Duration(horizon) * time.Second}
	if err := l.valid(); err != nil {
		return Layout{}, fmt.Errorf("layout item: %w", err)
	}
	if int(parts) != l.parts() {
		return Layout{}, fmt.Errorf("layout item: %d parts, this version lays out %d: it cannot read this table", parts, l.parts())
	}
	return l, nil
}

func (l Layout) valid() error {
	if l.Bits < 0 || l.Bits > maxBits || l.Epoch < time.Second || l.Epoch%time.Second != 0 || l.Horizon < 0 {
		return fmt.Errorf("bits %d, epoch %s and horizon %s make no layout", l.Bits, l.Epoch, l.Horizon)
	}
	return nil
}

func textOf(i item, name string) (string, error) {
	s, ok := i[name].(*types.AttributeValueMemberS)
	if !ok {
		return "", fmt.Errorf("attribute %s is no string", name)
	}
	return s.Value, nil
}

func numberOf(i item, name string) (int64, error) {
	n, ok := i[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, fmt.Errorf("attribute %s is no number", name)
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("attribute %s: %w", name, err)
	}
	return v, nil
}

func decimalOf(i item, name string) (meter.Decimal, error) {
	n, ok := i[name].(*types.AttributeValueMemberN)
	if !ok {
		return meter.Decimal{}, fmt.Errorf("attribute %s is no number", name)
	}
	d, err := meter.ParseSum(n.Value)
	if err != nil {
		return d, fmt.Errorf("attribute %s %w", name, err)
	}
	return d, nil
}

// groupOf takes the shard's name off an aggregate's sort key: a group never holds the separator.
func groupOf(sk string) string {
	group, _, _ := strings.Cut(sk, "#")
	return group
}

// segmentSize and aggregateSize bound an item's size from above, as DynamoDB counts it: names and values.
func segmentSize(ids int) int { return itemOverhead + 2*len("2026-01-01T00:00:00Z") + ids*fingerprint }

func aggregateSize(m *meter.Meter, group string) int {
	size := aggregateBase + len(m.ID()) + len(group) + 128 // set, window, part and shard
	for _, measure := range m.Measures {
		size += 3*(len(measure.Name)+numberBytes) + len(suffixSum+suffixMin+suffixMax)
	}
	return size
}

func sortIDs(ids []cloudevent.Fingerprint) {
	slices.SortFunc(ids, func(a, b cloudevent.Fingerprint) int {
		if head, other := binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(b[:8]); head != other {
			return cmp.Compare(head, other)
		}
		return bytes.Compare(a[8:], b[8:])
	})
}
