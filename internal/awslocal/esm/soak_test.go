package esm

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// soak is a stream of records that are made when they are read, the function that gets them, and what both know of the
// truth: how many records each key has, and how many of them are settled. Positions 0 to soakKeys-1 stand for hash keys.
type soak struct {
	mu       sync.Mutex
	rng      *rand.Rand // under mu
	changed  chan struct{}
	shards   []*soakShard
	sequence uint64

	put     [soakKeys]uint32 // records by key
	settled [soakKeys]uint32
	flying  [soakKeys]bool // the key is in an invocation
	made    int
	done    int
	given   int // given up
	docs    int // records in failure documents
	calls   int
	broken  string // the first law that was broken
	mapping *Mapping
}

const (
	soakKeys   = 1024
	soakShards = 8
	soakSteps  = 40      // shards are split or merged so many times
	soakAhead  = 100_000 // records put and not settled
	soakPoison = 4999    // one record in so many can never be processed
)

type soakShard struct {
	Shard
	low, high int // keys
	entries   []soakEntry
	closed    bool
}

// soakEntry is a record that waits in the stream.
type soakEntry struct {
	key, ordinal uint32
	sequence     uint64
}

func newSoak(seed uint64) *soak {
	s := &soak{rng: rand.New(rand.NewPCG(seed, 0)), changed: make(chan struct{})}
	for i := range soakShards {
		s.add(i*soakKeys/soakShards, (i+1)*soakKeys/soakShards)
	}
	return s
}

func (s *soak) add(low, high int, parents ...*soakShard) {
	sh := &soakShard{low: low, high: high}
	sh.ID = fmt.Sprintf("shardId-%012d", len(s.shards))
	for i, p := range parents {
		p.closed = true
		*[]*string{&sh.Parent, &sh.AdjacentParent}[i] = p.ID
	}
	s.shards = append(s.shards, sh)
}

// open lists the shards that take records, in the order of their keys.
func (s *soak) open() []*soakShard {
	var out []*soakShard
	for low := 0; low < soakKeys; {
		for _, sh := range s.shards {
			if !sh.closed && sh.low == low {
				out, low = append(out, sh), sh.high
			}
		}
	}
	return out
}

// reshard splits one shard, or merges two.
func (s *soak) reshard() {
	open := s.open()
	at := s.rng.IntN(len(open) - 1)
	a, b := open[at], open[at+1]
	if len(open) > soakShards || a.high-a.low < 2 {
		s.add(a.low, b.high, a, b)
		return
	}
	middle := (a.low + a.high) / 2
	s.add(a.low, middle, a)
	s.add(middle, a.high, a)
}

// produce puts up to n records on every open shard.
func (s *soak) produce(n, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.open() {
		for range min(n, most-s.made) {
			key := uint32(sh.low + s.rng.IntN(sh.high-sh.low))
			sh.entries = append(sh.entries, soakEntry{key, s.put[key], s.sequence})
			s.put[key]++
			s.sequence++
			s.made++
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *soak) Shards() ([]Shard, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Shard, len(s.shards))
	for i, sh := range s.shards {
		out[i] = sh.Shard
	}
	return out, nil
}

func (s *soak) Retention() time.Duration { return 0 }

func (s *soak) Generation() (uint64, error) { return 1, nil }

func (s *soak) Open(id string, _ Position) (Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.shards {
		if sh.ID == id {
			return &soakCursor{s, sh}, nil
		}
	}
	return nil, errors.New("no such shard")
}

type soakCursor struct {
	soak  *soak
	shard *soakShard
}

func (c *soakCursor) Read(limit int) ([]Record, bool) {
	c.soak.mu.Lock()
	defer c.soak.mu.Unlock()
	n := min(limit, len(c.shard.entries))
	out := make([]Record, n)
	text := make([]byte, 0, n*24)
	data := make([]byte, 0, n*8)
	for _, e := range c.shard.entries[:n] {
		text = strconv.AppendUint(text, 1e19+e.sequence, 10)
		text = strconv.AppendUint(text, 1000+uint64(e.key), 10)
		data = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(data, e.key), e.ordinal)
	}
	words, now := string(text), time.Now()
	for i := range out {
		out[i] = Record{SequenceNumber: words[24*i : 24*i+20], PartitionKey: words[24*i+20 : 24*i+24], Data: data[8*i : 8*i+8], Arrival: now}
	}
	c.shard.entries = c.shard.entries[n:]
	if len(c.shard.entries) == 0 {
		c.shard.entries = nil
	}
	return out, c.shard.closed && len(c.shard.entries) == 0
}

