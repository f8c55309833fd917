package processor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/kpl/kpltest"
	"github.com/millrace/millrace/internal/meter"
)

// directly makes a direct batch of one.
func directly(b Batch) Batch {
	b.Direct = true
	return b
}

// wording lists results: position and place, outcome, and class.
func wording(results []direct.Result) string {
	var out []string
	for _, r := range results {
		out = append(out, strings.TrimSuffix(fmt.Sprintf("%d.%d:%s-%s", r.Record, r.Sub, r.Outcome, r.Class), "-"))
	}
	return strings.Join(out, " ")
}

// The record without results is an aggregate that has a key and no user record.
func TestDirect_EachOutcome_IsToldAndTheQueueGetsNothing(t *testing.T) {
	f := newFixture(t, Settings{})
	f.ledger.counted["2"], f.ledger.late["3"], f.ledger.refused["4"] = 1, true, true
	got := f.Process(t.Context(), directly(batchOf(
		"k", event("1"), "k", event("2"), "k", []byte("garbage"), "k", aggregate("a", event("3"), "b", event("5"), "b", []byte("{}")),
		"k", kpltest.OneKey("k"), "k", event("4"), "k", typed("6", "other"),
	)))
	const outcomes = "0.0:counted 1.0:copy 2.0:failed-undecodable 3.0:failed-late 3.1:counted 3.2:failed-invalid 5.0:failed-refused 6.0:nothing"
	if told := wording(got.Results); told != outcomes {
		t.Errorf("told %s, want %s", told, outcomes)
	}
	want(t, got, 7, 2, 1, 1, 0, 4)
	if f.sender.calls != 0 {
		t.Error("the failure queue was called")
	}
	for _, r := range got.Results {
		if (r.Reason != "") != (r.Outcome == direct.Failed) || r.SequenceNumber != fmt.Sprint(r.Record+1) {
			t.Errorf("%+v", r)
		}
	}
	if again := wording(f.Process(t.Context(), directly(batchOf("k", event("1"), "k", event("5")))).Results); again != "0.0:copy 1.0:copy" {
		t.Errorf("again: %s", again)
	}
}

// What failed as a user record of an aggregate fails in the same way when it is handed over alone, and an aggregate that
// cannot be read as it did as a whole.
func TestDirect_UserRecord_IsNotTakenApart(t *testing.T) {
	nested := aggregate("k", event("1"))
	broken := aggregate("k", event("2"))
	broken[len(broken)-1]++
	f := newFixture(t, Settings{})
	live := f.Process(t.Context(), directly(batchOf("k", aggregate("k", nested), "k", broken, "k", zipped(event("3")))))
	b := directly(batchOf("k", nested, "k", broken, "k", zipped(event("3"))))
	for i := range b.Records {
		b.Records[i].User = true
	}
	got := f.Process(t.Context(), b)
	if told := wording(got.Results); told != "0.0:failed-undecodable 1.0:failed-undecodable 2.0:copy" {
		t.Errorf("told %s", told)
	}
	for i := range got.Results {
		if got.Results[i].Reason != live.Results[i].Reason {
			t.Errorf("%q, and as the stream has it %q", got.Results[i].Reason, live.Results[i].Reason)
		}
	}
}

func TestDirect_OtherBatch_HasNoResults(t *testing.T) {
	if got := newFixture(t, Settings{}).Process(t.Context(), batchOf("k", event("1"))); got.Results != nil {
		t.Errorf("%+v", got.Results)
	}
}

func TestDirect_Set_IsTheOneThatIsCountedIn(t *testing.T) {
	l := &setLedger{fakeLedger: newLedger()}
	p := New(metersOf(t), l, &fakeSender{}, Settings{})
	for _, set := range []string{"march-again", "", "april"} {
		b := directly(batchOf("k", event("1")))
		b.Set = set
		p.Process(t.Context(), b)
	}
	if got := strings.Join(l.sets, " "); got != "march-again march-again live live april april" {
		t.Errorf("asked for %s", got)
	}
}

// setLedger notes which sets it is asked for.
type setLedger struct {
	*fakeLedger
	sets []string
}

func (l *setLedger) Seen(_ context.Context, set string, ids []cloudevent.Identity) ([]meter.Outcome, error) {
	l.sets = append(l.sets, set)
	return make([]meter.Outcome, len(ids)), nil
}

func (l *setLedger) Commit(_ context.Context, set, _ string, effects []meter.Effect) []meter.Result {
	l.sets = append(l.sets, set)
	return make([]meter.Result, len(effects))
}

