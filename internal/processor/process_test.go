package processor

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

// Holding back.

func TestProcess_TransientError_HoldsOnlyLaterRecordsOfItsKey(t *testing.T) {
	var handled []string
	f := newFixture(t, Settings{Patience: time.Hour, Handler: func(_ context.Context, e cloudevent.Event) error {
		handled = append(handled, e.ID)
		if e.ID == "3" {
			return errAway
		}
		return nil
	}})
	got := f.Process(t.Context(), batchOf("a", event("1"), "b", event("2"), "a", event("3"), "b", event("4"), "a", event("5"), "c", event("6"), "a", []byte("bad")))
	want(t, got, 2, 4, 0, 0, 2, 1)
	if !slices.Equal(handled, []string{"1", "2", "3", "4", "6"}) {
		t.Errorf("handled %v", handled)
	}
	if !errors.Is(got.Err, errAway) {
		t.Errorf("error %v", got.Err)
	}
}

// The key is that of the user record, which the producer gave, and not that of the Kinesis record.
func TestProcess_TransientErrorInAnAggregate_HoldsTheUserRecordsKey(t *testing.T) {
	f := newFixture(t, Settings{Patience: time.Hour, Handler: byID(map[string]error{"2": errAway})})
	b := batchOf("k", event("1"), "k", aggregate("u", event("2"), "v", event("3"), "u", event("4")), "u", event("5"), "k", event("6"))
	want(t, f.Process(t.Context(), b), 1, 3, 0, 0, 3, 0)
	f.settings.Handler = nil
	want(t, f.Process(t.Context(), b.from(1)), 3, 3, 2, 0, 0, 0)
}

func TestProcess_LowestUnsettledRecord_IsReported(t *testing.T) {
	f := newFixture(t, Settings{Patience: time.Hour, Handler: byID(map[string]error{"5": errAway, "3": errAway})})
	b := batchOf("a", event("1"), "b", event("2"), "c", event("3"), "d", event("4"), "e", event("5"))
	want(t, f.Process(t.Context(), b), 2, 3, 0, 0, 2, 0)
	want(t, f.Process(t.Context(), b.from(2)), 0, 0, 1, 0, 2, 0)
	f.settings.Handler = nil
	want(t, f.Process(t.Context(), b.from(2)), 3, 2, 1, 0, 0, 0)
}

func TestProcess_FailureAndTransientOfOneKey_FailureDoesNotWait(t *testing.T) {
	f := newFixture(t, Settings{Patience: time.Hour, Handler: byID(map[string]error{"1": errAway})})
	f.ledger.late["2"] = true
	want(t, f.Process(t.Context(), batchOf("a", event("1"), "a", []byte("bad"), "a", event("2"))), 0, 0, 0, 0, 1, 2)
	wantQueue(t, f.sender, "undecodable:2.0 late:3.0")
}

// Nothing to count.

func TestProcess_NothingToCount_SettlesWithoutAMark(t *testing.T) {
	f := newFixture(t, Settings{})
	b := batchOf("a", typed("1", "other"), "b", typed("2", "another"))
	for range 2 {
		want(t, f.Process(t.Context(), b), 2, 0, 0, 2, 0, 0)
	}
	if len(f.ledger.commits) != 0 {
		t.Errorf("committed %+v", f.ledger.commits)
	}
}

func TestProcess_NothingToCountButAHandler_IsMarkedAndHandledOnce(t *testing.T) {
	calls := 0
	f := newFixture(t, Settings{Handler: func(context.Context, cloudevent.Event) error { calls++; return nil }})
	b := batchOf("a", typed("1", "other"))
	want(t, f.Process(t.Context(), b), 1, 1, 0, 0, 0, 0)
	want(t, f.Process(t.Context(), b), 1, 0, 1, 0, 0, 0)
	if calls != 1 || len(f.ledger.commits[0][0].Deltas) != 0 {
		t.Errorf("%d calls; committed %+v", calls, f.ledger.commits)
	}
}

// Copies.

func TestProcess_CopiesInOneBatch_FirstThatCommitsCounts(t *testing.T) {
	f := newFixture(t, Settings{})
	b := batchOf("a", event("1"), "b", event("1"), "a", aggregate("a", event("1"), "a", event("2"), "a", event("2")))
	want(t, f.Process(t.Context(), b), 3, 2, 3, 0, 0, 0)
	want(t, f.Process(t.Context(), b), 3, 0, 5, 0, 0, 0)
}

