// Package processor is the engine of the hot path: it decodes a batch of records, holds back what must wait, applies
// the handler and the meters, and has the ledger count what they say. It knows no AWS: it asks Ledger and Sender.
package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/record"
)

// Record is a Kinesis data record.
type Record struct {
	SequenceNumber string
	PartitionKey   string
	Data           []byte
	Arrival        time.Time
	User           bool // it is a user record: one that looks like an aggregate is not taken apart
}

// Batch is what one invocation gets: records of one shard, in stream order.
type Batch struct {
	Shard   string
	Records []Record
	// Set is the one that the events count in; "": the one that the stream feeds.
	Set string
	// Direct is of a batch that a command hands over, and whose outcome somebody waits for. Nothing of it goes to the
	// failure queue: the report has what became of each user record. Nothing is given up either, however often it has
	// failed: what may pass stays unsettled. And it leaves no trace in what this instance remembers of the stream's own
	// failures, nor is any of that held against it.
	Direct bool
}

// Handler is the application's own function. It is called for each event that is not known to be counted, in the order
// of its Kinesis key, before the meters count it; after a crash it may be called for the same event again, so what it
// does outside must bear that. A redrive calls it too, and so does a replay, in whose set no event is known: there it is
// called for all of history again. An error from Permanent sends the event to the failure queue; any other is transient: the
// event and the later ones of its key are tried again. It must return when ctx ends, which is while there is still time
// to handle other keys, and to commit what was handled. The text of its error is logged, and goes to the failure queue.
type Handler func(ctx context.Context, e cloudevent.Event) error

// Ledger counts events exactly once: *ledger.Ledger.
type Ledger interface {
	// Seen tells of each event whether it was counted (meter.Copy), is late (meter.Late), or neither (meter.Unsettled).
	Seen(ctx context.Context, set string, ids []cloudevent.Identity) ([]meter.Outcome, error)
	// Commit counts effects in order, with a result for each.
	Commit(ctx context.Context, set, shard string, effects []meter.Effect) []meter.Result
}

// Sender takes permanent failures away, to the failure queue. When it answers nil all of them are safe; otherwise any
// of them may be.
type Sender interface {
	Send(ctx context.Context, failures []Failure) error
}

// Class says why a user record was given up.
type Class string

// The classes of failures.
const (
	Undecodable Class = "undecodable" // not JSON, a broken gzip or aggregate
	Invalid     Class = "invalid"     // JSON, but no event that the meters can count
	Late        Class = "late"        // beyond the horizon
	Refused     Class = "refused"     // refused by the handler, or by DynamoDB for its value
	Panic       Class = "panic"       // the handler panicked
	GaveUp      Class = "gave-up"     // the handler's transient failures outlasted patience
	TooLarge    Class = "too-large"   // inflates to more than record.MaxInflated
)

// Failure is a user record that leaves the stream for the failure queue.
type Failure struct {
	Class          Class
	Reason         string
	Shard          string
	SequenceNumber string
	Sub            int    // place in a KPL aggregate; 0 otherwise
	PartitionKey   string // of the user record
	Payload        []byte // as it came: of an aggregate the user record's part
	Arrival        time.Time
}

// Settings of a processor.
type Settings struct {
	Handler Handler // may be nil: then only the meters count
	// Patience is how long this instance must have seen an event fail transiently before it is given up; it must also
	// have failed MinAttempts times. Counted from the first failure and not from the record's arrival: behind a backlog
	// every record is old, and a short outage of what the handler calls would drain the stream.
	Patience time.Duration
	Now      func() time.Time // nil: time.Now
}

// MinAttempts is how often a record must have failed in this instance before it is given up.
const MinAttempts = 5

// Processor is the engine. It is not safe for concurrent use: Lambda gives an instance one batch at a time.
type Processor struct {
	ledger   Ledger
	sender   Sender
	settings Settings
	eval     *meter.Evaluator
	decoder  record.Decoder
	history  history
	work     work
	callTime time.Duration // of one call of the handler, in this batch; 0: no bound
}

// New makes a processor that counts with the meters of set.
func New(set *meter.Set, l Ledger, s Sender, settings Settings) *Processor {
	if settings.Now == nil {
		settings.Now = time.Now
	}
	return &Processor{ledger: l, sender: s, settings: settings, eval: set.NewEvaluator(), history: history{}}
}

