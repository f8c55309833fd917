package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/handover"
)

// handed is a record of shard s that came to these outcomes.
func handed(n int, outcomes ...direct.Outcome) *handover.Handed {
	h := &handover.Handed{Shard: "s", N: n, Record: direct.Record{SequenceNumber: fmt.Sprint(n)}}
	for sub, o := range outcomes {
		r := direct.Result{SequenceNumber: fmt.Sprint(n), Sub: sub, Outcome: o}
		if o == direct.Failed {
			r.Class, r.Reason = "late", "old"
		}
		h.Results = append(h.Results, r)
	}
	return h
}

func TestTally_AddsUserRecordsUp_WithTheFirstOfEachClass(t *testing.T) {
	var all tally
	for n := range 10 {
		all.add(handed(n, direct.Counted, direct.Copy, direct.Failed))
	}
	all.add(handed(10, direct.Unsettled, direct.Nothing))
	all.add(handed(11)) // an empty aggregate
	if all.records != 12 || all.counted != 10 || all.copies != 10 || all.nothing != 1 || all.failures() != 10 || all.unsettled.Count != 1 {
		t.Errorf("%+v", all)
	}
	want := []class{{"late", 10, []example{{"s", "0", 2, "old"}, {"s", "1", 2, "old"}, {"s", "2", 2, "old"}}}}
	if diff := cmp.Diff(want, all.classes()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"s": "9"}, all.last()); diff != "" {
		t.Error(diff)
	}
}

// Whoever goes on behind the last record misses none that was not told of, and none that is unsettled.
func TestReach_AnyOrder_IsBeforeTheFirstThatIsNotDoneWith(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		settled := rapid.SliceOf(rapid.Bool()).Draw(rt, "settled")
		order := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 0)).Perm(len(settled))
		told := map[int]bool{}
		r := &reach{limit: -1}
		for _, n := range order {
			told[n] = settled[n]
			r.tell(n, fmt.Sprint(n), settled[n])
			want := ""
			for k := 0; told[k]; k++ {
				want = fmt.Sprint(k)
			}
			if r.last != want {
				rt.Fatalf("after %d: %q, want %q", n, r.last, want)
			}
			if r.limit >= 0 && len(r.told) > r.limit {
				rt.Fatalf("it remembers %d records of %d", len(r.told), r.limit)
			}
		}
	})
}
