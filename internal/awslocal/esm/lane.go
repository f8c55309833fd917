package esm

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// lane is one of a shard's ParallelizationFactor sequences of batches: a key is always in the same lane, and a lane has
// one batch under way.
type lane struct {
	shard *shard
	wake  chan struct{} // of capacity 1: something that closeBatch looks at has changed
	queue []Record      // read and not settled, oldest first; under shard.mu

	// The rest belongs to the lane's goroutine.
	opened time.Time // when the current batching window began
	flush  bool      // the last batch was cut by its size: what is there goes at once
	event  []byte
}

// enqueue adds to the lane's queue; it is called with shard.mu held. A queue that is empty becomes the part itself:
// nothing is copied.
func (l *lane) enqueue(part []Record) {
	if len(l.queue) == 0 {
		l.queue = part
		return
	}
	l.queue = append(l.queue, part...)
}

// run invokes the lane's records batch by batch until the shard has ended and all is settled, or polling ends. The
// reader fills the queue while an invocation runs.
func (l *lane) run(ctx, polling context.Context) {
	l.opened = time.Now()
	for {
		records := l.gather(polling)
		if len(records) == 0 || !l.process(ctx, polling, records) {
			return
		}
		l.opened = time.Now()
	}
}

// gather waits for a batch to be closed. It gives none when there will not be one.
func (l *lane) gather(polling context.Context) []Record {
	for fresh := true; polling.Err() == nil; {
		now := time.Now()
		g, last := l.look()
		if len(g.queue) == 0 && last {
			return nil
		}
		if fresh && len(g.queue) > 0 {
			l.opened, fresh = windowStart(l.opened, g.window, now), false
		}
		g.opened = l.opened
		c := closeBatch(l.shard.cfg, &l.shard.enc, g, now)
		if c.n > 0 {
			l.flush = c.bySize
			return g.queue[:c.n]
		}
		l.await(polling, c.due)
	}
	return nil
}

// look gives what is there now. last: nothing will be added.
func (l *lane) look() (g gathering, last bool) {
	s := l.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	last = s.reader == ended
	return gathering{queue: l.queue, more: s.reader == busy, flush: l.flush || last, window: s.window(), limit: s.limit()}, last
}

// await returns when something has happened, when it is due (never, if that is zero), or when ctx ends.
func (l *lane) await(ctx context.Context, due time.Time) {
	var timer <-chan time.Time
	if !due.IsZero() {
		timer = time.After(time.Until(due))
	}
	select {
	case <-l.wake:
	case <-timer:
	case <-ctx.Done():
	}
}

// process takes one batch, and what becomes of it, to its end. It gives false when it was stopped before.
func (l *lane) process(ctx, polling context.Context, records []Record) bool {
	for pending := []batch{{records: records}}; len(pending) > 0; {
		if polling.Err() != nil {
			return false
		}
		head := pending[0]
		if head.id == "" {
			head.id = wire.NewID()
		}
		s := l.decide(head, outcome{})
		if s.invoke {
			o := l.attempt(ctx, head)
			if o.verdict == unreached && ctx.Err() != nil {
				return false // it was cancelled: what it came to is not known
			}
			l.shard.counters.attempted(len(head.records), o)
			s = l.decide(head, o)
		}
		if !l.settle(ctx, head, s) {
			return false
		}
		pending = append(s.next, pending[1:]...)
		pause(polling, s.rest)
	}
	return true
}

func (l *lane) decide(head batch, o outcome) step {
	return decide(l.shard.cfg, turn{
		batch: head, outcome: o, now: time.Now(),
		limit: l.shard.limit(), maxRest: l.shard.maxRest, jitter: rand.Float64(),
	})
}

// attempt invokes the function with a batch. An event over MaxEvent, which only a single record can make, fails without
// an invocation.
func (l *lane) attempt(ctx context.Context, b batch) outcome {
	s := l.shard
	l.event = s.enc.appendEvent(l.event[:0], b.records)
	if len(l.event) > MaxEvent {
		return outcome{verdict: failed}
	}
	s.sent(b.records[len(b.records)-1].Arrival)
	answer, err := s.invoker.Invoke(ctx, Invocation{RequestID: b.id, Payload: l.event})
	if err != nil {
		s.log.Debug("function not reached", "shard", s.ID, "request", b.id, "error", err)
		return outcome{verdict: unreached}
	}
	return classify(answer, s.cfg.reportsFailures(), b.records)
}

// settle takes the records that a step settles off the queue, after their failure document if they were given up. It
// gives false when it was stopped before that.
func (l *lane) settle(ctx context.Context, b batch, s step) bool {
	if s.settle == 0 {
		return true
	}
	gone := b.records[:s.settle]
	if s.fate != Processed && !l.discard(ctx, b.id, s, gone) {
		return false
	}
	l.shard.settled(l, gone, s.fate)
	return true
}

// discard sends the failure document: with the whole event if it goes to a bucket. A document that is not delivered is
// lost, and its records dropped, as on AWS.
func (l *lane) discard(ctx context.Context, id string, s step, gone []Record) bool {
	sh := l.shard
	if sh.cfg.OnFailure == "" {
		return true
	}
	now := time.Now()
	key := objectKey(sh.cfg.OnFailure, sh.uuid, sh.ID, now)
	var payload []byte
	if key != "" {
		l.event = sh.enc.appendEvent(l.event[:0], gone)
		payload = l.event
	}
	err := sh.destination.Send(sh.cfg.OnFailure, key, document(sh.cfg, sh.ID, id, s, gone, now, payload))
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		sh.log.Warn("failure document not delivered", "shard", sh.ID, "records", len(gone), "error", err)
	}
	sh.counters.discarded(len(gone), err == nil)
	return true
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
