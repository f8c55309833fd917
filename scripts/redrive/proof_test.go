package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/failure"
)

// proofEvents is how many events the proofs have; MILLRACE_PROOF=100000 makes it the size of which the report speaks.
func proofEvents(t *testing.T) int {
	t.Helper()
	text := os.Getenv("MILLRACE_PROOF")
	if text == "" {
		return 4000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const proofKeys = 100

// sales makes n sales of keys that come by turns, in the order of each: one in a hundred is refused for good, two in a
// hundred fail for a while.
func sales(from, n int, rng *rand.Rand) (out []sale) {
	for i := from; i < from+n; i++ {
		s := sale{key: fmt.Sprint("key", i%proofKeys), n: i / proofKeys}
		switch draw := rng.IntN(100); {
		case draw < 1:
			s.fault = "permanent"
		case draw < 3:
			s.fault = "transient"
		}
		out = append(out, s)
	}
	return out
}

// poison makes a sale for each open shard on which the function crashes.
func (w *world) poison(t *testing.T, name string) (out []sale) {
	t.Helper()
	shards, err := w.streams.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String(w.stream())})
	if err != nil {
		t.Fatal(err)
	}
	open := 0
	for _, s := range shards.Shards {
		if s.SequenceNumberRange.EndingSequenceNumber == nil {
			open++
		}
	}
	met := map[string]bool{}
	for i := 0; len(met) < open; i++ {
		out = append(out, w.poisonOne(t, sale{key: fmt.Sprint(name, i), n: 1}, met))
	}
	return out
}

// poisonOne puts a harmless sale, to see where its key goes, and then a poisonous one if that shard has none.
func (w *world) poisonOne(t *testing.T, s sale, met map[string]bool) sale {
	t.Helper()
	put := func(s sale) string {
		out, err := w.streams.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String(w.stream()), PartitionKey: &s.key, Data: s.event()})
		if err != nil {
			t.Fatal(err)
		}
		return *out.ShardId
	}
	shard := put(s)
	if met[shard] {
		return s
	}
	met[shard] = true
	s.n, s.fault = 2, "poison"
	put(s)
	return s
}

// kill runs the built command and kills it after a while. It tells whether it was killed before its end.
func (w *world) kill(t *testing.T, after time.Duration) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(built, "redrive"), "-endpoint", w.URL(), "-go", "-hold", "1s")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killer := time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
	defer killer.Stop()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode() == -1
}

// appear waits until no message of the queue is hidden any more.
func (w *world) appear(t *testing.T) {
	t.Helper()
	queue, api := w.outputs[config.OutputFailureQueue], sqs.NewFromConfig(w.Config())
	for {
		n, err := failure.InFlight(t.Context(), api, queue)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		w.failures(t) // it polls for a second
	}
}

// result is the command's JSON as who reads it knows it.
type result struct {
	Records struct {
		HandedOver, Counted, Copies, Nothing, Unsettled int
		Failed                                          map[string]int
	}
	Failures struct{ Settled, Failed, Unsettled, Trimmed, Untouched int }
	Messages struct{ Deleted, Sent, OtherStream, NotOurs int }
	Trimmed  []struct {
		ID                     string
		Records, Missing, Read int
		FirstSequenceNumber    string
		LastSequenceNumber     string
		ReadFirst, ReadLast    string
	}
	Seconds, RecordsPerSecond float64
	Stopped                   string
}

// The proof of issue 6: permanent and transient faults, a poison record in each shard, a reshard in the middle; the
// redrive killed twice and finished by a third run, while the stream goes on.
func TestProof_RedriveKilledTwice_CountsEachEventOnceAndKeepsTheOrder(t *testing.T) {
	w, n := start(t, soon), proofEvents(t)
	rng := rand.New(rand.NewPCG(6, 6))
	first, second := sales(0, n/2, rng), sales(n/2, n-n/2, rng)
	all := slices.Concat(first, second)
	w.put(t, first)
	all = append(all, w.poison(t, "early")...)
	w.wait(t)
	if _, err := w.Kinesis.SplitShard(w.stream(), ""); err != nil {
		t.Fatal(err)
	}
	w.put(t, second)
	all = append(all, w.poison(t, "late")...)
	all = append(all, extra(all)...)
	w.wait(t)

	given := map[string]bool{} // ids of the failures
	ranges := 0
	before := w.failures(t)
	for _, f := range before {
		if f.Batch != nil {
			ranges++
		}
	}
	isPermanent := func(s sale) bool { return s.fault == "permanent" || s.fault == "poison" }
	if diff := cmp.Diff(truth(all, func(s sale) bool { return s.fault == "" }), w.totals(t)); diff != "" && ranges == 0 {
		t.Fatalf("before the redrive:\n%s", diff)
	}
	t.Logf("%d events: %d failures in the queue, %d of them ranges", len(all), len(before), ranges)

	w.touch(t, "open")
	live := sales(n, n/10, rand.New(rand.NewPCG(7, 7)))
	for i := range live {
		live[i].fault = ""
	}
	w.put(t, live) // the mapping hands these over while the redrive runs
	all = append(all, live...)
	for range 2 {
		after := time.Second + rand.N(500*time.Millisecond+time.Duration(n)*50*time.Microsecond) // its snapshot takes a second
		killed := w.kill(t, after)
		t.Logf("killed after %s: %t; %d failures left", after, killed, w.left(t))
	}
	var r result
	t.Log(w.done(t, &r, "-go"))
	w.wait(t)
	t.Logf("%+v", r)
	if diff := cmp.Diff(truth(all, func(s sale) bool { return !isPermanent(s) }), w.totals(t)); diff != "" {
		t.Errorf("after the redrive:\n%s", diff)
	}
	want := map[string]bool{}
	for _, s := range all {
		if isPermanent(s) {
			want[string(s.event())] = true
		}
	}
	for _, f := range w.failures(t) {
		if f.Record == nil || !want[string(f.Record.Payload)] {
			t.Errorf("in the queue: %s %s", f.ID(), f.Class())
			continue
		}
		given[string(f.Record.Payload)] = true
	}
	if len(given) != len(want) {
		t.Errorf("%d permanent failures in the queue, want %d", len(given), len(want))
	}
	w.wantOrder(t, "closed.log", n/proofKeys)
	w.wantOrder(t, "open.log", n/proofKeys) // of what the redrive has handed over
}

// extra are the harmless sales that came with the poisonous ones.
func extra(all []sale) (out []sale) {
	for _, s := range all {
		if s.fault == "poison" {
			out = append(out, sale{key: s.key, n: 1})
		}
	}
	return out
}

// left counts the failures that the queue has, when all of them are visible.
func (w *world) left(t *testing.T) int {
	t.Helper()
	w.appear(t)
	return len(w.failures(t))
}

// wantOrder demands that the sales of each key, up to a number, were handled in their order, in a log of the handler.
func (w *world) wantOrder(t *testing.T, log string, below int) {
	t.Helper()
	handled := 0
	for key, numbers := range w.handled(t, log) {
		numbers = slices.DeleteFunc(numbers, func(n int) bool { return n >= below })
		handled += len(numbers)
		if !slices.IsSorted(numbers) {
			t.Errorf("%s: sales of %s were handled in the order %v", log, key, numbers)
		}
	}
	t.Logf("%s: %d sales handled, in the order of their keys", log, handled)
}
