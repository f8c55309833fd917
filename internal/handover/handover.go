// Package handover hands records to the processor function directly (package direct has the words), for the commands
// that put back what has failed or count history again. It keeps the order of keys, bears what passes, and tells what
// became of each record. The ledger makes it harmless to hand over a record twice.
package handover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/millrace/millrace/internal/direct"
)

const (
	// MaxBatch is the most records that one call carries: the mapping's own batch (docs/delivery.md has measured it).
	MaxBatch = 1000
	// DefaultPatience is long for what passes in the function's surroundings: a throttle, a conflict, a restart.
	DefaultPatience = 10 * time.Second
	// minTries is how often a record must have been unsettled before it is left.
	minTries = 5
	// maxCrashes is how often the function may crash on one record alone before the record has failed.
	maxCrashes = 3
	// stuckAfter is after how many times patience without a record settled the function counts as not working.
	stuckAfter = 6
)

// ClassCrash is the class of a record on which the function crashes, or ends at its time-out, when it has it alone.
// ClassTooLarge is that of one which no call to Lambda can carry. The function itself tells of all others.
const (
	ClassCrash    = "crash"
	ClassTooLarge = "too-large"
)

// ErrStuck says that the function has settled nothing for a long while.
var ErrStuck = errors.New("the processor function settles nothing")

// Options say where records go, and how fast.
type Options struct {
	Function  string  // name or ARN
	Set       string  // that they count in
	StreamARN string  // that they are said to come from
	Rate      float64 // records a second at most, those that are handed over again included; 0 is without bound
	// Patience is for how long a record may stay unsettled, and be handed over again, before it is left; 0 is
	// DefaultPatience.
	Patience time.Duration
}

// Handed tells what became of a record, once and for all as far as this handover goes.
type Handed struct {
	Shard   string
	N       int // its place among the records that were added for its shard, from 0
	Record  direct.Record
	Results []direct.Result // of its user records, in order; none of an aggregate that is empty. Their Record is of no use
}

// Settled tells whether all of its user records need no more care.
func (h *Handed) Settled() bool { return !h.Unsettled() && first(h.Results, direct.Failed) == nil }

// Unsettled tells whether one of its user records is to be handed over another time.
func (h *Handed) Unsettled() bool { return first(h.Results, direct.Unsettled) != nil }

// first finds the first result with an outcome, nil when there is none.
func first(results []direct.Result, o direct.Outcome) *direct.Result {
	for i := range results {
		if results[i].Outcome == o {
			return &results[i]
		}
	}
	return nil
}

// Handover hands records over, one call at a time. Records of one key are handed over in the order in which they were
// added: what is unsettled goes first in the next call, and the function holds back what is behind it. A record that
// stays unsettled is left in the end, and with it, without having been handed over, all later records of its keys, in
// whichever shard: each of them is told as unsettled. What has failed leaves the order, and so does a record on which the
// function crashes, once it has answered the next call: the function works then. It is not safe for concurrent use.
type Handover struct {
	api     InvokeAPI
	options Options
	each    func(Handed)
	limiter *rate.Limiter // nil: no bound
	batch   int           // records of a call at most
	now     int           // records of the next call at most, beside the cleared ones: fewer after a crash
	suspect int           // after one, among how many records the one is that is to blame; 0: none is
	queues  map[string]*queue
	held    held
	stall   stall
}

// queue has a shard's records that were added and not told of, in order.
type queue struct {
	shard   string
	entries []entry
	added   int
}

type entry struct {
	n       int
	record  direct.Record
	results []direct.Result // of the last call
	tries   int             // that left it unsettled, though it was first of its keys
	crashes int             // of the function, when it had it alone
	cleared bool            // the function has answered a call with it since the crash; they stand before the suspects
	passed  bool            // over, until the function has answered a call; those that are stand before all others
	since   time.Time       // the first of those
}

// New makes a handover. each is called by Add and Flush, with every record exactly once unless they give an error. The
// records of one shard may be told in another order than they were added.
func New(api InvokeAPI, o Options, each func(Handed)) *Handover {
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	h := &Handover{api: api, options: o, each: each, batch: MaxBatch, queues: map[string]*queue{}, held: held{}}
	if o.Rate > 0 {
		h.batch = int(max(1, math.Min(MaxBatch, o.Rate))) // a slow one goes on each second
		h.limiter = rate.NewLimiter(rate.Limit(o.Rate), h.batch)
	}
	h.now = h.batch
	return h
}

