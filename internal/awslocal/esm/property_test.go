package esm

import (
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// model holds what is true whatever the function does: a key has one invocation at a time, its records are handed over
// and settled in order, each is settled once or filtered, and the checkpoint never passes one that is not.
type model struct {
	w    *world
	seed uint64

	mu        sync.Mutex
	last      int
	unsettled map[string][]string // names by key, in order
	filtered  map[string]bool     // names that must not be invoked: false until they are settled
	inFlight  map[string]bool
	tries     map[string]int
	discarded int
	broken    string // the first law that was broken
}

func newModel(w *world, seed uint64) *model {
	return &model{
		w: w, seed: seed, unsettled: map[string][]string{}, filtered: map[string]bool{},
		inFlight: map[string]bool{}, tries: map[string]int{},
	}
}

func (m *model) breaks(format string, args ...any) {
	if m.broken == "" {
		m.broken = fmt.Sprintf(format, args...)
	}
}

// put writes a record, or an aggregate of several. With filters, key e never passes.
func (m *model) put(shard string, keys []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, key := range keys {
		m.last++
		name := fmt.Sprintf("%s:%d", key, m.last)
		names = append(names, name)
		if key == "e" && len(m.w.cfg.Filters) > 0 {
			m.filtered[name] = false
		} else {
			m.unsettled[key] = append(m.unsettled[key], name)
		}
	}
	if len(names) > 1 {
		m.w.stream.putData(shard, "aggregate", keys[0], aggregate(names...))
		return
	}
	m.w.stream.put(shard, names...)
}

// invoke is the function: it checks what it is given, takes a while, and then does what the seed says.
func (m *model) invoke(_ int, c call) reply {
	first := c.ids[0]
	for _, s := range m.w.mapping.Status().Shards {
		if m.w.stream.has(s.ID, first) && s.Checkpoint != "" && compare(s.Checkpoint, first) >= 0 {
			m.breaks("checkpoint %s of %s has passed %s", s.Checkpoint, s.ID, first)
		}
	}
	m.mu.Lock()
	m.tries[c.names[0]]++
	chance := m.chance(c.names[0], len(c.ids), m.tries[c.names[0]])
	at := map[string]int{}
	for _, name := range c.names {
		key := name[:1]
		if at[key] == 0 && m.inFlight[key] {
			m.breaks("key %s is in two invocations", key)
		}
		if n := at[key]; n >= len(m.unsettled[key]) || m.unsettled[key][n] != name {
			m.breaks("key %s: record %s is out of order, or filtered", key, name)
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
		m.settle(string(r.Data), s.Fate)
	}
	if s.Fate == RetryAttemptsExhausted || s.Fate == RecordAgeExceeded {
		m.discarded += len(s.Records)
	}
	m.mu.Unlock()
	m.w.onSettled(s)
}

func (m *model) settle(name string, fate Fate) {
	key := name[:1]
	if done, filtered := m.filtered[name]; filtered {
		if done || fate != FilteredOut {
			m.breaks("%s is settled again, or %s", name, fate)
		}
		m.filtered[name] = true
		return
	}
	if u := m.unsettled[key]; len(u) == 0 || u[0] != name {
		m.breaks("key %s: %s is settled, out of order or again", key, name)
		return
	}
	m.unsettled[key] = m.unsettled[key][1:]
}

func (s *stream) has(shard, sequence string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.find(shard).records, func(r Record) bool { return r.SequenceNumber == sequence })
}

// scenario is all that a run of the property test draws.
type scenario struct {
	cfg  Config
	seed uint64
	puts [][]string // the keys of each record: one, or several of an aggregate
	gaps []int      // milliseconds before each
	// split and merge: after so many records the shard is split at key c, and the halves are merged again.
	split, merge int
	changes      map[int]int // after so many records: the number of lanes is changed to that; 0 disables and enables
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
	if rapid.Bool().Draw(t, "filters") {
		s.cfg.Filters = []string{`{"partitionKey":[{"anything-but":"e"}]}`}
	}
	lower, upper, most := []string{"a", "b"}, []string{"c", "d", "e"}, 1
	if rapid.Bool().Draw(t, "consumer") {
		s.cfg.EventSourceARN, most = streamARN+"/consumer/c:1", 4
	}
	for range rapid.IntRange(1, 50).Draw(t, "records") {
		half := rapid.SampledFrom([][]string{lower, upper}).Draw(t, "half") // an aggregate has keys of one shard
		s.puts = append(s.puts, rapid.SliceOfN(rapid.SampledFrom(half), 1, most).Draw(t, "keys"))
	}
	s.gaps = rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 0, 10, 500}), len(s.puts), len(s.puts)).Draw(t, "gaps")
	s.split = rapid.IntRange(0, 60).Draw(t, "split")
	s.merge = s.split + rapid.IntRange(1, 30).Draw(t, "merge")
	s.changes = rapid.MapOfN(rapid.IntRange(0, 50), rapid.IntRange(0, 4), 0, 3).Draw(t, "changes")
	return s
}

// play runs the scenario and gives the law that was broken, "" if none was.
func (s scenario) play(t *testing.T) (broken string) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.stop()
		m := newModel(w, s.seed)
		w.cfg, w.opt.Settled, w.fn.script = s.cfg, m.settled, m.invoke
		w.start()
		total := 0
		for i, keys := range s.puts {
			s.reshard(w.stream, i)
			if lanes, ok := s.changes[i]; ok {
				w.change(lanes)
			}
			pause(t.Context(), time.Duration(s.gaps[i])*time.Millisecond)
			m.put(s.shardOf(i, keys[0]), keys)
			total += len(keys)
		}
		w.await(total)
		broken = m.verdict(t)
	})
	return broken
}

// verdict looks at the end.
func (m *model) verdict(t *testing.T) string {
	inDocuments := 0
	for _, d := range m.w.queue.docs {
		inDocuments += parseDocument(t, d).BatchInfo.BatchSize
	}
	if inDocuments != m.discarded {
		m.breaks("%d records given up, %d in failure documents", m.discarded, inDocuments)
	}
	for key, u := range m.unsettled {
		if len(u) > 0 {
			m.breaks("key %s: %v are lost", key, u)
		}
	}
	for name, done := range m.filtered {
		if !done {
			m.breaks("%s is lost", name)
		}
	}
	for _, st := range m.w.mapping.Status().Shards {
		if st.Unsettled != 0 {
			m.breaks("%d records of %s are unsettled", st.Unsettled, st.ID)
		}
	}
	return m.broken
}

// change sets the number of lanes, without waiting for it; 0 disables and enables the mapping.
func (w *world) change(lanes int) {
	if lanes == 0 {
		_ = w.mapping.Disable(w.t.Context())
		w.mapping.Enable()
		return
	}
	cfg := w.mapping.Config()
	cfg.ParallelizationFactor = lanes
	if _, err := w.mapping.Update(cfg, nil); err != nil {
		w.t.Error(err)
	}
}

func (s scenario) reshard(stream *stream, at int) {
	switch at {
	case s.split:
		stream.add("left", shard0, "")
		stream.add("right", shard0, "")
		stream.close(shard0)
	case s.merge:
		stream.add("merged", "left", "right")
		stream.close("left", "right")
	}
}

func (s scenario) shardOf(i int, key string) string {
	switch {
	case i < s.split:
		return shard0
	case i >= s.merge:
		return "merged"
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
