package handover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/direct"
)

// function plays the processor: it settles records in order, holding back those behind an unsettled one of their key.
type function struct {
	// judge gives what becomes of a record by its data, in a call of so many; nil counts it. A text that begins with
	// "crash" ends the invocation.
	judge   func(data string, n int) (o direct.Outcome, reason string)
	fail    func(call int) error // of the call itself; nil is none
	lost    bool                 // the error of fail is an answer that was lost
	calls   []int                // how many records each had
	at      []time.Time
	order   map[string][]string // data of the records that were judged and not held back, by key
	counted map[string]bool
}

type event struct {
	Millrace struct{ Set string }
	Records  []struct {
		EventID        string
		EventSourceARN string
		Kinesis        struct {
			PartitionKey, SequenceNumber string
			Data                         []byte
		}
	}
}

func (f *function) Invoke(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var e event
	if err := json.Unmarshal(in.Payload, &e, json.MatchCaseInsensitiveNames(true)); err != nil {
		return nil, err
	}
	f.calls, f.at = append(f.calls, len(e.Records)), append(f.at, time.Now())
	if f.fail != nil {
		if err := f.fail(len(f.calls)); err != nil {
			if f.lost {
				f.handle(&e)
			}
			return nil, err
		}
	}
	results, crash := f.handle(&e)
	if crash != "" {
		return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorMessage":"` + crash + `","errorType":"Runtime.ExitError"}`)}, nil
	}
	return &lambda.InvokeOutput{Payload: direct.Answer(len(e.Records), results)}, nil
}

func (f *function) handle(e *event) (results []direct.Result, crash string) {
	if f.counted == nil {
		f.counted, f.order = map[string]bool{}, map[string][]string{}
	}
	waiting := map[string]bool{}
	for i, r := range e.Records {
		result := direct.Result{Record: i, SequenceNumber: r.Kinesis.SequenceNumber, Outcome: direct.Counted}
		data, key := string(r.Kinesis.Data), r.Kinesis.PartitionKey
		switch {
		case f.counted[data]:
			result.Outcome = direct.Copy
		case waiting[key]:
			result.Outcome, result.Reason = direct.Unsettled, "behind"
		default:
			if f.judge != nil {
				result.Outcome, result.Reason = f.judge(data, len(e.Records))
			}
			if strings.HasPrefix(result.Reason, "crash") {
				return nil, result.Reason
			}
			switch result.Outcome {
			case direct.Unsettled:
				waiting[key] = true
			case direct.Counted:
				f.counted[data] = true
				f.order[key] = append(f.order[key], data)
			}
		}
		results = append(results, result)
	}
	return results, ""
}

// told collects what a handover tells, as "N:outcome" by place.
type told struct {
	records []Handed
	fatal   func(string, ...any)
}

func (o *told) each(h Handed) {
	for _, b := range o.records {
		if b.N == h.N && b.Shard == h.Shard {
			o.fatal("record %d of %s is told twice", h.N, h.Shard)
		}
	}
	o.records = append(o.records, h)
}

func (o *told) count(want direct.Outcome) (n int) {
	for _, h := range o.records {
		if h.Results[0].Outcome == want {
			n++
		}
	}
	return n
}

// recordsOf makes records "0", "1"... whose keys go round.
func recordsOf(n, keys int) (records []direct.Record) {
	for i := range n {
		records = append(records, direct.Record{
			SequenceNumber: fmt.Sprint(1000 + i), PartitionKey: fmt.Sprint("k", i%keys), Data: []byte(fmt.Sprint(i)), Arrival: time.UnixMilli(int64(i)),
		})
	}
	return records
}

// handAll hands records of one shard over in fake time.
func handAll(t *testing.T, f *function, o Options, records []direct.Record) (*told, error) {
	t.Helper()
	out := &told{fatal: t.Fatalf}
	var err error
	synctest.Test(t, func(t *testing.T) {
		o.Function, o.Set, o.StreamARN = "f", "live", "arn:aws:kinesis:r:1:stream/s"
		h := New(f, o, out.each)
		if err = h.Add(t.Context(), "shardId-000000000000", records...); err == nil {
			err = h.Flush(t.Context(), "shardId-000000000000")
		}
	})
	return out, err
}

