package direct

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// callOf has n records.
func callOf(t testing.TB, n int) *Call {
	t.Helper()
	c := NewCall("live", streamARN, shard)
	for i := range n {
		if r := sized(0); !c.Add(Record{SequenceNumber: fmt.Sprint(sequence, i), Arrival: r.Arrival}) {
			t.Fatalf("record %d is not taken", i)
		}
	}
	return c
}

func result(c *Call, record, sub int, o Outcome) Result {
	return Result{Record: record, SequenceNumber: c.sequences[record], Sub: sub, Outcome: o}
}

func TestAnswer_Words(t *testing.T) {
	failed := Result{Record: 1, SequenceNumber: "2", Sub: 7, Outcome: Failed, Class: "invalid", Reason: "no \"id\""}
	const want = `{"told":2,"outcomes":[{"record":0,"sequenceNumber":"1","outcome":"counted"},` +
		`{"record":1,"sequenceNumber":"2","sub":7,"outcome":"failed","class":"invalid","reason":"no \"id\""}]}`
	if got := string(Answer(2, []Result{{SequenceNumber: "1", Outcome: Counted}, failed})); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := string(Answer(1, nil)); got != `{"told":1,"outcomes":[]}` { // an empty aggregate
		t.Errorf("%s", got)
	}
}

// What is answered is what is read, but for reasons, which may be cut.
func TestAnswer_AnyResults_AreReadBack(t *testing.T) {
	outcomes := []Outcome{Counted, Copy, Nothing, Failed, Unsettled}
	rapid.Check(t, func(rt *rapid.T) {
		c := callOf(t, rapid.IntRange(1, 20).Draw(rt, "records"))
		var results []Result
		for n := range c.Len() {
			for sub := range rapid.IntRange(0, 3).Draw(rt, "user records") {
				r := result(c, n, sub, rapid.SampledFrom(outcomes).Draw(rt, "outcome"))
				if r.Outcome == Failed || r.Outcome == Unsettled {
					r.Class = rapid.SampledFrom([]string{"", "late"}).Draw(rt, "class")
					r.Reason = strings.Repeat(rapid.String().Draw(rt, "reason"), rapid.IntRange(1, 200).Draw(rt, "times"))
				}
				results = append(results, r)
			}
		}
		got, err := c.Results(Answer(c.Len(), results))
		if err != nil || len(got) != len(results) {
			rt.Fatalf("%d results of %d, %v", len(got), len(results), err)
		}
		for i := range got {
			whole := strings.ToValidUTF8(results[i].Reason, "\ufffd")
			if kept, isCut := strings.CutSuffix(got[i].Reason, "…"); got[i].Reason != whole && (!isCut || !strings.HasPrefix(whole, kept) || len(kept) < MaxReason/6-20) {
				rt.Fatalf("reason %q was cut to %q", whole, got[i].Reason)
			}
			got[i].Reason = results[i].Reason
		}
		if diff := cmp.Diff(results, got); diff != "" && len(got) > 0 {
			rt.Fatal(diff)
		}
	})
}

func TestAnswer_TenThousandFailures_FitAndKeepMostOfTheirReasons(t *testing.T) {
	for name, reason := range map[string]string{
		"text": strings.Repeat("it is so, because it is. ", 100), "quotes": strings.Repeat(`"`, 5000), "control": strings.Repeat("\x00", 5000), "wide": strings.Repeat("ß…", 3000), "no UTF-8": strings.Repeat("\xff", 5000),
	} {
		c := callOf(t, MaxRecords)
		var results []Result
		for n := range MaxRecords {
			r := result(c, n, 0, Failed)
			r.Class, r.Reason = "undecodable", reason
			results = append(results, r)
		}
		answer := Answer(MaxRecords, results)
		got, err := c.Results(answer)
		if err != nil || len(answer) > MaxAnswer || len(answer) < MaxAnswer*9/10 {
			t.Fatalf("%s: %d bytes, %v", name, len(answer), err)
		}
		for _, r := range got {
			quoted, _ := json.Marshal(r.Reason)
			if r.Outcome != Failed || !utf8.ValidString(r.Reason) || len(quoted) < 440 || !strings.HasSuffix(r.Reason, "…") {
				t.Fatalf("%s: %+v", name, r)
			}
		}
	}
}

