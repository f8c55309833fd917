package kinesis

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Limits of a put, from PutRecords in the API reference.
const (
	maxEntries   = 500
	maxPutBytes  = 10 << 20 // data and keys
	maxKeyLength = 256      // Unicode characters
)

// putEntry is one record on its way into a shard.
type putEntry struct {
	key      []byte
	data     []byte
	explicit []byte // ExplicitHashKey
	hasKey   bool
	hasData  bool
	hasHash  bool

	hash hash
	next int32 // of a list of entries by index; -1 ends it

	shard   *shard
	failed  bool   // throttled
	place   uint64 // in the shard's log
	arrival int64  // ms
}

func (e *putEntry) size() int { return len(e.key) + len(e.data) }

// single is the number, to check, of the one record of a PutRecord.
const single = -1

// member is what AWS calls a member of the record of a number.
func member(number int, name string) string {
	if number == single {
		return name
	}
	return "records." + strconv.Itoa(number+1) + ".member." + name
}

// check notes what is wrong with the entry of a number, whatever the stream, and finds its hash key.
func (e *putEntry) check(v *violations, number int) error {
	if !e.hasKey {
		v.Null(member(number, "partitionKey"))
	} else {
		e.checkKey(v, number)
	}
	if !e.hasData {
		v.Null(member(number, "data"))
	}
	if !e.hasHash {
		e.hash = hashOf(e.key)
		return nil
	}
	h, shaped, ok := parseHash(e.explicit)
	switch {
	case !shaped:
		v.Mismatch(string(e.explicit), member(number, "explicitHashKey"), hashPattern)
	case !ok:
		return invalid("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was %s", e.explicit)
	}
	e.hash = h
	return nil
}

// fit notes that the entry is larger than its stream allows.
func (e *putEntry) fit(v *violations, number, maxRecord int) {
	switch {
	case len(e.data) > maxRecord:
		v.TooLong("", member(number, "data"), maxRecord)
	case e.size() > maxRecord: // the text is ours; that the key counts is in the API reference, PutRecordsRequestEntry
		v.Add("", member(number, "data"), fmt.Sprintf("Member and partition key together must have length less than or equal to %d", maxRecord))
	}
}

func (e *putEntry) checkKey(v *violations, number int) {
	switch {
	case len(e.key) == 0:
		v.TooShort("''", member(number, "partitionKey"), 1)
	case len(e.key) > maxKeyLength && utf8.RuneCount(e.key) > maxKeyLength:
		v.TooLong(wire.Quoted(string(e.key)), member(number, "partitionKey"), maxKeyLength)
	}
}

// put stores entries, which have their hash keys, in the shards that serve them: each shard is locked once, and entries
// of one shard keep their order. What the limits of a shard refuse is marked as failed.
func (st *stream) put(entries []putEntry) {
	pending := int32(-1) // a list of the entries that are neither stored nor failed
	for i := len(entries) - 1; i >= 0; i-- {
		if !entries[i].failed {
			entries[i].next, pending = pending, int32(i)
		}
	}
	for pending >= 0 {
		pending = st.putList(entries, pending)
	}
}

// putList stores a list of entries. It gives those back, as a list, that met a shard which had just been closed: by the
// time its lock is free its children are in place.
func (st *stream) putList(entries []putEntry, list int32) (pending int32) {
	now := st.shards.Load()
	heads := make([]int32, len(now.all))
	tails := make([]int32, len(now.all))
	for i := range heads {
		heads[i] = -1
	}
	for i, next := list, int32(0); i >= 0; i = next {
		next = entries[i].next
		entries[i].next = -1
		n := now.route(entries[i].hash).number
		if heads[n] < 0 {
			heads[n] = i
		} else {
			entries[tails[n]].next = i
		}
		tails[n] = i
	}
	pending = -1
	for n, head := range heads {
		if head >= 0 && !now.all[n].put(entries, head) {
			entries[tails[n]].next, pending = pending, head
		}
	}
	return pending
}

type putRecordInput struct {
	target
	Data                      *string // base64
	PartitionKey              *string
	ExplicitHashKey           *string
	SequenceNumberForOrdering string
}

type putRecordOutput struct {
	ShardID        string `json:"ShardId"`
	SequenceNumber string
	EncryptionType string `json:",omitzero"`
}

func (s *Service) putRecord(_ context.Context, in *putRecordInput) (*putRecordOutput, error) {
	e, err := in.entry()
	if err != nil {
		return nil, err
	}
	var v violations
	in.check(&v)
	v.number(in.SequenceNumberForOrdering, "sequenceNumberForOrdering")
	wrong := e.check(&v, single)
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, err := s.find(in.target)
	if err != nil {
		return nil, err
	}
	e.fit(&v, single, st.maxRecord)
	if err := cmp.Or(v.Err(), wrong, st.checkOrdering(in.SequenceNumberForOrdering)); err != nil {
		return nil, err
	}
	entries := []putEntry{e}
	st.put(entries)
	e = entries[0]
	if e.failed {
		return nil, wire.Errorf(throttled, "%s", e.shard.exceeded())
	}
	out := &putRecordOutput{ShardID: e.shard.id, SequenceNumber: e.shard.sequence(e.place, e.arrival).String()}
	if kind, _ := st.encryption(); kind != encryptionNone {
		out.EncryptionType = kind
	}
	return out, nil
}

