package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/cloudevent"
)

// byID answers a handler's call by the event's id.
func byID(answers map[string]error) Handler {
	return func(_ context.Context, e cloudevent.Event) error { return answers[e.ID] }
}

var errAway = errors.New("the other service is away")

func TestProcess_EachClassOfFailure_LeavesWithPayloadReasonAndIDs(t *testing.T) {
	for name, c := range map[string]struct {
		data    []byte
		prepare func(f *fixture)
		class   Class
		reason  string
	}{
		"no JSON":                 {[]byte(`{"id":`), nil, Undecodable, "unexpected EOF"},
		"not UTF-8":               {bytes.Replace(event("7"), []byte("/test"), []byte("\xff"), 1), nil, Undecodable, "UTF-8"},
		"empty":                   {[]byte{}, nil, Undecodable, "empty"},
		"broken gzip":             {zipped(event("7"))[:30], nil, Undecodable, "gzip: "},
		"broken aggregate":        {append(aggregate("k", event("7")), 0), nil, Undecodable, "MD5"},
		"an attribute is missing": {bytes.Replace(event("7"), []byte(`"type"`), []byte(`"typ"`), 1), nil, Invalid, "type is missing"},
		"a measure is a text":     {bytes.Replace(event("7"), []byte(`17`), []byte(`"x"`), 1), nil, Invalid, "meter m: data.n is not a number"},
		"a measure is missing":    {bytes.Replace(event("7"), []byte(`"n"`), []byte(`"o"`), 1), nil, Invalid, "meter m: data.n is missing"},
		"too many digits":         {bytes.Replace(event("7"), []byte(`17`), []byte(`1e15`), 1), nil, Invalid, "meter m: data.n has more than 15 integer digits"},
		"beyond the horizon":      {event("7"), func(f *fixture) { f.ledger.late["7"] = true }, Late, "horizon"},
		"the store refuses it":    {event("7"), func(f *fixture) { f.ledger.refused["7"] = true }, Refused, "the store refuses 7"},
		"the handler refuses it": {
			event("7"), func(f *fixture) {
				f.settings.Handler = byID(map[string]error{"7": Permanent(errors.New("no such customer"))})
			},
			Refused, "no such customer",
		},
		"refused deep inside": {
			event("7"), func(f *fixture) {
				f.settings.Handler = byID(map[string]error{"7": fmt.Errorf("look up: %w", Permanent(errors.New("no such customer")))})
			}, Refused, "look up: no such customer",
		},
		"the handler panics": {
			event("7"), func(f *fixture) {
				f.settings.Handler = func(_ context.Context, e cloudevent.Event) error { panic("index of " + e.ID) }
			}, Panic, "the handler panicked at processor/failure_test.go:",
		},
		"inflates to too much": {bomb(), nil, TooLarge, "inflates to more than 10485760 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, Settings{})
			b := batchOf("k0", typed("1", "other"), "k1", c.data, "k1", typed("2", "other"))
			if c.prepare != nil {
				c.prepare(f)
			}
			if f.settings.Handler != nil { // of this event only
				h := f.settings.Handler
				f.settings.Handler = func(ctx context.Context, e cloudevent.Event) error {
					if e.ID != "7" {
						return nil
					}
					return h(ctx, e)
				}
			}
			got := f.Process(t.Context(), b)
			if got.Unsettled != 3 || got.Failed[c.class] != 1 || got.Err != nil {
				t.Fatalf("%+v", got)
			}
			if len(f.sender.taken) != 1 {
				t.Fatalf("in the queue: %s", f.sender.classes())
			}
			sent := f.sender.taken[0]
			if !strings.Contains(sent.Reason, c.reason) {
				t.Errorf("reason %q, want %q", sent.Reason, c.reason)
			}
			if sent.Class != c.class || sent.Shard != shard || sent.SequenceNumber != "2" || sent.Sub != 0 || sent.PartitionKey != "k1" ||
				!sent.Arrival.Equal(b.Records[1].Arrival) || !bytes.Equal(sent.Payload, c.data) {
				t.Errorf("sent %+v", sent)
			}
			if f.ledger.counted["7"] > 0 {
				t.Error("it is counted too")
			}
		})
	}
}

func TestPermanent_OfNil_IsNoError(t *testing.T) {
	if err := Permanent(nil); err != nil {
		t.Errorf("%v", err)
	}
	if err := Permanent(errAway); !errors.Is(err, errAway) || err.Error() != errAway.Error() {
		t.Errorf("%v", err)
	}
}

