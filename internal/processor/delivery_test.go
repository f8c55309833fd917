package processor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

// Random batches are handed over as a mapping does it, again and again from the first record that is not settled,
// while handler, ledger and queue answer as a script says. In the end every user record must be accounted for.

// course is one such run.
type course struct {
	numbers []int // of the script; when they have run out all goes well
	*fakeLedger
	queue    map[string]Class // by sequence number and place
	accepted map[string]int   // by event id: when the handler last took it
	clock    int
	kinds    map[string]string // of user records, by the id of their event
}

func (c *course) below(n int) int {
	if len(c.numbers) == 0 {
		return 0
	}
	v := c.numbers[0] % n
	c.numbers = c.numbers[1:]
	return v
}

func (c *course) handle(_ context.Context, e cloudevent.Event) error {
	switch c.kinds[e.ID] {
	case "refused":
		return Permanent(errors.New("refused"))
	case "panics":
		panic("of " + e.ID)
	case "never":
		return errAway
	}
	if c.below(4) == 1 {
		return errAway
	}
	c.clock++
	c.accepted[e.ID] = c.clock
	return nil
}

// Seen fails now and then.
func (c *course) Seen(ctx context.Context, set string, ids []cloudevent.Identity) ([]meter.Outcome, error) {
	if c.below(6) == 1 {
		return nil, errAway
	}
	return c.fakeLedger.Seen(ctx, set, ids)
}

// Commit settles all, or the first few, or all without saying so of the last.
func (c *course) Commit(ctx context.Context, set, at string, effects []meter.Effect) []meter.Result {
	fate := c.below(4)
	c.upTo = -1
	if fate == 1 {
		c.upTo = c.below(len(effects) + 1)
	}
	out := c.fakeLedger.Commit(ctx, set, at, effects)
	if fate == 2 {
		for i := c.below(len(effects) + 1); i < len(out); i++ {
			if out[i].Outcome == meter.Counted {
				out[i] = meter.Result{Err: errAway}
			}
		}
	}
	return out
}

// Send takes all, or nothing, or a part without saying so.
func (c *course) Send(_ context.Context, failures []Failure) error {
	fate := c.below(4)
	n := len(failures)
	if fate == 1 {
		n = 0
	}
	if fate == 2 {
		n = c.below(len(failures) + 1)
	}
	for _, f := range failures[:n] {
		c.queue[fmt.Sprintf("%s.%d", f.SequenceNumber, f.Sub)] = f.Class
	}
	if fate == 1 || fate == 2 {
		return errAway
	}
	return nil
}

// drawn is one user record of a drawn batch.
type drawn struct {
	place, key, id string
}

var kinds = []string{"good", "good", "good", "good", "nothing", "undecodable", "invalid", "late", "refused", "panics", "never", "store"}

// drawBatch makes records, some of them aggregates or gzipped; some events come more than once.
func (c *course) drawBatch(rt *rapid.T) (Batch, []drawn) {
	var keyed []any
	var users []drawn
	next := 0
	one := func(sequence, sub int) (string, []byte) {
		id := fmt.Sprint(next)
		if next > 0 && rapid.IntRange(0, 4).Draw(rt, "copy") == 0 {
			id = fmt.Sprint(rapid.IntRange(0, next-1).Draw(rt, "of"))
		} else {
			c.kinds[id] = rapid.SampledFrom(kinds).Draw(rt, "kind")
			next++
		}
		key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key")
		users = append(users, drawn{fmt.Sprintf("%d.%d", sequence, sub), key, id})
		data := c.payload(id)
		if rapid.IntRange(0, 5).Draw(rt, "zipped") == 0 {
			data = zipped(data)
		}
		return key, data
	}
	for n := range rapid.IntRange(0, 12).Draw(rt, "records") {
		if rapid.IntRange(0, 3).Draw(rt, "aggregate") > 0 {
			key, data := one(n+1, 0)
			keyed = append(keyed, key, data)
			continue
		}
		var inner []any
		for sub := range rapid.IntRange(1, 3).Draw(rt, "user records") {
			key, data := one(n+1, sub)
			inner = append(inner, key, data)
		}
		keyed = append(keyed, "outer", aggregate(inner...))
	}
	return batchOf(keyed...), users
}

