package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/meter"
)

// snapshot is all of a table, by "pk sk".
func (s *store) snapshot() map[string]item {
	out := map[string]item{}
	for pk, p := range s.partitions {
		for sk, i := range p.items {
			out[pk+" "+sk] = maps.Clone(i)
		}
	}
	return out
}

// isOf tells whether an item's key is one of a set other than the live one.
func isOf(k, set string) bool {
	return k == setsPK+" "+set || strings.Contains(k, "#"+set+".")
}

// fill counts so many events in a set.
func fill(t testing.TB, l *Ledger, set string, es []meter.Effect, want string) {
	t.Helper()
	rs, err := hand(t.Context(), l, set, shardA, es)
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, rs, want)
}

func TestCheckSet_Names(t *testing.T) {
	for name, good := range map[string]bool{
		LiveSet: true, "a": true, "0": true, "2026-11": true, "a-": true, strings.Repeat("x", 32): true,
		"": false, "-a": false, "A": false, "a#b": false, "a.b": false, "a b": false, "ä": false, strings.Repeat("x", 33): false,
	} {
		if err := CheckSet(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		} else if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("%q is not named: %v", name, err)
		}
	}
}

func TestSets_AreListedFromTheirFirstEventToTheirDrop(t *testing.T) {
	m, s := firstMeter(t), newStore()
	want := func(names ...string) {
		t.Helper()
		got, err := Sets(t.Context(), s, "table")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(names, got); diff != "" {
			t.Error(diff)
		}
	}
	want()
	l := ledgerAt(s)
	fill(t, l, LiveSet, effects(m, 0, 2, oneGroup), "CC")
	want(LiveSet)
	for _, set := range []string{"zebra", "april"} {
		fill(t, l, set, effects(m, 0, 2, oneGroup), "CC")
	}
	want("april", LiveSet, "zebra")
	if err := Drop(t.Context(), s, "table", "april", nil); err != nil {
		t.Fatal(err)
	}
	want(LiveSet, "zebra")
}

func TestSet_ThatDoesNotExist_IsAnErrorThatNamesThoseThatDo(t *testing.T) {
	m, s := firstMeter(t), newStore()
	const none = "set april in table table: there is no such set: it has "
	if err := Drop(t.Context(), s, "table", "april", nil); !errors.Is(err, ErrNoSet) || err.Error() != none+"none" {
		t.Errorf("error %v", err)
	}
	fill(t, ledgerAt(s), again, effects(m, 0, 1, oneGroup), "C")
	if _, err := OpenMeters(t.Context(), s, "table", "april"); !errors.Is(err, ErrNoSet) || err.Error() != none+"live, "+again {
		t.Errorf("error %v", err)
	}
	if err := Drop(t.Context(), s, "table", "april", nil); !errors.Is(err, ErrNoSet) || err.Error() != none+"live, "+again {
		t.Errorf("error %v", err)
	}
	if _, err := OpenMeters(t.Context(), s, "table", "No Name"); err == nil || !strings.Contains(err.Error(), `set "No Name": want`) {
		t.Errorf("error %v", err)
	}
}

func TestSet_NameThatIsNone_IsNotCountedInto(t *testing.T) {
	m, s := firstMeter(t), newStore()
	if _, err := hand(t.Context(), ledgerAt(s), "a#b", shardA, effects(m, 0, 1, oneGroup)); err == nil || !strings.Contains(err.Error(), `"a#b"`) {
		t.Errorf("error %v", err)
	}
	if keys := s.keysWith("sets"); len(keys) != 0 {
		t.Errorf("%v", keys)
	}
}

func TestSet_TwoInstancesBeginIt_AgreeOnOneBeginning(t *testing.T) {
	m, s := firstMeter(t), newStore()
	fill(t, ledgerAt(s), LiveSet, nil, "")
	g := newGate(s)
	var mu sync.Mutex
	put := false
	g.on[opPut] = func(_ context.Context, _ int, apply func() error) error {
		mu.Lock()
		was := put
		put = true
		mu.Unlock()
		if !was {
			fill(t, ledgerAt(s), again, effects(m, 0, 2, oneGroup), "CC") // another one is there first
		}
		return apply()
	}
	fill(t, ledgerAt(g), again, effects(m, 0, 3, oneGroup), "==C")
	if total := totalOf(t, s, again, m); total.Count != 3 {
		t.Errorf("%d are counted", total.Count)
	}
}