func TestProcess_EventThatTheMetersRefuse_NeverReachesTheHandler(t *testing.T) {
	f := newFixture(t, Settings{Handler: func(_ context.Context, e cloudevent.Event) error {
		t.Errorf("the handler got %s", e.ID)
		return nil
	}})
	want(t, f.Process(t.Context(), batchOf("k", bytes.Replace(event("7"), []byte(`17`), []byte(`{}`), 1))), 1, 0, 0, 0, 0, 1)
}

// Of an event that one meter refuses no other meter counts anything.
func TestProcess_OneMeterRefuses_NoMeterCounts(t *testing.T) {
	f := newFixture(t, Settings{})
	want(t, f.Process(t.Context(), batchOf("k", bytes.Replace(event("7"), []byte(`17`), []byte(`true`), 1), "k", event("8"))), 2, 1, 0, 0, 0, 1)
	if len(f.ledger.commits) != 1 || len(f.ledger.commits[0]) != 1 || len(f.ledger.commits[0][0].Deltas) != 2 {
		t.Errorf("committed %+v", f.ledger.commits)
	}
}

// The failure queue.

func TestProcess_QueueDown_RecordStaysUnsettledAndIsNotLost(t *testing.T) {
	f := newFixture(t, Settings{})
	b := batchOf("k", event("1"), "k", []byte("bad"), "k", event("2"), "k", []byte("worse"))
	f.sender.err = errors.New("no queue")
	got := f.Process(t.Context(), b)
	want(t, got, 1, 2, 0, 0, 2, 0)
	if !strings.Contains(fmt.Sprint(got.Err), "send failures: no queue") {
		t.Errorf("error %v", got.Err)
	}
	f.sender.err = nil
	want(t, f.Process(t.Context(), b.from(1)), 3, 0, 1, 0, 0, 2)
	wantQueue(t, f.sender, "undecodable:2.0 undecodable:4.0")
}

func TestProcess_AlreadySent_IsNotSentTwiceByAWarmInstance(t *testing.T) {
	f := newFixture(t, Settings{})
	f.ledger.upTo = 0 // the event before stays unsettled, and so its batch comes again
	b := batchOf("k", event("1"), "k", []byte("bad"), "k", aggregate("k", []byte("worse"), "k", event("2"), "k", []byte("worst")))
	want(t, f.Process(t.Context(), b), 0, 0, 0, 0, 2, 3)
	want(t, f.Process(t.Context(), b), 0, 0, 0, 0, 2, 3)
	f.ledger.upTo = -1
	want(t, f.Process(t.Context(), b), 3, 2, 0, 0, 0, 3)
	wantQueue(t, f.sender, "undecodable:2.0 undecodable:3.0 undecodable:3.2")
	if f.sender.calls != 1 || len(f.history) != 0 {
		t.Errorf("%d calls to the queue; remembered: %v", f.sender.calls, f.history)
	}
}

func TestProcess_AlreadySent_IsSentAgainByAColdInstance(t *testing.T) {
	f := newFixture(t, Settings{})
	f.ledger.upTo = 0
	b := batchOf("k", event("1"), "k", []byte("bad"))
	f.Process(t.Context(), b)
	f.ledger.upTo = -1
	cold := New(metersOf(t), f.ledger, f.sender, Settings{})
	want(t, cold.Process(t.Context(), b), 2, 1, 0, 0, 0, 1)
	wantQueue(t, f.sender, "undecodable:2.0 undecodable:2.0") // readers fold by the id
}

// Given up or refused is given up or refused: what is in the queue is no longer the handler's.
func TestProcess_AlreadySent_IsNotHandledAgain(t *testing.T) {
	calls := 0
	f := newFixture(t, Settings{Handler: func(_ context.Context, e cloudevent.Event) error {
		if e.ID == "1" {
			return errAway
		}
		if calls++; calls == 1 {
			return Permanent(errors.New("not today"))
		}
		return nil
	}})
	b := batchOf("a", event("1"), "b", event("2"))
	want(t, f.Process(t.Context(), b), 0, 0, 0, 0, 1, 1)
	want(t, f.Process(t.Context(), b), 0, 0, 0, 0, 1, 1)
	if calls != 1 || f.ledger.counted["2"] != 0 {
		t.Errorf("the handler was called %d times; counted %d times, and in the queue: %s", calls, f.ledger.counted["2"], f.sender.classes())
	}
}

