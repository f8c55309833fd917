package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

func (m *memory) size() (n int) {
	for _, g := range m.logs {
		n += len(g.ids) + 1
	}
	return n
}

func TestTrim_KeepsTheBound_ForgetsTheLeastRecentlyUsedLogs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, all := newMemory(LiveSet), memories{}
		all[LiveSet] = m
		bound := rapid.IntRange(1, 60).Draw(rt, "bound")
		lastUse := map[logKey]int64{}
		for range rapid.IntRange(1, 12).Draw(rt, "batches") {
			before := len(m.logs)
			size := m.size()
			last := 0 // what the batch before has used, which stays
			for _, g := range m.logs {
				if g.used == m.tick {
					last += len(g.ids) + 1
				}
			}
			all.trim(bound)
			if m.size() > max(bound, last) {
				rt.Fatalf("%d fingerprints and logs are kept, at most %d or the last batch's %d", m.size(), bound, last)
			}
			if size <= bound && len(m.logs) != before {
				rt.Fatal("a log was forgotten without need")
			}
			oldest := int64(1 << 62)
			for k := range m.logs {
				oldest = min(oldest, lastUse[k])
			}
			for k, used := range lastUse {
				if m.logs[k] == nil {
					if used > oldest {
						rt.Fatalf("log %v of batch %d was forgotten, one of batch %d was kept", k, used, oldest)
					}
					delete(lastUse, k)
				}
			}
			for range rapid.IntRange(0, 6).Draw(rt, "logs") {
				k := logKey{0, rapid.Int64Range(0, 9).Draw(rt, "log")}
				m.log(k).ids[cloudevent.Fingerprint{byte(rapid.IntRange(0, 20).Draw(rt, "id"))}] = struct{}{}
				lastUse[k] = m.tick
			}
		}
	})
}

func TestTrim_TooManyAggregatesOrWindows_StartsThemAnew(t *testing.T) {
	mt := firstMeter(t)
	m, all := newMemory(LiveSet), memories{}
	all[LiveSet] = m
	m.aggregates[shardA] = map[aggregateKey]*aggregate{}
	for n := range int64(maxAggregates) {
		m.aggregates[shardA][aggregateKey{start: n}] = nil
		m.windows[windowKey{mt, n}] = true
	}
	all.trim(1)
	if len(m.aggregates[shardA]) != maxAggregates || len(m.windows) != maxWindows {
		t.Errorf("%d aggregates and %d windows are kept: they were within the bound", len(m.aggregates[shardA]), len(m.windows))
	}
	m.aggregates[shardB] = map[aggregateKey]*aggregate{{}: nil}
	m.windows[windowKey{mt, -1}] = true
	all.trim(1)
	if len(m.aggregates) != 0 || len(m.windows) != 0 {
		t.Errorf("aggregates of %d shards and %d windows are kept", len(m.aggregates), len(m.windows))
	}
}

// scattered gives n events, each in an epoch of its own.
func scattered(m *meter.Meter, n int) []meter.Effect {
	var es []meter.Effect
	for i := range n {
		es = append(es, effect(m, i, noon.Add(time.Duration(i)*time.Hour), fewGroups(i)))
	}
	return es
}

func TestMemory_ForgottenLogs_AreReadAgainAndStillDedupe(t *testing.T) {
	m, s := firstMeter(t), newStore()
	l := ledgerAt(s, func(o *Options) { o.Memory = 10 })
	es := scattered(m, 40)
	for i := range es {
		wantOutcomes(t, mustHand(t, l, es[i:i+1]), "C")
		if n := l.memory.size(); n > 12 { // what the batch adds is trimmed before the next
			t.Fatalf("%d fingerprints and logs are in memory", n)
		}
	}
	queries := l.Stats().Queries
	wantOutcomes(t, mustHand(t, l, es), strings.Repeat("=", 40)) // more than memory may keep
	if n := l.Stats().Queries - queries; n != 40 {
		t.Errorf("%d queries for 40 logs", n)
	}
	wantOnce(t, s, m, upTo(40)...)
}

func TestMemory_OfAggregatesForgotten_IsReadAgain(t *testing.T) {
	m, s := firstMeter(t), newStore()
	l := ledgerAt(s)
	mustHand(t, l, effects(m, 0, 10, fewGroups))
	clear(l.memory.aggregates)
	clear(l.memory.windows)
	wantOutcomes(t, mustHand(t, l, effects(m, 10, 20, fewGroups)), strings.Repeat("C", 10))
	wantOnce(t, s, m, upTo(20)...)
	if st := l.Stats(); st.LostItems != 0 || st.Gets != 10 {
		t.Errorf("%+v", st)
	}
}

