package main

import (
	"cmp"
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/handover"
)

// maxExamples of a class are told; there may be millions.
const maxExamples = 3

// example is one user record that failed or is unsettled.
type example struct {
	Shard          string `json:"shard"`
	SequenceNumber string `json:"sequenceNumber"`
	Sub            int    `json:"sub,omitempty"`
	Reason         string `json:"reason"`
}

// class is how many user records failed in one way, or are unsettled, and the first of them.
type class struct {
	Class    string    `json:"class"`
	Count    int64     `json:"count"`
	Examples []example `json:"examples"`
}

func (c *class) add(shard string, r *direct.Result) {
	if c.Count++; len(c.Examples) < maxExamples {
		c.Examples = append(c.Examples, example{shard, r.SequenceNumber, r.Sub, r.Reason})
	}
}

// tally adds up what became of the records. The zero value is empty.
type tally struct {
	records                  int64
	counted, copies, nothing int64 // user records
	failed                   map[string]*class
	unsettled                class
	reached                  map[string]*reach // by shard
}

func (t *tally) add(h *handover.Handed) {
	t.records++
	unsettled := t.unsettled.Count
	for i := range h.Results {
		t.addUser(h.Shard, &h.Results[i])
	}
	if t.reached == nil {
		t.reached = map[string]*reach{}
	}
	if t.reached[h.Shard] == nil {
		t.reached[h.Shard] = &reach{limit: -1}
	}
	t.reached[h.Shard].tell(h.N, h.Record.SequenceNumber, t.unsettled.Count == unsettled)
}

func (t *tally) addUser(shard string, r *direct.Result) {
	switch r.Outcome {
	case direct.Counted:
		t.counted++
	case direct.Copy:
		t.copies++
	case direct.Nothing:
		t.nothing++
	case direct.Failed:
		if t.failed == nil {
			t.failed = map[string]*class{}
		}
		if t.failed[r.Class] == nil {
			t.failed[r.Class] = &class{Class: r.Class}
		}
		t.failed[r.Class].add(shard, r)
	case direct.Unsettled:
		t.unsettled.add(shard, r)
	}
}

// classes are the ways in which user records failed, the most frequent first.
func (t *tally) classes() []class {
	all := []class{}
	for _, c := range t.failed {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b class) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Class, b.Class)) })
	return all
}

func (t *tally) failures() (n int64) {
	for _, c := range t.failed {
		n += c.Count
	}
	return n
}

// last gives the record in each shard up to which nothing need be handed over again.
func (t *tally) last() map[string]string {
	last := map[string]string{}
	for shard, r := range t.reached {
		if r.last != "" {
			last[shard] = r.last
		}
	}
	return last
}

// reach is how far the records of one shard are done with. They are told of out of order, and who goes on has to begin
// before the first one that is not.
type reach struct {
	next  int            // place of the first record that was not told of
	last  string         // sequence number of the one before it
	told  map[int]string // those behind it that were
	limit int            // place of the first that is unsettled, -1: none
}

func (r *reach) tell(n int, number string, settled bool) {
	switch {
	case r.limit >= 0 && n > r.limit:
		return // it will be handed over again anyway
	case !settled:
		r.limit = n
		maps.DeleteFunc(r.told, func(other int, _ string) bool { return other > n })
		return
	case r.told == nil:
		r.told = map[int]string{}
	}
	r.told[n] = number
	for number, ok := r.told[r.next]; ok; number, ok = r.told[r.next] {
		delete(r.told, r.next)
		r.last = number
		r.next++
	}
}
