package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

// maxBatchGet is how many items one BatchGetItem may ask for.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
const maxBatchGet = 100

// tailOf asks for the segments of a log behind a version.
var tailOf = "pk = :pk AND sk > :sk"

// readTail reads the segments that were appended since the log's version, and takes them in. It answers with the number
// of pages read. Only what was read strongly consistent is the end of the log; when there is more than a page (a cold
// instance in the middle of an epoch) the pages between are read eventually consistent, for half the price and from
// any replica, and checked to be without a gap.
func readTail(ctx context.Context, db Reader, table, pk string, g *log) (pages int64, err error) {
	for {
		n, more, err := readPages(ctx, db, table, pk, g, true, 1)
		pages += n
		if err != nil || !more {
			return pages, err
		}
		n, _, err = readPages(ctx, db, table, pk, g, false, 0)
		pages += n
		if err != nil && !errors.Is(err, errGap) {
			return pages, err
		}
	}
}

var errGap = errors.New("a segment is missing")

// readPages takes in at most max pages (0: all), and tells how many it read and whether there are more.
func readPages(ctx context.Context, db Reader, table, pk string, g *log, strong bool, max int64) (pages int64, more bool, err error) {
	in := &dynamodb.QueryInput{
		TableName: &table, ConsistentRead: &strong, KeyConditionExpression: &tailOf,
		ExpressionAttributeValues: item{":pk": text(pk), ":sk": text(versionSK(g.version))},
	}
	for max == 0 || pages < max {
		out, err := db.Query(ctx, in)
		if err != nil {
			return pages, false, err
		}
		pages++
		for _, i := range out.Items {
			if err := g.take(i); err != nil {
				return pages, false, err
			}
		}
		if out.LastEvaluatedKey == nil {
			return pages, false, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	return pages, true, nil
}

// take adds the log's next segment.
func (g *log) take(i item) error {
	version, ids, err := readSegment(i)
	if err != nil {
		return err
	}
	if version != g.version+1 {
		return fmt.Errorf("%w: version %d follows %d", errGap, version, g.version)
	}
	for ; len(ids) > 0; ids = ids[fingerprint:] {
		g.ids[cloudevent.Fingerprint(ids[:fingerprint])] = struct{}{}
	}
	g.version = version
	return nil
}

func readAggregates(ctx context.Context, db Reader, table string, as []*aggregate) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for chunk := range slices.Chunk(as, maxBatchGet) {
		g.Go(func() error { return readChunk(ctx, db, table, chunk) })
	}
	return g.Wait()
}

func readChunk(ctx context.Context, db Reader, table string, as []*aggregate) error {
	byKey := make(map[[2]string]*aggregate, len(as))
	keys := make([]item, len(as))
	for i, a := range as {
		byKey[[2]string{a.pk, a.sk}] = a
		keys[i] = key(a.pk, a.sk)
	}
	items, err := getItems(ctx, db, table, keys)
	if err != nil {
		return err
	}
	for _, a := range as {
		a.value, a.version = meter.Aggregate{}, 0
	}
	for _, i := range items {
		pk, err1 := textOf(i, attrPK)
		sk, err2 := textOf(i, attrSK)
		a := byKey[[2]string{pk, sk}]
		if a == nil {
			return errors.Join(fmt.Errorf("got item %q %q, which was not asked for", pk, sk), err1, err2)
		}
		if a.value, a.version, err = readAggregate(i, a.key.meter); err != nil {
			return fmt.Errorf("item %q %q: %w", pk, sk, err)
		}
	}
	for _, a := range as {
		a.known = true
	}
	return nil
}

// getItems reads at most maxBatchGet items, strongly consistent. What DynamoDB leaves unprocessed is asked for again.
func getItems(ctx context.Context, db Reader, table string, keys []item) ([]item, error) {
	var items []item
	asked := types.KeysAndAttributes{Keys: keys, ConsistentRead: consistent}
	for try := 1; ; try++ {
		out, err := db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{table: asked}})
		if err != nil {
			return nil, err
		}
		items = append(items, out.Responses[table]...)
		asked = out.UnprocessedKeys[table]
		if len(asked.Keys) == 0 {
			return items, nil
		}
		if try == maxTries {
			return nil, fmt.Errorf("%d keys are still unprocessed after %d tries", len(asked.Keys), try)
		}
		if err := backoff(ctx, try); err != nil {
			return nil, err
		}
	}
}

func readLayoutItem(ctx context.Context, db Reader, table string) (*Layout, error) {
	items, err := getItems(ctx, db, table, []item{key(layoutPK, layoutSK)})
	if err != nil {
		return nil, fmt.Errorf("read layout: %w", err)
	}
	if len(items) == 0 {
		return nil, nil
	}
	layout, err := readLayout(items[0])
	return &layout, err
}