func TestProcess_CopyThatFailed_ShadowsNobody(t *testing.T) {
	for name, c := range map[string]struct {
		answer error
		report func(t *testing.T, got Report)
	}{
		"refused":   {Permanent(errors.New("no")), func(t *testing.T, got Report) { want(t, got, 2, 1, 0, 0, 0, 1) }},
		"transient": {errAway, func(t *testing.T, got Report) { want(t, got, 0, 1, 0, 0, 1, 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			f := newFixture(t, Settings{Patience: time.Hour, Handler: func(context.Context, cloudevent.Event) error {
				if calls++; calls == 1 {
					return c.answer
				}
				return nil
			}})
			b := batchOf("a", event("1"), "b", event("1"))
			c.report(t, f.Process(t.Context(), b))
			if f.ledger.counted["1"] != 1 {
				t.Errorf("counted %v", f.ledger.counted)
			}
		})
	}
}

func TestProcess_CopyOfWhatWasCounted_IsNotHandledAndHoldsNothing(t *testing.T) {
	f := newFixture(t, Settings{Handler: byID(map[string]error{"1": errAway})})
	f.ledger.counted["1"] = 1
	want(t, f.Process(t.Context(), batchOf("a", event("1"), "a", event("2"))), 2, 1, 1, 0, 0, 0)
}

// The ledger.

func TestProcess_LedgerDoesNotAnswer_AllButFailuresIsUnsettled(t *testing.T) {
	f := newFixture(t, Settings{Handler: func(context.Context, cloudevent.Event) error {
		t.Error("the handler was called for what may be a copy")
		return nil
	}})
	f.ledger.seenErr = errAway
	b := batchOf("a", []byte("bad"), "a", event("1"), "b", typed("2", "other"))
	got := f.Process(t.Context(), b)
	want(t, got, 1, 0, 0, 0, 2, 1)
	if !errors.Is(got.Err, errAway) || !strings.HasPrefix(got.Err.Error(), "ask the ledger: ") {
		t.Errorf("error %v", got.Err)
	}
}

func TestProcess_CommitSettlesAPart_RestIsUnsettled(t *testing.T) {
	f := newFixture(t, Settings{})
	f.ledger.upTo = 2
	b := batchOf("a", event("1"), "b", event("2"), "c", event("3"), "d", []byte("bad"), "e", event("5"))
	got := f.Process(t.Context(), b)
	want(t, got, 2, 2, 0, 0, 2, 1)
	if !errors.Is(got.Err, f.ledger.commitErr) || !strings.HasPrefix(got.Err.Error(), "commit: ") {
		t.Errorf("error %v", got.Err)
	}
	f.ledger.upTo = -1
	want(t, f.Process(t.Context(), b.from(2)), 3, 2, 0, 0, 0, 1)
	wantQueue(t, f.sender, "undecodable:4.0")
}

// The handler.

func TestProcess_Handler_GetsACopyOfTheEventOfItsOwn(t *testing.T) {
	f := newFixture(t, Settings{Handler: func(_ context.Context, e cloudevent.Event) error {
		for i := range e.Data {
			e.Data[i] = 'x'
		}
		e.Subject = "changed"
		return nil
	}})
	data := event("1")
	want(t, f.Process(t.Context(), batchOf("a", data)), 1, 1, 0, 0, 0, 0)
	if string(data) != string(event("1")) {
		t.Errorf("the record was changed to %s", data)
	}
	if d := f.ledger.commits[0][0].Deltas[0]; d.Group != "s" || d.Values[0].String() != "11" {
		t.Errorf("committed %+v", d)
	}
}

// A record may come in memory that is used again after the batch.
func TestProcess_HandlerThatOutlivesTheBatch_KeepsItsEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept string
		release := make(chan struct{})
		f := newFixture(t, Settings{Patience: time.Hour, Handler: func(_ context.Context, e cloudevent.Event) error {
			<-release
			kept = fmt.Sprint(e.ID, e.Subject, string(e.Data))
			return nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		data := event("1")
		want(t, f.Process(ctx, batchOf("a", data)), 0, 0, 0, 0, 1, 0)
		clear(data)
		close(release)
		synctest.Wait()
		if kept != `1s{"n":11}` {
			t.Errorf("the handler's event: %s", kept)
		}
	})
}

func TestProcess_HandlerNeverReturns_AnswersInTimeAndCommitsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		f := newFixture(t, Settings{Patience: time.Hour, Handler: func(_ context.Context, e cloudevent.Event) error {
			if e.ID == "3" {
				<-release
			}
			return nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		b := batchOf("a", event("1"), "b", event("2"), "c", event("3"), "d", event("4"), "e", []byte("bad"))
		want(t, f.Process(ctx, b), 2, 3, 0, 0, 1, 1)
		if took := time.Since(began); took != 22500*time.Millisecond {
			t.Errorf("it took %s, want half of three quarters of a minute", took)
		}
		if ctx.Err() != nil {
			t.Error("no time is left to answer")
		}
	})
}

// One event whose handler never answers must not block its shard for good.
func TestProcess_HandlerThatNeverReturns_IsGivenUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		f := newFixture(t, Settings{Patience: time.Minute, Now: time.Now, Handler: func(_ context.Context, e cloudevent.Event) error {
			if e.ID == "1" {
				<-release
			}
			return nil
		}})
		b := batchOf("a", event("1"), "b", event("2"))
		for n := 1; ; n++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			got := f.Process(ctx, b)
			cancel()
			if got.Failed[GaveUp] == 1 {
				if n != MinAttempts {
					t.Errorf("given up after %d attempts", n)
				}
				break
			}
			if n == 2*MinAttempts {
				t.Fatalf("after %d attempts: %+v", n, got)
			}
		}
		want(t, f.Process(t.Context(), b.from(1)), 1, 0, 1, 0, 0, 0)
		wantQueue(t, f.sender, "gave-up:1.0")
	})
}

