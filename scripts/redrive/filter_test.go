package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/failure"
)

var (
	noon       = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	someRecord = failure.Message{Record: &failure.Record{
		Shard: "shardId-000000000003", Sequence: "4967000000000012345678", Sub: 2, Arrival: noon.Add(-time.Hour), Class: failure.Refused, Payload: []byte{},
	}}
	someRange = failure.Message{Batch: &failure.Batch{
		Shard: "shardId-000000000000", First: "12", Last: "49670000000000123456789", Condition: "RecordAgeExceeded",
		FirstArrival: noon.Add(-25 * time.Hour), LastArrival: noon.Add(-23 * time.Hour), Discarded: noon,
	}}
)

func TestFilter_AllThatIsAskedForMustPass(t *testing.T) {
	for name, c := range map[string]struct {
		filter        filter
		record, batch bool
	}{
		"all":         {filter{}, true, true},
		"class":       {filter{classes: []string{"late", "refused"}}, true, false},
		"condition":   {filter{classes: []string{"RecordAgeExceeded"}}, false, true},
		"shard":       {filter{shards: []string{"shardId-000000000000"}}, false, true},
		"id":          {filter{ids: []string{"shardId-000000000003:4967000000000012345678:2"}}, true, false},
		"short id":    {filter{ids: []string{"0:12-0123456789", "3:0012345678:1"}}, false, true},
		"another sub": {filter{ids: []string{"3:0012345678:1"}}, false, false},
		"since":       {filter{since: noon.Add(-time.Minute)}, false, true},
		"two":         {filter{classes: []string{"refused"}, shards: []string{"shardId-000000000000"}}, false, false},
	} {
		if r, b := c.filter.passes(&failure.Failure{Message: someRecord}), c.filter.passes(&failure.Failure{Message: someRange}); r != c.record || b != c.batch {
			t.Errorf("%s: record %t, range %t", name, r, b)
		}
	}
	since := filter{since: noon}
	if !since.passes(&failure.Failure{Message: someRecord, Sent: noon}) || since.passes(&failure.Failure{Message: someRange, Sent: noon.Add(-1)}) {
		t.Error("what SQS says of the time does not count")
	}
}

func TestReadable_ByAgeAndPayload(t *testing.T) {
	pointer := *someRecord.Record
	pointer.Payload = nil
	for _, c := range []struct {
		m         failure.Message
		retention time.Duration
		want      readable
	}{
		{someRecord, time.Minute, inMessage},
		{failure.Message{Record: &pointer}, time.Hour, trimmed},
		{failure.Message{Record: &pointer}, 2 * time.Hour, inStream},
		{someRange, 26 * time.Hour, inStream},
		{someRange, 24 * time.Hour, partly},
		{someRange, 23 * time.Hour, trimmed},
		{failure.Message{Batch: &failure.Batch{}}, time.Hour, perhaps},
	} {
		if got := readableAt(c.m, noon, c.retention); got != c.want {
			t.Errorf("%s for %s: %s, want %s", c.m.ID(), c.retention, got, c.want)
		}
	}
}

// A document need not tell when its records arrived.
func TestAge_OfNoArrival_IsNotKnown(t *testing.T) {
	d := &desk{retention: 24 * time.Hour, streamName: "S"}
	p := newPlan([]failure.Received{{Message: failure.Message{Batch: &failure.Batch{Stream: "S", Shard: "s-1", First: "1", Last: "2"}}, Sent: noon}}, "S", filter{})
	var text, object bytes.Buffer
	if err := errors.Join(d.textList(p, noon).Write(&text, cli.Text), d.jsonList(p, noon).Write(&object, cli.JSON)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(text.String()), " "); !strings.Contains(got, " 0 - - perhaps given up ") {
		t.Error(got)
	}
	if got := object.String(); !strings.Contains(got, `"arrival":null,"age":null,"ofRetention":null,"readable":"perhaps"`) {
		t.Error(got)
	}
}

func TestReason_OfARange_SaysWhoGaveUpAndWhy(t *testing.T) {
	for want, b := range map[string]failure.Batch{
		"given up by the mapping after 61 attempts: the function failed (Unhandled)": {Invocations: 61, Condition: "RetryAttemptsExhausted", FunctionError: "Unhandled"},
		"given up by the mapping after 61 attempts: the function's log says why":     {Invocations: 61, Condition: "RetryAttemptsExhausted"},
		"given up by the mapping after 1 attempt":                                    {Invocations: 1, Condition: "RecordAgeExceeded"},
	} {
		if got := reasonOf(failure.Message{Batch: &b}); got != want {
			t.Error(got)
		}
	}
	if got := beginning(strings.Repeat("ß", 50)); len(got) > maxText || !strings.HasSuffix(got, "ß…") {
		t.Error(got)
	}
}
