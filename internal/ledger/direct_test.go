package ledger

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/processor"
)

// Direct calls of the engine: what they are told must be so, whatever goes wrong and wherever.

const again = "march-again" // a set beside the live one

func directBatch(set string) processor.Batch {
	b := sabotageBatch()
	b.Direct, b.Set = true, set
	return b
}

// eventOf is the event in a record of the sabotaged batch; none in the bad one.
func eventOf(record int) (event int, ok bool) {
	switch {
	case record < 5:
		return record, true
	case record == 5:
		return 0, false
	case record <= sabotaged:
		return record - 1, true
	}
	return 0, true
}

// told are the outcomes of one batch in call after call.
type told struct {
	set     string
	counted [sabotaged]int // of each event
}

// check holds the answer of one call against the table, and tells whether anything is unsettled.
func (o *told) check(t *testing.T, s *sabotage, results []direct.Result) (unsettled bool) {
	t.Helper()
	total := totalOf(t, s.store, o.set, s.set.Meters[0])
	in := func(event int) bool {
		if total.Count == 0 {
			return false
		}
		return whole(t, total.Stats[0].Sum.String())>>event&1 == 1
	}
	if len(results) != len(sabotageBatch().Records) {
		t.Fatalf("%d results", len(results))
	}
	for i, r := range results {
		event, ok := eventOf(i)
		switch {
		case r.Record != i || r.SequenceNumber != fmt.Sprint(100+i):
			t.Errorf("result %d is %+v", i, r)
		case !ok:
			if r.Outcome != direct.Failed || r.Class != "undecodable" || r.Reason == "" {
				t.Errorf("of the bad record: %+v", r)
			}
		case r.Outcome == direct.Unsettled:
			unsettled = true
			if r.Reason == "" {
				t.Errorf("no reason: %+v", r)
			}
		case r.Outcome != direct.Counted && r.Outcome != direct.Copy:
			t.Errorf("of event %d: %+v", event, r)
		case !in(event):
			t.Errorf("event %d is told to be %s, and is not in the table", event, r.Outcome)
		case r.Outcome == direct.Counted:
			o.counted[event]++
		}
	}
	return unsettled
}

