package handover

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/direct"
)

// divide notes a crash of the function on n records, of which the first are cleared. It tells whether the next call should
// be another one. On one alone the function may crash again, a few times; then it is passed over. It has failed only when
// the function works: one that crashes on everything would have healthy records told as failed, and the reasons that they
// had before be lost.
func (h *Handover) divide(q *queue, n, innocent int, c *crash) (again bool) {
	switch suspects := n - innocent; {
	case suspects > 1:
		h.now, h.suspect = suspects/2, suspects
		return true
	case suspects == 1 && innocent > 0 && q.advance(innocent):
		h.now, h.suspect = 1, 1
		return true
	case n > 1: // it waits for one that is cleared, or one that was cleared is to blame
		q.unclear()
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
		if e.passed, e.cleared = false, false; e.outlasts(h.options.Patience) {
			h.leave(q, e)
		} else {
			rest = append(rest, *e)
		}
	}
	clear(q.entries[len(rest):])
	q.entries = rest
}

// cleared is how many of the first records, behind those that are passed over, are not to blame.
func (q *queue) cleared() (n int) {
	for first := q.passed(); first+n < len(q.entries) && q.entries[first+n].cleared; n++ {
	}
	return n
}

func (q *queue) unclear() {
	for i := range q.entries {
		q.entries[i].cleared = false
	}
}

// advance brings a record before the cleared ones that it stands behind, so that it can be handed over alone without
// their having to be settled or left first. That is no matter of order unless it has a key with one of them.
func (q *queue) advance(innocent int) bool {
	entries := q.entries[q.passed():]
	before := held{}
	for i := range entries[:innocent] {
		before.add(&entries[i].record)
	}
	e := entries[innocent]
	if before.holds(&e.record) {
		return false
	}
	copy(entries[1:innocent+1], entries[:innocent])
	entries[0] = e
	return true
}

// cleared notes that the function did not crash on a call, which had so many suspects, and of which so many records stay in
// the queue, as its first. They are not to blame: the one that is stands behind them.
func (h *Handover) cleared(q *queue, suspects, stay int) {
	h.suspect = max(0, h.suspect-suspects)
	if h.now = h.batch; h.suspect == 0 {
		q.unclear()
		return
	}
	h.now = max(1, h.suspect/2)
	for i := range q.entries[:stay] {
		q.entries[i].cleared = true
	}
}
