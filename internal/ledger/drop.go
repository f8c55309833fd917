package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"
)

// Dropper is what dropping takes of *dynamodb.Client.
type Dropper interface {
	Reader
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
}

// errDropLive is of who would drop the live set: nothing could build it again but the archive, and its marks are what
// keeps the stream from counting twice.
var errDropLive = errors.New("the live set cannot be dropped")

// Drop deletes everything of a set: its meters, its marks, and at last its name, which may then be used again. It
// refuses LiveSet. progress (may be nil) is told of so many items more that are deleted, never by two calls at once.
// From its first moment nobody can count into the set or read it any more. A drop that was cut short, by ctx or by a
// kill, has to be run again, and goes on where it was; one of a set that does not exist is ErrNoSet. What an invocation
// that is under way when the drop begins still writes is never read by anybody, but may stay: end replays first.
func Drop(ctx context.Context, db Dropper, table, set string, progress func(items int)) error {
	if set == LiveSet {
		return errDropLive
	}
	e, err := findEntry(ctx, db, table, set)
	if err != nil {
		return err
	}
	d := dropping{db: db, table: table, progress: progress}
	if err := d.run(ctx, *e); err != nil {
		return fmt.Errorf("drop set %s of table %s: %w", set, table, err)
	}
	return nil
}

var keysOnly = "pk, sk"

// So many partitions are deleted at once, and so many items of each.
const (
	dropPartitions = 16
	dropItems      = 4
)

// dropping is one call of Drop.
type dropping struct {
	db       Dropper
	table    string
	mu       sync.Mutex // of progress
	progress func(int)
}

// run goes by the index of the set's partitions. A partition is entered before anything is written to it and leaves the
// index when all of it is deleted, the entry leaves when the index is empty: so at any moment what is there can be found.
func (d *dropping) run(ctx context.Context, e entry) error {
	ofThis, id := "id = :id", item{":id": text(e.id)}
	e.dropping = true
	mark := &dynamodb.PutItemInput{TableName: &d.table, Item: e.item(), ConditionExpression: &ofThis, ExpressionAttributeValues: id}
	if _, err := d.db.PutItem(ctx, mark); err != nil {
		return fmt.Errorf("mark its entry: %w", err)
	}
	if err := d.partitions(ctx, partitionsPK(e.space())); err != nil {
		return err
	}
	last := &dynamodb.DeleteItemInput{TableName: &d.table, Key: key(setsPK, e.name), ConditionExpression: &ofThis, ExpressionAttributeValues: id}
	if _, err := d.db.DeleteItem(ctx, last); err != nil && judge(err).kind != lost { // lost: to another drop
		return fmt.Errorf("delete its entry: %w", err)
	}
	return nil
}

// partitions deletes each partition that an index names, and then its place in the index.
func (d *dropping) partitions(ctx context.Context, index string) error {
	_, err := d.each(ctx, index, dropPartitions, func(ctx context.Context, i item) error {
		pk, err := textOf(i, attrSK)
		if err != nil {
			return err
		}
		n, err := d.each(ctx, pk, dropItems, d.delete)
		if err != nil {
			return fmt.Errorf("delete partition %s: %w", pk, err)
		}
		d.tell(n)
		return d.delete(ctx, i)
	})
	return err
}

// each does something with each item of a partition, so many at once, and answers with how many there are.
func (d *dropping) each(ctx context.Context, pk string, atOnce int, do func(context.Context, item) error) (n int, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	in := inPartition(d.table, pk)
	in.ProjectionExpression = &keysOnly // marks are large, and nobody needs them
	err = eachItem(ctx, d.db, in, func(i item) error {
		n++
		g.Go(func() error { return do(ctx, i) })
		return nil
	})
	if failed := g.Wait(); failed != nil {
		return n, failed // and not that reading was then cancelled
	}
	return n, err
}

func (d *dropping) tell(items int) {
	if d.progress == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.progress(items)
}

func (d *dropping) delete(ctx context.Context, i item) error {
	k := item{attrPK: i[attrPK], attrSK: i[attrSK]}
	_, err := d.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &d.table, Key: k})
	return err
}
