package stream

import "math/bits"

// planner decides which records go into the next request. It is a value without clock, network or lock: the Producer
// owns one and settles what its requests return.
//
// With order, the records of one key stand in line: only the first of them is ever ready, so no request carries two of
// a key and no two requests in flight share one. The next becomes ready when the first is acknowledged. A record that
// failed keeps its place at the head of its line, so it is the next of its key to go.
//
// Every record waits in a slot. Slots are used again; they refer to each other by index.
type planner struct {
	limits limits
	slots  []slot
	free   []int32          // slots without a record
	ready  ring             // slots that may go into a request
	last   map[string]int32 // the end of each key's line; nil without order
	bytes  int              // of all records in slots
}

// limits bound a planner and its requests.
type limits struct {
	requestRecords int
	requestBytes   int
	pendingRecords int
	pendingBytes   int
}

type slot struct {
	key      string
	data     []byte
	next     int32 // the record behind it in its key's line, or none
	attempts int32 // how often it has been sent
}

func (s *slot) size() int { return len(s.key) + len(s.data) }

const none = -1

func newPlanner(l limits, ordered bool) *planner {
	p := &planner{
		limits: l,
		slots:  make([]slot, l.pendingRecords),
		free:   make([]int32, l.pendingRecords),
		ready:  newRing(l.pendingRecords),
	}
	for i := range p.free {
		p.free[i] = int32(l.pendingRecords - 1 - i)
	}
	if ordered {
		p.last = make(map[string]int32)
	}
	return p
}

// pending is how many records wait or are in flight.
func (p *planner) pending() int { return len(p.slots) - len(p.free) }

// hasRoom tells whether a record of a size may be added. Into an empty planner a record of any size may.
func (p *planner) hasRoom(size int) bool {
	return len(p.free) > 0 && (p.bytes+size <= p.limits.pendingBytes || p.bytes == 0)
}

// add takes a record in, for which there must be room, and tells whether it is ready.
func (p *planner) add(key string, data []byte) (ready bool) {
	i := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.slots[i] = slot{key: key, data: data, next: none}
	p.bytes += p.slots[i].size()
	if p.last != nil {
		before, waits := p.last[key]
		p.last[key] = i
		if waits {
			p.slots[before].next = i
			return false
		}
	}
	p.ready.pushBack(i)
	return true
}

// next appends the slots of the next request to into: none when nothing is ready. Each must come back by acknowledge
// or, then or later, by fail.
func (p *planner) next(into []int32) []int32 {
	size := 0
	for n := 0; n < p.limits.requestRecords && p.ready.len() > 0; n++ {
		i := p.ready.front()
		s := &p.slots[i]
		if size += s.size(); size > p.limits.requestBytes && n > 0 {
			break
		}
		p.ready.popFront()
		s.attempts++
		into = append(into, i)
	}
	return into
}

// acknowledge lets a record go that the stream has taken, and makes the next one of its key ready.
func (p *planner) acknowledge(i int32) {
	s := &p.slots[i]
	switch {
	case p.last == nil:
	case s.next != none:
		p.ready.pushBack(s.next)
	default:
		delete(p.last, s.key)
	}
	p.bytes -= s.size()
	*s = slot{}
	p.free = append(p.free, i)
}

// fail makes a record ready again that the stream has not taken, or perhaps not: ahead of all others.
func (p *planner) fail(i int32) { p.ready.pushFront(i) }

// ring is a queue of slots that never grows: no slot is in it twice.
type ring struct {
	items      []int32 // a power of two long
	head, size uint
}

func newRing(n int) ring {
	return ring{items: make([]int32, 1<<bits.Len(uint(n)))}
}

func (r *ring) len() int             { return int(r.size) }
func (r *ring) at(n uint) *int32     { return &r.items[n&uint(len(r.items)-1)] }
func (r *ring) front() int32         { return *r.at(r.head) }
func (r *ring) popFront()            { r.head++; r.size-- }
func (r *ring) pushBack(item int32)  { *r.at(r.head + r.size) = item; r.size++ }
func (r *ring) pushFront(item int32) { r.head--; *r.at(r.head) = item; r.size++ }
