package esm

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCase66_Topic_GetsTheSameDocument(t *testing.T) {
	var bodies []string
	for _, arn := range []string{queueARN, topicARN} {
		play(t, func(w *world) {
			w.cfg.OnFailure, w.queue.arn = arn, arn
			w.cfg.MaximumRetryAttempts = 0
			w.fn.script = replies(crash)
			w.stream.put(shard0, "r1", "r2")
			w.run(2)
			w.wantDocs("r1..r2 2 RetryAttemptsExhausted 1 Unhandled")
			if w.queue.keys[0] != "" {
				t.Errorf("key = %q", w.queue.keys[0])
			}
			bodies = append(bodies, strings.Replace(w.queue.docs[0], w.fn.calls[0].id, "ID", 1))
		})
	}
	if bodies[0] != bodies[1] {
		t.Errorf("a queue gets %s\na topic %s", bodies[0], bodies[1])
	}
}

// objectKeys is the form of the keys in a bucket; bubbles begin on 2000-01-01.
var objectKeys = regexp.MustCompile(`^aws/lambda/the-mapping/shardId-000000000000/2000/01/01/2000-01-01T00\.00\.00-` +
	`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func TestBucket_GetsTheWholeEventToo(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.OnFailure, w.queue.arn, w.opt.UUID = bucketARN, bucketARN, "the-mapping"
		w.cfg.MaximumRetryAttempts = 0
		var event string
		w.fn.seen = func(in Invocation) { event = string(in.Payload) }
		w.fn.script = replies(crash)
		w.stream.put(shard0, `"r1"`, "r2")
		w.run(2)
		if !objectKeys.MatchString(w.queue.keys[0]) {
			t.Errorf("key = %s", w.queue.keys[0])
		}
		var doc struct{ Payload string }
		if err := json.Unmarshal([]byte(w.queue.docs[0]), &doc); err != nil || doc.Payload != event {
			t.Errorf("payload = %s, %v, want %s", doc.Payload, err, event)
		}
		// Without the payload it is the document of a queue.
		rest, _, ok := strings.Cut(w.queue.docs[0], `,"payload":"`)
		if !ok || !strings.HasSuffix(rest, `"streamArn":"`+streamARN+`"}`) {
			t.Errorf("document = %s", w.queue.docs[0])
		}
	})
}

func TestBucket_RecordAge_HasTheRecordsThatWereGivenUp(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.OnFailure, w.queue.arn, w.cfg.MaximumRecordAgeInSeconds = bucketARN, bucketARN, 60
		w.stream.putAt(shard0, time.Now().Add(-61*time.Second), "r1", "r2")
		w.stream.put(shard0, "r3")
		w.run(3)
		w.wantCalls("r3")
		var doc struct{ Payload string }
		if err := json.Unmarshal([]byte(w.queue.docs[0]), &doc); err != nil {
			t.Fatal(err)
		}
		var c call
		c.read([]byte(doc.Payload))
		if !slices.Equal(c.names, []string{"r1", "r2"}) {
			t.Errorf("payload has %v", c.names)
		}
	})
}

func TestBucket_OversizeRecord_IsKeptWhole(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.OnFailure, w.queue.arn, w.cfg.MaximumRetryAttempts = bucketARN, bucketARN, 0
		w.stream.put(shard0, "r1 "+strings.Repeat("x", 5<<20))
		w.run(1)
		w.wantCalls()
		if n := len(w.queue.docs[0]); n < MaxEvent {
			t.Errorf("document of %d bytes", n)
		}
	})
}

func TestObjectKey_IsInUTC(t *testing.T) {
	at := time.Date(2026, 1, 1, 1, 2, 3, 0, time.FixedZone("", 7200))
	if got, want := objectKey(bucketARN, "U", "S", at), "aws/lambda/U/S/2025/12/31/2025-12-31T23.02.03-"; !strings.HasPrefix(got, want) {
		t.Errorf("key = %s, want %s...", got, want)
	}
	for _, arn := range []string{queueARN, topicARN, ""} {
		if got := objectKey(arn, "U", "S", at); got != "" {
			t.Errorf("key of %s = %s", arn, got)
		}
	}
}

// A queue takes messages of 1 MiB, and a topic of 256 KiB: a document without payload is far from both.
func TestDocument_LargestBatch_IsSmall(t *testing.T) {
	cfg := testConfig()
	cfg.FunctionARN = functionARN + strings.Repeat("x", 140)
	records := make([]Record, maxBatchSize)
	for i := range records {
		records[i] = Record{SequenceNumber: sequence, PartitionKey: strings.Repeat("k", 256), Arrival: time.UnixMilli(1)}
	}
	s := step{fate: RetryAttemptsExhausted, count: 10_001, response: &response{version: "$LATEST", functionError: "Unhandled"}}
	if n := len(document(&cfg, shard0, sequence, s, records, time.UnixMilli(1), nil)); n > 2<<10 {
		t.Errorf("document of %d bytes", n)
	}
}

func TestDiscard_NoDestination_CountsNothingAsDropped(t *testing.T) {
	for _, c := range []struct {
		onFailure string
		fail      error
		want      Counters
	}{
		{"", nil, Counters{Polled: 3, Invoked: 3, FailedInvoke: 3, Settled: 3, Invocations: 1}},
		{queueARN, nil, Counters{Polled: 3, Invoked: 3, FailedInvoke: 3, Settled: 3, Invocations: 1, Delivered: 3}},
		{queueARN, errors.New("denied"), Counters{Polled: 3, Invoked: 3, FailedInvoke: 3, Settled: 3, Invocations: 1, Dropped: 3, DeliveryFailures: 1}},
	} {
		play(t, func(w *world) {
			w.cfg.OnFailure, w.cfg.MaximumRetryAttempts, w.queue.fail = c.onFailure, 0, c.fail
			w.fn.script = replies(crash)
			w.stream.put(shard0, "r1", "r2", "r3")
			w.run(3)
			if got := w.mapping.Status().Counters; got != c.want {
				t.Errorf("destination %q, %v: counters = %+v, want %+v", c.onFailure, c.fail, got, c.want)
			}
		})
	}
}
