package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/meter"
)

// listWindows enters the windows that a transaction opens into the index by which readers find them. It comes before
// the transaction: after a crash the index may name a window that holds nothing, and never lacks one that does.
func (c *commit) listWindows(ctx context.Context, tx *transaction) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	var opened []windowKey
	for _, w := range tx.writes {
		k := windowKey{w.aggregate.key.meter, w.aggregate.key.start}
		if w.aggregate.version > 0 || c.memory.windows[k] {
			continue
		}
		c.memory.windows[k] = true
		opened = append(opened, k)
		g.Go(func() error {
			put := &dynamodb.PutItemInput{TableName: &c.table, Item: c.windowItem(k)}
			_, err := c.db.PutItem(ctx, put)
			return err
		})
	}
	err := g.Wait()
	if err != nil {
		for _, k := range opened {
			delete(c.memory.windows, k)
		}
		return fmt.Errorf("list window: %w", err)
	}
	return nil
}

func (c *commit) windowItem(k windowKey) item {
	return expire(key(windowsPK(c.set, k.meter), instant(k.start)), c.aggregateExpiry(k.meter, k.start))
}

// aggregateExpiry is when what is kept of a window may be deleted, Unix seconds; 0 for never: retention after its end,
// and then the grace that its logs have too.
func (c *commit) aggregateExpiry(m *meter.Meter, start int64) int64 {
	if c.opt.Retention == 0 || c.set != LiveSet {
		return 0
	}
	return start + int64((m.Window+c.opt.Retention+grace)/time.Second)
}
