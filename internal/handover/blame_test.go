package handover

import (
	"errors"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/direct"
)

func TestHandover_RecordThatCrashesTheFunction_IsFoundAndHasFailed(t *testing.T) {
	f := &function{judge: func(data string, _ int) (direct.Outcome, string) {
		if data == "77" || data == "1234" {
			return "", "crash: exit status 1"
		}
		return direct.Counted, ""
	}}
	out, err := handAll(t, f, Options{}, recordsOf(3000, 7))
	if err != nil || out.count(direct.Counted)+out.count(direct.Copy) != 2998 || out.count(direct.Failed) != 2 || len(f.calls) > 40 {
		t.Fatalf("%v: %d counted, %d calls", err, out.count(direct.Counted), len(f.calls))
	}
	for _, h := range out.records {
		if r := h.Results[0]; r.Outcome == direct.Failed && (h.N != 77 && h.N != 1234 || r.Class != ClassCrash || r.Reason != "the function crashed: crash: exit status 1") {
			t.Errorf("%+v", h)
		}
	}
}

// It says nothing of the records: each of them may be healthy.
func TestHandover_FunctionThatAlwaysCrashes_IsSoonStuckAndBlamesNoRecord(t *testing.T) {
	for _, n := range []int{30, 3000} {
		f := &function{judge: func(string, int) (direct.Outcome, string) { return "", "crash" }}
		out, err := handAll(t, f, Options{Patience: 2 * time.Second}, recordsOf(n, 7))
		if !errors.Is(err, ErrStuck) || len(f.calls) > 100 || out.count(direct.Failed) != 0 {
			t.Errorf("%v: %d calls, %d failed", err, len(f.calls), out.count(direct.Failed))
		}
	}
}

// The first records crash it, before it has answered anything: those behind show that it works.
func TestHandover_FirstRecordsCrashTheFunction_HaveFailedOnceALaterOneIsAnswered(t *testing.T) {
	f := &function{judge: func(data string, _ int) (direct.Outcome, string) {
		if len(data) == 1 && data < "4" {
			return "", "crash"
		}
		return direct.Counted, ""
	}}
	out, err := handAll(t, f, Options{}, recordsOf(100, 1))
	if err != nil || out.count(direct.Counted) != 96 || out.count(direct.Failed) != 4 {
		t.Errorf("%v: %d counted, %d failed in %d calls", err, out.count(direct.Counted), out.count(direct.Failed), len(f.calls))
	}
}

// Whether the function works at all is asked with a record that has no data.
func TestHandover_OnlyRecordCrashesTheFunction_HasFailedIfThatWorksAtAll(t *testing.T) {
	for works, want := range map[bool]direct.Outcome{true: direct.Failed, false: direct.Unsettled} {
		f := &function{judge: func(data string, _ int) (direct.Outcome, string) {
			if data == "" && works {
				return direct.Failed, "no event"
			}
			return "", "crash: exit status 1"
		}}
		out, err := handAll(t, f, Options{}, recordsOf(1, 1))
		if err != nil || out.count(want) != 1 || out.records[0].Results[0].Reason != "the function crashed: crash: exit status 1" {
			t.Errorf("works: %t: %v: %+v", works, err, out.records)
		}
	}
}

func TestHandover_FunctionDiesInBetween_BlamesNoRecord(t *testing.T) {
	f := &function{}
	f.judge = func(string, int) (direct.Outcome, string) {
		if len(f.calls) > 2 {
			return "", "crash"
		}
		return direct.Counted, ""
	}
	out, err := handAll(t, f, Options{}, recordsOf(3000, 7))
	if !errors.Is(err, ErrStuck) || out.count(direct.Counted) != 2000 || out.count(direct.Failed) != 0 {
		t.Errorf("%v: %d counted, %d failed", err, out.count(direct.Counted), out.count(direct.Failed))
	}
}

// While something else is away, many records wait. To find those that crash the function need not take their patience each time.
func TestHandover_CrashesAmongRecordsThatWait_AreFoundWhileThoseWait(t *testing.T) {
	f := &function{judge: func(data string, _ int) (direct.Outcome, string) {
		switch {
		case len(data) == 3 && data[2] == '7': // 107, 117 ... 297
			return "", "crash"
		case data[len(data)-1]%2 == 0:
			return direct.Unsettled, "the bank is closed"
		}
		return direct.Counted, ""
	}}
	out, err := handAll(t, f, Options{}, recordsOf(300, 300))
	if err != nil || out.count(direct.Failed) != 20 || out.count(direct.Unsettled) != 150 || out.count(direct.Counted)+out.count(direct.Copy) != 130 {
		t.Errorf("%v: %d failed, %d unsettled", err, out.count(direct.Failed), out.count(direct.Unsettled))
	}
	if took := f.at[len(f.at)-1].Sub(f.at[0]); took > 6*DefaultPatience { // it took 56 when they did
		t.Errorf("%d calls in %s", len(f.calls), took)
	}
}