func TestProcess_NoTimeLeftToSend_RecordStaysUnsettled(t *testing.T) {
	f := newFixture(t, Settings{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := batchOf("k", []byte("bad"))
	want(t, f.Process(ctx, b), 0, 0, 0, 0, 1, 0)
	want(t, f.Process(t.Context(), b), 1, 0, 0, 0, 0, 1)
}

// Patience.

func TestProcess_TransientFailure_OutlastsPatienceAndAttempts_IsGivenUp(t *testing.T) {
	f := newFixture(t, Settings{Patience: 10 * time.Minute, Handler: byID(map[string]error{"1": errAway})})
	b := batchOf("a", event("1"), "b", event("2"))
	b.Records[0].Arrival = noon.AddDate(0, 0, -1) // counts for nothing: behind a backlog every record is old
	for n := range MinAttempts {
		want(t, f.Process(t.Context(), b), 0, min(1, 1-min(n, 1)), min(n, 1), 0, 1, 0)
		f.now = f.now.Add(time.Minute)
	}
	f.now = noon.Add(10*time.Minute - 1)
	want(t, f.Process(t.Context(), b), 0, 0, 1, 0, 1, 0)
	f.now = noon.Add(10 * time.Minute)
	want(t, f.Process(t.Context(), b), 2, 0, 1, 0, 0, 1)
	wantQueue(t, f.sender, "gave-up:1.0")
	if r := f.sender.taken[0].Reason; r != "after 7 attempts: "+errAway.Error() {
		t.Errorf("reason %q", r)
	}
	if len(f.history) != 0 {
		t.Errorf("remembered: %v", f.history)
	}
}

func TestProcess_PatienceOver_StillNeedsItsAttempts(t *testing.T) {
	f := newFixture(t, Settings{Patience: time.Minute, Handler: byID(map[string]error{"1": errAway})})
	b := batchOf("a", event("1"))
	for range MinAttempts - 1 {
		want(t, f.Process(t.Context(), b), 0, 0, 0, 0, 1, 0)
		f.now = f.now.Add(time.Hour)
	}
	want(t, f.Process(t.Context(), b), 1, 0, 0, 0, 0, 1)
}

func TestProcess_RecordGivenUp_LetsItsKeyGoOn(t *testing.T) {
	f := newFixture(t, Settings{Handler: byID(map[string]error{"1": errAway})})
	b := batchOf("a", event("1"), "a", event("2"))
	for range MinAttempts - 1 {
		want(t, f.Process(t.Context(), b), 0, 0, 0, 0, 2, 0)
	}
	want(t, f.Process(t.Context(), b), 2, 1, 0, 0, 0, 1)
	wantQueue(t, f.sender, "gave-up:1.0")
}

func TestProcess_LedgerOutage_NeverBecomesGaveUp(t *testing.T) {
	for name, outage := range map[string]func(*fakeLedger){
		"does not answer":      func(l *fakeLedger) { l.seenErr = errAway },
		"does not commit":      func(l *fakeLedger) { l.upTo = 0 },
		"commits only a part":  func(l *fakeLedger) { l.upTo = 1 },
		"commits, then breaks": func(l *fakeLedger) { l.upTo, l.commitErr = 1, context.DeadlineExceeded },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, Settings{Handler: func(context.Context, cloudevent.Event) error { return nil }})
			b := batchOf("a", event("1"), "a", event("2"), "b", event("3"))
			outage(f.ledger)
			for range 3 * MinAttempts {
				f.now = f.now.Add(24 * time.Hour)
				got := f.Process(t.Context(), b)
				if got.Held+got.Counted+got.Copies != 3 {
					t.Fatalf("%+v", got)
				}
				f.ledger.upTo = min(f.ledger.upTo, 0)
			}
			f.ledger.seenErr, f.ledger.upTo = nil, -1
			if got := f.Process(t.Context(), b); got.Unsettled != 3 || len(f.sender.taken) != 0 {
				t.Errorf("%+v; in the queue: %s", got, f.sender.classes())
			}
		})
	}
}

func TestHistory_Full_StartsAnew(t *testing.T) {
	h := history{}
	for n := range maxHistory {
		h[recordID{sequence: fmt.Sprint(n)}] = past{attempts: 1}
	}
	id := recordID{sequence: "new"}
	if was := h.failed(id, noon); was.attempts != 1 || len(h) != 1 {
		t.Errorf("%+v; %d remembered", was, len(h))
	}
}