func TestDirect_Unsettled_HasItsReason(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fixture)
		reasons []string
	}{
		"the ledger is away":          {func(f *fixture) { f.ledger.seenErr = errAway }, []string{"ask the ledger: ", "ask the ledger: ", "ask the ledger: "}},
		"the table is busy":           {func(f *fixture) { f.ledger.upTo = 1 }, []string{"", "commit: the table is busy", "commit: the table is busy"}},
		"the handler's error may end": {func(f *fixture) { f.settings.Handler = byID(map[string]error{"1": errAway}) }, []string{"handle event: the other service is away", errBehind.Error(), ""}},
	} {
		f := newFixture(t, Settings{})
		c.prepare(f)
		for i, r := range f.Process(t.Context(), directly(batchOf("a", event("1"), "a", event("2"), "b", event("3")))).Results {
			if (r.Outcome == direct.Unsettled) != (c.reasons[i] != "") || !strings.HasPrefix(r.Reason, c.reasons[i]) {
				t.Errorf("%s: result %d is %+v, want %q", name, i, r, c.reasons[i])
			}
		}
	}
}

// An operator waits, and tries again himself: nothing is given up, neither in direct calls nor by their count.
func TestDirect_TransientFailure_IsNeverGivenUpAndCountsForNoPatience(t *testing.T) {
	f := newFixture(t, Settings{Patience: time.Minute, Handler: byID(map[string]error{"1": errAway})})
	for range 4 * MinAttempts {
		f.now = f.now.Add(time.Hour)
		if told := wording(f.Process(t.Context(), directly(batchOf("k", event("1")))).Results); told != "0.0:unsettled" {
			t.Fatalf("told %s", told)
		}
	}
	for n := range MinAttempts {
		got := f.Process(t.Context(), batchOf("k", event("1")))
		if last := n == MinAttempts-1; (got.Failed[GaveUp] == 1) != last {
			t.Errorf("attempt %d of the stream's: %+v", n+1, got)
		}
		f.now = f.now.Add(time.Hour)
	}
	wantQueue(t, f.sender, "gave-up:1.0")
}

// One instance serves the stream and a redrive: what it remembers of records that it has sent to the queue is not held
// against them when they come back from there, and is still known when the stream's batch comes again.
func TestDirect_WarmInstanceThatSentTheRecord_HandlesItAndStillKnowsItForTheStream(t *testing.T) {
	answers := map[string]error{"1": Permanent(errors.New("no such customer"))}
	f := newFixture(t, Settings{Handler: byID(answers)})
	f.ledger.upTo = 0 // event 2 stays unsettled, and so the batch comes again
	b := batchOf("a", event("2"), "b", event("1"), "c", []byte("garbage"))
	want(t, f.Process(t.Context(), b), 0, 0, 0, 0, 1, 2)
	wantQueue(t, f.sender, "refused:2.0 undecodable:3.0")
	f.ledger.upTo = -1
	told := f.Process(t.Context(), directly(b.from(1))).Results
	if got := wording(told); got != "0.0:failed-refused 1.0:failed-undecodable" || told[0].Reason != "handle event: no such customer" && told[0].Reason != "no such customer" {
		t.Errorf("told %s: %+v", got, told)
	}
	delete(answers, "1") // the handler takes it now
	if got := wording(f.Process(t.Context(), directly(b.from(1))).Results); got != "0.0:counted 1.0:failed-undecodable" {
		t.Errorf("told %s", got)
	}
	want(t, f.Process(t.Context(), b), 3, 1, 1, 0, 0, 1)
	wantQueue(t, f.sender, "refused:2.0 undecodable:3.0")
}

// Whatever happens in a direct call, its results are those of the report, one for each user record, in order.
func TestDirect_AnyOutcomes_ResultsAddUpToTheReport(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newCourse(nil)
		b, users := c.drawBatch(rt)
		c.numbers = rapid.SliceOfN(rapid.IntRange(0, 1<<16), 0, 60).Draw(rt, "script")
		p := New(metersOf(t), c, c, Settings{Handler: c.handle})
		for range 3 {
			counts := len(c.counted)
			got := p.Process(context.Background(), directly(b))
			if err := addsUp(got, len(b.Records), len(users)); err != nil {
				rt.Fatal(err)
			}
			kinds := map[direct.Outcome]int{}
			for i, r := range got.Results {
				kinds[r.Outcome]++
				if place := fmt.Sprintf("%s.%d", r.SequenceNumber, r.Sub); place != users[i].place || b.Records[r.Record].SequenceNumber != r.SequenceNumber {
					rt.Fatalf("result %d is of %s, want %s", i, place, users[i].place)
				}
				if (r.Outcome == direct.Counted || r.Outcome == direct.Copy) && c.counted[users[i].id] != 1 {
					rt.Fatalf("%+v: event %s is counted %d times", r, users[i].id, c.counted[users[i].id])
				}
			}
			if kinds[direct.Counted] != got.Counted || kinds[direct.Copy] != got.Copies || kinds[direct.Nothing] != got.Nothing || kinds[direct.Unsettled] != got.Held {
				rt.Fatalf("%v of %+v", kinds, got)
			}
			if len(c.counted) < counts+got.Counted || len(c.queue) > 0 {
				rt.Fatalf("%d are counted, %d are told; in the queue: %v", len(c.counted)-counts, got.Counted, c.queue)
			}
		}
	})
}