func TestHandover_AllGood_GoesInBatchesAndInOrder(t *testing.T) {
	f := &function{}
	out, err := handAll(t, f, Options{}, recordsOf(2500, 3))
	if err != nil || fmt.Sprint(f.calls) != "[1000 1000 500]" || out.count(direct.Counted) != 2500 {
		t.Fatalf("%v: calls %v, %d counted", err, f.calls, out.count(direct.Counted))
	}
	for i, h := range out.records {
		if h.N != i || string(h.Record.Data) != fmt.Sprint(i) || !h.Settled() {
			t.Fatalf("told %d: %+v", i, h)
		}
	}
}

func TestHandover_Rate_SpreadsTheCalls(t *testing.T) {
	f := &function{}
	if _, err := handAll(t, f, Options{Rate: 10}, recordsOf(45, 3)); err != nil || fmt.Sprint(f.calls) != "[10 10 10 10 5]" {
		t.Fatalf("%v: calls %v", err, f.calls)
	}
	if took := f.at[4].Sub(f.at[0]); took < 3*time.Second || took > 4*time.Second {
		t.Errorf("took %s", took)
	}
	if _, err := handAll(t, f, Options{Rate: 0.5}, recordsOf(3, 3)); err != nil || f.at[len(f.at)-1].Sub(f.at[len(f.at)-3]) != 4*time.Second {
		t.Errorf("%v: %v", err, f.at)
	}
}

func TestHandover_WhatPasses_IsBorne(t *testing.T) {
	for name, failure := range map[string]error{
		"throttle": &types.TooManyRequestsException{}, "server": &types.ServiceException{ErrorCodeOverride: aws.String("InternalServerError")}, "cut": io.ErrUnexpectedEOF,
		"unreadable": &smithy.DeserializationError{Err: io.EOF}, "changing": &types.ResourceConflictException{},
	} {
		f := &function{lost: true, fail: func(call int) error {
			if call%3 != 0 {
				return failure
			}
			return nil
		}}
		out, err := handAll(t, f, Options{}, recordsOf(1500, 3))
		if err != nil || out.count(direct.Copy) != 1500 || len(f.calls) != 6 {
			t.Errorf("%s: %v, %d copies, calls %v", name, err, out.count(direct.Copy), f.calls)
		}
	}
}

func TestHandover_WhatDoesNotPass_EndsIt(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to perform: lambda:InvokeFunction"}
	f := &function{fail: func(int) error { return denied }}
	out, err := handAll(t, f, Options{}, recordsOf(10, 3))
	if !errors.Is(err, denied) || len(f.calls) != 1 || len(out.records) != 0 || !strings.HasPrefix(err.Error(), "invoke function f: ") {
		t.Errorf("%v after %d calls", err, len(f.calls))
	}
	f = &function{fail: func(int) error { return &types.TooManyRequestsException{} }}
	if _, err := handAll(t, f, Options{}, recordsOf(10, 3)); err == nil || len(f.calls) < 20 || f.at[len(f.at)-1].Sub(f.at[0]) > 70*time.Second {
		t.Errorf("%v after %d calls", err, len(f.calls))
	}
}

func TestHandover_RecordThatStaysUnsettled_IsLeftWithItsKeyOnly(t *testing.T) {
	f := &function{judge: func(data string, _ int) (direct.Outcome, string) {
		if data == "100" {
			return direct.Unsettled, "the bank is closed"
		}
		return direct.Counted, ""
	}}
	out, err := handAll(t, f, Options{}, recordsOf(5000, 10))
	if err != nil || out.count(direct.Counted) != 4510 || out.count(direct.Unsettled) != 490 {
		t.Fatalf("%v: %d counted, %d unsettled, calls %v", err, out.count(direct.Counted), out.count(direct.Unsettled), f.calls)
	}
	for _, h := range out.records {
		if wants := h.Results[0].Outcome == direct.Unsettled; wants != (h.N >= 100 && h.N%10 == 0) || h.N == 100 && h.Results[0].Reason != "the bank is closed" {
			t.Fatalf("%+v", h)
		}
	}
}

