package esm

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// world is a mapping with all that it touches. The cases of section 12 of the design assume its settings.
type world struct {
	t       *testing.T
	stream  *stream
	fn      *function
	queue   *queue
	cfg     Config
	opt     Options
	mapping *Mapping

	mu      sync.Mutex
	settled []Settled
	count   int
	news    chan struct{}
	cancel  context.CancelFunc
	ended   chan error
}

// play runs a case in a bubble with a time of its own, and stops its mapping at the end.
func play(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.stop()
		f(w)
	})
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, stream: newStream(), fn: &function{}, queue: &queue{}, cfg: testConfig(), news: make(chan struct{}, 1)}
	w.opt = Options{Settled: w.onSettled, Log: slog.New(slog.DiscardHandler)}
	return w
}

func testConfig() Config {
	cfg := DefaultConfig()
	cfg.EventSourceARN, cfg.FunctionARN, cfg.RoleARN, cfg.OnFailure = streamARN, functionARN, roleARN, queueARN
	cfg.StartingPosition = TrimHorizon
	cfg.BatchSize = 10
	return cfg
}

func (w *world) onSettled(s Settled) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settled = append(w.settled, s)
	w.count += len(s.Records)
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (w *world) start() {
	w.t.Helper()
	m, err := New(w.cfg, w.stream, w.fn, w.queue, w.opt)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mapping = m
	w.resume()
}

// resume calls Run, at first or again after stop.
func (w *world) resume() {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.cancel, w.ended = cancel, make(chan error, 1)
	go func() { w.ended <- w.mapping.Run(ctx) }()
}

func (w *world) stop() {
	w.t.Helper()
	if w.cancel == nil {
		return
	}
	w.cancel()
	if err := <-w.ended; err != nil {
		w.t.Errorf("Run = %v", err)
	}
	w.cancel = nil
}

// run starts the mapping and waits until n records are settled in all.
func (w *world) run(n int) {
	w.t.Helper()
	w.start()
	w.await(n)
}

// await waits until n records are settled in all, and nothing moves any more.
func (w *world) await(n int) {
	w.t.Helper()
	late := time.After(30 * 24 * time.Hour)
	for {
		w.mu.Lock()
		count := w.count
		w.mu.Unlock()
		if count >= n {
			break
		}
		select {
		case <-w.news:
		case <-late:
			w.t.Fatalf("%d records settled after a month, want %d", count, n)
		}
	}
	synctest.Wait()
	if w.count != n {
		w.t.Fatalf("%d records settled, want %d", w.count, n)
	}
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// wantCalls compares the invocations, each as "r1 r2", or "r1 r2 #a" where request ids are compared: the same letter is
// the same id.
func (w *world) wantCalls(want ...string) {
	w.t.Helper()
	w.fn.mu.Lock()
	defer w.fn.mu.Unlock()
	var got []string
	letters := map[string]string{}
	for i, c := range w.fn.calls {
		s := strings.Join(c.names, " ")
		if _, ok := letters[c.id]; !ok {
			letters[c.id] = string(rune('a' + len(letters)))
		}
		if i < len(want) && strings.Contains(want[i], "#") {
			s += " #" + letters[c.id]
		}
		got = append(got, s)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("invocations (-want +got):\n%s", diff)
	}
}

// wantDocs compares the failure documents, each as "first..last n condition count functionError", with "-" for no
// responseContext.
func (w *world) wantDocs(want ...string) {
	w.t.Helper()
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	var got []string
	for _, d := range w.queue.docs {
		got = append(got, w.summary(d))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("failure documents (-want +got):\n%s", diff)
	}
}

type parsedDocument struct {
	RequestContext struct {
		RequestID              string
		Condition              string
		ApproximateInvokeCount int
	}
	ResponseContext *struct{ FunctionError *string }
	BatchInfo       struct {
		ShardID             string
		StartSequenceNumber string
		EndSequenceNumber   string
		BatchSize           int
	} `json:"KinesisBatchInfo"`
}

func parseDocument(t *testing.T, body string) parsedDocument {
	t.Helper()
	var d parsedDocument
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		t.Fatalf("document %s: %v", body, err)
	}
	return d
}

func (w *world) summary(body string) string {
	d := parseDocument(w.t, body)
	rc := "-"
	if d.ResponseContext != nil {
		rc = "null"
		if e := d.ResponseContext.FunctionError; e != nil {
			rc = *e
		}
	}
	return fmt.Sprintf("%s..%s %d %s %d %s", w.name(d.BatchInfo.StartSequenceNumber), w.name(d.BatchInfo.EndSequenceNumber),
		d.BatchInfo.BatchSize, d.RequestContext.Condition, d.RequestContext.ApproximateInvokeCount, rc)
}

// name gives the name of the record with a sequence number.
func (w *world) name(sequence string) string {
	if name, ok := w.stream.names[sequence]; ok {
		return name
	}
	for _, s := range w.stream.shards {
		for _, r := range s.records {
			if r.SequenceNumber == sequence {
				name, _, _ := strings.Cut(string(r.Data), " ")
				return name
			}
		}
	}
	return "?" + sequence
}

func (w *world) wantCheckpoint(shard, want string) {
	w.t.Helper()
	for _, s := range w.mapping.Status().Shards {
		if s.ID == shard {
			got := ""
			if s.Checkpoint != "" {
				got = w.name(s.Checkpoint)
			}
			if got != want {
				w.t.Errorf("checkpoint of %s = %q, want %q", shard, got, want)
			}
			return
		}
	}
	w.t.Errorf("no shard %s", shard)
}

func (w *world) wantResult(want string) {
	w.t.Helper()
	if got := w.mapping.Status().LastProcessingResult; got != want {
		w.t.Errorf("LastProcessingResult = %q, want %q", got, want)
	}
}
