package esm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	streamARN   = "arn:aws:kinesis:us-east-1:000000000000:stream/flights"
	functionARN = "arn:aws:lambda:us-east-1:000000000000:function:fn:live"
	roleARN     = "arn:aws:iam::000000000000:role/fn"
	queueARN    = "arn:aws:sqs:us-east-1:000000000000:failures"
	topicARN    = "arn:aws:sns:us-east-1:000000000000:failures"
	bucketARN   = "arn:aws:s3:::failures"
	shard0      = "shardId-000000000000"
)

// stream is a Source in memory.
type stream struct {
	mu        sync.Mutex
	changed   chan struct{}
	shards    []*streamShard
	names     map[string]string // of records that their data does not name, by sequence number
	last      int
	retention time.Duration
	readTakes time.Duration
	reads     int
	deleted   bool
	deletions uint64
}

type streamShard struct {
	Shard
	records []Record
	closed  bool
}

func newStream() *stream {
	s := &stream{changed: make(chan struct{}), names: map[string]string{}, retention: 24 * time.Hour}
	s.add(shard0, "", "")
	return s
}

// update changes the stream and wakes whoever waits.
func (s *stream) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) add(id, parent, adjacent string) {
	all := [16]byte(bytes.Repeat([]byte{0xFF}, 16))
	s.update(func() {
		s.shards = append(s.shards, &streamShard{Shard: Shard{ID: id, Parent: parent, AdjacentParent: adjacent, Last: all}})
	})
}

func (s *stream) close(ids ...string) {
	s.update(func() {
		for _, id := range ids {
			s.find(id).closed = true
		}
	})
}

func (s *stream) find(id string) *streamShard {
	i := slices.IndexFunc(s.shards, func(x *streamShard) bool { return x.ID == id })
	if i < 0 {
		return nil
	}
	return s.shards[i]
}

// put writes records named by their data. "a:r1" has key a; without a key it is "k".
func (s *stream) put(shard string, names ...string) {
	s.putAt(shard, time.Now(), names...)
}

func (s *stream) putAt(shard string, at time.Time, names ...string) {
	s.update(func() {
		to := s.find(shard)
		for _, name := range names {
			key, _, ok := strings.Cut(name, ":")
			if !ok {
				key = "k"
			}
			to.records = append(to.records, Record{SequenceNumber: s.sequence(), PartitionKey: key, Data: []byte(name), Arrival: at})
		}
	})
}

// sequence gives the next sequence number, under mu.
func (s *stream) sequence() string {
	s.last++
	return fmt.Sprintf("4967848248591499264712848673846055973597999399947154%08d", s.last)
}

// putData writes one record under a name that its data does not give.
func (s *stream) putData(shard, name, key string, data []byte) {
	s.update(func() {
		to, n := s.find(shard), s.sequence()
		s.names[n] = name
		to.records = append(to.records, Record{SequenceNumber: n, PartitionKey: key, Data: data, Arrival: time.Now()})
	})
}

func (s *stream) Shards() ([]Shard, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.shards) == 0 {
		return nil, errors.New("no such stream")
	}
	var out []Shard
	for _, x := range s.shards {
		out = append(out, x.Shard)
	}
	return out, nil
}

func (s *stream) Retention() time.Duration { return s.retention }

func (s *stream) Generation() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deletions + 1, nil
}

// recreate makes a new stream, with one shard, in the place of the one that was deleted.
func (s *stream) recreate() {
	s.update(func() {
		s.deletions++
		s.deleted, s.shards = false, nil
	})
	s.add(shard0, "", "")
}

func (s *stream) Open(shard string, from Position) (Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.find(shard)
	if x == nil {
		return nil, errors.New("no such shard")
	}
	c := &cursor{stream: s, shard: x, next: len(x.records), made: s.deletions}
	starts := map[PositionType]func(Record) bool{
		TrimHorizon:   func(Record) bool { return true },
		Latest:        func(Record) bool { return false },
		AtTimestamp:   func(r Record) bool { return !r.Arrival.Before(from.Timestamp) },
		AtSequence:    func(r Record) bool { return r.SequenceNumber >= from.SequenceNumber },
		AfterSequence: func(r Record) bool { return r.SequenceNumber > from.SequenceNumber },
	}
	if i := slices.IndexFunc(x.records, starts[from.Type]); i >= 0 {
		c.next = i
	}
	return c, nil
}

type cursor struct {
	stream *stream
	shard  *streamShard
	next   int
	made   uint64 // the stream's deletions by then
}