// A call of a slow handler ends before all of its records have been tried.
func TestHandover_RecordsThatTheFunctionHadNoTimeFor_AreNotLeft(t *testing.T) {
	call, handled := 0, 0
	f := &function{}
	f.judge = func(string, int) (direct.Outcome, string) {
		if call != len(f.calls) {
			call, handled = len(f.calls), 0
			time.Sleep(45 * time.Second)
		}
		if handled++; handled > 50 {
			return direct.Unsettled, "no time is left to handle the event"
		}
		return direct.Counted, ""
	}
	out, err := handAll(t, f, Options{}, recordsOf(2000, 2000))
	if err != nil || out.count(direct.Counted) != 2000 || len(f.calls) != 40 {
		t.Errorf("%v: %d counted, %d unsettled in %d calls", err, out.count(direct.Counted), out.count(direct.Unsettled), len(f.calls))
	}
}

func TestHandover_KeyThatIsHeld_IsHeldInTheNextShardToo(t *testing.T) {
	closed := true
	f := &function{judge: func(data string, _ int) (direct.Outcome, string) {
		if data == "1" && closed {
			return direct.Unsettled, "closed"
		}
		return direct.Counted, ""
	}}
	synctest.Test(t, func(t *testing.T) {
		out := &told{fatal: t.Fatalf}
		h := New(f, Options{}, out.each)
		for _, shard := range []string{"a", "b"} {
			if err := errors.Join(h.Add(t.Context(), shard, recordsOf(6, 3)...), h.Flush(t.Context(), shard)); err != nil {
				t.Fatal(err)
			}
			closed = false
		}
		if out.count(direct.Unsettled) != 4 || f.counted["1"] || f.counted["4"] {
			t.Errorf("%+v", out.records)
		}
	})
}

func TestHandover_TransientFault_PassesAndKeepsTheOrder(t *testing.T) {
	tries := map[string]int{}
	f := &function{judge: func(data string, _ int) (direct.Outcome, string) {
		if tries[data]++; len(data)%2 == 0 && tries[data] < 4 {
			return direct.Unsettled, "not yet"
		}
		return direct.Counted, ""
	}}
	out, err := handAll(t, f, Options{}, recordsOf(600, 7))
	if err != nil || out.count(direct.Counted) != 600 {
		t.Fatalf("%v: %d counted", err, out.count(direct.Counted))
	}
	for key, order := range f.order {
		for i := range order {
			if want := fmt.Sprint(int(key[1]-'0') + 7*i); order[i] != want {
				t.Fatalf("key %s: record %s stands where %s should", key, order[i], want)
			}
		}
	}
}

func TestHandover_FunctionThatSettlesNothing_EndsWithItsReason(t *testing.T) {
	f := &function{judge: func(string, int) (direct.Outcome, string) { return direct.Unsettled, "no table" }}
	out, err := handAll(t, f, Options{Rate: 100}, recordsOf(900, 900)) // the rate makes calls small
	if !errors.Is(err, ErrStuck) || !strings.Contains(err.Error(), "no table") || out.count(direct.Unsettled) != len(out.records) {
		t.Errorf("%v: %d told", err, len(out.records))
	}
	if took := f.at[len(f.at)-1].Sub(f.at[0]); took < 55*time.Second || took > 130*time.Second {
		t.Errorf("ended after %s", took)
	}
}

func TestHandover_LargeRecords_FillCalls(t *testing.T) {
	f := &function{}
	var records []direct.Record
	for i := range 10 {
		records = append(records, direct.Record{SequenceNumber: fmt.Sprint(i), PartitionKey: "k", Data: fmt.Appendf(nil, "%02d%s", i, strings.Repeat("x", 1<<20))})
	}
	records[4].Data = make([]byte, 5<<20) // as large as Kinesis takes, and too large for Lambda
	out, err := handAll(t, f, Options{}, records)
	if err != nil || fmt.Sprint(f.calls) != "[4 4 1]" || out.count(direct.Counted) != 9 || out.count(direct.Failed) != 1 {
		t.Errorf("%v: calls %v, %+v", err, f.calls, out.count(direct.Counted))
	}
}

