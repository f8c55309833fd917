package handover

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/direct"
)

// divide notes a crash of the function on n records. It tells whether the next call should have fewer. On one alone the
// function may crash again, a few times; then it is passed over. It has failed only when the function works: one that
// crashes on everything would have healthy records told as failed, and the reasons that they had before be lost.
func (h *Handover) divide(q *queue, n int, c *crash) (again bool) {
	if n > 1 {
		h.now, h.suspect = n/2, n
		return true
	}
	e := &q.entries[q.passed()]
	if e.crashes++; e.crashes < maxCrashes {
		return false
	}
	e.results = []direct.Result{{SequenceNumber: e.record.SequenceNumber, Outcome: direct.Unsettled, Reason: "the function crashed: " + c.text}}
	e.passed = true
	h.suspect = 0
	if h.stall.calls < maxCrashes { // the function has worked since the last one: it is not broken altogether
		h.now = h.batch
	}
	return false
}

// passed is how many of the first records are passed over.
func (q *queue) passed() int {
	n := slices.IndexFunc(q.entries, func(e entry) bool { return !e.passed })
	if n < 0 {
		return len(q.entries)
	}
	return n
}

// blame notes that the function has answered a call after those that are passed over: it works, and they have failed. It
// tells whether there were any.
func (h *Handover) blame(q *queue) bool {
	n := q.passed()
	for i := range q.entries[:n] {
		e := &q.entries[i]
		e.results = failed(e.record, ClassCrash, e.results[0].Reason)
		h.tell(q, e)
	}
	q.entries = q.entries[n:]
	return n > 0
}

// ask finds out whether the function works when all records are passed over and none is behind them: it hands over one
// without data, which can only be refused, and counts nowhere. If the function crashes on that too, their turn comes
// again; after a while they are left.
func (h *Handover) ask(ctx context.Context, q *queue) error {
	began := time.Now()
	blank := q.entries[0].record
	blank.Data = nil
	call := direct.NewCall(h.options.Set, h.options.StreamARN, q.shard)
	call.Add(blank)
	_, err := h.invoke(ctx, call)
	var crashed *crash
	switch {
	case err == nil:
		h.blame(q)
		h.stall.reset()
	case errors.As(err, &crashed):
		h.stall.add(time.Since(began), crashed.text)
		h.spare(q)
	default:
		return err
	}
	return h.rest(ctx)
}

// spare leaves those of the records that have waited long enough, as they were; the others are handed over again.
func (h *Handover) spare(q *queue) {
	rest := q.entries[:0]
	for i := range q.entries {
		e := &q.entries[i]
		if e.passed = false; e.outlasts(h.options.Patience) {
			h.leave(q, e)
		} else {
			rest = append(rest, *e)
		}
	}
	clear(q.entries[len(rest):])
	q.entries = rest
}

// cleared notes that the function did not crash on a call, by which so many records have left the queue. The record that
// is to blame for an earlier crash is then among the rest of the suspects.
func (h *Handover) cleared(records int) {
	h.suspect = max(0, h.suspect-records)
	h.now = h.batch
	if h.suspect > 0 {
		h.now = max(1, h.suspect/2)
	}
}
