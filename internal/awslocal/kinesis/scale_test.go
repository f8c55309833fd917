package kinesis

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawRanges cuts the hash space at random, often at its very edges.
func drawRanges(t *rapid.T) []keyRange {
	word := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, ^uint64(0), ^uint64(0) - 1}))
	var starts []hash
	for range rapid.IntRange(0, 12).Draw(t, "cuts") {
		h := hash{word.Draw(t, "hi"), word.Draw(t, "lo")}
		if h != (hash{}) && !slices.Contains(starts, h) {
			starts = append(starts, h)
		}
	}
	slices.SortFunc(starts, func(a, b hash) int {
		if a.less(b) {
			return -1
		}
		return 1
	})
	ranges := []keyRange{{hi: maxHash}}
	for _, h := range starts {
		last := &ranges[len(ranges)-1]
		last.hi = h.previous()
		ranges = append(ranges, keyRange{h, maxHash})
	}
	return ranges
}

// play carries steps out, and checks that each may be.
func play(t *rapid.T, ranges []keyRange, steps []step) []keyRange {
	t.Helper()
	merging := false
	for _, s := range steps {
		was := ranges[s.at : s.at+s.shards]
		switch {
		case s.shards == 1 && len(s.into) == 2:
			if merging || s.into[0].lo != was[0].lo || s.into[1].hi != was[0].hi || s.into[0].hi.next() != s.into[1].lo {
				t.Fatalf("split of %v into %v, after a merge: %t", was, s.into, merging)
			}
			if s.into[1].lo == was[0].lo.next() || !s.into[1].lo.less(was[0].hi) {
				t.Fatalf("SplitShard would refuse to cut %v at %v", was[0], s.into[1].lo)
			}
		case s.shards == 2 && len(s.into) == 1:
			merging = true
			if s.into[0] != (keyRange{was[0].lo, was[1].hi}) {
				t.Fatalf("merge of %v into %v", was, s.into)
			}
		default:
			t.Fatalf("step %+v", s)
		}
		ranges = slices.Replace(slices.Clone(ranges), s.at, s.at+s.shards, s.into...)
	}
	return ranges
}

func near(a, b hash) bool { return a.minus(b).less(nearEnough) || b.minus(a).less(nearEnough) }

func TestUniform_AnyRanges_BecomeEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		open := drawRanges(t)
		for range 3 { // the second time from what came out of the first
			target := rapid.IntRange(1, 40).Draw(t, "target")
			got := play(t, open, uniform(open, target))
			if len(got) != target {
				t.Fatalf("%d ranges, want %d", len(got), target)
			}
			for i, want := range evenRanges(target) {
				if !near(got[i].lo, want.lo) || !near(got[i].hi, want.hi) {
					t.Fatalf("range %d of %d is %v, want %v", i, target, got[i], want)
				}
			}
			open = got
		}
	})
}

func TestUniform_DoublingAndHalving_SplitsAndMergesEachShardOnce(t *testing.T) {
	for n := 1; n <= 100; n++ {
		if got := len(uniform(evenRanges(n), 2*n)); got != n {
			t.Errorf("%d to %d shards: %d steps", n, 2*n, got)
		}
		if got := len(uniform(evenRanges(2*n), n)); got != n {
			t.Errorf("%d to %d shards: %d steps", 2*n, n, got)
		}
		if got := len(uniform(evenRanges(n), n)); got != 0 {
			t.Errorf("%d shards as they are: %d steps", n, got)
		}
	}
}

func TestMiddle_HalvesRanges(t *testing.T) {
	if got := (keyRange{hi: maxHash}).middle(); got != (hash{1 << 63, 0}) {
		t.Errorf("middle of all keys is %v", got)
	}
	if got := (keyRange{hash{lo: 10}, hash{lo: 19}}).middle(); got != (hash{lo: 15}) {
		t.Errorf("middle of 10 to 19 is %v", got)
	}
}
