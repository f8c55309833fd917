package ledger

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/meter"
)

// clocked is a table and its writers under one clock. Items are deleted the moment they expire, the earliest that
// DynamoDB may.
type clocked struct {
	*store
	at time.Time
}

func newClocked(at time.Time) *clocked {
	c := &clocked{store: newStore(), at: at}
	c.store.now = func() time.Time { return c.at }
	return c
}

func (c *clocked) ledger(layout Layout) *Ledger {
	return ledgerAt(c.store, func(o *Options) { o.Layout, o.Now = layout, c.store.now })
}

const aDay = 24 * time.Hour

var oneDay = Layout{Bits: 1, Epoch: 15 * time.Minute, Horizon: aDay}

func TestLate_BeyondTheHorizon_IsNeverCounted(t *testing.T) {
	m := firstMeter(t)
	for _, c := range []struct {
		age  time.Duration
		want string
	}{
		{-aDay, "C"}, {0, "C"}, {aDay - 1, "C"}, {aDay, "C"}, {aDay + 1, "L"}, {2 * aDay, "L"}, {1000 * aDay, "L"},
	} {
		s := newClocked(noon)
		es := []meter.Effect{effect(m, 0, noon.Add(-c.age), "g")}
		wantOutcomes(t, mustHand(t, s.ledger(oneDay), es), c.want)
		wantOutcomes(t, s.ledger(oneDay).Commit(t.Context(), LiveSet, shardA, es), strings.Replace(c.want, "C", "=", 1))
		if total := totalOf(t, s, LiveSet, m); total.Count != int64(strings.Count(c.want, "C")) {
			t.Errorf("age %s: %d counted", c.age, total.Count)
		}
	}
}

func TestLate_CopyBeyondTheHorizon_IsACopyWhileItsLogIsThere(t *testing.T) {
	m := firstMeter(t)
	event := []meter.Effect{effect(m, 0, noon.Add(7*time.Minute), "g")}
	epoch := noon
	s := newClocked(noon.Add(time.Hour))
	warm := s.ledger(oneDay)
	wantOutcomes(t, mustHand(t, warm, event), "C")
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{noon.Add(7*time.Minute + aDay), "="},
		{noon.Add(8*time.Minute + aDay), "="},
		{epoch.Add(15*time.Minute + 2*aDay - 1), "="},
		{epoch.Add(15*time.Minute + 2*aDay), "L"},
		{noon.Add(100 * aDay), "L"},
	} {
		s.at = c.at
		wantOutcomes(t, mustHand(t, warm, event), c.want)
		wantOutcomes(t, mustHand(t, s.ledger(oneDay), event), c.want)
	}
	wantOnce(t, newStoreWithoutTTL(s), m, 0)
}

// newStoreWithoutTTL shows what a store held before it expired.
func newStoreWithoutTTL(c *clocked) *store {
	return &store{partitions: c.partitions, now: func() time.Time { return time.Unix(0, 0) }}
}

func TestLate_BetweenSeenAndCommit_IsRefusedByCommit(t *testing.T) {
	m := firstMeter(t)
	s := newClocked(noon)
	l := s.ledger(oneDay)
	es := []meter.Effect{effect(m, 0, noon.Add(-aDay), "g"), effect(m, 1, noon, "g")}
	seen, err := l.Seen(t.Context(), LiveSet, idsOf(es))
	if err != nil || seen[0] != meter.Unsettled {
		t.Fatalf("%v, %v", seen, err)
	}
	s.at = noon.Add(time.Second)
	wantOutcomes(t, l.Commit(t.Context(), LiveSet, shardA, es), "LC")
	wantOnce(t, s, m, 1)
}

// A log of which some segments were deleted and others not yet is never read: DynamoDB deletes in no order.
func TestLate_LogHalfDeleted_IsNotRead(t *testing.T) {
	m := firstMeter(t)
	s := newClocked(noon)
	es := effects(m, 0, 3, oneGroup)
	for i := range es {
		mustHand(t, s.ledger(oneDay), es[i:i+1])
	}
	s.at = noon.Add(15*time.Minute + 2*aDay)
	rest := newStoreWithoutTTL(s)
	remove(rest, oneDay.logPK(LiveSet, oneDay.logOf(es[0].ID)), 1)
	l := ledgerAt(rest, func(o *Options) { o.Layout, o.Now = oneDay, s.store.now })
	wantOutcomes(t, mustHand(t, l, es), "LLL")
}

// Whatever the times, the horizon and the epoch: an event is counted at most once; it is counted if and only if its
// first hand-over is within the horizon; within it a copy is never taken for new, and beyond it never counted.
func TestLate_AnyTimesHorizonsAndEpochs_NeverForgottenWithinNeverCountedBeyond(t *testing.T) {
	m := firstMeter(t)
	seconds := func(rt *rapid.T, name string, most int) time.Duration {
		return time.Duration(rapid.IntRange(1, most).Draw(rt, name)) * time.Second
	}
	rapid.Check(t, func(rt *rapid.T) {
		layout := Layout{
			Bits: rapid.IntRange(0, 3).Draw(rt, "bits"), Epoch: seconds(rt, "epoch", 100_000), Horizon: seconds(rt, "horizon", 1_000_000),
		}
		s := newClocked(noon)
		warm := s.ledger(layout)
		event := []meter.Effect{effect(m, 0, noon.Add(-time.Duration(rapid.Int64Range(-1e14, 2e15).Draw(rt, "age"))), "g")}
		counted := false
		for range rapid.IntRange(1, 8).Draw(rt, "hand-overs") {
			l := warm
			if rapid.Bool().Draw(rt, "cold") {
				l = s.ledger(layout)
			}
			within := !s.at.After(event[0].ID.Time.Add(layout.Horizon))
			there := s.at.Unix() < layout.expiry(layout.logOf(event[0].ID), layout.Horizon)
			want := "L"
			switch {
			case counted && (within || there):
				want = "="
			case within:
				want, counted = "C", true
			}
			rs, err := hand(t.Context(), l, LiveSet, shardA, event)
			if err != nil || outcomes(rs) != want {
				rt.Fatalf("at %s: %s, want %s; %v", s.at, outcomes(rs), want, err)
			}
			s.at = s.at.Add(time.Duration(rapid.Int64Range(0, 5e14).Draw(rt, "passes")))
		}
		total := totalOf(t, newStoreWithoutTTL(s), LiveSet, m)
		if total.Count > 1 || counted != (total.Count == 1) {
			rt.Fatalf("counted %d times", total.Count)
		}
	})
}
