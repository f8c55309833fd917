package esm

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// flight gives a record: JSON with a name, which is also how tests see it, and an event type.
func flight(name, kind string) string {
	return `{"name":"` + name + `","event_type":"` + kind + `"}`
}

// wantFlights is wantCalls, with flights shortened to their names.
func (w *world) wantFlights(want ...string) {
	w.t.Helper()
	w.fn.mu.Lock()
	for i := range w.fn.calls {
		for j, n := range w.fn.calls[i].names {
			var f struct{ Name string }
			if json.Unmarshal([]byte(n), &f, json.MatchCaseInsensitiveNames(true)) == nil && f.Name != "" {
				w.fn.calls[i].names[j] = f.Name
			}
		}
	}
	w.fn.mu.Unlock()
	w.wantCalls(want...)
}

const onlyFunction1 = `{"data":{"event_type":["function_1"]}}`

func TestCase69_Filter_PassesWhatMatchesUnchanged(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Filters = []string{onlyFunction1}
		foo := "{ \"event_type\" : \"function_1\",\t\"name\":\"foo\" }"
		var event []byte
		w.fn.seen = func(in Invocation) { event = bytes.Clone(in.Payload) }
		w.stream.put(shard0, foo, flight("bar", "function_2"))
		w.run(2)
		if len(w.fn.calls) != 1 || len(w.fn.calls[0].ids) != 1 {
			t.Fatalf("calls = %+v", w.fn.calls)
		}
		if data := `"data":"` + base64.StdEncoding.EncodeToString([]byte(foo)) + `"`; !bytes.Contains(event, []byte(data)) {
			t.Errorf("event %s has no %s", event, data)
		}
		if c := w.mapping.Status().Counters; c.Polled != 2 || c.FilteredOut != 1 || c.Invoked != 1 || c.Settled != 1 {
			t.Errorf("counters = %+v", c)
		}
	})
}

func TestCase70_Filter_DataThatIsNoJSON_IsDropped(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Filters = []string{onlyFunction1, `{"data":{"event_type":[{"exists":false}]}}`}
		w.stream.put(shard0, "not-json")
		w.run(1)
		w.wantCalls()
		w.wantDocs()
		w.wantCheckpoint(shard0, "not-json")
	})
}

func TestCase72_Filter_NothingMatches_NoInvocation(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Filters = []string{onlyFunction1}
		w.stream.put(shard0, flight("r1", "x"), flight("r2", "x"))
		w.run(2)
		w.wantCalls()
		w.wantDocs()
		w.wantResult(ResultNone)
		w.wantCheckpoint(shard0, flight("r2", "x"))
		if st := w.mapping.Status().Shards[0]; st.Unsettled != 0 {
			t.Errorf("%d unsettled", st.Unsettled)
		}
	})
}

func TestCase73_Filters_OneOfThemIsEnough(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Filters = []string{onlyFunction1, `{"data":{"name":[{"prefix":"r"}]}}`}
		w.stream.put(shard0, flight("r1", "x"), flight("s1", "x"), flight("s2", "function_1"))
		w.run(3)
		w.wantFlights("r1 s2")
	})
}

func TestFilter_TwoMappings_EachGetsItsOwn(t *testing.T) {
	play(t, func(w *world) {
		other := newWorld(w.t)
		defer other.stop()
		other.stream = w.stream
		w.cfg.Filters = []string{onlyFunction1}
		other.cfg.Filters = []string{`{"data":{"event_type":["function_2"]}}`}
		w.stream.put(shard0, flight("foo", "function_1"), flight("bar", "function_2"))
		w.run(2)
		other.run(2)
		w.wantFlights("foo")
		other.wantFlights("bar")
	})
}

func TestFilter_BatchSizeCountsWhatMatches(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Filters, w.cfg.BatchSize = []string{onlyFunction1}, 2
		for _, n := range []string{"r1", "r2", "r3"} {
			w.stream.put(shard0, flight("x", "other"), flight(n, "function_1"), flight("x", "other"))
		}
		w.run(9)
		w.wantFlights("r1 r2", "r3")
	})
}

func TestFilter_WithWindow_OtherRecordsDoNotFillTheBatch(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Filters, w.cfg.BatchSize, w.cfg.MaximumBatchingWindowInSeconds = []string{onlyFunction1}, 2, 5
		w.start()
		start := time.Now()
		w.stream.put(shard0, flight("r1", "function_1"), flight("x", "other"), flight("x", "other"))
		w.pass(time.Second)
		w.stream.put(shard0, flight("x", "other"))
		w.await(4)
		w.wantFlights("r1")
		if took := w.fn.calls[0].at.Sub(start); took != 5*time.Second {
			t.Errorf("invoked after %v", took)
		}
	})
}

func TestFilter_Checkpoint_PassesWhatIsFilteredOnlyWhenAllBelowIsSettled(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Filters = []string{onlyFunction1}
		release := make(chan struct{})
		w.fn.script = replies(reply{until: release})
		w.stream.put(shard0, flight("r1", "other"), flight("r2", "function_1"), flight("r3", "other"))
		w.run(2)
		w.wantCheckpoint(shard0, flight("r1", "other"))
		close(release)
		w.await(3)
		w.wantCheckpoint(shard0, flight("r3", "other"))
	})
}

