package ledger

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/meter"
)

const twoMeters = `{"meters":[
	{"name":"m","type":"t","by":["subject"],"window":"1h","measures":{"v":"data.v"}},
	{"name":"gone","type":"t","window":"15m"}]}`

// threeSets fills the live set and two others with events of several epochs, windows and groups, the set again with a
// meter that is not declared any more.
func threeSets(t testing.TB, db DB) (m *meter.Meter, old []meter.Effect) {
	t.Helper()
	set := metersOf(t, twoMeters)
	m = set.Meters[0]
	es := scattered(m, 6)
	for _, e := range es {
		gone := set.Meters[1]
		e.Deltas = append(slices.Clone(e.Deltas), meter.Delta{Meter: gone, Start: gone.Start(e.ID.Time).Unix(), Group: gone.Groups(nil)[0]})
		old = append(old, e)
	}
	l := ledgerAt(db)
	fill(t, l, LiveSet, es, "CCCCCC")
	fill(t, l, "april", es, "CCCCCC")
	fill(t, l, again, old, "CCCCCC")
	return m, old
}

// wantDropped demands that nothing of a set is left, and all of the others.
func wantDropped(t testing.TB, s *store, before map[string]item, set string) {
	t.Helper()
	after := s.snapshot()
	for k := range before {
		if is := after[k] != nil; is == isOf(k, set) {
			t.Errorf("item %s is there: %t", k, is)
		}
	}
}

func TestDrop_Set_LeavesNothingOfItAndAllOfTheOthers(t *testing.T) {
	s := newStore()
	_, old := threeSets(t, s)
	before := s.snapshot()
	deleted := 0
	if err := Drop(t.Context(), s, "table", again, func(n int) { deleted += n }); err != nil {
		t.Fatal(err)
	}
	wantDropped(t, s, before, again)
	of := 0
	for k := range before {
		if isOf(k, again) && !strings.HasPrefix(k, setsPK) && !strings.HasPrefix(k, "set#") {
			of++
		}
	}
	if deleted != of || of < 6+6+6+6 { // logs, aggregates of two meters, windows
		t.Errorf("%d items were told, of %d", deleted, of)
	}
	fill(t, ledgerAt(s), again, old, "CCCCCC")
}

func TestDrop_Live_IsRefused(t *testing.T) {
	s := newStore()
	threeSets(t, s)
	before := s.snapshot()
	if err := Drop(t.Context(), s, "table", LiveSet, nil); !errors.Is(err, errDropLive) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(len(before), len(s.snapshot())); diff != "" {
		t.Error(diff)
	}
}

// A drop is killed at each of its calls, before and after: until it is run to its end nobody reads or fills the set, and
// then nothing of it is left.
func TestDrop_KilledAtEachCall_GoesOnWhenItIsRunAgain(t *testing.T) {
	for _, after := range []bool{false, true} {
		calls := 0
		for at, more := 1, true; more; at++ {
			s := newStore()
			m, old := threeSets(t, s)
			before := s.snapshot()
			more = killDrop(t, s, at, after)
			wantWholeOrUnreadable(t, s, m, old)
			if err := Drop(t.Context(), s, "table", again, nil); err != nil && !errors.Is(err, ErrNoSet) {
				t.Fatal(err)
			}
			wantDropped(t, s, before, again)
			calls = at
			if t.Failed() {
				t.Fatalf("at call %d, after it: %t", at, after)
			}
		}
		if calls < 50 {
			t.Errorf("only %d calls were met", calls)
		}
	}
}

// killDrop runs a drop whose process dies at one of its calls. false: it has not so many.
func killDrop(t *testing.T, s *store, at int, after bool) bool {
	ctx, die := context.WithCancel(t.Context())
	defer die()
	g := newGate(s)
	var mu sync.Mutex
	n := 0
	g.onAll(func(ctx context.Context, _ int, apply func() error) error {
		mu.Lock()
		defer mu.Unlock() // one call after the other, none after the last
		n++
		switch {
		case ctx.Err() != nil || n > at:
			return context.Canceled
		case n < at:
			return apply()
		}
		die()
		if after {
			_ = apply()
		}
		return context.Canceled
	})
	err := Drop(ctx, g, "table", again, nil)
	return err != nil
}