func whole(t *testing.T, sum string) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(sum, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// call hands the batch over by direct calls until nothing is unsettled. false: there was no such call to the table.
func (s *sabotage) call(t *testing.T, o *told, at int, fate func(*saboteur) hook) bool {
	spy := &saboteur{at: at}
	spy.fate = fate(spy)
	p := s.instance(spy.pass)
	for try := 0; ; try++ {
		if try > 5 {
			t.Fatalf("call %d: does not settle", at)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		spy.die = cancel
		got := p.Process(ctx, directBatch(o.set))
		cancel()
		if spy.dead {
			p, spy.dead = s.instance(undisturbed), false
			continue
		}
		if !o.check(t, s, got.Results) {
			return spy.n >= at
		}
	}
}

func TestDirect_SabotagedAtEachCall_OutcomesTellTheTruthAndTheNextCallGivesCopies(t *testing.T) {
	for _, set := range []string{LiveSet, again} {
		for name, fate := range sabotageFates {
			t.Run(set+" "+name, func(t *testing.T) {
				calls := 0
				for at, more := 1, true; more && !t.Failed(); at++ {
					synctest.Test(t, func(t *testing.T) {
						s := &sabotage{newClocked(noon.Add(time.Hour)), metersOf(t, oneMeter), map[string]string{}}
						o := &told{set: set}
						more = s.call(t, o, at, fate(s))
						s.wantAllCopies(t, o, name == "concurrent writer")
					})
					calls = at
				}
				if calls < 8 { // as eachCall has them, but for the queue
					t.Errorf("only %d calls were sabotaged", calls-1)
				}
			})
		}
	}
}

// wantAllCopies demands that each event stands in the set once, that nobody was told twice that it was counted, that
// another call finds copies, and that the failure queue has only what another writer has put there.
func (s *sabotage) wantAllCopies(t *testing.T, o *told, other bool) {
	t.Helper()
	m := s.set.Meters[0]
	for event, n := range o.counted {
		if n > 1 {
			t.Errorf("event %d was told to be counted %d times", event, n)
		}
	}
	got := s.instance(undisturbed).Process(t.Context(), directBatch(o.set))
	if got.Copies != sabotaged+1 || got.Failed[processor.Undecodable] != 1 || got.Err != nil {
		t.Errorf("another call: %+v", got)
	}
	if total := totalOf(t, s.store, o.set, m); total.Count != sabotaged || whole(t, total.Stats[0].Sum.String()) != 1<<sabotaged-1 {
		t.Errorf("set %s holds %d events, %v", o.set, total.Count, total.Stats)
	}
	if len(s.queue) > 0 && !other {
		t.Errorf("in the queue: %v", s.queue)
	}
	if total := totalOf(t, s.store, LiveSet, m); o.set != LiveSet && total.Count != 0 && !other {
		t.Errorf("the live set holds %d events", total.Count)
	}
}

// The mapping hands a batch over while an operator does the same, again and again, over the SDK's client.
func TestWire_LiveAndDirectOnTheSameEvents_CountOnce(t *testing.T) {
	set := metersOf(t, oneMeter)
	dial, faults := localTable(t, nil,
		dynamoDB(opTransact, fault.DropAfter, 1, 1), dynamoDB(opTransact, fault.Partial, 1, 2), dynamoDB(opTransact, fault.Throttle, 1, 1),
		dynamoDB(opQuery, fault.Throttle, 1, 1), dynamoDB(opQuery, fault.DropAfter, 1, 1), dynamoDB(opPut, fault.DropAfter, 1, 1),
	)
	db := dial(retrying(1))
	var mu sync.Mutex
	counted := map[int]int{}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			p := processor.New(set, ledgerAt(db), &failures{undisturbed, map[string]string{}}, processor.Settings{})
			b := sabotageBatch()
			b.Direct = w%2 == 1
			for range 20 {
				got := p.Process(t.Context(), b)
				mu.Lock()
				for _, r := range got.Results {
					if event, ok := eventOf(r.Record); ok && r.Outcome == direct.Counted {
						counted[event]++
					}
				}
				mu.Unlock()
				if got.Err == nil {
					return
				}
			}
			t.Error("a batch does not settle")
		})
	}
	wg.Wait()
	faults.Clear()
	wantOnce(t, db, set.Meters[0], upTo(sabotaged)...)
	for event, n := range counted {
		if n > 1 {
			t.Errorf("event %d was told to be counted %d times", event, n)
		}
	}
}

// What a replay does to a set of its own changes no item of the live one.
func TestDirect_SetOfItsOwn_DoesNotTouchTheLiveOne(t *testing.T) {
	s := &sabotage{newClocked(noon.Add(time.Hour)), metersOf(t, oneMeter), map[string]string{}}
	p := s.instance(undisturbed)
	live := sabotageBatch()
	live.Records = live.Records[:3]
	if got := p.Process(t.Context(), live); got.Counted != 3 {
		t.Fatalf("%+v", got)
	}
	before := s.snapshot()
	if got := p.Process(t.Context(), directBatch(again)); got.Counted != sabotaged {
		t.Fatalf("%+v", got)
	}
	after := s.snapshot()
	for k, i := range before {
		if fmt.Sprint(after[k]) != fmt.Sprint(i) {
			t.Errorf("%s was %v and is %v", k, i, after[k])
		}
	}
	ours := []string{}
	for k := range after {
		if before[k] == nil {
			ours = append(ours, k)
		}
	}
	if slices.ContainsFunc(ours, func(k string) bool { return !isOf(k, again) }) {
		t.Errorf("new items: %v", ours)
	}
	if got := p.Process(t.Context(), sabotageBatch()); got.Counted != sabotaged-3 || got.Copies != 4 {
		t.Errorf("the stream goes on: %+v", got)
	}
}
