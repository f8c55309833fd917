package ledger

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/processor"
)

// One batch, sabotaged at each call that it makes, to the table or to the failure queue, in turn: whatever goes wrong,
// and wherever, after the next hand-overs each event counts once and the bad record is in the queue.

const sabotaged = 12 // events of the batch

// sabotageBatch has events over two epochs, a record that is no event, and a second record of the first event.
func sabotageBatch() processor.Batch {
	b := processor.Batch{Shard: shardA}
	add := func(data []byte) {
		n := len(b.Records)
		b.Records = append(b.Records, processor.Record{SequenceNumber: fmt.Sprint(100 + n), PartitionKey: fmt.Sprint("k", n%3), Data: data})
	}
	event := func(n int) []byte {
		at := noon.Add(time.Duration(n%2) * 20 * time.Minute)
		return fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","source":"test","type":"t","subject":"g%d","time":%q,"data":{"v":%d}}`,
			n, n%3, at.Format(time.RFC3339), 1<<n)
	}
	for n := range sabotaged {
		if n == 5 {
			add([]byte("no event"))
		}
		add(event(n))
	}
	add(event(0))
	return b
}

// saboteur strikes at one call.
type saboteur struct {
	mu    sync.Mutex
	at, n int
	fate  hook
	dead  bool // the process
	die   context.CancelFunc
}

func (s *saboteur) pass(ctx context.Context, _ int, apply func() error) error {
	s.mu.Lock()
	s.n++
	strikes, dead := s.n == s.at, s.dead
	s.mu.Unlock()
	switch {
	case dead:
		return context.Canceled
	case strikes:
		return s.fate(ctx, 1, apply)
	}
	return apply()
}

func (s *saboteur) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
	s.die()
}

// failures is the failure queue.
type failures struct {
	pass  hook
	taken map[string]string // class by sequence number
}

func (q *failures) Send(ctx context.Context, fs []processor.Failure) error {
	return q.pass(ctx, 1, func() error {
		for _, f := range fs {
			q.taken[f.SequenceNumber] = string(f.Class)
		}
		return nil
	})
}

// sabotage is one table with its processes.
type sabotage struct {
	*clocked
	set   *meter.Set
	queue map[string]string
}

// instance makes a process whose calls all go through pass.
func (s *sabotage) instance(pass hook) *processor.Processor {
	g := newGate(s.store)
	g.onAll(pass)
	l := ledgerAt(g, func(o *Options) { o.Layout, o.Now = oneDay, s.store.now })
	return processor.New(s.set, l, &failures{pass, s.queue}, processor.Settings{})
}

func undisturbed(_ context.Context, _ int, apply func() error) error { return apply() }

// run hands the batch over until it is settled, to the same process as long as it lives. false: there was no such call.
func (s *sabotage) run(t *testing.T, at int, fate func(*saboteur) hook, between func()) bool {
	spy := &saboteur{at: at}
	spy.fate = fate(spy)
	p := s.instance(spy.pass)
	for b, try := sabotageBatch(), 0; len(b.Records) > 0; try++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		spy.die = cancel
		got := p.Process(ctx, b)
		cancel()
		if spy.dead { // nobody has heard its answer
			p, spy.dead = s.instance(undisturbed), false
			between()
			continue
		}
		if b.Records = b.Records[got.Unsettled:]; try > 5 {
			t.Fatalf("call %d: does not settle: %+v", at, got)
		}
	}
	return spy.n >= at
}

// fates of one call, as the table in docs/delivery.md names them.
var sabotageFates = map[string]func(*sabotage) func(*saboteur) hook{
	"crash before the call": func(*sabotage) func(*saboteur) hook {
		return func(spy *saboteur) hook {
			return func(context.Context, int, func() error) error { spy.kill(); return context.Canceled }
		}
	},
	"crash after the call": func(*sabotage) func(*saboteur) hook {
		return func(spy *saboteur) hook {
			return func(_ context.Context, _ int, apply func() error) error {
				_ = apply()
				spy.kill()
				return context.Canceled
			}
		}
	},
	"time-out before it is applied": always(timesOut),
	"time-out after it was applied": always(func(ctx context.Context, _ int, apply func() error) error {
		_ = apply()
		<-ctx.Done()
		return ctx.Err()
	}),
	"throttle":                      always(throttled),
	"not applied, and nobody knows": always(droppedBefore),
	"applied, and nobody knows":     always(answerLost),
	"concurrent writer": func(s *sabotage) func(*saboteur) hook {
		return func(*saboteur) hook {
			return func(ctx context.Context, _ int, apply func() error) error {
				s.instance(undisturbed).Process(ctx, sabotageBatch()) // a zombie with the very same batch
				return apply()
			}
		}
	},
}