func wantWholeOrUnreadable(t *testing.T, s *store, m *meter.Meter, old []meter.Effect) {
	t.Helper()
	_, err := OpenMeters(t.Context(), s, "table", again)
	switch {
	case errors.Is(err, ErrNoSet):
	case errors.Is(err, errDropping):
		if _, err := hand(t.Context(), ledgerAt(s), again, shardA, old); !errors.Is(err, errDropping) {
			t.Errorf("counting into it: %v", err)
		}
	case err != nil:
		t.Error(err)
	default:
		if total := totalOf(t, s, again, m); total.Count != 6 {
			t.Errorf("a reader finds %d of 6", total.Count)
		}
	}
}

// An instance that has been warm since before a drop must not take what it remembers for what is there.
func TestDrop_ThenBegunAnew_WarmInstanceForgetsWhatItKnew(t *testing.T) {
	m, s := firstMeter(t), newStore()
	warm, es := ledgerAt(s), effects(m, 0, 4, fewGroups)
	fill(t, warm, again, es, "CCCC")
	for range 2 {
		if err := Drop(t.Context(), s, "table", again, nil); err != nil {
			t.Fatal(err)
		}
		fill(t, warm, again, es[:2], "CC")
		fill(t, ledgerAt(s), again, es, "==CC")
		if total := totalOf(t, s, again, m); total.Count != 4 {
			t.Errorf("%d are counted", total.Count)
		}
	}
}

// An invocation is under way while its set is dropped, and begun anew by another: what it writes then is of the old
// beginning, and the new one is as if it had not been.
func TestDrop_WhileAnInvocationIsUnderWay_TheSetBegunAnewIsNotTouched(t *testing.T) {
	m, s := firstMeter(t), newStore()
	es := effects(m, 0, 4, fewGroups)
	fill(t, ledgerAt(s), again, es[:1], "C")
	g := newGate(s)
	g.on[opTransact] = first(func() {
		if err := Drop(t.Context(), s, "table", again, nil); err != nil {
			t.Error(err)
		}
		fill(t, ledgerAt(s), again, es[2:], "CC")
	})
	fill(t, ledgerAt(g), again, es, "=CCC")
	if total := totalOf(t, s, again, m); total.Count != 2 {
		t.Errorf("%d are counted in the new set", total.Count)
	}
	fill(t, ledgerAt(s), again, es, "CC==")
	if total := totalOf(t, s, again, m); total.Count != 4 || total.Stats[0].Sum != meter.DecimalOf(15) {
		t.Errorf("%d are counted, %v", total.Count, total.Stats)
	}
}

// A log, an aggregate and a window are in the index before they are there, and so whatever crashes is found.
func TestDrop_AfterACrashOfTheWriterAtAnyCall_FindsAllItWrote(t *testing.T) {
	calls := 0
	for at, more := 1, true; more; at++ {
		synctest.Test(t, func(t *testing.T) {
			s, m := newStore(), firstMeter(t)
			fill(t, ledgerAt(s), LiveSet, scattered(m, 3), "CCC")
			before := s.snapshot()
			more = crashAfter(t, s, at, scattered(m, 3))
			if err := Drop(t.Context(), s, "table", again, nil); err != nil && !errors.Is(err, ErrNoSet) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(s.snapshot()))); diff != "" {
				t.Fatalf("after a crash at call %d: %s", at, diff)
			}
		})
		calls = at
	}
	if calls < 15 {
		t.Errorf("only %d calls were met", calls)
	}
}

// crashAfter runs a writer whose process dies when so many calls were applied. false: it makes no more.
func crashAfter(t *testing.T, s *store, calls int, es []meter.Effect) bool {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	g := newGate(s)
	var mu sync.Mutex
	n := 0
	g.onAll(func(_ context.Context, _ int, apply func() error) error {
		mu.Lock()
		defer mu.Unlock()
		if n++; n > calls {
			return context.Canceled
		}
		return apply()
	})
	_, _ = hand(ctx, ledgerAt(g), again, shardA, es)
	return n > calls
}

