package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/stream"
)

// down has the function crash on everything that is put, until the queue has it all, in ranges.
func (w *world) down(t *testing.T, sales []sale) {
	t.Helper()
	w.touch(t, "down")
	w.put(t, sales)
	w.wait(t)
	if err := os.Remove(filepath.Join(w.dir, "down")); err != nil {
		t.Fatal(err)
	}
	w.touch(t, "open")
}

// all reads all records that are in the stream, by shard.
func (w *world) all(t *testing.T) map[string][]types.Record {
	t.Helper()
	out := map[string][]types.Record{}
	err := stream.Read(t.Context(), w.streams, w.stream(), stream.ReadOptions{}, func(shard string, p stream.Page) error {
		out[shard] = append(out[shard], p.Records...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// inRange counts those records of a range that pass.
func inRange(b *failure.Batch, records []types.Record, passes func(*types.Record) bool) (n int) {
	for i := range records {
		number := aws.ToString(records[i].SequenceNumber)
		if stream.CompareSequence(number, b.First) >= 0 && stream.CompareSequence(number, b.Last) <= 0 && passes(&records[i]) {
			n++
		}
	}
	return n
}

// The second proof of issue 6: the stream's retention has passed for part of what failed.
func TestProof_PartOfTheFailuresTrimmed_IsReportedExactlyAndKept(t *testing.T) {
	w, n := start(t, inRanges), proofEvents(t)
	var sold []sale
	for i := range n {
		sold = append(sold, sale{key: fmt.Sprint("key", i%proofKeys), n: i / proofKeys})
	}
	w.down(t, sold)
	records := w.all(t)
	middle := records["shardId-000000000000"]
	before := *middle[len(middle)/2].ApproximateArrivalTimestamp
	gone := func(r *types.Record) bool { return r.ApproximateArrivalTimestamp.Before(before) }
	want, lost := map[string]int{}, 0
	for _, f := range w.failures(t) {
		if f.Batch == nil {
			t.Fatalf("%s is no range", f.ID())
		}
		if missing := inRange(f.Batch, records[f.Batch.Shard], gone); missing > 0 {
			want[f.ID()] = missing
			lost += missing
		}
	}
	trimmed, err := w.Kinesis.Trim(w.stream(), before)
	if err != nil || trimmed != lost || lost == 0 || lost == n {
		t.Fatalf("%d of %d records were trimmed, %d of them in failures, %v", trimmed, n, lost, err)
	}
	var foreseen struct {
		Shards  []struct{ Failures, InStream, Trimmed int }
		Trimmed []struct{ ID string }
	}
	w.done(t, &foreseen, "-dry-run")
	if len(foreseen.Trimmed) != len(want) || foreseen.Shards[0].InStream+foreseen.Shards[1].InStream != n-lost {
		t.Errorf("foreseen: %+v", foreseen)
	}
	for run := range 2 { // the second finds what the first has kept
		var r result
		w.done(t, &r, "-go")
		got := map[string]int{}
		for _, m := range r.Trimmed {
			if got[m.ID] = m.Missing; m.Read != m.Records-m.Missing {
				t.Errorf("%+v", m)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || r.Failures.Trimmed != len(want) || run == 0 && r.Records.Counted != n-lost || run == 1 && r.Records.Counted > 0 {
			t.Errorf("run %d: %s\n%+v", run, diff, r)
		}
		if run == 0 {
			t.Logf("%d records, %d trimmed in %d of %d ranges: %+v", n, lost, len(want), r.Failures.Settled+r.Failures.Trimmed, r.Records)
		}
		left := map[string]bool{}
		for _, f := range w.failures(t) {
			left[f.ID()] = true
		}
		for id := range want {
			if !left[id] {
				t.Errorf("%s is not kept", id)
			}
		}
		if len(left) != len(want) {
			t.Errorf("%d failures are kept, want %d", len(left), len(want))
		}
	}
	total := int64(0)
	for _, h := range w.totals(t) {
		total += h.Count
	}
	if total != int64(n-lost) {
		t.Errorf("%d are counted, want %d", total, n-lost)
	}
}

// send puts failures into the queue, as the function would.
func (w *world) send(t *testing.T, records []failure.Record) {
	t.Helper()
	if err := w.queue().Send(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

// failed makes the failure of a sale that never was in the stream.
func (w *world) failed(s sale, sequence int) failure.Record {
	return failure.Record{
		Stream: w.stream(), Shard: "shardId-000000000000", Sequence: fmt.Sprintf("4967%052d", sequence), Key: s.key, Arrival: time.Now(),
		Class: failure.GaveUp, Text: "the bank is closed", Payload: s.event(),
	}
}

func TestProof_Speed(t *testing.T) {
	w, n := start(t, inRanges), proofEvents(t)/5
	var sold []sale
	for i := range n {
		sold = append(sold, sale{key: fmt.Sprint("key", i%proofKeys), n: i / proofKeys})
	}
	w.down(t, sold)
	began := time.Now()
	var r result
	w.done(t, &r, "-go")
	t.Logf("ranges: %d records in %.1f s, %.0f/s, without the snapshot of the queue; %.1f s in all", r.Records.HandedOver, r.Seconds, r.RecordsPerSecond, time.Since(began).Seconds())
	speeds := []float64{r.RecordsPerSecond}
	var failures []failure.Record
	for i, s := range sold {
		s.n += n
		failures = append(failures, w.failed(s, i))
	}
	w.send(t, failures)
	began = time.Now()
	r = result{}
	stderr := w.done(t, &r, "-go")
	t.Logf("messages: %d records in %.1f s, %.0f/s, without the snapshot of the queue; %.1f s in all", r.Records.HandedOver, r.Seconds, r.RecordsPerSecond, time.Since(began).Seconds())
	speeds = append(speeds, r.RecordsPerSecond)
	if r.Records.Counted != n || r.Messages.Deleted != n || !strings.Contains(stderr, "redriven") {
		t.Errorf("%+v\n%s", r, stderr)
	}
	for _, s := range speeds {
		if os.Getenv("MILLRACE_PROOF") != "" && s < 5000 {
			t.Errorf("%.0f records/s", s)
		}
	}
}
