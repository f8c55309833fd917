package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/direct"
)

// call hands records over by a direct call, and gives what it tells of each.
func (w *world) call(t *testing.T, set string, data ...string) []direct.Result {
	t.Helper()
	c := direct.NewCall(set, "arn:aws:kinesis:us-east-1:000000000000:stream/flights", "shardId-000000000000")
	for i, d := range data {
		if !c.Add(direct.Record{SequenceNumber: sequence(i), PartitionKey: "ORD", Arrival: time.Now(), Data: []byte(d)}) {
			t.Fatalf("record %d is not taken", i)
		}
	}
	answer, err := w.Invoke(t.Context(), c.Payload())
	if err != nil {
		t.Fatal(err)
	}
	results, err := c.Results(answer)
	if err != nil || len(answer) > direct.MaxAnswer {
		t.Fatalf("%v: %d bytes, %.200s", err, len(answer), answer)
	}
	return results
}

func outcomes(results []direct.Result) string {
	var out []string
	for _, r := range results {
		out = append(out, strings.TrimSpace(string(r.Outcome)+" "+r.Class))
	}
	return strings.Join(out, ", ")
}

func TestInvoke_DirectCall_TellsOutcomesAndLeavesQueueAndMetricsAlone(t *testing.T) {
	w := start(t)
	quiet(t)
	data := []string{departure(1, "ORD"), "garbage", strings.ReplaceAll(departure(4, "LAX"), "flight.departed", "other"), departure(2, "LAX")}
	for n, want := range []string{"counted, failed undecodable, nothing, counted", "copy, failed undecodable, nothing, copy"} {
		if got := outcomes(w.call(t, "live", data...)); got != want {
			t.Errorf("call %d: %s", n+1, got)
		}
	}
	if f := w.failures(t); len(f) != 0 || w.metrics.Len() != 0 {
		t.Errorf("failures %v, metrics %s", f, w.metrics)
	}
	if diff := cmp.Diff(map[string]string{"ORD": "1 1", "LAX": "1 2"}, w.departures(t)); diff != "" {
		t.Error(diff)
	}
	// What the ledger has done for it is in no later line.
	if _, line := w.invoke(t.Context(), t, data[0]); line["Copies"] != 1.0 || line["Transactions"] != 0.0 || line["LogReads"] != 1.0 {
		t.Errorf("the next batch's metrics: %v", line)
	}
}

func TestInvoke_DirectCallIntoAnotherSet_CountsThereOnly(t *testing.T) {
	w := start(t)
	quiet(t)
	for n, want := range []string{"counted, counted", "copy, copy"} {
		if got := outcomes(w.call(t, "march-again", departure(1, "ORD"), departure(2, "ORD"))); got != want {
			t.Errorf("call %d: %s", n+1, got)
		}
	}
	if diff := cmp.Diff(map[string]string{}, w.departures(t)); diff != "" {
		t.Error(diff)
	}
	if _, line := w.invoke(t.Context(), t, departure(1, "ORD")); line["EventsCounted"] != 1.0 {
		t.Errorf("%v", line)
	}
}

func TestInvoke_DirectCallWhileTheTableIsAway_IsUnsettledWithTheReason(t *testing.T) {
	w := start(t, fault.Rule{Operation: "DynamoDB.Query", Kind: fault.Error, Probability: 1})
	quiet(t)
	first := w.call(t, "live", departure(1, "ORD"), "garbage")
	if got := outcomes(first); got != "unsettled, failed undecodable" || !strings.Contains(first[0].Reason, "ask the ledger: ") {
		t.Errorf("%s: %+v", got, first)
	}
	w.endpoint.Faults.Clear()
	if got := outcomes(w.call(t, "live", departure(1, "ORD"))); got != "counted" {
		t.Errorf("again: %s", got)
	}
}

func TestInvoke_DirectCallThatIsNone_IsAnError(t *testing.T) {
	w := start(t)
	payload := bytes.Replace(batchOf(departure(1, "ORD")), []byte("{"), []byte(`{"millrace":{"set":"live","queue":true},`), 1)
	if out, err := w.Invoke(t.Context(), payload); err == nil || out != nil || !strings.Contains(err.Error(), `"queue"`) {
		t.Errorf("%s, %v", out, err)
	}
}

// As many records as a call may have, all of which fail: Lambda takes the answer.
func TestInvoke_DirectCallOfManyFailures_AnswersWithinLambdasLimit(t *testing.T) {
	w := start(t)
	quiet(t)
	data := make([]string, direct.MaxRecords)
	for i := range data {
		data[i] = fmt.Sprintf(`{"no event":%d}`, i)
	}
	results := w.call(t, "live", data...)
	for i, r := range results {
		if r.Outcome != direct.Failed || r.Reason == "" || r.Record != i {
			t.Fatalf("%+v", r)
		}
	}
	if len(results) != direct.MaxRecords {
		t.Errorf("%d results", len(results))
	}
}
