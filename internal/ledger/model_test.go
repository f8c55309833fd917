package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

// The model: several writers commit overlapping batches of a few events to one table. Every call to the table waits
// until a script lets it go on, with the fate that the script gives it. In the end each event must stand in the
// aggregates exactly once: event i adds 8^i to a sum, so that the sum's octal digits are how often each was counted.

const modelEvents = 10

// script is where all choices come from: a list of numbers, and 0 when it has run out, with which nothing goes wrong.
type script struct{ numbers []int }

func (s *script) below(n int) int {
	if len(s.numbers) == 0 {
		return 0
	}
	v := s.numbers[0] % n
	s.numbers = s.numbers[1:]
	return v
}

// fate of one call.
type fate int

const (
	goesWell    fate = iota
	isLost           // applied, and the answer is lost
	isDropped        // not applied, and the caller cannot know
	isBusy           // throttled
	isConflict       // cancelled for another transaction in flight
	isCrash          // the writer's process dies before the call
	isCrashLost      // the writer's process dies after the call was applied
	fates
)

// call is one that waits for its fate.
type call struct {
	writer int
	name   string
	fate   chan fate
}

// stage is the table with its script.
type stage struct {
	*store
	mu      sync.Mutex
	waiting []*call
	clock   time.Time
	// what is taken out, to show that it matters
	without string
}

func (s *stage) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

var errDropped = errors.New("connection reset by peer")

// door is the table as one writer sees it. dead is set when the writer's process has died.
type door struct {
	*stage
	writer int
	dead   bool
}

func (d *door) await(ctx context.Context, name string) (fate, error) {
	c := &call{d.writer, name, make(chan fate)}
	d.mu.Lock()
	d.waiting = append(d.waiting, c)
	d.mu.Unlock()
	select {
	case f := <-c.fate:
		return f, nil
	case <-ctx.Done():
		d.mu.Lock()
		defer d.mu.Unlock()
		d.waiting = slices.DeleteFunc(d.waiting, func(o *call) bool { return o == c })
		return isDropped, ctx.Err()
	}
}

// do meets one call's fate.
func (d *door) do(ctx context.Context, name string, apply func() error) error {
	if d.dead {
		return context.Canceled
	}
	f, err := d.await(ctx, name)
	if err != nil {
		return err
	}
	switch f {
	case isLost, isCrashLost:
		_ = apply() // nobody learns what it answered
		d.dead = d.dead || f == isCrashLost
		return errDropped
	case isDropped:
		return errDropped
	case isBusy:
		return apiError{"ThrottlingException", ""}
	case isConflict:
		return apiError{"TransactionConflictException", ""}
	case isCrash:
		d.dead = true
		return context.Canceled
	}
	return apply()
}