func (c *course) payload(id string) []byte {
	switch c.kinds[id] {
	case "undecodable":
		return []byte("{" + id)
	case "invalid":
		return fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"/test","type":"t","time":"2026-01-01T12:00:00Z","data":{}}`, id)
	case "nothing":
		return typed(id, "other")
	case "late":
		c.late[id] = true
	case "store":
		c.refused[id] = true
	}
	return event(id)
}

// deliver hands a batch over until it is settled, each time to the same instance or to a new one.
func (c *course) deliver(t testing.TB, b Batch, users []drawn, handler Handler) error {
	p := New(metersOf(t), c, c, Settings{Handler: handler})
	left := users
	for n := 0; ; n++ {
		if n > 200 {
			return fmt.Errorf("does not settle: %d records are left", len(b.Records))
		}
		if c.below(5) == 1 {
			p = New(metersOf(t), c, c, Settings{Handler: handler, Now: func() time.Time { return noon }})
		}
		got := p.Process(context.Background(), b)
		if err := addsUp(got, len(b.Records), len(left)); err != nil {
			return err
		}
		if got.Unsettled == len(b.Records) {
			return nil
		}
		first := b.Records[got.Unsettled].SequenceNumber
		b = b.from(got.Unsettled)
		left = left[slices.IndexFunc(left, func(u drawn) bool { return u.place[:len(first)+1] == first+"." }):]
	}
}

func addsUp(got Report, records, users int) error {
	sum := got.Counted + got.Copies + got.Nothing + got.Held
	for _, n := range got.Failed {
		sum += n
	}
	if sum != users || (got.Held == 0) != (got.Unsettled == records) || (got.Held == 0) != (got.Err == nil) || got.Unsettled > records {
		return fmt.Errorf("%+v of %d records with %d user records", got, records, users)
	}
	return nil
}

// check demands that each user record ended where it must.
func (c *course) check(users []drawn, handler bool) error {
	for id, n := range c.counted {
		if n != 1 {
			return fmt.Errorf("event %s is counted %d times", id, n)
		}
	}
	inQueue := map[string]int{}
	for _, u := range users {
		class, queued := c.queue[u.place]
		if queued {
			inQueue[u.id]++
		}
		want := map[string]Class{"undecodable": Undecodable, "invalid": Invalid, "late": Late, "store": Refused}[c.kinds[u.id]]
		if handler {
			want = max(want, map[string]Class{"refused": Refused, "panics": Panic, "never": GaveUp}[c.kinds[u.id]])
		}
		switch {
		case want != "" && class != want && class != GaveUp: // a transient failure may come before the store's
			return fmt.Errorf("user record %+v (%s) is in the queue as %q, want %q", u, c.kinds[u.id], class, want)
		case want != "" && c.counted[u.id] > 0:
			return fmt.Errorf("event %s (%s) is counted", u.id, c.kinds[u.id])
		case want == "" && queued && class != GaveUp:
			return fmt.Errorf("user record %+v (%s) is in the queue as %q", u, c.kinds[u.id], class)
		case want == "" && !queued && c.counted[u.id] == 0 && (handler || c.kinds[u.id] != "nothing"):
			return fmt.Errorf("user record %+v (%s) is lost", u, c.kinds[u.id])
		}
	}
	return nil
}

// order demands that the handler's last word on the events of one key came in the order of their records. Events that
// came more than once, or are in the queue, have left the order.
func (c *course) order(users []drawn) error {
	times := map[string]int{}
	for _, u := range users {
		times[u.id]++
	}
	last := map[string]drawn{}
	for _, u := range users {
		if _, queued := c.queue[u.place]; queued || times[u.id] > 1 || c.accepted[u.id] == 0 {
			continue
		}
		before, ok := last[u.key]
		if ok && c.accepted[before.id] > c.accepted[u.id] {
			return fmt.Errorf("%+v was handled after %+v", before, u)
		}
		last[u.key] = u
	}
	return nil
}

func newCourse(numbers []int) *course {
	return &course{
		numbers: numbers, fakeLedger: newLedger(), queue: map[string]Class{},
		accepted: map[string]int{}, kinds: map[string]string{},
	}
}

func TestProcess_AnyOutcomes_EveryUserRecordIsAccountedForInOrderOfItsKey(t *testing.T) {
	for name, with := range map[string]bool{"meters alone": false, "with a handler": true} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				c := newCourse(nil)
				b, users := c.drawBatch(rt)
				c.numbers = rapid.SliceOfN(rapid.IntRange(0, 1<<16), 0, 120).Draw(rt, "script")
				var handler Handler
				if with {
					handler = c.handle
				}
				if err := errors.Join(c.deliver(t, b, users, handler), c.check(users, with), c.order(users)); err != nil {
					rt.Fatal(err)
				}
			})
		})
	}
}

// Counted and in the queue at once happens only where somebody was left in doubt: the queue took a record and did not
// say so, or the instance that knew is gone. A redrive then finds a copy.
func TestProcess_WarmInstanceAndQueueThatAnswers_NobodyIsCountedAndInTheQueue(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 0))
		c := newCourse(nil)
		var keyed []any
		var users []drawn
		for n := range 8 {
			c.kinds[fmt.Sprint(n)] = "good"
			key := fmt.Sprint("k", rng.IntN(3))
			keyed = append(keyed, key, event(fmt.Sprint(n)))
			users = append(users, drawn{fmt.Sprintf("%d.0", n+1), key, fmt.Sprint(n)})
		}
		p := New(metersOf(t), c, sure{c}, Settings{Now: func() time.Time { return noon }, Handler: func(context.Context, cloudevent.Event) error {
			if rng.IntN(2) == 0 {
				return errAway
			}
			return nil
		}})
		for b := batchOf(keyed...); len(b.Records) > 0; {
			c.numbers = []int{rng.IntN(6), rng.IntN(4), rng.IntN(9), rng.IntN(2)}
			b = b.from(p.Process(t.Context(), b).Unsettled)
		}
		for _, u := range users {
			_, queued := c.queue[u.place]
			if queued == (c.counted[u.id] > 0) {
				t.Fatalf("seed %d: event %s: in the queue %t, counted %d times", seed, u.id, queued, c.counted[u.id])
			}
		}
	}
}

// sure is a queue that takes all or nothing, and says so.
type sure struct{ *course }

func (s sure) Send(ctx context.Context, failures []Failure) error {
	s.numbers = []int{s.below(2)}
	return s.course.Send(ctx, failures)
}
