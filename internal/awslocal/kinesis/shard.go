package kinesis

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// shard is one shard of a stream. What stands above the lock never changes.
type shard struct {
	stream   *stream
	number   uint32
	id       string
	parent   string // of a split or merge; "" without
	adjacent string // the second parent of a merge
	keys     keyRange
	made     int64 // ms
	// created leads the sequence numbers, in seconds: that of made, or later, so that it is above the parents'.
	created int64

	mu     sync.Mutex
	log    recordLog
	closed int64         // when it was closed, ms; 0 while it is open
	gone   bool          // with its stream
	wake   chan struct{} // closed when something changes; nil while nobody waits
	in     allowance
	out    allowance
}

func shardID(number uint32) string { return fmt.Sprintf("shardId-%012d", number) }

// parseShardID reads the number out of a shard's id. AWS does not look at what stands before it (recorded by
// mhart/kinesalite, test/getShardIterator.js: "shard-0", "-0" and "0").
func parseShardID(id string) (uint32, bool) {
	digits := id
	if _, after, ok := strings.Cut(id, "-"); ok {
		digits = after
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	return uint32(n), err == nil
}

// sequence gives the number of the record at a place.
func (sh *shard) sequence(place uint64, arrival int64) sequence {
	return newSequence(sh.created, sh.number, place+1, arrival/1000)
}

func (sh *shard) starting() sequence { return newSequence(sh.created, sh.number, 0, sh.created) }

// ending gives the last sequence number of a closed shard.
func (sh *shard) ending(closed int64) sequence {
	return newSequence(sh.created, sh.number, endOfShard, closed/1000)
}

// closedAt tells when the shard was closed, in ms; 0 while it is open.
func (sh *shard) closedAt() int64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.closed
}

// put stores those of a list of entries that fit into the shard's limits, in order, under one lock; it marks the others
// as failed. It stores none and tells so when the shard is closed: the entries must find another.
func (sh *shard) put(entries []putEntry, list int32) (open bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed != 0 {
		return false
	}
	now := sh.trim()
	for i := list; i >= 0; i = entries[i].next {
		e := &entries[i]
		e.shard = sh
		if sh.stream.service.enforce && !sh.in.write(now, len(e.key)+len(e.data)) {
			e.failed = true
			continue
		}
		sh.log.append(e.key, e.data, now)
		e.place, e.arrival = sh.log.next-1, sh.log.last
	}
	sh.changed()
	return true
}

// trim forgets what is beyond the retention, and gives the time. The lock is held.
func (sh *shard) trim() (now int64) {
	now = sh.stream.service.nowMillis()
	sh.log.trim(now - sh.stream.retention.Load())
	return now
}

// changed wakes those who wait for the shard. The lock is held.
func (sh *shard) changed() {
	if sh.wake != nil {
		close(sh.wake)
		sh.wake = nil
	}
}

// page is what one read of a shard gives.
type page struct {
	runs []run
	next uint64 // place to read on from
	tip  bool   // nothing was there beyond next
	end  bool   // and nothing will be: the shard is closed
}

// read views the records from a place on: at most so many, of at most so many bytes.
func (sh *shard) read(into []run, from uint64, most, size int) page {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.trim()
	p := page{runs: sh.log.runs(into, from, most, size), next: max(from, sh.log.oldest)}
	if n := len(p.runs); n > 0 {
		last := p.runs[n-1]
		p.next = last.first + uint64(len(last.entries))
	}
	p.tip = p.next >= sh.log.next
	p.end = p.tip && sh.closed != 0
	return p
}

// place finds where a reader starts.
func (sh *shard) place(from Position) (uint64, error) {
	var number sequence
	if from.Type == AtSequence || from.Type == AfterSequence {
		var err error
		if number, err = sh.own(from.SequenceNumber); err != nil {
			return 0, err
		}
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.trim()
	switch from.Type {
	case TrimHorizon:
		return sh.log.oldest, nil
	case Latest:
		return sh.log.next, nil
	case AtTimestamp:
		return sh.log.at(ceilMillis(from.Timestamp)), nil
	case AtSequence, AfterSequence:
		return sh.seek(number, from.Type == AfterSequence), nil
	}
	var v violations
	v.position(from.Type, "shardIteratorType")
	return 0, v.Err()
}

// ceilMillis is the first millisecond that is not before t: arrivals have no finer parts.
func ceilMillis(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

// own reads a sequence number and checks that it is one of this shard's.
func (sh *shard) own(number string) (sequence, error) {
	where := fmt.Sprintf("StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s under account %s is invalid",
		number, sh.id, sh.stream.name, sh.stream.service.account)
	n, err := parseSequence(number)
	if err != nil {
		return n, invalid("%s.", where)
	}
	if n.shard() != sh.number {
		return n, invalid("Invalid StartingSequenceNumber. It encodes %s, while it was used in a call to a shard with %s", shardID(n.shard()), sh.id)
	}
	if n.created() != sh.created {
		return n, invalid("%s because it did not come from this stream.", where)
	}
	return n, nil
}

// seek finds the first record with a sequence number, or one after it. The lock is held.
func (sh *shard) seek(n sequence, after bool) uint64 {
	counter := n.counter()
	if counter <= sh.log.oldest { // the counter is the place plus one
		return sh.log.oldest
	}
	place := counter - 1
	if place >= sh.log.next {
		return sh.log.next
	}
	c := sh.sequence(place, sh.log.arrival(place)).compare(n)
	if c < 0 || after && c == 0 {
		place++
	}
	return place
}

// remove ends the shard together with its stream: who waits for it is woken.
func (sh *shard) remove() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.gone = true
	sh.changed()
}
