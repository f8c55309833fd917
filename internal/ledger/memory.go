package ledger

import (
	"cmp"
	"slices"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

// memory is what a warm instance remembers of one set.
type memory struct {
	space      string // of the set, as it was when this began
	logs       map[logKey]*log
	aggregates map[string]map[aggregateKey]*aggregate // by shard
	windows    map[windowKey]bool                     // known to be in the index
	partitions map[string]bool                        // known to be in the index of the set's partitions
	columns    map[*meter.Meter][]columns
	tick       int64 // of use
}

type windowKey struct {
	meter *meter.Meter
	start int64
}

// log is what is known of one log: all fingerprints of its segments 1 to version.
type log struct {
	key     logKey
	version uint64
	ids     map[cloudevent.Fingerprint]struct{}
	used    int64
}

func (g *log) holds(id cloudevent.Fingerprint) bool { _, ok := g.ids[id]; return ok }

// aggregate is what was last known of one aggregate; version 0: there is no item.
type aggregate struct {
	key     aggregateKey
	pk, sk  string
	known   bool // false: to be read before it is written
	value   meter.Aggregate
	version int64
}

func newMemory(space string) *memory {
	return &memory{
		space: space, logs: map[logKey]*log{}, aggregates: map[string]map[aggregateKey]*aggregate{},
		windows: map[windowKey]bool{}, partitions: map[string]bool{}, columns: map[*meter.Meter][]columns{},
	}
}

// memories are those of all sets that an instance has served: one that serves the stream and a replay by turns needs
// both. They share their bounds.
type memories map[string]*memory

// maxMemories of sets; one more takes the place of all but the live one's.
const maxMemories = 8

// of gives the memory of a set. Where the set was dropped and begun anew, nothing is remembered of it.
func (ms memories) of(set, space string) *memory {
	if m := ms[set]; m != nil && m.space == space {
		return m
	}
	var tick int64
	for name, m := range ms {
		tick = m.tick
		if len(ms) >= maxMemories && name != LiveSet {
			delete(ms, name)
		}
	}
	m := newMemory(space)
	m.tick = tick
	ms[set] = m
	return m
}

func (m *memory) log(k logKey) *log {
	g := m.logs[k]
	if g == nil {
		g = &log{key: k, ids: map[cloudevent.Fingerprint]struct{}{}}
		m.logs[k] = g
	}
	g.used = m.tick
	return g
}

// Bounds of what is remembered beside fingerprints: at about 400 bytes each.
const (
	maxAggregates = 100_000
	maxWindows    = 100_000 // and partitions
)

// trim forgets the logs that were not used for longest, until at most max fingerprints remain, and aggregates when they
// are too many. It runs before a batch. What the batch before has used stays even so: it will mostly be used again, and
// an instance that forgot the one log it works on would read all of it for every batch.
func (ms memories) trim(max int) {
	total, aggregates, listed := 0, 0, 0
	for _, m := range ms {
		m.tick++
		for _, g := range m.logs {
			total += g.size()
		}
		for _, of := range m.aggregates {
			aggregates += len(of)
		}
		listed += len(m.windows) + len(m.partitions)
	}
	if total > max {
		ms.forget(total - max)
	}
	for _, m := range ms {
		if aggregates > maxAggregates {
			clear(m.aggregates)
		}
		if listed > maxWindows {
			clear(m.windows)
			clear(m.partitions)
		}
	}
}

// size is what a log takes of the bound: an empty one takes room too.
func (g *log) size() int { return len(g.ids) + 1 }

// forget takes so much from the logs that were not used for longest.
func (ms memories) forget(size int) {
	type owned struct {
		*log
		of *memory
	}
	var logs []owned
	for _, m := range ms {
		for _, g := range m.logs {
			logs = append(logs, owned{g, m})
		}
	}
	slices.SortFunc(logs, func(a, b owned) int { return cmp.Compare(a.used, b.used) })
	for _, g := range logs {
		if size <= 0 || g.used == g.of.tick-1 {
			return
		}
		size -= g.size()
		delete(g.of.logs, g.key)
	}
}