func always(h hook) func(*sabotage) func(*saboteur) hook {
	return func(*sabotage) func(*saboteur) hook { return func(*saboteur) hook { return h } }
}

// eachCall runs a fate at the first call of a batch, the second, and so on to the last.
func eachCall(t *testing.T, fate func(*sabotage) func(*saboteur) hook, between func(*sabotage), check func(t *testing.T, s *sabotage)) {
	t.Helper()
	calls := 0
	for at, more := 1, true; more; at++ {
		synctest.Test(t, func(t *testing.T) {
			s := &sabotage{newClocked(noon.Add(time.Hour)), metersOf(t, oneMeter), map[string]string{}}
			more = s.run(t, at, fate(s), func() { between(s) })
			check(t, s)
		})
		if t.Failed() {
			t.Fatalf("at call %d", at)
		}
		calls = at
	}
	if calls < 9 { // layout twice and its write, two logs, aggregates, index, transaction, queue
		t.Errorf("only %d calls were sabotaged", calls-1)
	}
}

func TestBatch_SabotagedAtEachCall_EachEventCountsOnceAndTheBadOneIsInTheQueue(t *testing.T) {
	for name, fate := range sabotageFates {
		t.Run(name, func(t *testing.T) {
			eachCall(t, fate, func(*sabotage) {}, func(t *testing.T, s *sabotage) {
				wantOnce(t, s.store, s.set.Meters[0], upTo(sabotaged)...)
				if len(s.queue) != 1 || s.queue["105"] != "undecodable" {
					t.Errorf("in the queue: %v", s.queue)
				}
			})
		})
	}
}

// The process dies, and when the batch comes again its events are late. Each was counted before and is then a copy, or
// is in the queue; none is both, none is neither.
func TestBatch_CrashAndThenLate_EachEventIsCountedOrInTheQueue(t *testing.T) {
	for _, name := range []string{"crash before the call", "crash after the call"} {
		t.Run(name, func(t *testing.T) {
			both := map[int64]bool{}
			eachCall(t, sabotageFates[name], func(s *sabotage) { s.at = noon.Add(oneDay.Horizon + 30*time.Minute) }, func(t *testing.T, s *sabotage) {
				total := totalOf(t, s.store, LiveSet, s.set.Meters[0])
				late := 0
				for _, class := range s.queue {
					if class == "late" {
						late++
					}
				}
				both[total.Count] = true
				want := sabotaged - int(total.Count)
				if total.Count == 0 {
					want++ // the second record of the first event is late as well
				}
				if total.Count != 0 && total.Count != sabotaged || late != want {
					t.Errorf("%d are counted, %d are late", total.Count, late)
				}
			})
			if !both[0] || !both[sabotaged] {
				t.Errorf("counts met: %v", both)
			}
		})
	}
}

// All was done, and the answer was lost: the whole batch comes again, to the same instance and to a new one.
func TestBatch_AnswerLost_SecondHandOverIsAllCopies(t *testing.T) {
	s := &sabotage{newClocked(noon.Add(time.Hour)), metersOf(t, oneMeter), map[string]string{}}
	p := s.instance(undisturbed)
	for n, p := range []*processor.Processor{p, p, s.instance(undisturbed)} {
		got := p.Process(t.Context(), sabotageBatch())
		if got.Counted != []int{sabotaged, 0, 0}[n] || got.Copies != []int{1, sabotaged + 1, sabotaged + 1}[n] || got.Err != nil {
			t.Errorf("hand-over %d: %+v", n+1, got)
		}
	}
	wantOnce(t, s.store, s.set.Meters[0], upTo(sabotaged)...)
}
