package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/failure"
)

// faults are those that a redrive meets on its own wires, and the function on its.
var faults = []fault.Rule{
	{Operation: "Lambda.Invoke", Kind: fault.Throttle, Probability: 1, Count: 1},
	{Operation: "Lambda.Invoke", Kind: fault.Error, Probability: 1, Count: 1},
	{Operation: "Lambda.Invoke", Kind: fault.DropAfter, Probability: 1, Count: 1},
	{Operation: "Lambda.Invoke", Kind: fault.KillBefore, Probability: 1, Count: 1},
	{Operation: "Lambda.Invoke", Kind: fault.KillAfter, Probability: 1, Count: 1},
	{Operation: "DynamoDB.TransactWriteItems", Kind: fault.Throttle, Probability: 1, Count: 1},
	{Operation: "DynamoDB.TransactWriteItems", Kind: fault.DropAfter, Probability: 1, Count: 1},
	{Operation: "DynamoDB.TransactWriteItems", Kind: fault.KillAfter, Probability: 1, Count: 1},
	{Operation: "Kinesis.GetShardIterator", Kind: fault.Throttle, Probability: 1, Count: 1},
	{Operation: "Kinesis.GetRecords", Kind: fault.Throttle, Probability: 1, Count: 1},
	{Operation: "Kinesis.GetRecords", Kind: fault.Expire, Probability: 1, Count: 1},
	{Operation: "SQS.ReceiveMessage", Kind: fault.Throttle, Probability: 1, Count: 1},
	{Operation: "SQS.SendMessageBatch", Kind: fault.Partial, Probability: 1, Count: 1},
	{Operation: "SQS.SendMessageBatch", Kind: fault.DropAfter, Probability: 1, Count: 1},
	{Operation: "SQS.DeleteMessageBatch", Kind: fault.Throttle, Probability: 1, Count: 1},
	{Operation: "SQS.DeleteMessageBatch", Kind: fault.DropAfter, Probability: 1, Count: 1},
}

func TestCommand_FaultsOnEveryWire_CountsOnce(t *testing.T) {
	w := start(t, inRanges)
	sold := sales(0, 3000, rand.New(rand.NewPCG(3, 3)))
	w.down(t, sold[:2000])
	var failures []failure.Record
	for i, s := range sold[2000:] {
		failures = append(failures, w.failed(s, i))
	}
	w.send(t, failures)
	if err := w.Faults.Add(faults...); err != nil {
		t.Fatal(err)
	}
	runs, done := 0, false
	for ; !done && runs < 20; runs++ { // one that a fault has ended is run again
		code, _, stderr := w.redrive(t.Context(), "-go")
		if done = code == cli.ExitDone || strings.Contains(stderr, leftOver); !done {
			t.Log(stderr)
		}
	}
	for _, f := range w.Faults.Report() { // each strikes the first calls that it meets
		if f.Times == 0 {
			t.Errorf("%s of %s has not happened", f.Kind, f.Operation)
		}
	}
	w.Faults.Clear()
	if diff := cmp.Diff(truth(sold, func(s sale) bool { return s.fault != "permanent" }), w.totals(t)); diff != "" || !done {
		t.Errorf("after %d runs:\n%s", runs, diff)
	}
	want := 0
	for _, s := range sold {
		if s.fault == "permanent" {
			want++
		}
	}
	left := w.failures(t)
	for _, f := range left {
		if f.Class() != "refused" || f.Record == nil || f.Record.Payload == nil {
			t.Errorf("in the queue: %s %s", f.ID(), f.Class())
		}
	}
	if len(left) != want {
		t.Errorf("%d failures are left, want %d", len(left), want)
	}
}

// The function may be wholly dead, and no record be to blame.
func TestCommand_FunctionDiesOnEveryCall_StopsAndChangesNothing(t *testing.T) {
	w := start(t, soon)
	var failures []failure.Record
	for i := range 30 {
		f := w.failed(sale{key: fmt.Sprint("k", i), n: i}, i)
		f.Class, f.Text = failure.Refused, "no such customer"
		failures = append(failures, f)
	}
	w.send(t, failures)
	if err := w.Faults.Add(fault.Rule{Operation: "Lambda.Invoke", Kind: fault.KillBefore, Probability: 1}); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := w.redrive(t.Context(), "-go", "-patience", "500ms")
	if code != cli.ExitFailed || !strings.Contains(stderr, "the processor function settles nothing") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	left := w.failures(t)
	for _, f := range left {
		if f.Class() != "refused" || f.Record.Text != "no such customer" {
			t.Errorf("%s is %s: %s", f.ID(), f.Class(), f.Record.Text)
		}
	}
	if len(left) != 30 {
		t.Errorf("%d failures are left", len(left))
	}
}