func (c *soakCursor) Wait(ctx context.Context) error {
	for {
		c.soak.mu.Lock()
		changed, ready := c.soak.changed, len(c.shard.entries) > 0 || c.shard.closed
		c.soak.mu.Unlock()
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

func (s *soak) breaks(format string, args ...any) {
	if s.broken == "" {
		s.broken = fmt.Sprintf(format, args...)
	}
}

// Invoke is the function: it takes a while, and often fails.
func (s *soak) Invoke(ctx context.Context, in Invocation) (Answer, error) {
	keys, first, last, poisoned := s.begin(in.Payload)
	s.mu.Lock()
	chance, takes := s.rng.IntN(100), time.Duration(s.rng.IntN(50))*time.Millisecond
	s.mu.Unlock()
	pause(ctx, takes)
	s.mu.Lock()
	for key := range keys {
		s.flying[key] = false
	}
	s.mu.Unlock()
	a := Answer{ExecutedVersion: "1"}
	switch {
	case chance < 4 || poisoned:
		a.FunctionError = "Unhandled"
	case chance < 8:
		return Answer{}, errors.New("throttled")
	case chance < 12:
		a.Payload = []byte(`{"batchItemFailures":[{"itemIdentifier":"` + last + `"}]}`)
	case chance < 16:
		a.Payload = []byte(`{"batchItemFailures":[{"itemIdentifier":"` + first + `"}]}`)
	}
	return a, nil
}

// begin checks what an invocation is given: no key that is in another one, and of each key the next records.
func (s *soak) begin(payload []byte) (keys map[uint32]uint32, first, last string, poisoned bool) {
	keys = map[uint32]uint32{}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	for rest := payload; ; {
		at := bytes.Index(rest, []byte(beforeSeq))
		if at < 0 {
			break
		}
		rest = rest[at+len(beforeSeq):]
		last = string(rest[:20])
		if first == "" {
			first = last
		}
		rest = rest[20+len(beforeData):]
		var data [9]byte
		if _, err := base64.StdEncoding.Decode(data[:], rest[:12]); err != nil {
			s.breaks("data: %v", err)
		}
		key, ordinal := binary.BigEndian.Uint32(data[:4]), binary.BigEndian.Uint32(data[4:8])
		if keys[key] == 0 && s.flying[key] {
			s.breaks("key %d is in two invocations", key)
		}
		if want := s.settled[key] + keys[key]; ordinal != want {
			s.breaks("key %d: record %d was invoked, want %d", key, ordinal, want)
		}
		poisoned = poisoned || (key+ordinal*31)%soakPoison == 7
		keys[key]++
		s.flying[key] = true
	}
	for _, st := range s.mapping.Status().Shards {
		if st.Checkpoint != "" && !st.Done && s.holds(st.ID, keys) && compare(st.Checkpoint, first) >= 0 {
			s.breaks("checkpoint %s of %s has passed %s", st.Checkpoint, st.ID, first)
		}
	}
	return keys, first, last, poisoned
}

// holds tells whether a shard is the one of these keys; a parent that is done is not asked about.
func (s *soak) holds(id string, keys map[uint32]uint32) bool {
	for key := range keys {
		for _, sh := range s.shards {
			if sh.ID == id {
				return sh.low <= int(key) && int(key) < sh.high
			}
		}
	}
	return false
}

func (s *soak) onSettled(g Settled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range g.Records {
		key, ordinal := binary.BigEndian.Uint32(g.Records[i].Data), binary.BigEndian.Uint32(g.Records[i].Data[4:])
		if ordinal != s.settled[key] {
			s.breaks("key %d: record %d was settled, want %d", key, ordinal, s.settled[key])
		}
		s.settled[key]++
	}
	s.done += len(g.Records)
	if g.Fate != Processed {
		s.given += len(g.Records)
	}
}

func (s *soak) Send(_, _, body string) error {
	_, tail, _ := bytes.Cut([]byte(body), []byte(`"batchSize":`))
	number, _, _ := bytes.Cut(tail, []byte(","))
	n, err := strconv.Atoi(string(number))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.docs += n
	return err
}

// soakSize is how many records TestSoak sends: MILLRACE_SOAK, or few enough for every run of the tests.
func soakSize(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("MILLRACE_SOAK")); err == nil {
		return n
	}
	if testing.Short() {
		return 20_000
	}
	return 100_000
}

// TestSoak sends records through eight shards, which are split and merged, and settings that change, with a function
// that fails in every way, and demands that each record of each key is invoked and settled in its order and exactly
// once. MILLRACE_SOAK=10000000 makes it ten million.
func TestSoak(t *testing.T) {
	size, began := soakSize(t), time.Now()
	var peak uint64
	synctest.Test(t, func(t *testing.T) {
		s := newSoak(1)
		cfg := testConfig()
		cfg.BatchSize, cfg.ParallelizationFactor, cfg.MaximumRetryAttempts = 200, 2, 3
		cfg.BisectBatchOnFunctionError = true
		cfg.FunctionResponseTypes = []string{ReportBatchItemFailures}
		m, err := New(cfg, s, s, s, Options{Settled: s.onSettled, MaxRest: time.Second, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		s.mapping = m
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx) }()
		peak = s.drive(t, size)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.check(t, size)
	})
	t.Logf("%d records, heap at most %d MiB, %v", size, peak>>20, time.Since(began).Round(time.Millisecond))
}

// drive produces all records, with resharding and changes of the lanes between, and waits until all are settled.
func (s *soak) drive(t *testing.T, size int) (peak uint64) {
	next, each := 0, min(2000, size/soakSteps/soakShards)
	for late := time.Now().Add(365 * 24 * time.Hour); ; pause(t.Context(), 100*time.Millisecond) {
		s.mu.Lock()
		made, done, broken := s.made, s.done, s.broken
		if made >= next*size/soakSteps && made < size {
			next++
			s.reshard()
		}
		s.mu.Unlock()
		switch {
		case broken != "", done >= size:
			return peak
		case time.Now().After(late):
			t.Fatalf("%d of %d records settled after a year", done, size)
		case made < size && made-done < soakAhead:
			s.produce(each, size)
		}
		if next%5 == 0 && made < size {
			cfg := s.mapping.Config()
			cfg.ParallelizationFactor = 1 + next/5%4
			if cfg.ParallelizationFactor != s.mapping.Config().ParallelizationFactor {
				if _, err := s.mapping.Update(cfg, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		var mem runtime.MemStats
		if runtime.ReadMemStats(&mem); mem.HeapInuse > peak {
			peak = mem.HeapInuse
		}
	}
}

func (s *soak) check(t *testing.T, size int) {
	t.Helper()
	if s.broken != "" {
		t.Fatal(s.broken)
	}
	if s.done != size || s.put != s.settled {
		t.Errorf("%d records settled, want %d", s.done, size)
	}
	if s.docs != s.given {
		t.Errorf("%d records given up, %d in failure documents", s.given, s.docs)
	}
	for _, st := range s.mapping.Status().Shards {
		if st.Unsettled != 0 {
			t.Errorf("shard %s has %d unsettled records", st.ID, st.Unsettled)
		}
	}
	t.Logf("%d invocations, %d shards, %d records given up", s.calls, len(s.shards), s.given)
}