// An instance that serves the stream and a replay by turns reads neither's logs anew.
func TestMemory_TwoSetsByTurns_KeepsBothAndTheBoundOfBoth(t *testing.T) {
	m, s := firstMeter(t), newStore()
	l := ledgerAt(s, func(o *Options) { o.Memory = 20 })
	es := effects(m, 0, 4, ownGroup)
	for turn, want := range []string{"CCCC", "====", "===="} {
		for _, set := range []string{LiveSet, "rebuilt"} {
			before := l.Stats()
			rs, err := hand(t.Context(), l, set, shardA, es)
			if err != nil {
				t.Fatal(err)
			}
			wantOutcomes(t, rs, want)
			if after := l.Stats(); turn > 0 && (after.Gets != before.Gets || after.LostSegments != 0) {
				t.Errorf("turn %d, set %s: %+v", turn, set, after)
			}
		}
	}
	if n := l.memories["rebuilt"].size() + l.memories[LiveSet].size(); n > 20 || l.memories[LiveSet].size() == 0 {
		t.Errorf("%d fingerprints and logs are kept", n)
	}
	for n := range 6 { // more than the bound of both
		mustHand(t, l, scattered(m, 20)[n:n+10])
	}
	if l.memories["rebuilt"].size() != 0 {
		t.Error("the logs that were not used for longest are kept")
	}
}

func TestMemory_ManySets_AreNotAllKept(t *testing.T) {
	m, s := firstMeter(t), newStore()
	l := ledgerAt(s)
	wantOutcomes(t, mustHand(t, l, effects(m, 0, 1, oneGroup)), "C")
	for n := range 3 * maxMemories {
		if _, err := hand(t.Context(), l, fmt.Sprint("set-", n), shardA, effects(m, 0, 1, oneGroup)); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.memories) > maxMemories || l.memories[LiveSet] == nil {
		t.Errorf("%d sets are remembered", len(l.memories))
	}
}

func TestSets_DoNotSeeEachOther(t *testing.T) {
	m, s := firstMeter(t), newStore()
	for _, set := range []string{LiveSet, "rebuilt", "live2"} {
		rs, err := hand(t.Context(), ledgerAt(s), set, shardA, effects(m, 0, 3, oneGroup))
		if err != nil {
			t.Fatal(err)
		}
		wantOutcomes(t, rs, "CCC")
		if total := totalOf(t, s, set, m); total.Count != 3 {
			t.Errorf("set %s holds %d", set, total.Count)
		}
	}
}

func TestSets_OtherThanLive_HaveNoHorizonAndKeepForEver(t *testing.T) {
	m, s := firstMeter(t), newStore()
	s.now = func() time.Time { return noon }
	horizon := func(o *Options) { o.Layout.Horizon, o.Retention = time.Hour, time.Hour }
	old := []meter.Effect{effect(m, 0, noon.AddDate(-10, 0, 0), "g")}
	for _, want := range []string{"C", "="} {
		rs, err := hand(t.Context(), ledgerAt(s, horizon), "rebuilt", shardA, old)
		if err != nil {
			t.Fatal(err)
		}
		wantOutcomes(t, rs, want)
	}
	wantOutcomes(t, mustHand(t, ledgerAt(s, horizon), old), "L")
	for pk, p := range s.partitions {
		for sk, i := range p.items {
			if _, expires := i[attrExpires]; expires {
				t.Errorf("item %s %s expires", pk, sk)
			}
		}
	}
}

func TestMemory_TwoShardsInOneInstance_WriteAggregatesOfTheirOwn(t *testing.T) {
	m, s := firstMeter(t), newStore()
	l := ledgerAt(s)
	for n := range 6 {
		shard := []string{shardA, shardB}[n%2]
		if _, err := hand(t.Context(), l, LiveSet, shard, effects(m, n, n+1, oneGroup)); err != nil {
			t.Fatal(err)
		}
	}
	if keys := s.keysWith("meter#"); len(keys) != 2 {
		t.Errorf("aggregates: %v", keys)
	}
	if st := l.Stats(); st.LostItems+st.LostSegments != 0 {
		t.Errorf("%+v", st)
	}
	wantOnce(t, s, m, upTo(6)...)
}

// Calls take turns, also those for different sets.
func TestLedger_ConcurrentCalls_CountOnce(t *testing.T) {
	m, s := firstMeter(t), newStore()
	l := ledgerAt(s, func(o *Options) { o.Memory = 5 })
	errs := make(chan error)
	for w := range 8 {
		go func() {
			set := []string{LiveSet, "rebuilt"}[w%2]
			rs, err := hand(t.Context(), l, set, shardA, effects(m, 0, 20, fewGroups))
			if err == nil && strings.Trim(outcomes(rs), "C=") != "" {
				err = fmt.Errorf("outcomes %s: %w", outcomes(rs), reasons(rs))
			}
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	wantOnce(t, s, m, upTo(20)...)
	if total := totalOf(t, s, "rebuilt", m); total.Count != 20 {
		t.Errorf("the other set holds %d", total.Count)
	}
}
