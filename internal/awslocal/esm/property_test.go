package esm

import (
	"fmt"
	"hash/fnv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// model holds what is true whatever the function does: a key has one invocation at a time, its records are handed over
// and settled in order, each is settled once, and the checkpoint never passes one that is not.
type model struct {
	w    *world
	seed uint64

	mu        sync.Mutex
	unsettled map[string][]string // sequence numbers by key, in order
	inFlight  map[string]bool
	tries     map[string]int
	discarded int
	broken    string // the first law that was broken
}

func (m *model) breaks(format string, args ...any) {
	if m.broken == "" {
		m.broken = fmt.Sprintf(format, args...)
	}
}

func (m *model) put(shard, key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.w.stream.put(shard, key+":x")
	records := m.w.stream.find(shard).records
	m.unsettled[key] = append(m.unsettled[key], records[len(records)-1].SequenceNumber)
}

// invoke is the function: it checks what it is given, takes a while, and then does what the seed says.
func (m *model) invoke(_ int, c call) reply {
	first := c.ids[0]
	for _, s := range m.w.mapping.Status().Shards {
		if m.w.stream.has(s.ID, first) && s.Checkpoint != "" && !(compare(s.Checkpoint, first) < 0) {
			m.breaks("checkpoint %s of %s has passed %s", s.Checkpoint, s.ID, first)
		}
	}
	m.mu.Lock()
	m.tries[first]++
	chance := m.chance(first, len(c.ids), m.tries[first])
	at := map[string]int{}
	for i, name := range c.names {
		key := name[:1]
		if at[key] == 0 && m.inFlight[key] {
			m.breaks("key %s is in two invocations", key)
		}
		if n := at[key]; n >= len(m.unsettled[key]) || m.unsettled[key][n] != c.ids[i] {
			m.breaks("key %s: record %s is out of order", key, c.ids[i])
		}
		at[key]++
		m.inFlight[key] = true
	}
	m.mu.Unlock()
	pause(m.w.t.Context(), time.Duration(chance%400)*time.Millisecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range at {
		m.inFlight[key] = false
	}
	switch chance / 1000 % 10 {
	case 0, 1:
		return crash
	case 2:
		return throttle
	case 3:
		return reply{payload: `{"batchItemFailures":[{"foo":1}]}`}
	case 4, 5:
		return reply{payload: `{"batchItemFailures":[{"itemIdentifier":"` + c.ids[chance/10000%uint64(len(c.ids))] + `"}]}`}
	}
	return ok
}

// chance does not depend on the order in which lanes come to run.
func (m *model) chance(first string, n, try int) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, m.seed, first, n, try)
	return h.Sum64()
}

func (m *model) settled(s Settled) {
	m.mu.Lock()
	for _, r := range s.Records {
		if u := m.unsettled[r.PartitionKey]; len(u) == 0 || u[0] != r.SequenceNumber {
			m.breaks("key %s: %s is settled, out of order or again", r.PartitionKey, r.SequenceNumber)
			continue
		}
		m.unsettled[r.PartitionKey] = m.unsettled[r.PartitionKey][1:]
	}
	if s.Fate != Processed {
		m.discarded += len(s.Records)
	}
	m.mu.Unlock()
	m.w.onSettled(s)
}

func (s *stream) has(shard, sequence string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.find(shard).records {
		if r.SequenceNumber == sequence {
			return true
		}
	}
	return false
}

// scenario is all that a run of the property test draws.
type scenario struct {
	cfg  Config
	seed uint64
	keys []string // of the records, in order
	gaps []int    // milliseconds before each
	// split: after so many records the shard is split, at key c.
	split int
}

func drawScenario(t *rapid.T) scenario {
	s := scenario{cfg: testConfig(), seed: rapid.Uint64().Draw(t, "seed")}
	s.cfg.BatchSize = rapid.IntRange(1, 7).Draw(t, "batch size")
	s.cfg.ParallelizationFactor = rapid.IntRange(1, 4).Draw(t, "lanes")
	s.cfg.MaximumRetryAttempts = rapid.IntRange(-1, 3).Draw(t, "retries")
	s.cfg.MaximumBatchingWindowInSeconds = rapid.IntRange(0, 2).Draw(t, "window")
	s.cfg.BisectBatchOnFunctionError = rapid.Bool().Draw(t, "bisect")
	if rapid.Bool().Draw(t, "reports") {
		s.cfg.FunctionResponseTypes = []string{ReportBatchItemFailures}
	}
	if rapid.Bool().Draw(t, "age limit") {
		s.cfg.MaximumRecordAgeInSeconds = 60
	}
	s.keys = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 1, 60).Draw(t, "keys")
	s.gaps = rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 0, 10, 500}), len(s.keys), len(s.keys)).Draw(t, "gaps")
	s.split = rapid.IntRange(0, 80).Draw(t, "split")
	return s
}

// play runs the scenario and gives the law that was broken, "" if none was.
func (s scenario) play(t *testing.T) (broken string) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.stop()
		m := &model{w: w, seed: s.seed, unsettled: map[string][]string{}, inFlight: map[string]bool{}, tries: map[string]int{}}
		w.cfg, w.opt.Settled, w.fn.script = s.cfg, m.settled, m.invoke
		w.start()
		for i, key := range s.keys {
			if i == s.split {
				w.stream.add("left", shard0, "")
				w.stream.add("right", shard0, "")
				w.stream.close(shard0)
			}
			pause(t.Context(), time.Duration(s.gaps[i])*time.Millisecond)
			m.put(s.shardOf(i, key), key)
		}
		w.await(len(s.keys))
		inDocuments := 0
		for _, d := range w.queue.docs {
			inDocuments += parseDocument(t, d).BatchInfo.BatchSize
		}
		if inDocuments != m.discarded {
			m.breaks("%d records given up, %d in failure documents", m.discarded, inDocuments)
		}
		broken = m.broken
	})
	return broken
}

func (s scenario) shardOf(i int, key string) string {
	switch {
	case i < s.split:
		return shard0
	case key < "c":
		return "left"
	}
	return "right"
}

func TestMapping_KeepsItsLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if broken := drawScenario(rt).play(t); broken != "" {
			rt.Fatal(broken)
		}
	})
}
