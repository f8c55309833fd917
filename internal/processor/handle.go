package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// Permanent marks a handler's error as one that will not pass: the event goes to the failure queue at once.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

var (
	errNoTime   = errors.New("no time is left to handle the event")             // not called: no attempt
	errNoAnswer = errors.New("the handler did not answer while there was time") // called: an attempt that failed
)

// handlerTime gives handlers three quarters of the time there is: however slow they are, what they have handled is
// committed in the rest, and the batch makes progress. One call gets half of that: one that hangs leaves time for other
// keys. 0: there is no deadline.
func handlerTime(ctx context.Context) (all context.Context, cancel context.CancelFunc, call time.Duration) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}, 0
	}
	left := time.Until(deadline)
	all, cancel = context.WithDeadline(ctx, deadline.Add(-left/4))
	return all, cancel, left * 3 / 8
}

// handle calls the handler and decides what its error means: the state stays open, or becomes failing or held.
func (p *Processor) handle(ctx context.Context, w *work, u *userRecord) error {
	err := p.call(ctx, u)
	var refusal permanent
	var crash panicked
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		u.fail(Refused, err)
	case errors.As(err, &crash):
		u.fail(Panic, err)
	case !errors.Is(err, errNoTime) && p.outOfPatience(w, u):
		u.fail(GaveUp, fmt.Errorf("after %d attempts: %w", p.history[w.id(u)].attempts, err))
	default:
		u.state = held
	}
	return fmt.Errorf("handle event: %w", err)
}

// call runs the handler beside, so that one which never returns cannot keep the batch from being answered: the event is
// then unsettled, and the handler's late answer goes nowhere.
func (p *Processor) call(ctx context.Context, u *userRecord) error {
	if ctx.Err() != nil {
		return errNoTime
	}
	if p.callTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.callTime)
		defer cancel()
	}
	event := u.event
	event.Data = bytes.Clone(event.Data) // a handler that outlives the batch keeps its own copy
	answer := make(chan error, 1)
	go func() {
		answered := false
		defer func() {
			if r := recover(); r != nil {
				answer <- panicked{placeOfPanic(), fmt.Sprint(r)}
			} else if !answered {
				answer <- panicked{"", "it has ended its goroutine (runtime.Goexit)"}
			}
		}()
		err := p.settings.Handler(ctx, event)
		answered = true
		answer <- err
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return errNoAnswer
	}
}

// outOfPatience counts one more failed attempt. With a direct batch patience has no end: somebody waits for the outcome,
// and has the record.
func (p *Processor) outOfPatience(w *work, u *userRecord) bool {
	if w.batch.Direct {
		return false
	}
	id, now := w.id(u), p.settings.Now()
	past := p.history.failed(id, now)
	return past.attempts >= MinAttempts && now.Sub(past.first) >= p.settings.Patience
}

// recordID names a user record for good.
type recordID struct {
	shard, sequence string
	sub             int
}

func (w *work) id(u *userRecord) recordID {
	return recordID{w.batch.Shard, w.batch.Records[u.record].SequenceNumber, u.sub}
}

// history is what this instance remembers of records that failed and may come again: those of the batches whose answer
// left something unsettled.
type history map[recordID]past

type past struct {
	attempts int       // transient failures
	first    time.Time // of them
	sent     Class     // under which it is already in the failure queue; "": it is not
}

// maxHistory bounds it; when it is full it starts anew. Then patience begins again and a failure may be sent twice,
// which readers of the queue fold.
const maxHistory = 20_000

// failed counts one more transient failure.
func (h history) failed(id recordID, now time.Time) past {
	was := h.of(id)
	if was.attempts == 0 {
		was.first = now
	}
	was.attempts++
	h[id] = was
	return was
}

// sent tells under which class a user record is in the failure queue already, as far as this instance knows; "": it is
// not. To a direct batch that means nothing: it may well be what is in the queue that comes with it.
func (p *Processor) sent(w *work, u *userRecord) Class {
	if w.batch.Direct {
		return ""
	}
	return p.history[w.id(u)].sent
}

// markSent notes that a failure is in the queue.
func (h history) markSent(id recordID, class Class) {
	was := h.of(id)
	was.sent = class
	h[id] = was
}

func (h history) of(id recordID) past {
	if len(h) >= maxHistory {
		clear(h)
	}
	return h[id]
}

// keep forgets the records that this batch has settled for good: those before the first that is unsettled.
func (h history) keep(w *work) {
	if len(h) == 0 {
		return
	}
	first := w.report().Unsettled
	for i := range w.users {
		if u := &w.users[i]; u.record < first {
			delete(h, w.id(u))
		}
	}
}