// More user records than there is room for: a record is told whole or not at all, and what is not told is unsettled.
func TestAnswer_NoRoomForAll_LeavesTheRestUnsettled(t *testing.T) {
	c := callOf(t, 4)
	var results []Result
	for n, users := range []int{3, 40_000, 40_000, 1} {
		for sub := range users {
			r := result(c, n, sub, Failed)
			r.Class, r.Reason = "undecodable", "empty"
			results = append(results, r)
		}
	}
	answer := Answer(4, results)
	got, err := c.Results(answer)
	if err != nil || len(answer) > MaxAnswer || len(got) != 3+2+1 && len(got) != 40_003+2 {
		t.Fatalf("%d results in %d bytes, %v", len(got), len(answer), err)
	}
	for _, r := range got[len(got)-2:] {
		if r.Outcome != Unsettled || r.Reason != untold || r.SequenceNumber != c.sequences[r.Record] {
			t.Errorf("%+v", r)
		}
	}
	// A record that has too many alone: nothing can be told.
	if got, err := c.Results(Answer(4, results[3:])); err != nil || len(got) == 0 {
		t.Errorf("%d results, %v", len(got), err)
	}
	var many []Result
	for sub := range 90_000 {
		many = append(many, result(c, 0, sub, Counted))
	}
	if got, err := c.Results(Answer(4, many)); err != nil || len(got) != 4 || got[0].Outcome != Unsettled {
		t.Errorf("%d results, %v", len(got), err)
	}
}

// The largest call of the smallest events, in aggregates, has all of its outcomes told.
func TestAnswer_MostEventsThatACallHolds_AreAllTold(t *testing.T) {
	const (
		smallest = len(`{"specversion":"1.0","id":"1234","source":"/abc","type":"t","time":"2001-01-01T00:00:00Z"}`)
		framing  = 6 // of a user record in an aggregate: two tags and lengths, and the index of its key
	)
	if smallest > 90 {
		t.Fatal(smallest)
	}
	users := MaxPayload / 4 * 3 / (smallest + framing)
	c := callOf(t, 1)
	var results []Result
	for sub := range users {
		results = append(results, result(c, 0, sub, Counted))
	}
	if got, err := c.Results(Answer(1, results)); err != nil || len(got) != users || got[0].Outcome != Counted {
		t.Errorf("%d of %d results, %v", len(got), users, err)
	}
}

func TestResults_AnswerThatDoesNotFit_IsAnError(t *testing.T) {
	c := callOf(t, 2)
	one := func(change string) string {
		return `{"told":2,"outcomes":[{"record":0,"sequenceNumber":"` + c.sequences[0] + `",` + change + `"outcome":"copy"},{"record":0,"sequenceNumber":"` + c.sequences[0] + `","sub":1,"outcome":"copy"}]}`
	}
	if got, err := c.Results([]byte(one(""))); err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, x := range []struct{ answer, want string }{
		{``, "read the function's answer"},
		{`[]`, "read the function's answer"},
		{`{"told":3,"outcomes":[]}`, "tells of 3 records, and was asked about 2"},
		{`{"told":-1,"outcomes":[]}`, "tells of -1 records"},
		{one(`"sub":1,`), "record 0, user record 1 stands behind record 0, user record 1"},
		{strings.Replace(one(""), `"record":0`, `"record":1`, 1), `was not asked about`},
		{strings.Replace(one(""), `"record":0`, `"record":-1`, 1), `was not asked about`},
		{strings.Replace(one(""), `"told":2`, `"told":0`, 1), `was not asked about`},
		{strings.Replace(one(""), `"copy"`, `"eaten"`, 1), `"eaten" is no outcome`},
	} {
		if _, err := c.Results([]byte(x.answer)); err == nil || !strings.Contains(err.Error(), x.want) || errors.Is(err, ErrNoOutcomes) {
			t.Errorf("%s: %v, want %s", x.answer, err, x.want)
		}
	}
	for _, x := range []struct{ answer, want string }{
		{`{"batchItemFailures":[]}`, `the answer tells no outcomes: {"batchItemFailures":[]}`},
		{`{"errorMessage":"decode payload: no","errorType":"wrapError"}`, "the function failed: decode payload: no"},
		{`null`, "null"},
	} {
		if _, err := c.Results([]byte(x.answer)); !errors.Is(err, ErrNoOutcomes) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %s", x.answer, err, x.want)
		}
	}
}

func TestSettled_IsWhatNeedsNoMoreCare(t *testing.T) {
	for o, want := range map[Outcome]bool{Counted: true, Copy: true, Nothing: true, Failed: false, Unsettled: false} {
		if (Result{Outcome: o}).Settled() != want {
			t.Errorf("%s: settled %t", o, !want)
		}
	}
}

func FuzzResults(f *testing.F) {
	c := callOf(f, 2)
	f.Add(Answer(2, []Result{result(c, 0, 0, Counted), result(c, 1, 0, Copy)}))
	f.Add([]byte(`{"told":1,"outcomes":[]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		results, err := c.Results(answer)
		if err != nil {
			return
		}
		if back, err := c.Results(Answer(2, results)); err != nil || len(back) != len(results) {
			t.Fatalf("%+v, and again %+v, %v", results, back, err)
		}
	})
}