// What was not handled for lack of time has not failed.
func TestProcess_SlowHandlers_MakeProgressAndNobodyIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, Settings{Now: time.Now, Handler: func(ctx context.Context, _ cloudevent.Event) error {
			select {
			case <-time.After(20 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		var keyed []any
		for n := range 20 {
			keyed = append(keyed, fmt.Sprint("k", n), event(fmt.Sprint(n)))
		}
		b := batchOf(keyed...)
		for n := 0; len(b.Records) > 0; n++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			got := f.Process(ctx, b)
			cancel()
			if got.Counted == 0 || n > 20 {
				t.Fatalf("no progress: %+v", got)
			}
			b = b.from(got.Unsettled)
		}
		wantQueue(t, f.sender, "")
		if len(f.ledger.counted) != 20 {
			t.Errorf("counted %v", f.ledger.counted)
		}
	})
}

func TestProcess_NoTimeLeft_HandlesNobody(t *testing.T) {
	f := newFixture(t, Settings{Handler: func(context.Context, cloudevent.Event) error {
		t.Error("the handler was called")
		return nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 * MinAttempts {
		want(t, f.Process(ctx, batchOf("a", event("1"))), 0, 0, 0, 0, 1, 0)
	}
	if len(f.history) != 0 {
		t.Errorf("counted as attempts: %v", f.history)
	}
}

func TestProcess_PanicOfAnyKind_IsCaught(t *testing.T) {
	for _, value := range []any{"text", errors.New("error"), 7, struct{ x int }{1}, nil} {
		f := newFixture(t, Settings{Handler: func(context.Context, cloudevent.Event) error { panic(value) }})
		want(t, f.Process(t.Context(), batchOf("a", event("1"), "a", event("2"))), 2, 0, 0, 0, 0, 2)
		if f.sender.taken[0].Class != Panic {
			t.Errorf("class %s", f.sender.taken[0].Class)
		}
	}
}

// What a panic says is seldom enough to find it.
func TestProcess_Panic_IsToldWithItsPlace(t *testing.T) {
	var none map[string]int
	for _, c := range []struct {
		reason string
		handle func()
	}{
		{"assignment to entry in nil map", func() { none["x"] = 1 }},
		{"runtime error: invalid memory address or nil pointer dereference", func() { _ = *(*int)(nil) }},
		{"runtime error: index out of range [0] with length 0", func() { _ = []int{}[len(none)] }},
		{"text", func() { panic("text") }},
		{"it has ended its goroutine (runtime.Goexit)", runtime.Goexit},
	} {
		f := newFixture(t, Settings{Handler: func(context.Context, cloudevent.Event) error { c.handle(); return nil }})
		f.Process(t.Context(), batchOf("a", event("1")))
		got := f.sender.taken[0].Reason
		place := regexp.MustCompile(`^the handler panicked at processor/process_test\.go:\d+: `)
		if place.ReplaceAllString(got, "the handler panicked: ") != "the handler panicked: "+c.reason || place.MatchString(got) == strings.Contains(c.reason, "Goexit") {
			t.Errorf("%q, want %q", got, c.reason)
		}
	}
}

func TestProcess_LateOnlyWhenCommitted_LeavesAsLate(t *testing.T) {
	f := newFixture(t, Settings{})
	f.Processor.ledger = lateAtCommit{f.ledger}
	want(t, f.Process(t.Context(), batchOf("a", event("1"), "a", typed("2", "other"))), 2, 0, 0, 1, 0, 1)
	wantQueue(t, f.sender, "late:1.0")
}

// lateAtCommit finds the horizon passed since it was asked.
type lateAtCommit struct{ *fakeLedger }

func (lateAtCommit) Commit(_ context.Context, _, _ string, effects []meter.Effect) []meter.Result {
	out := make([]meter.Result, len(effects))
	for i := range out {
		out[i].Outcome = meter.Late
	}
	return out
}
