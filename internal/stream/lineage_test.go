package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// history draws the shards of a stream that has been split and merged.
func history(t *rapid.T) (shards []Shard) {
	var open []int
	add := func(parents ...int) {
		s := Shard{ID: fmt.Sprintf("shardId-%012d", len(shards))}
		for _, p := range parents {
			s.Parents = append(s.Parents, shards[p].ID)
			shards[p].Closed = true
		}
		open = append(open, len(shards))
		shards = append(shards, s)
	}
	take := func(i int) (n int) {
		n = open[i]
		open = slices.Delete(open, i, i+1)
		return n
	}
	for range rapid.IntRange(1, 3).Draw(t, "shards") {
		add()
	}
	for range rapid.IntRange(0, 8).Draw(t, "reshards") {
		i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
		if i+1 < len(open) && rapid.Bool().Draw(t, "merge") {
			right := take(i + 1)
			add(take(i), right)
			continue
		}
		parent := take(i)
		add(parent)
		add(parent)
	}
	return shards
}

func TestOrder_AnyHistory_EachOnceAndAfterItsParents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards := rapid.Permutation(history(t)).Draw(t, "listed")
		shards = shards[rapid.IntRange(0, len(shards)-1).Draw(t, "trimmed"):] // any may be missing
		there := map[string]bool{}
		for _, s := range shards {
			there[s.ID] = true
		}
		seen := map[string]bool{}
		for _, s := range orderOf(shards) {
			if seen[s.ID] {
				t.Fatalf("%s twice", s.ID)
			}
			seen[s.ID] = true
			for _, p := range s.Parents {
				if there[p] && !seen[p] {
					t.Fatalf("%s before its parent %s", s.ID, p)
				}
			}
		}
		if len(seen) != len(shards) {
			t.Fatalf("%d of %d shards", len(seen), len(shards))
		}
	})
}

func TestLineage_ChildrenThatAppear_WaitForAllTheirParents(t *testing.T) {
	var l Lineage
	l.Add(Shard{ID: "0"}, Shard{ID: "1"})
	expect := func(want ...string) {
		t.Helper()
		var got []string
		for _, s := range l.Next() {
			got = append(got, s.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	expect("0", "1")
	merged, grandchild := Shard{ID: "2", Parents: []string{"0", "1"}}, Shard{ID: "3", Parents: []string{"2"}}
	l.End("0")
	if !l.AddDescendants(Shard{ID: "9", Parents: []string{"8"}}, grandchild, merged) || l.AddDescendants(merged) {
		t.Error("descendants are taken up once")
	}
	expect()
	l.End("1")
	expect("2")
	expect()
	l.End("2")
	expect("3")
}

func TestChosen_ByPositionAndName(t *testing.T) {
	shards := []Shard{{ID: "0", Closed: true}, {ID: "1"}, {ID: "2", Parents: []string{"0"}}}
	for name, c := range map[string]struct {
		from Position
		only []string
		want string
	}{
		"all":            {TrimHorizon, nil, "012"},
		"of a time":      {AtTime(time.Unix(0, 0)), nil, "012"},
		"open":           {Latest, nil, "12"},
		"named":          {TrimHorizon, []string{"2", "0"}, "02"},
		"named and shut": {Latest, []string{"0"}, "0"},
	} {
		got := ""
		for _, s := range chosen(shards, c.from, c.only) {
			got += s.ID
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// orderOf reads shards one after the other, as they become ready.
func orderOf(shards []Shard) (ordered []Shard) {
	var l Lineage
	l.Add(shards...)
	for ready := l.Next(); len(ready) > 0; ready = l.Next() {
		for _, s := range ready {
			ordered = append(ordered, s)
			l.End(s.ID)
		}
	}
	return ordered
}