func TestHandover_AnotherFunction_EndsIt(t *testing.T) {
	f := answering(`{"batchItemFailures":[]}`)
	h := New(f, Options{}, func(Handed) { t.Error("told") })
	if err := errors.Join(h.Add(t.Context(), "s", recordsOf(3, 1)...), h.Flush(t.Context(), "s")); !errors.Is(err, direct.ErrNoOutcomes) {
		t.Errorf("%v", err)
	}
}

func TestRead_CrashAndTimeout_AreToldWithoutTheRequest(t *testing.T) {
	for payload, want := range map[string]string{
		`{"errorMessage":"RequestId: 5bdea47c-01e5-4bbb-b62b-dd5064f7183e Error: Runtime exited with error: exit status 4","errorType":"Runtime.ExitError"}`: "Runtime exited with error: exit status 4",
		`{"errorMessage":"2026-11-28T14:08:07.862Z 5bdea47c-01e5-4bbb-b62b-dd5064f7183e Task timed out after 60.00 seconds"}`:                                "Task timed out after 60.00 seconds",
		`{"errorMessage":"read payload: no records","errorType":"wrapError"}`:                                                                                "read payload: no records",
		`oops`: "Unhandled oops",
	} {
		_, err := read(direct.NewCall("live", "a", "s"), &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(payload)})
		if c := new(crash); !errors.As(err, &c) || c.text != want {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

type answering string

func (a answering) Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	return &lambda.InvokeOutput{Payload: []byte(a)}, nil
}

// Whatever the function does, each record is told once, and no record is counted while an earlier one of its key is told
// as unsettled.
func TestHandover_AnyFunction_TellsEachRecordOnceAndKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 50).Draw(rt, "script")
		i := 0
		next := func() int { i++; return script[i%len(script)] }
		failed := map[string]bool{} // for good, also when nobody heard of it
		f := &function{
			judge: func(data string, _ int) (direct.Outcome, string) {
				if failed[data] {
					return direct.Failed, "x"
				}
				switch next() {
				case 0, 1:
					return direct.Unsettled, "x"
				case 2:
					failed[data] = true
					return direct.Failed, "x"
				case 3:
					return "", "crash"
				}
				return direct.Counted, ""
			},
			fail: func(int) error {
				if next() < 2 {
					return &types.TooManyRequestsException{}
				}
				return nil
			},
			lost: true,
		}
		n, keys := rapid.IntRange(1, 60).Draw(rt, "records"), rapid.IntRange(1, 8).Draw(rt, "keys")
		var out *told
		var err error
		synctest.Test(t, func(t *testing.T) {
			out = &told{fatal: rt.Fatalf}
			h := New(f, Options{Patience: time.Second}, out.each)
			for _, r := range recordsOf(n, keys) {
				err = errors.Join(err, h.Add(t.Context(), "s", r))
			}
			if err == nil {
				err = h.Flush(t.Context(), "s")
			}
		})
		if err == nil && len(out.records) != n {
			rt.Fatalf("%d of %d are told", len(out.records), n)
		}
		left := map[string]int{}
		for _, h := range out.records {
			if h.Results[0].Outcome == direct.Unsettled {
				if at, ok := left[h.Record.PartitionKey]; !ok || h.N < at {
					left[h.Record.PartitionKey] = h.N
				}
			}
		}
		for _, h := range out.records {
			if at, ok := left[h.Record.PartitionKey]; ok && h.N > at && h.Results[0].Outcome == direct.Counted {
				rt.Fatalf("record %d is counted, and %d of its key was left", h.N, at)
			}
		}
		for key, data := range f.order {
			if !slices.IsSortedFunc(data, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }) {
				rt.Fatalf("%s was counted in the order %v", key, data)
			}
		}
	})
}