// Add hands a shard's next records over, in whole batches; a rest waits for more, or for Flush. An error ends the
// handover: the function cannot be called, does not answer as a processor, settles nothing (ErrStuck), or ctx has ended.
// Records that have not been told of are then as they were, or settled without our knowledge.
func (h *Handover) Add(ctx context.Context, shard string, records ...direct.Record) error {
	q := h.queues[shard]
	if q == nil {
		q = &queue{shard: shard}
		h.queues[shard] = q
	}
	for _, r := range records {
		q.entries = append(q.entries, entry{n: q.added, record: r})
		q.added++
	}
	for len(q.entries) >= h.batch {
		if err := h.step(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// Flush hands over what is left of a shard's records, until all of them are told of. Flush a shard before its children
// are added. Errors are as of Add.
func (h *Handover) Flush(ctx context.Context, shard string) error {
	q := h.queues[shard]
	for q != nil && len(q.entries) > 0 {
		if err := h.step(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// step makes one call for the first records of a queue, and waits after one that has brought nothing.
func (h *Handover) step(ctx context.Context, q *queue) error {
	began := time.Now()
	h.leaveHeld(q)
	if n := len(q.entries); n > 0 && q.passed() == n {
		return h.ask(ctx, q)
	}
	call, n := h.pack(q)
	if n == 0 {
		return nil
	}
	innocent := min(q.cleared(), n)
	if h.limiter != nil {
		if err := h.limiter.WaitN(ctx, n); err != nil {
			return fmt.Errorf("keep to the rate: %w", err)
		}
		began = time.Now()
	}
	results, err := h.invoke(ctx, call)
	var crashed *crash
	switch {
	case errors.As(err, &crashed):
		if h.divide(q, n, innocent, crashed) {
			return nil // to find the record that it crashes on
		}
		h.stall.add(time.Since(began), crashed.text)
	case err != nil:
		return err
	default:
		blamed := h.blame(q)
		before := len(q.entries)
		if settled, reason := h.take(q, n, results); settled || blamed {
			h.stall.reset()
		} else {
			h.stall.add(time.Since(began), reason)
		}
		h.cleared(q, n-innocent, n-(before-len(q.entries)))
	}
	return h.rest(ctx)
}

// pack makes a call of the first records of a queue that fit into one, behind those that are passed over, and tells how
// many they are. A record that fits into none has failed.
func (h *Handover) pack(q *queue) (*direct.Call, int) {
	first := q.passed()
	for first < len(q.entries) {
		most := min(h.batch, q.cleared()+h.now)
		if q.entries[first].crashes >= maxCrashes {
			most = 1
		}
		call, n := direct.NewCall(h.options.Set, h.options.StreamARN, q.shard), 0
		for n < most && first+n < len(q.entries) && call.Add(q.entries[first+n].record) {
			n++
		}
		if n > 0 {
			return call, n
		}
		e := &q.entries[first]
		e.results = failed(e.record, ClassTooLarge, fmt.Sprintf("its %d bytes are more than a call to Lambda can carry", len(e.record.Data)))
		h.tell(q, e)
		q.entries = slices.Delete(q.entries, first, first+1)
	}
	return nil, 0
}

func failed(r direct.Record, class, reason string) []direct.Result {
	return []direct.Result{{SequenceNumber: r.SequenceNumber, Outcome: direct.Failed, Class: class, Reason: reason}}
}

func (h *Handover) tell(q *queue, e *entry) {
	h.each(Handed{Shard: q.shard, N: e.n, Record: e.record, Results: e.results})
}

// take gives the results of a call to its records. Those that are settled, have failed, or are left, leave the queue. It
// tells whether there was one that was not merely unsettled, and otherwise why the first one was.
func (h *Handover) take(q *queue, n int, results []direct.Result) (progress bool, reason string) {
	tried := n // of the records; those behind have perhaps not been: the function had no time left
	for i := range q.entries[:n] {
		own := 0
		for own < len(results) && results[own].Record == i {
			own++
		}
		q.entries[i].take(results[:own])
		results = results[own:]
		if q.entries[i].unsettled() == "" {
			progress, tried = true, i
		}
	}
	waiting := held{} // for an earlier one of this call: they have not been tried
	rest := q.entries[:0]
	for i := range q.entries[:n] {
		e := &q.entries[i]
		why := e.unsettled()
		if why == "" {
			h.tell(q, e)
			continue
		}
		if reason == "" {
			reason = why
		}
		if waiting.add(&e.record) && i < tried && e.outlasts(h.options.Patience) {
			h.leave(q, e)
		} else {
			rest = append(rest, *e)
		}
	}
	rest = append(rest, q.entries[n:]...)
	clear(q.entries[len(rest):])
	q.entries = rest
	return progress, reason
}

// outlasts notes one more try that left the record unsettled, and tells whether that was enough.
func (e *entry) outlasts(patience time.Duration) bool {
	if e.tries == 0 {
		e.since = time.Now()
	}
	e.tries++
	return e.tries >= minTries && time.Since(e.since) >= patience
}

// take notes the results of one more try. What an earlier try has counted is a copy in a later one, and stays counted.
func (e *entry) take(results []direct.Result) {
	counted := map[int]bool{}
	for _, r := range e.results {
		counted[r.Sub] = r.Outcome == direct.Counted
	}
	for i := range results {
		if r := &results[i]; r.Outcome == direct.Copy && counted[r.Sub] {
			r.Outcome = direct.Counted
		}
	}
	e.results = results
}

// unsettled gives the reason why a user record is unsettled, "" when none is.
func (e *entry) unsettled() string {
	if r := first(e.results, direct.Unsettled); r != nil {
		return cmp.Or(r.Reason, "no reason is told")
	}
	return ""
}