// Meters reads what the meters of one set hold. It is safe for concurrent use.
type Meters struct {
	db     Reader
	table  string
	space  string // of the set
	layout Layout
}

// ErrEmpty is of a table into which nothing was ever counted.
var ErrEmpty = errors.New("the table has no layout item: nothing was ever counted into it")

// OpenMeters makes ready to read a set of a table. ErrEmpty when nothing was ever counted, ErrNoSet when there is no such
// set, and an error too while the set is being dropped.
func OpenMeters(ctx context.Context, db Reader, table, set string) (*Meters, error) {
	layout, err := readLayoutItem(ctx, db, table)
	if err != nil {
		return nil, err
	}
	if layout == nil {
		return nil, ErrEmpty
	}
	space, err := spaceOf(ctx, db, table, set)
	if err != nil {
		return nil, err
	}
	return &Meters{db, table, space, *layout}, nil
}

// SameSet tells whether both read the same beginning of a set: one that was dropped and begun anew is another.
func (r *Meters) SameSet(other *Meters) bool { return r.space == other.space }

// Row is what one group holds in one window, merged over all shards.
type Row struct {
	Start time.Time
	Group string
	meter.Aggregate
}

// Windows gives the starts of all windows in which the meter may hold something, oldest first.
func (r *Meters) Windows(ctx context.Context, m *meter.Meter) ([]time.Time, error) {
	var starts []time.Time
	err := r.query(ctx, windowsPK(r.space, m), "", func(i item) error {
		sk, err := textOf(i, attrSK)
		if err != nil {
			return err
		}
		start, err := time.Parse(time.RFC3339, sk)
		starts = append(starts, start)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read windows of meter %s: %w", m.Name, err)
	}
	return starts, nil
}

// Window gives all groups of the meter's window that begins at start, ordered by group.
func (r *Meters) Window(ctx context.Context, m *meter.Meter, start time.Time) ([]Row, error) {
	byPart := make([]map[string]*meter.Aggregate, r.layout.parts())
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for part := range byPart {
		g.Go(func() (err error) {
			byPart[part], err = r.groups(ctx, m, r.layout.partPK(r.space, m, start.Unix(), part), "")
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("read meter %s at %s: %w", m.Name, instant(start.Unix()), err)
	}
	var rows []Row
	for _, groups := range byPart {
		for group, a := range groups {
			rows = append(rows, Row{start, group, *a})
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.Group, b.Group) })
	return rows, nil
}

// Group gives one group in one window: a count of 0 when it holds nothing there.
func (r *Meters) Group(ctx context.Context, m *meter.Meter, start time.Time, group string) (Row, error) {
	pk := r.layout.partPK(r.space, m, start.Unix(), r.layout.part(group))
	groups, err := r.groups(ctx, m, pk, group+"#")
	if err != nil {
		return Row{}, fmt.Errorf("read meter %s, group %s: %w", m.Name, group, err)
	}
	row := Row{Start: start, Group: group}
	if a := groups[group]; a != nil {
		row.Aggregate = *a
	}
	return row, nil
}

// groups merges the shards' aggregates in one part.
func (r *Meters) groups(ctx context.Context, m *meter.Meter, pk, prefix string) (map[string]*meter.Aggregate, error) {
	groups := map[string]*meter.Aggregate{}
	err := r.query(ctx, pk, prefix, func(i item) error {
		sk, err := textOf(i, attrSK)
		if err != nil {
			return err
		}
		a, _, err := readAggregate(i, m)
		if err != nil {
			return fmt.Errorf("item %q %q: %w", pk, sk, err)
		}
		group := groupOf(sk)
		if groups[group] == nil {
			groups[group] = new(meter.Aggregate)
		}
		groups[group].Merge(a)
		return nil
	})
	return groups, err
}

var (
	partition  = "pk = :pk"
	prefixOnly = "pk = :pk AND begins_with(sk, :sk)"
)

func (r *Meters) query(ctx context.Context, pk, prefix string, each func(item) error) error {
	in := inPartition(r.table, pk)
	if prefix != "" {
		in.KeyConditionExpression = &prefixOnly
		in.ExpressionAttributeValues[":sk"] = text(prefix)
	}
	return eachItem(ctx, r.db, in, each)
}

// inPartition asks for the items of a partition, strongly consistent.
func inPartition(table, pk string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName: &table, ConsistentRead: consistent,
		KeyConditionExpression: &partition, ExpressionAttributeValues: item{":pk": text(pk)},
	}
}

// eachItem gives all items that a query finds, page by page.
func eachItem(ctx context.Context, db Reader, in *dynamodb.QueryInput, each func(item) error) error {
	for {
		out, err := db.Query(ctx, in)
		if err != nil {
			return err
		}
		for _, i := range out.Items {
			if err := each(i); err != nil {
				return err
			}
		}
		if out.LastEvaluatedKey == nil {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