// Report tells what became of a batch, counting user records.
type Report struct {
	// Unsettled is the position of the first record that is not settled; len(Records) when all are. Everything from
	// there on may be handed over again: the ledger knows what was already counted.
	Unsettled int
	Err       error // why something is unsettled
	Counted   int
	Copies    int
	Nothing   int           // no meter and no handler wants them
	Held      int           // unsettled user records
	Failed    map[Class]int // nil when none
	// Results has each user record of a direct batch, in order; nil of any other.
	Results []direct.Result
}

// liveSet is the set that the stream feeds.
const liveSet = "live"

// Process handles one batch. It stops taking up work when ctx ends, and answers then for what was done.
func (p *Processor) Process(ctx context.Context, b Batch) Report {
	p.eval.Reset()
	w := &p.work
	w.reset(b, len(b.Records))
	p.decode(w)
	if err := p.seen(ctx, w); err != nil {
		w.hold(err)
	} else {
		p.evaluate(ctx, w)
		p.commit(ctx, w)
	}
	if b.Direct {
		return w.tell()
	}
	p.giveAway(ctx, w)
	p.history.keep(w)
	return w.report()
}

// state of a user record in a batch.
type state uint8

const (
	open    state = iota // to be counted
	effect               // its effect is to be committed
	failing              // a permanent failure, not yet in the queue
	held                 // unsettled: a transient failure, or behind one of its key
	counted
	copied
	nothing
	failed // in the queue; of a direct batch: told
)

// userRecord is one event on its way through a batch.
type userRecord struct {
	record int // position in the batch
	sub    int
	key    string
	data   []byte // as it came
	state  state
	class  Class
	reason error // of what fails or is held
	event  cloudevent.Event
}

// work is one batch under way. Its memory is used again.
type work struct {
	batch   Batch
	users   []userRecord
	ids     []cloudevent.Identity
	asked   []int // of users, whose ids are in ids
	effects []meter.Effect
	of      []int // of users, whose effects are in effects
	err     error // the first reason for something unsettled
}

func (w *work) reset(b Batch, n int) {
	b.Set = cmp.Or(b.Set, liveSet)
	clear(w.users) // let go of the last batch's memory
	*w = work{batch: b, users: w.users[:0], ids: w.ids[:0], asked: w.asked[:0], effects: w.effects[:0], of: w.of[:0]}
	if cap(w.users) < n {
		w.users = make([]userRecord, 0, n)
	}
}

func (u *userRecord) fail(class Class, reason error) {
	u.state, u.class, u.reason = failing, class, reason
}

func (u *userRecord) hold(reason error) { u.state, u.reason = held, reason }

// hold leaves everything that is open unsettled.
func (w *work) hold(err error) {
	w.unsettled(err)
	for i := range w.users {
		if u := &w.users[i]; u.state == open || u.state == effect {
			u.hold(err)
		}
	}
}

func (w *work) unsettled(err error) {
	if w.err == nil {
		w.err = err
	}
}

// seen settles what was counted before, and what is late.
func (p *Processor) seen(ctx context.Context, w *work) error {
	for i := range w.users {
		if u := &w.users[i]; u.state == open {
			w.ids = append(w.ids, u.event.Identity())
			w.asked = append(w.asked, i)
		}
	}
	if len(w.ids) == 0 {
		return nil
	}
	outcomes, err := p.ledger.Seen(ctx, w.batch.Set, w.ids)
	if err != nil {
		return fmt.Errorf("ask the ledger: %w", err)
	}
	for k, i := range w.asked {
		switch outcomes[k] {
		case meter.Copy:
			w.users[i].state = copied
		case meter.Late:
			w.users[i].fail(Late, errLate)
		}
	}
	return nil
}

var errLate = errors.New("the event's time lies beyond the horizon: a copy of it may have been forgotten")

