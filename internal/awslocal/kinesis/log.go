package kinesis

import (
	"cmp"
	"iter"
	"slices"
)

// Blocks grow with the shard, so that a stream of many idle shards stays small and a busy one has few blocks.
const (
	firstBlock = 16 << 10
	maxBlock   = 1 << 20
)

// recordLog keeps a shard's records in the order of their arrival. A record costs its key, its data and 16 bytes. What
// has been written never changes or moves: views of it outlive the lock under which they were taken.
type recordLog struct {
	blocks []*block // in order, none empty
	oldest uint64   // place of the oldest record that is not trimmed
	next   uint64   // place of the next record
	last   int64    // arrival of the newest record, ms
}

// block is a run of records. Its memory has a fixed capacity.
type block struct {
	first   uint64 // place of the first record
	entries []entry
	bytes   []byte // of each record its key, then its data
}

// entry locates a record in its block, behind the one before it.
type entry struct {
	arrival int64  // ms, never less than the one before
	end     uint32 // in bytes
	key     uint16 // bytes of the key: at most 1,024 (256 characters of 4 bytes)
}

// append adds a record. The arrival is never before that of the last one: AT_TIMESTAMP finds its record by a binary search,
// and a clock may be set back.
func (l *recordLog) append(key, data []byte, arrival int64) {
	b := l.room(len(key) + len(data))
	l.last = max(l.last, arrival)
	b.bytes = append(append(b.bytes, key...), data...)
	b.entries = append(b.entries, entry{l.last, uint32(len(b.bytes)), uint16(len(key))})
	l.next++
}

// room gives the last block when it still has room for n bytes, else a new one.
func (l *recordLog) room(n int) *block {
	size := firstBlock
	if len(l.blocks) > 0 {
		b := l.blocks[len(l.blocks)-1]
		if cap(b.bytes)-len(b.bytes) >= n {
			return b
		}
		size = min(2*cap(b.bytes), maxBlock)
	}
	b := &block{first: l.next, bytes: make([]byte, 0, max(size, n))}
	l.blocks = append(l.blocks, b)
	return b
}

// trim forgets the records that arrived before cutoff, and frees the blocks of which nothing is left.
func (l *recordLog) trim(cutoff int64) {
	for len(l.blocks) > 0 {
		b := l.blocks[0]
		newest := b.entries[len(b.entries)-1].arrival
		if newest >= cutoff {
			l.oldest = max(l.oldest, b.first+uint64(firstAt(b.entries, cutoff)))
			return
		}
		l.oldest = max(l.oldest, b.first+uint64(len(b.entries)))
		l.blocks[0] = nil
		l.blocks = l.blocks[1:]
	}
}

// firstAt finds the first entry that arrived at a time or later. The oldest is looked at first: trim mostly stops there.
func firstAt(entries []entry, arrival int64) int {
	if entries[0].arrival >= arrival {
		return 0
	}
	i, _ := slices.BinarySearchFunc(entries, arrival, func(e entry, t int64) int {
		if e.arrival < t {
			return -1
		}
		return 1
	})
	return i
}

// at finds the place of the first record that arrived at a time or later; the next place when there is none.
func (l *recordLog) at(arrival int64) uint64 {
	for _, b := range l.blocks {
		if b.entries[len(b.entries)-1].arrival >= arrival {
			return max(l.oldest, b.first+uint64(firstAt(b.entries, arrival)))
		}
	}
	return l.next
}

// arrival gives when the record at a place that is not trimmed arrived.
func (l *recordLog) arrival(place uint64) int64 {
	b := l.blocks[l.block(place)]
	return b.entries[place-b.first].arrival
}

// block finds the block that holds a place that is not trimmed.
func (l *recordLog) block(place uint64) int {
	i, found := slices.BinarySearchFunc(l.blocks, place, func(b *block, p uint64) int {
		switch {
		case b.first < p:
			return -1
		case b.first > p:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	return i
}

// run is a view of successive records of one block. It stays right without any lock.
type run struct {
	first   uint64 // place of the first record
	start   uint32 // where it begins in bytes
	entries []entry
	bytes   []byte
}

// runs views the records from a place on: at most so many, of at most so many bytes. A place that is trimmed means the
// oldest record.
func (l *recordLog) runs(into []run, from uint64, most, size int) []run {
	from = max(from, l.oldest)
	if from >= l.next {
		return into
	}
	for _, b := range l.blocks[l.block(from):] {
		whole := b.from(from)
		r := whole.clip(most, size)
		if len(r.entries) > 0 {
			into = append(into, r)
		}
		if len(r.entries) < len(whole.entries) {
			break
		}
		from += uint64(len(r.entries))
		most -= len(r.entries)
		size -= r.size()
	}
	return into
}

func (b *block) from(place uint64) run {
	i := place - b.first
	r := run{first: place, entries: b.entries[i:], bytes: b.bytes}
	if i > 0 {
		r.start = b.entries[i-1].end
	}
	return r
}

// size is how many bytes of keys and data the records have.
func (r run) size() int {
	if len(r.entries) == 0 {
		return 0
	}
	return int(r.entries[len(r.entries)-1].end - r.start)
}

// clip keeps at most so many records, of at most so many bytes.
func (r run) clip(most, size int) run {
	r.entries = r.entries[:min(len(r.entries), most)]
	if r.size() > size {
		over := uint64(r.start) + uint64(size) + 1
		n, _ := slices.BinarySearchFunc(r.entries, over, func(e entry, end uint64) int { return cmp.Compare(uint64(e.end), end) })
		r.entries = r.entries[:n]
	}
	return r
}

// stored is one record as it lies in a block.
type stored struct {
	key, data []byte
	arrival   int64 // ms
}

// all gives the records of a run with their places.
func (r run) all() iter.Seq2[uint64, stored] {
	return func(yield func(uint64, stored) bool) {
		start := r.start
		for i, e := range r.entries {
			data := start + uint32(e.key)
			rec := stored{r.bytes[start:data:data], r.bytes[data:e.end:e.end], e.arrival}
			if !yield(r.first+uint64(i), rec) {
				return
			}
			start = e.end
		}
	}
}