func (c *cursor) Read(limit int) ([]Record, bool) {
	pause(context.Background(), c.stream.readTakes)
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	c.stream.reads++
	n := min(limit, len(c.shard.records)-c.next)
	out := slices.Clone(c.shard.records[c.next : c.next+n])
	c.next += n
	return out, c.shard.closed && c.next == len(c.shard.records)
}

func (c *cursor) Wait(ctx context.Context) error {
	for {
		c.stream.mu.Lock()
		changed, ready, deleted := c.stream.changed, c.next < len(c.shard.records) || c.shard.closed, c.stream.deleted || c.made != c.stream.deletions
		c.stream.mu.Unlock()
		if deleted {
			return errors.New("no such stream")
		}
		if ready {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// call is one invocation that the function saw.
type call struct {
	names []string
	ids   []string // sequence numbers
	id    string
	at    time.Time
	size  int
}

// reply is what the function gives back: by default nothing, which is success.
type reply struct {
	payload string
	crash   bool // FunctionError Unhandled
	err     error
	takes   time.Duration
	until   <-chan struct{} // blocks until then
}

var (
	ok       = reply{}
	crash    = reply{payload: `{"errorMessage":"boom","errorType":"error"}`, crash: true}
	throttle = reply{err: errors.New("throttled")}
)

// function is an Invoker that follows a script.
type function struct {
	mu    sync.Mutex
	calls []call
	// script gives the answer to the nth call, from 0. nil is success.
	script func(n int, c call) reply
	seen   func(Invocation) // is shown each
	// counts: calls have nameless records, for those who send very many.
	counts bool
	now    int // in flight
	most   int // the most that were
}

func (f *function) Invoke(ctx context.Context, in Invocation) (Answer, error) {
	c := call{id: in.RequestID, at: time.Now(), size: len(in.Payload)}
	if f.seen != nil {
		f.seen(in)
	}
	if f.counts {
		c.names = make([]string, bytes.Count(in.Payload, []byte(`"eventID"`)))
	} else {
		c.read(in.Payload)
	}
	f.mu.Lock()
	n := len(f.calls)
	f.calls = append(f.calls, c)
	f.now++
	f.most = max(f.most, f.now)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
	}()
	r := reply{}
	if f.script != nil {
		r = f.script(n, c)
	}
	if r.until != nil {
		select {
		case <-r.until:
		case <-ctx.Done():
		}
	}
	pause(ctx, r.takes)
	a := Answer{Payload: []byte(r.payload), ExecutedVersion: "7"}
	if r.crash {
		a.FunctionError = "Unhandled"
	}
	return a, errors.Join(r.err, ctx.Err())
}

func (c *call) read(payload []byte) {
	var event struct {
		Records []struct {
			Kinesis struct {
				SequenceNumber string `json:"sequenceNumber"`
				Data           []byte `json:"data"`
			} `json:"kinesis"`
		} `json:"Records"`
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		panic(err)
	}
	for _, r := range event.Records {
		name := r.Kinesis.Data
		if i := slices.Index(name, ' '); i >= 0 { // the rest is ballast
			name = name[:i]
		}
		c.names = append(c.names, string(name))
		c.ids = append(c.ids, r.Kinesis.SequenceNumber)
	}
}

// partial is the batch response that names some of a call's records.
func (c call) partial(names ...string) reply {
	var ids []string
	for _, n := range names {
		id := "unknown"
		if i := slices.Index(c.names, n); i >= 0 {
			id = c.ids[i]
		}
		ids = append(ids, `{"itemIdentifier":"`+id+`"}`)
	}
	return reply{payload: `{"batchItemFailures":[` + strings.Join(ids, ",") + `]}`}
}

func (c call) has(name string) bool { return slices.Contains(c.names, name) }

// replies answers the first calls in order, and the rest with the last one.
func replies(rs ...reply) func(int, call) reply {
	return func(n int, _ call) reply { return rs[min(n, len(rs)-1)] }
}

// queue is a Destination.
type queue struct {
	mu   sync.Mutex
	arn  string // "" is queueARN
	docs []string
	keys []string
	fail error
}

func (q *queue) Send(arn, key, body string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if want := cmp.Or(q.arn, queueARN); arn != want {
		return fmt.Errorf("destination %q, want %q", arn, want)
	}
	if q.fail == nil {
		q.docs, q.keys = append(q.docs, body), append(q.keys, key)
	}
	return q.fail
}