// evaluate computes the effects of what is open. A transient failure holds back the later ones of its key.
func (p *Processor) evaluate(ctx context.Context, w *work) {
	ctx, cancel, call := handlerTime(ctx)
	defer cancel()
	p.callTime = call
	var keys map[string]bool // held back; nil while nothing is
	for k, i := range w.asked {
		u := &w.users[i]
		switch {
		case u.state != open:
		case p.sent(w, u) != "": // given up before, and no longer the handler's
			u.state, u.class = failed, p.sent(w, u)
		case keys[u.key]:
			u.hold(errBehind)
		default:
			deltas, err := p.apply(ctx, w, u)
			if u.state == held {
				if keys == nil {
					keys = map[string]bool{}
				}
				keys[u.key] = true
				u.reason = err
				w.unsettled(err)
			}
			if u.state == effect {
				w.effects = append(w.effects, meter.Effect{ID: w.ids[k], Deltas: deltas})
				w.of = append(w.of, i)
			}
		}
	}
}

var errBehind = errors.New("an earlier record of its key is unsettled: it waits for that")

// apply decides on one event: its state becomes effect (with what it adds), nothing, failing, or held (with the reason).
// The meters come first, for they are pure: an event that they refuse never reaches the handler.
func (p *Processor) apply(ctx context.Context, w *work, u *userRecord) ([]meter.Delta, error) {
	deltas, err := p.eval.Evaluate(&u.event)
	if err != nil {
		u.fail(Invalid, err)
		return nil, nil
	}
	if p.settings.Handler != nil {
		if err := p.handle(ctx, w, u); err != nil {
			return nil, err
		}
	} else if len(deltas) == 0 {
		u.state = nothing
		return nil, nil
	}
	if u.state == open {
		u.state = effect
	}
	return deltas, nil
}

// commit has the ledger count the effects, and settles what it did.
func (p *Processor) commit(ctx context.Context, w *work) {
	if len(w.effects) == 0 {
		return
	}
	results := p.ledger.Commit(ctx, w.batch.Set, w.batch.Shard, w.effects)
	for k, i := range w.of {
		u, r := &w.users[i], results[k]
		switch r.Outcome {
		case meter.Counted:
			u.state = counted
		case meter.Copy:
			u.state = copied
		case meter.Late:
			u.fail(Late, errLate)
		case meter.Refused:
			u.fail(Refused, fmt.Errorf("refused by the table: %w", r.Err))
		default:
			u.hold(fmt.Errorf("commit: %w", r.Err))
			w.unsettled(u.reason)
		}
	}
}

// sendAtOnce is how many failures are sent before what was sent is settled: a batch of very many makes progress even
// when time ends in the middle.
const sendAtOnce = 100

// giveAway sends the permanent failures to the queue, in order. When the queue does not answer, the records that it has
// not taken stay unsettled.
func (p *Processor) giveAway(ctx context.Context, w *work) {
	var out []*userRecord
	for i := range w.users {
		u := &w.users[i]
		switch {
		case u.state != failing:
		case p.sent(w, u) != "":
			u.state = failed
		default:
			out = append(out, u)
		}
	}
	var err error
	for chunk := range slices.Chunk(out, sendAtOnce) {
		if err == nil {
			err = p.send(ctx, w, chunk)
		}
		for _, u := range chunk {
			if err != nil {
				u.state = held
				continue
			}
			u.state = failed
			p.history.markSent(w.id(u), u.class)
		}
	}
	if err != nil {
		w.unsettled(fmt.Errorf("send failures: %w", err))
	}
}

func (p *Processor) send(ctx context.Context, w *work, users []*userRecord) error {
	failures := make([]Failure, len(users))
	for i, u := range users {
		failures[i] = w.failure(u)
	}
	return p.sender.Send(ctx, failures)
}

func (w *work) failure(u *userRecord) Failure {
	r := &w.batch.Records[u.record]
	return Failure{
		Class: u.class, Reason: u.reason.Error(), Shard: w.batch.Shard, SequenceNumber: r.SequenceNumber,
		Sub: u.sub, PartitionKey: u.key, Payload: u.data, Arrival: r.Arrival,
	}
}

func (w *work) report() Report {
	r := Report{Unsettled: len(w.batch.Records), Err: w.err}
	for i := range w.users {
		u := &w.users[i]
		switch u.state {
		case counted:
			r.Counted++
		case copied:
			r.Copies++
		case nothing:
			r.Nothing++
		case failed:
			if r.Failed == nil {
				r.Failed = map[Class]int{}
			}
			r.Failed[u.class]++
		default:
			r.Held++
			r.Unsettled = min(r.Unsettled, u.record)
		}
	}
	return r
}
