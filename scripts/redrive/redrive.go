package main

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/handover"
)

// queue is what a redrive does to the failure queue.
type queue interface {
	Send(ctx context.Context, records []failure.Record) error
	Delete(ctx context.Context, ids ...string) error
}

// heldQueue is the failure queue, some of whose messages are held.
type heldQueue struct {
	*failure.Queue
	*failure.Hold
}

// redrive puts records back: it hands them to the processor function, and settles their messages by what became of them.
type redrive struct {
	plan     *plan
	stream   string
	source   *source
	hand     *handover.Handover
	queue    queue
	progress func(records int64)
	tally    tally

	owners [][]*item       // of each record of the shard at hand, in the order of their handing over
	batch  []direct.Record // not yet added
	sends  []failure.Record
	sent   map[string]bool // ids of those, and of all before
	done   []string        // ids of messages to be deleted behind the sends
}

// tally counts what became of user records, and of messages.
type tally struct {
	Records                  int // that were handed over; the rest counts user records
	Counted, Copies, Nothing int
	Failed                   map[string]int // by class
	Unsettled                int
	Reasons                  []unsettledFor // for which they are, maxReasons at most
	Sent, Deleted            int            // messages
}

const (
	// sendsAtOnce and deletionsAtOnce bound what a killed redrive has to do again.
	sendsAtOnce     = 100
	deletionsAtOnce = 500
	// lastCall is how long settling what is done may take after Ctrl-C.
	lastCall = 20 * time.Second
)

// newRedrive makes a redrive. The handover is made by the caller's function, which is given where to tell.
func newRedrive(p *plan, s *source, q queue, hand func(each func(handover.Handed)) *handover.Handover) *redrive {
	r := &redrive{plan: p, stream: s.stream, source: s, queue: q, sent: map[string]bool{}, progress: func(int64) {}}
	r.tally.Failed = map[string]int{}
	r.hand = hand(r.take)
	return r
}

// run redrives all of the plan, one shard after the other: a key that has moved to a child comes after what it has in the
// parent. Whatever ends it, what was told until then is settled.
func (r *redrive) run(ctx context.Context) (err error) {
	for _, w := range r.plan.shards {
		if err = r.shard(ctx, w); err != nil {
			break
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCall)
	defer cancel()
	return errors.Join(err, r.settle(ctx))
}

func (r *redrive) shard(ctx context.Context, w *work) error {
	r.owners = nil
	err := r.source.walk(ctx, w, func(record direct.Record, owners []*item) error {
		r.owners = append(r.owners, owners)
		r.batch = append(r.batch, record)
		if len(r.batch) < handover.MaxBatch {
			return nil
		}
		return r.add(ctx, w.shard)
	})
	if err == nil {
		err = r.add(ctx, w.shard)
	}
	if err == nil {
		err = r.hand.Flush(ctx, w.shard)
	}
	if err != nil {
		return err
	}
	for _, it := range w.waiting() {
		r.judge(it)
	}
	return r.settle(ctx)
}

// add hands the batch over, and settles when there is enough to settle.
func (r *redrive) add(ctx context.Context, shard string) error {
	batch := r.batch
	r.batch = r.batch[:0]
	if err := r.hand.Add(ctx, shard, batch...); err != nil {
		return err
	}
	if len(r.sends) < sendsAtOnce && len(r.done) < deletionsAtOnce {
		return nil
	}
	return r.settle(ctx)
}

// take notes what became of a record.
func (r *redrive) take(h handover.Handed) {
	r.tally.take(&h, r.owners[h.N][0])
	r.progress(1)
	for _, it := range r.owners[h.N] {
		for _, f := range it.take(&h, r.stream) {
			r.keep(f)
		}
		r.judge(it)
	}
}

// keep has a failure sent that the queue does not hold yet.
func (r *redrive) keep(f failure.Record) {
	if _, known := r.plan.known[f.ID()]; !known && !r.sent[f.ID()] {
		r.send(f)
	}
}

func (r *redrive) send(f failure.Record) {
	r.sent[f.ID()] = true
	r.sends = append(r.sends, f)
}

// judge decides on a failure with which nothing more happens, once.
func (r *redrive) judge(it *item) {
	if !it.done() || it.judged {
		return
	}
	it.judged = true
	v := it.judge()
	if v.send != nil {
		r.send(*v.send)
	}
	r.done = append(r.done, v.delete...)
}

// settle sends what has to be sent, and then deletes what is done with. Killed in between, the queue holds both, and the
// next run folds them.
func (r *redrive) settle(ctx context.Context) error {
	if len(r.sends) > 0 {
		if err := r.queue.Send(ctx, r.sends); err != nil {
			return err
		}
		r.tally.Sent += len(r.sends)
		r.sends = nil
	}
	if len(r.done) > 0 {
		if err := r.queue.Delete(ctx, r.done...); err != nil {
			return err
		}
		r.tally.Deleted += len(r.done)
		r.done = nil
	}
	return nil
}

func (t *tally) take(h *handover.Handed, owner *item) {
	t.Records++
	for i := range h.Results {
		switch result := &h.Results[i]; result.Outcome {
		case direct.Counted:
			t.Counted++
		case direct.Copy:
			t.Copies++
		case direct.Nothing:
			t.Nothing++
		case direct.Failed:
			t.Failed[result.Class]++
		default:
			t.unsettled(h, result, owner)
		}
	}
}
