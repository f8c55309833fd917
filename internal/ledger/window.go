package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/meter"
)

// list enters what a transaction opens into the indexes by which readers find windows, and Drop what a set has written.
// It comes before the transaction: after a crash an index may name what holds nothing, and never lacks what does. The
// index of partitions comes before the windows, which are in one.
func (c *commit) list(ctx context.Context, tx *transaction) error {
	if c.set != LiveSet {
		if err := listNew(ctx, c, c.memory.partitions, c.partitionsOf(tx), c.partitionItem); err != nil {
			return fmt.Errorf("list partition: %w", err)
		}
	}
	if err := listNew(ctx, c, c.memory.windows, windowsOf(tx), c.windowItem); err != nil {
		return fmt.Errorf("list window: %w", err)
	}
	return nil
}

// listNew puts the index items of the keys that are not known to have theirs.
func listNew[K comparable](ctx context.Context, c *commit, known map[K]bool, keys []K, itemOf func(K) item) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	var opened []K
	for _, k := range keys {
		if known[k] {
			continue
		}
		known[k] = true
		opened = append(opened, k)
		g.Go(func() error {
			put := &dynamodb.PutItemInput{TableName: &c.table, Item: itemOf(k)}
			_, err := c.db.PutItem(ctx, put)
			return err
		})
	}
	err := g.Wait()
	if err != nil {
		for _, k := range opened {
			delete(known, k)
		}
	}
	return err
}

// windowsOf gives the windows in which a transaction writes an aggregate that is not there yet.
func windowsOf(tx *transaction) []windowKey {
	var keys []windowKey
	for _, w := range tx.writes {
		if w.aggregate.version == 0 {
			keys = append(keys, windowKey{w.aggregate.key.meter, w.aggregate.key.start})
		}
	}
	return keys
}

// partitionsOf gives the partition keys of all items that a transaction is the first to write: where there is one of a
// log's or an aggregate's items already, its writer has entered the partition.
func (c *commit) partitionsOf(tx *transaction) []string {
	var keys []string
	for _, s := range tx.segments {
		if s.log.version == 0 {
			keys = append(keys, c.layout.logPK(c.memory.space, s.log.key))
		}
	}
	for _, w := range tx.writes {
		if w.aggregate.version == 0 {
			keys = append(keys, w.aggregate.pk, windowsPK(c.memory.space, w.aggregate.key.meter))
		}
	}
	return keys
}

func (c *commit) partitionItem(pk string) item { return key(partitionsPK(c.memory.space), pk) }

func (c *commit) windowItem(k windowKey) item {
	return expire(key(windowsPK(c.memory.space, k.meter), instant(k.start)), c.aggregateExpiry(k.meter, k.start))
}

// aggregateExpiry is when what is kept of a window may be deleted, Unix seconds; 0 for never: retention after its end,
// and then the grace that its logs have too.
func (c *commit) aggregateExpiry(m *meter.Meter, start int64) int64 {
	if c.opt.Retention == 0 || c.set != LiveSet {
		return 0
	}
	return start + int64((m.Window+c.opt.Retention+grace)/time.Second)
}