func TestFilter_ClosedShardWithoutMatches_IsDoneAtOnce(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Filters, w.cfg.MaximumBatchingWindowInSeconds = []string{onlyFunction1}, 300
		w.stream.put(shard0, flight("r1", "other"))
		w.stream.add("left", shard0, "")
		w.stream.put("left", flight("r2", "other"))
		w.stream.close(shard0)
		w.run(2)
		w.wantCheckpoint("left", flight("r2", "other"))
	})
}

func TestFilter_Metadata_MatchesAndWarnsOnce(t *testing.T) {
	play(t, func(w *world) {
		var log bytes.Buffer
		w.opt.Log = slog.New(slog.NewTextHandler(&log, nil))
		w.cfg.Filters = []string{`{"partitionKey":["a"],"kinesisSchemaVersion":["1.0"],"approximateArrivalTimestamp":[{"numeric":[">",0]}]}`}
		w.stream.put(shard0, "a:not-json", "b:not-json", "a:2")
		w.run(3)
		w.wantCalls("a:not-json a:2")
		if n := strings.Count(log.String(), "filters look at more than data"); n != 1 {
			t.Errorf("%d warnings in %s", n, log.String())
		}
	})
}

func TestFilter_NameThatNoRecordHas_IsWarnedOf(t *testing.T) {
	play(t, func(w *world) {
		var log bytes.Buffer
		w.opt.Log = slog.New(slog.NewTextHandler(&log, nil))
		w.cfg.Filters = []string{`{"kinesis":{"partitionKey":["k"]}}`, `{"data":{"a":[1]}}`}
		w.stream.put(shard0, `{"a":1}`)
		w.run(1)
		if got := log.String(); strings.Count(got, "no record has") != 1 || !strings.Contains(got, "fields=[kinesis]") || strings.Contains(got, "no longer documents") {
			t.Errorf("log %s", got)
		}
	})
}

// The table of the developer guide: what data and what pattern.
func TestFilters_Pass(t *testing.T) {
	const data, key = `{"data":{"a":[1]}}`, `{"partitionKey":["k"]}`
	for _, c := range []struct {
		filters []string
		data    string
		want    bool
	}{
		{nil, "not json", true},
		{[]string{data}, `{"a":1}`, true},
		{[]string{data}, `{"a":2}`, false},
		{[]string{data}, `a`, false},
		{[]string{data}, `[{"a":2},{"a":1}]`, true},
		{[]string{data}, ``, false},
		{[]string{`{"data":[1]}`}, `1`, true},
		{[]string{`{"data":["x"]}`}, `"x"`, true},
		{[]string{`{"data":["x"]}`}, `x`, false},
		{[]string{key}, `not json`, true},
		{[]string{key}, `{"a":2}`, true},
		{[]string{`{"partitionKey":["k"],"data":{"a":[1]}}`}, `not json`, false},
		{[]string{`{"partitionKey":["k"],"data":{"a":[1]}}`}, `{"a":1}`, true},
		{[]string{data, key}, `not json`, true},
		{[]string{`{"$or":[{"partitionKey":["k"]},{"data":{"a":[1]}}]}`}, `{"a":2}`, true},
		{[]string{`{"sequenceNumber":["7"]}`}, ``, true},
		{[]string{`{"kinesis":{"partitionKey":["k"]}}`}, `{}`, false}, // the event's own shape is not what filters see
	} {
		r := Record{SequenceNumber: "7", PartitionKey: "k", Data: []byte(c.data), Arrival: time.UnixMilli(1)}
		f := newFilters(c.filters)
		kept, out := f.split([]Record{r})
		if got := len(kept) == 1; got != c.want || len(kept)+len(out) != 1 {
			t.Errorf("filters %v, data %s: pass = %v", c.filters, c.data, got)
		}
	}
}

func TestNewFilters_KnowsTheFieldsOtherThanData(t *testing.T) {
	f := newFilters([]string{`{"data":{"a":[1]},"partitionKey":["k"]}`, onlyFunction1})
	if got := f.beside; !slices.Equal(got, []string{"partitionKey"}) {
		t.Errorf("beside = %v", got)
	}
}

// FuzzFilters looks for data that breaks a filter, or that it changes.
func FuzzFilters(f *testing.F) {
	set := newFilters([]string{onlyFunction1, `{"data":{"a":{"b":[{"anything-but":[1,2]},{"exists":false}]}}}`})
	f.Add([]byte(flight("a", "function_1")), "k")
	f.Add([]byte(`{"a":[{"b":3}]}`), "k")
	f.Fuzz(func(t *testing.T, data []byte, key string) {
		r := Record{SequenceNumber: "1", PartitionKey: key, Data: data, Arrival: time.UnixMilli(1)}
		before := bytes.Clone(data)
		set.pass(&r)
		if !bytes.Equal(before, data) {
			t.Error("data has changed")
		}
	})
}