func (in *putRecordInput) entry() (e putEntry, err error) {
	if in.Data != nil {
		e.hasData = true
		if e.data, err = base64.StdEncoding.DecodeString(*in.Data); err != nil {
			return e, wire.Errorf("SerializationException", "Data: %v", err)
		}
	}
	if in.PartitionKey != nil {
		e.key, e.hasKey = []byte(*in.PartitionKey), true
	}
	if in.ExplicitHashKey != nil {
		e.explicit, e.hasHash = []byte(*in.ExplicitHashKey), true
	}
	return e, nil
}

// checkOrdering checks SequenceNumberForOrdering. It asks for a number above the given one: a shard's numbers always
// rise, so nothing else is to be done.
func (st *stream) checkOrdering(number string) error {
	if number == "" {
		return nil
	}
	n, err := parseSequence(number)
	if err != nil || n.seconds() > st.service.nowMillis()/1000 {
		return invalid("ExclusiveMinimumSequenceNumber %s used in PutRecord on stream %s under account %s is invalid.", number, st.name, st.service.account)
	}
	return nil
}

var putRequests = sync.Pool{New: func() any { return newPutRequest() }}

// putRecords does not go through wire.JSON: it is the busiest call.
func (s *Service) putRecords(ctx context.Context, request, out []byte) ([]byte, error) {
	r := putRequests.Get().(*putRequest)
	defer putRequests.Put(r)
	defer r.reset()
	if err := r.decode(request); err != nil {
		return nil, wire.Unreadable(err)
	}
	wrong, err := r.check()
	if err != nil {
		return nil, err
	}
	st, err := s.find(r.target)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(r.fit(st.maxRecord), wrong); err != nil {
		return nil, err
	}
	if fault.Of(ctx) == fault.Partial {
		r.failSome()
	}
	st.put(r.entries)
	return st.appendResults(out, r.entries), nil
}

// check holds a request to what AWS looks at before the stream, and finds the entries' hash keys. What is wrong with one
// of these comes after the sizes.
func (r *putRequest) check() (wrong, err error) {
	var v violations
	r.target.check(&v)
	switch {
	case !r.given:
		v.Null("records")
	case len(r.entries) == 0:
		v.TooShort("'[]'", "records", 1)
	case len(r.entries) > maxEntries:
		v.TooLong("", "records", maxEntries)
	}
	for i := range r.entries {
		wrong = cmp.Or(wrong, r.entries[i].check(&v, i))
	}
	return wrong, v.Err()
}

// fit holds a request to the limits on sizes, of which the stream sets one.
func (r *putRequest) fit(maxRecord int) error {
	var v violations
	size := 0
	for i := range r.entries {
		r.entries[i].fit(&v, i, maxRecord)
		size += r.entries[i].size()
	}
	if err := v.Err(); err != nil {
		return err
	}
	if size > maxPutBytes { // recorded as 5 MB, when that was the limit
		return invalid("Records size exceeds 10 MB limit")
	}
	return nil
}

// failSome acts out a partial failure: about a third of the entries, at least one, fail as if their shard were
// throttled. Which ones follows from what the request holds.
func (r *putRequest) failSome() {
	some := false
	for i := range r.entries {
		e := &r.entries[i]
		sum := crc32.Update(uint32(i), crc32.IEEETable, e.key)
		e.failed = crc32.Update(sum, crc32.IEEETable, e.data)%3 == 0
		some = some || e.failed
	}
	if !some {
		r.entries[0].failed = true
	}
}

// appendResults writes the answer to PutRecords.
func (st *stream) appendResults(out []byte, entries []putEntry) []byte {
	failed := 0
	out = append(out, `{"Records":[`...)
	for i := range entries {
		e := &entries[i]
		if i > 0 {
			out = append(out, ',')
		}
		if e.failed {
			failed++
			out = st.appendFailure(out, e)
			continue
		}
		out = append(out, `{"SequenceNumber":"`...)
		out = e.shard.sequence(e.place, e.arrival).append(out)
		out = append(out, `","ShardId":"`...)
		out = append(out, e.shard.id...)
		out = append(out, `"}`...)
	}
	out = append(out, `],"FailedRecordCount":`...)
	out = strconv.AppendInt(out, int64(failed), 10)
	if kind, _ := st.encryption(); kind != encryptionNone {
		out = append(out, `,"EncryptionType":"`+encryptionKMS+`"`...)
	}
	return append(out, '}')
}

// appendFailure writes the result of a throttled entry; what a fault failed has met no shard yet.
func (st *stream) appendFailure(out []byte, e *putEntry) []byte {
	if e.shard == nil {
		e.shard = st.shards.Load().route(e.hash)
	}
	out = append(out, `{"ErrorCode":"`+throttled+`","ErrorMessage":"`...)
	out = append(out, e.shard.exceeded()...)
	return append(out, `"}`...)
}
