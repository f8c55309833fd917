// Package ledger is the door to DynamoDB: it counts each event exactly once, whatever is retried. docs/delivery.md has
// the argument; plan.go decides, commit.go carries out.
package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

// Reader is what reading takes of *dynamodb.Client.
type Reader interface {
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
}

// DB is what the ledger takes of *dynamodb.Client.
type DB interface {
	Reader
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// DefaultMemory is how many fingerprints are kept in memory when the options do not say: 90 to 150 MB, of the 512 that
// the processor has (docs/delivery.md has the measurements).
const DefaultMemory = 4_000_000

// parallel bounds the reads under way at once.
const parallel = 16

// Options of a ledger.
type Options struct {
	// Layout is written to a table that has none yet.
	Layout Layout
	// Retention is how long an aggregate is kept after its window's end, at least the horizon; 0: for ever.
	Retention time.Duration
	// Memory bounds the fingerprints kept in memory between calls, beside those that the last batch used; 0:
	// DefaultMemory. What has been forgotten is read again when it is needed.
	Memory int
	// AnyOrder lets Commit take the events of one log together, in whatever order they stand. Where their times are
	// scattered that writes a fifth of the segments. But then, when a commit ends half done, what is left is not the end
	// of the batch, and a handler that is given it again sees an event after later ones of its key.
	AnyOrder bool
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Log is told when the table's layout differs from the options; nil: slog.Default().
	Log *slog.Logger
}

// Stats are totals since New.
type Stats struct {
	Transactions int64 // committed
	Segments     int64 // items of the ledger written
	Aggregates   int64 // aggregates written
	LostSegments int64 // transactions cancelled because another writer had appended to a log
	LostItems    int64 // transactions cancelled because another writer had changed an aggregate
	Busy         int64 // writes throttled, in conflict, failed or not answered
	Queries      int64 // pages of logs read
	Gets         int64 // aggregates read
}

// Ledger counts events exactly once in one table. It is safe for concurrent use; calls take turns.
type Ledger struct {
	db    DB
	table string
	opt   Options

	mu       sync.Mutex
	layout   *Layout // nil until it is read
	memories memories
	memory   *memory // of the set at hand
	stats    Stats
}

// New makes a ledger over a table with the keys pk and sk (strings). It does no I/O: the layout is read, or written,
// with the first call.
func New(db DB, table string, opt Options) *Ledger {
	if opt.Memory == 0 {
		opt.Memory = DefaultMemory
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	return &Ledger{db: db, table: table, opt: opt, memories: memories{}}
}

// Stats gives the totals.
func (l *Ledger) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Seen tells of each event whether it was counted before (meter.Copy), lies beyond the horizon (meter.Late), or neither
// (meter.Unsettled). A copy beyond the horizon is still a copy while its log is there. Seen reads what has been appended
// to the events' logs since it last looked: a query for each log, strongly consistent, in parallel. A set that does not
// exist begins here. On an error nothing is known of any.
func (l *Ledger) Seen(ctx context.Context, set string, ids []cloudevent.Identity) ([]meter.Outcome, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(ctx, set); err != nil {
		return nil, err
	}
	l.memories.trim(l.opt.Memory)
	outcomes := make([]meter.Outcome, len(ids))
	logs := make([]*log, len(ids))
	horizon, now := l.horizon(set), l.opt.Now()
	var last *log // mostly the same from event to event
	for i, id := range ids {
		k := l.layout.logOf(id)
		if late(id, horizon, now) {
			outcomes[i] = meter.Late
			if now.Unix() >= l.layout.expiry(k, horizon) {
				continue // its log may be gone
			}
		}
		if last == nil || last.key != k {
			last = l.memory.log(k)
		}
		logs[i] = last
	}
	if err := l.readTails(ctx, distinct(logs)); err != nil {
		return nil, err
	}
	for i, g := range logs {
		if g != nil && g.holds(ids[i].Fingerprint) {
			outcomes[i] = meter.Copy
		}
	}
	return outcomes, nil
}

// distinct gives each log once, in order of first use.
func distinct(logs []*log) []*log {
	var out []*log
	seen := map[*log]bool{}
	var last *log
	for _, g := range logs {
		if g == nil || g == last || seen[g] { // mostly the last one's
			continue
		}
		seen[g], last = true, g
		out = append(out, g)
	}
	return out
}

// horizon of a set: only the live one has any, for a replay builds its own from history.
func (l *Ledger) horizon(set string) time.Duration {
	if set != LiveSet {
		return 0
	}
	return l.layout.Horizon
}

// open makes ready for a set: the layout read, the set's entry (of any but the live one each time, for it may have been
// dropped and begun anew), the memory of that set.
func (l *Ledger) open(ctx context.Context, set string) error {
	if l.layout == nil {
		layout, err := l.openLayout(ctx)
		if err != nil {
			return fmt.Errorf("open ledger in table %s: %w", l.table, err)
		}
		l.layout = &layout
	}
	space := LiveSet
	if set != LiveSet {
		e, err := l.openSet(ctx, set)
		if err != nil {
			return fmt.Errorf("open set %s in table %s: %w", set, l.table, err)
		}
		space = e.space()
	}
	l.memory = l.memories.of(set, space)
	return nil
}

// reopen makes ready for a set that open was called for before, without asking again.
func (l *Ledger) reopen(ctx context.Context, set string) error {
	if m := l.memories[set]; m != nil {
		l.memory = m
		return nil
	}
	return l.open(ctx, set)
}

// openLayout reads the layout item, or writes it if there is none; of two that write at once one wins, and both read
// what it wrote.
func (l *Ledger) openLayout(ctx context.Context) (Layout, error) {
	found, err := readLayoutItem(ctx, l.db, l.table)
	if err != nil {
		return Layout{}, err
	}
	if found == nil {
		if err := l.opt.Layout.valid(); err != nil {
			return Layout{}, fmt.Errorf("settings: %w", err)
		}
		put := &dynamodb.PutItemInput{TableName: &l.table, Item: layoutItem(l.opt.Layout), ConditionExpression: &absent}
		if _, err := l.db.PutItem(ctx, put); err != nil && judge(err).kind != lost {
			return Layout{}, fmt.Errorf("write layout: %w", err)
		}
		if found, err = readLayoutItem(ctx, l.db, l.table); err != nil {
			return Layout{}, err
		}
		if found == nil {
			return Layout{}, fmt.Errorf("layout item is gone right after it was written")
		}
	}
	if *found != l.opt.Layout {
		l.opt.Log.Warn("the table's layout differs from the settings, and rules",
			"table", l.table, "layout", *found, "settings", l.opt.Layout)
	}
	if r := l.opt.Retention; r > 0 && (found.Horizon == 0 || r < found.Horizon) {
		l.opt.Log.Warn("the meters' retention is shorter than the table's horizon: aggregates are kept for ever",
			"retention", r, "horizon", found.Horizon)
		l.opt.Retention = 0
	}
	return *found, nil
}

// readTails brings logs up to date.
func (l *Ledger) readTails(ctx context.Context, logs []*log) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	pages := make([]int64, len(logs))
	for i, lg := range logs {
		g.Go(func() error {
			var err error
			pk := l.layout.logPK(l.memory.space, lg.key)
			pages[i], err = readTail(ctx, l.db, l.table, pk, lg)
			if err != nil {
				return fmt.Errorf("read log %s: %w", pk, err)
			}
			return nil
		})
	}
	err := g.Wait()
	for _, n := range pages {
		l.stats.Queries += n
	}
	return err
}