func (d *door) PutItem(ctx context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (out *dynamodb.PutItemOutput, err error) {
	err = d.do(ctx, "PutItem "+stringOf(in.Item[attrPK])+stringOf(in.Item[attrSK]), func() error { out, err = d.store.PutItem(ctx, in); return err })
	return out, err
}

func (d *door) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (out *dynamodb.TransactWriteItemsOutput, err error) {
	for i := range in.TransactItems {
		if d.without != "" && strings.HasPrefix(stringOf(in.TransactItems[i].Put.Item[attrPK]), d.without) {
			in.TransactItems[i].Put.ConditionExpression = nil
		}
	}
	err = d.do(ctx, "TransactWriteItems", func() error { out, err = d.store.TransactWriteItems(ctx, in); return err })
	return out, err
}

func (d *door) Query(ctx context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (out *dynamodb.QueryOutput, err error) {
	pk := stringOf(in.ExpressionAttributeValues[":pk"])
	err = d.do(ctx, "Query "+pk, func() error { out, err = d.store.Query(ctx, in); return err })
	if d.without == "re-read" && err == nil && strings.HasPrefix(pk, "ledger#") {
		out = &dynamodb.QueryOutput{}
	}
	return out, err
}

func (d *door) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (out *dynamodb.BatchGetItemOutput, err error) {
	err = d.do(ctx, "BatchGetItem", func() error { out, err = d.store.BatchGetItem(ctx, in); return err })
	if d.without == "re-read of aggregates" && err == nil {
		for table, items := range out.Responses {
			out.Responses[table] = slices.DeleteFunc(slices.Clone(items), func(i item) bool { return stringOf(i[attrPK]) != layoutPK })
		}
	}
	return out, err
}

// modelEvent spreads the events over two epochs, three keys and two groups.
func modelEvent(set *meter.Set, i int) meter.Effect {
	at := modelStart.Add(time.Duration(i%2) * 15 * time.Minute)
	e := cloudevent.Event{ID: fmt.Sprint(i), Source: "model", Type: "t", Subject: fmt.Sprint("key", i%3), Time: at}
	m := set.Meters[0]
	return meter.Effect{ID: e.Identity(), Deltas: []meter.Delta{{
		Meter: m, Start: m.Start(at).Unix(), Group: fmt.Sprint("g", i%2), Values: []meter.Decimal{meter.DecimalOf(1 << (3 * i))},
	}}}
}

var modelStart = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const modelHorizon = 2 * time.Hour

// writer commits its batches one after another, each again and again until all of it is settled, with a new process
// after each crash. It answers with how often it was told that each event was counted.
func (s *stage) writer(set *meter.Set, number int, shard string, batches [][]int, told *[modelEvents]int) error {
	for _, batch := range batches {
		d := &door{stage: s, writer: number}
		l := s.process(d)
		for try := 0; ; try++ {
			if try > 60 {
				return fmt.Errorf("writer %d: batch %v does not settle", number, batch)
			}
			if d.dead {
				d = &door{stage: s, writer: number}
				l = s.process(d)
			}
			if s.handOver(set, l, shard, batch, told) {
				break
			}
		}
	}
	return nil
}

func (s *stage) process(d *door) *Ledger {
	horizon := modelHorizon
	now := s.now
	if s.without == "horizon" { // the clock that judges lateness stands still
		now = func() time.Time { return modelStart }
	}
	return New(d, "table", Options{
		Layout: Layout{Bits: 1, Epoch: 15 * time.Minute, Horizon: horizon}, Now: now, AnyOrder: d.writer == 0, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

// handOver is one invocation: true when all of the batch is settled.
func (s *stage) handOver(set *meter.Set, l *Ledger, shard string, batch []int, told *[modelEvents]int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	effects := make([]meter.Effect, len(batch))
	ids := make([]cloudevent.Identity, len(batch))
	for k, i := range batch {
		effects[k] = modelEvent(set, i)
		ids[k] = effects[k].ID
	}
	outcomes, err := l.Seen(ctx, LiveSet, ids)
	if err != nil {
		return false
	}
	var open []meter.Effect
	var which []int
	for k, o := range outcomes {
		if o == meter.Unsettled {
			open = append(open, effects[k])
			which = append(which, batch[k])
		}
	}
	settled := true
	for k, r := range l.Commit(ctx, LiveSet, shard, open) {
		switch r.Outcome {
		case meter.Counted:
			s.mu.Lock()
			told[which[k]]++
			s.mu.Unlock()
		case meter.Unsettled:
			settled = false
		}
	}
	return settled
}

// play lets the waiting calls go on, one at a time, as the script says, until all writers have finished.
func (s *stage) play(sc *script, running func() bool) {
	for synctest.Wait(); running(); synctest.Wait() {
		s.mu.Lock()
		if len(s.waiting) == 0 { // all are backing off
			s.mu.Unlock()
			<-time.After(50 * time.Millisecond)
			continue
		}
		slices.SortFunc(s.waiting, func(a, b *call) int { return cmp.Or(a.writer-b.writer, strings.Compare(a.name, b.name)) })
		n := sc.below(len(s.waiting))
		c := s.waiting[n]
		s.waiting = slices.Delete(s.waiting, n, n+1)
		s.mu.Unlock()
		f := goesWell
		if sc.below(4) == 1 {
			f = fate(sc.below(int(fates)))
		}
		c.fate <- f
	}
}

// batchesOf draws what one writer is handed: batches that overlap with the others' and repeat events.
func batchesOf(sc *script) [][]int {
	var out [][]int
	for range 1 + sc.below(3) {
		var batch []int
		for range 1 + sc.below(6) {
			batch = append(batch, sc.below(modelEvents))
		}
		out = append(out, batch)
	}
	return out
}

// model plays a script in three acts, between which the clock may jump: by nothing, to where everything is late but
// the ledger must still be there, or to where the ledger has expired.
func model(t *testing.T, numbers []int, without string) (result error) {
	set := metersOf(t, `{"meters":[{"name":"m","type":"t","by":["subject"],"window":"1d","measures":{"bits":"data.bits"}}]}`)
	synctest.Test(t, func(t *testing.T) {
		sc := &script{numbers}
		s := &stage{store: newStore(), clock: modelStart.Add(time.Hour), without: without}
		s.store.now = s.now
		var told, handed [modelEvents]int
		for range 3 {
			result = errors.Join(result, s.act(set, sc, &told, &handed))
			jump := [...]time.Duration{0, 30 * time.Minute, 3 * time.Hour, 48 * time.Hour}[sc.below(4)]
			s.mu.Lock()
			s.clock = s.clock.Add(jump)
			s.mu.Unlock()
		}
		result = errors.Join(result, s.check(set, told, handed))
	})
	return result
}

func (s *stage) act(set *meter.Set, sc *script, told, handed *[modelEvents]int) error {
	const writers = 3
	var wg sync.WaitGroup
	errs := make([]error, writers)
	inTime := s.now().Before(modelStart.Add(modelHorizon))
	for w := range writers {
		shard := fmt.Sprint("shard", w%2) // two of them write for one shard: a zombie, or two lanes
		batches := batchesOf(sc)
		for _, b := range batches {
			for _, i := range b {
				if inTime {
					handed[i]++
				}
			}
		}
		wg.Go(func() { errs[w] = s.writer(set, w, shard, batches, told) })
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	s.play(sc, func() bool {
		select {
		case <-finished:
			return false
		default:
			return true
		}
	})
	return errors.Join(errs...)
}

// check compares the aggregates with what was handed over in time.
func (s *stage) check(set *meter.Set, told, handed [modelEvents]int) error {
	ctx := context.Background()
	r, err := OpenMeters(ctx, s.store, "table", LiveSet)
	if errors.Is(err, ErrEmpty) {
		return nil
	}
	if err != nil {
		return err
	}
	m := set.Meters[0]
	starts, err := r.Windows(ctx, m)
	if err != nil {
		return err
	}
	var total meter.Aggregate
	for _, start := range starts {
		rows, err := r.Window(ctx, m, start)
		if err != nil {
			return err
		}
		for _, row := range rows {
			total.Merge(row.Aggregate)
		}
	}
	var want meter.Aggregate
	for i, n := range handed {
		if n > 0 {
			want.Observe([]meter.Decimal{meter.DecimalOf(1 << (3 * i))})
		}
		if told[i] > 1 {
			return fmt.Errorf("event %d was reported as counted %d times", i, told[i])
		}
	}
	if total.Count != want.Count || total.Count > 0 && total.Stats[0].Sum != want.Stats[0].Sum {
		return fmt.Errorf("%d events are counted, want %d; sums %v and %v", total.Count, want.Count, total.Stats, want.Stats)
	}
	return nil
}

func TestModel_AnyInterleavingWithFaults_CountsEachEventOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		numbers := rapid.SliceOfN(rapid.IntRange(0, 1<<20), 0, 400).Draw(rt, "script")
		if err := model(t, numbers, ""); err != nil {
			rt.Fatal(err)
		}
	})
}

// Each rule of the design, taken out, must be missed.
func TestModel_WithoutOneRule_Fails(t *testing.T) {
	for _, rule := range []struct{ without, is string }{
		{"ledger#", "the fence: segment n+1 only if nobody wrote it"},
		{"meter#", "the condition: an aggregate only if its version is the one seen"},
		{"re-read", "the re-read of a log that was lost"},
		{"re-read of aggregates", "the re-read of an aggregate that was lost"},
		{"horizon", "the horizon"},
	} {
		t.Run(rule.without, func(t *testing.T) {
			for seed := range uint64(300) {
				rng := rand.New(rand.NewPCG(seed, 0))
				numbers := make([]int, 400)
				for i := range numbers {
					numbers[i] = rng.IntN(1 << 20)
				}
				if err := model(t, numbers, rule.without); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Errorf("nothing goes wrong without %s", rule.is)
		})
	}
}