func TestWire_Drop_OverManyPagesAndFaults_LeavesNothing(t *testing.T) {
	dial, _ := localTable(t, nil,
		dynamoDB(opQuery, fault.Partial, 0.5, 0), dynamoDB(opDelete, fault.Throttle, 1, 3), dynamoDB(opDelete, fault.DropAfter, 1, 3),
	)
	db := dial(retrying(1))
	m, old := threeSets(t, db)
	for try := 0; ; try++ {
		err := Drop(t.Context(), db, "table", again, nil)
		if err == nil {
			break
		}
		if try == 10 {
			t.Fatal(err)
		}
	}
	if names, err := Sets(t.Context(), db, "table"); err != nil || strings.Join(names, " ") != "april live" {
		t.Errorf("sets %v, %v", names, err)
	}
	for _, set := range []string{LiveSet, "april"} {
		if total := totalOf(t, db, set, m); total.Count != 6 {
			t.Errorf("set %s holds %d", set, total.Count)
		}
	}
	fill(t, ledgerAt(db), again, old, "CCCCCC")
}

// Any sequence of batches by warm and cold instances, of drops, and of drops that are killed: the set holds what was
// handed over since it began, each event once, or it is being dropped; and in the end a drop leaves nothing.
func TestDrop_AnySequenceOfBatchesAndDrops_SetHoldsWhatCameSinceItBegan(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, s := firstMeter(t), newStore()
		fill(t, ledgerAt(s), LiveSet, effects(m, 0, 8, fewGroups), "CCCCCCCC")
		before := s.snapshot()
		warm := []*Ledger{ledgerAt(s), ledgerAt(s), ledgerAt(s, func(o *Options) { o.Memory = 1 })}
		held := map[int]bool{}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if rapid.IntRange(0, 2).Draw(rt, "drop") == 0 {
				if e := dropPart(t, s, rapid.IntRange(0, 60).Draw(rt, "calls")); e == nil {
					clear(held)
				}
				continue
			}
			l := ledgerAt(s)
			if i := rapid.IntRange(0, 3).Draw(rt, "instance"); i < len(warm) {
				l = warm[i]
			}
			handInto(t, rt, s, l, m, rapid.SliceOfNDistinct(rapid.IntRange(0, 7), 1, 6, rapid.ID[int]).Draw(rt, "events"), held)
		}
		if err := Drop(t.Context(), s, "table", again, nil); err != nil && !errors.Is(err, ErrNoSet) {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(s.snapshot()))); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// dropPart runs a drop that is killed after so many calls, if it has more, and gives what is left of the set's entry.
func dropPart(t testing.TB, s *store, calls int) *entry {
	t.Helper()
	g := newGate(s)
	var mu sync.Mutex
	g.onAll(func(_ context.Context, _ int, apply func() error) error {
		mu.Lock()
		defer mu.Unlock()
		if calls--; calls < 0 {
			return context.Canceled
		}
		return apply()
	})
	_ = Drop(t.Context(), g, "table", again, nil)
	e, err := readEntry(t.Context(), s, "table", again)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// handInto hands events over and holds the outcomes against those that the set holds.
func handInto(t testing.TB, rt *rapid.T, s *store, l *Ledger, m *meter.Meter, events []int, held map[int]bool) {
	ctx := context.Background()
	e, err := readEntry(ctx, s, "table", again)
	if err != nil {
		rt.Fatal(err)
	}
	var es []meter.Effect
	want := ""
	for _, n := range events {
		es = append(es, effect(m, n, noon.Add(time.Duration(n)*10*time.Minute), fewGroups(n)))
		want += map[bool]string{true: "=", false: "C"}[held[n]]
	}
	rs, err := hand(ctx, l, again, shardA, es)
	if e != nil && e.dropping {
		if !errors.Is(err, errDropping) {
			rt.Fatalf("a set that is being dropped is counted into: %v", err)
		}
		return
	}
	if err != nil || outcomes(rs) != want {
		rt.Fatalf("outcomes %s, want %s; %v", outcomes(rs), want, err)
	}
	var sum meter.Aggregate
	for _, n := range events {
		held[n] = true
	}
	for n := range held {
		sum.Observe([]meter.Decimal{power(n)})
	}
	if total := totalOf(t, s, again, m); total.Count != sum.Count || total.Stats[0].Sum != sum.Stats[0].Sum {
		rt.Fatalf("the set holds %d, want %d", total.Count, sum.Count)
	}
}
