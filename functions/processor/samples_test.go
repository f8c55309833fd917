package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/kpl"
	"github.com/millrace/millrace/internal/processor"
)

const events = "../../events/"

// sample is what comes of one file of events/, in a table that holds nothing or what the file before has left. The
// answer is in events/expected: .ci/sam compares it with what the function answers in a container.
type sample struct {
	before                    string
	counted, copies, failures float64
	departures                map[string]string // count and sum of delay by origin, of the day of the files
	failed                    string            // the payload in the failure queue
}

// samples are the files that are for the processor. docs/sam.md tells the same in words.
var samples = map[string]sample{
	"kinesis":        {counted: 2, departures: map[string]string{"ZRH": "2 1.5"}},
	"kinesis-copies": {before: "kinesis", copies: 2, departures: map[string]string{"ZRH": "2 1.5"}},
	"kinesis-broken": {
		counted: 2, failures: 1, departures: map[string]string{"BSL": "2 12"},
		failed: `{"specversion":"1.0","id":"c-2","source":"/airports/bsl","type":"flight.departed","subject":"BSL",`,
	},
	"kinesis-packed": {counted: 3, departures: map[string]string{"BRN": "2 3", "LUG": "1 21"}},
	"direct":         {before: "kinesis", departures: map[string]string{"ZRH": "2 1.5", "GVA": "1 3"}}, // its count is of no metric
	"failure":        {},
}

func TestInvoke_EachSample_AnswersAndCountsAsExpected(t *testing.T) {
	for name, want := range samples {
		t.Run(name, func(t *testing.T) {
			quiet(t)
			w := start(t)
			if want.before != "" {
				w.sample(t, want.before)
				w.metrics.Reset()
			}
			if diff := cmp.Diff(parsed(t, read(t, "expected/"+name)), parsed(t, w.sample(t, name))); diff != "" {
				t.Errorf("the answer is not that of events/expected: %s", diff)
			}
			var line struct{ EventsCounted, Copies, Failures float64 }
			if b := w.metrics.Bytes(); len(b) > 0 && json.Unmarshal(b, &line) != nil {
				t.Fatalf("metrics %s", b)
			}
			if line.EventsCounted != want.counted || line.Copies != want.copies || line.Failures != want.failures {
				t.Errorf("%+v, want %+v", line, want)
			}
			if want.departures != nil {
				if diff := cmp.Diff(want.departures, w.departuresOn(t, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))); diff != "" {
					t.Error(diff)
				}
			}
			var failed string
			for _, f := range w.failures(t) {
				failed += string(f.Record.Payload)
			}
			if failed != want.failed {
				t.Errorf("the failure queue has %q", failed)
			}
		})
	}
}

// sample invokes with a file, and gives the answer as the Runtime API gets it.
func (w *world) sample(t *testing.T, name string) []byte {
	t.Helper()
	answer, err := w.Invoke(t.Context(), read(t, name))
	if err == nil {
		return answer
	}
	answer, err = json.Marshal(map[string]string{"errorMessage": err.Error(), "errorType": reflect.TypeOf(err).Elem().Name()})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(events + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parsed(t *testing.T, text []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

func TestSamples_EveryFile_HasATestAndAnAnswer(t *testing.T) {
	for _, pattern := range []string{"*.json", "expected/*.json"} {
		files, err := filepath.Glob(events + pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			if _, ok := samples[name]; !ok && name != "firehose" { // which is for functions/transform
				t.Errorf("%s has no place in the samples", file)
			}
		}
	}
}

func TestSampleCopies_AreTheSameEventsPutAgain(t *testing.T) {
	first, again := records(t, "kinesis"), records(t, "kinesis-copies")
	if len(first) != len(again) {
		t.Fatalf("%d and %d records", len(first), len(again))
	}
	for i := range first {
		a, b := first[i], again[i]
		if !bytes.Equal(a.Data, b.Data) || a.PartitionKey != b.PartitionKey || a.SequenceNumber >= b.SequenceNumber || !a.Arrival.Before(b.Arrival) {
			t.Errorf("record %d: %+v, then %+v", i, a, b)
		}
	}
}

func TestSamplePacked_IsGzipAndAnAggregate(t *testing.T) {
	r := records(t, "kinesis-packed")
	if len(r) != 2 || !bytes.HasPrefix(r[0].Data, []byte{0x1f, 0x8b}) || !kpl.IsAggregate(r[1].Data) {
		t.Errorf("%+v", r)
	}
}

func records(t *testing.T, name string) []processor.Record {
	t.Helper()
	_, batch, err := newDecoder().decode(read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return batch.Records
}

// The document in failure.json says that the batch of kinesis.json was given up.
func TestSampleFailure_IsTheMappingsDocument(t *testing.T) {
	m, err := failure.Parse(string(read(t, "failure")))
	if err != nil || m.Batch == nil {
		t.Fatal(m, err)
	}
	batch := records(t, "kinesis")
	first, last := batch[0], batch[len(batch)-1]
	got := []any{m.Batch.Stream, m.Batch.First, m.Batch.Last, m.Batch.FirstArrival, m.Batch.LastArrival, m.Batch.Size}
	want := []any{"Millrace-Stream", first.SequenceNumber, last.SequenceNumber, first.Arrival, last.Arrival, len(batch)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
