package dynamodb

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// table is a table and its items. All but schema, arn and description are guarded by the service's lock.
type table struct {
	schema      []keyAttribute // hash key, and range key if there is one
	description tableDescription
	ttl         string // attribute; "" for none
	partitions  map[string]*partition
	items       int
	bytes       int64
	soonest     int64 // when the first item expires, or one before it did; 0 while none can expire
	dropped     bool
	consumed    consumption
}

// find gives the entry of a key, unless it has expired.
func (t *table) find(k key, now int64) *entry {
	p := t.partitions[k.hash]
	if p == nil {
		return nil
	}
	pos, found := p.seek(k.sort)
	if !found || t.expired(p.at(pos), now) {
		return nil
	}
	return p.at(pos)
}

func (t *table) expired(e *entry, now int64) bool {
	return e.expires != 0 && now >= int64(e.expires)
}

// put stores an item in place of the one that was there.
func (t *table) put(k key, item document, size int, now int64) {
	p := t.partitions[k.hash]
	if p == nil {
		p = &partition{}
		t.partitions[strings.Clone(k.hash)] = p // a part of the item would keep the whole of it
	}
	e := entry{key: k.sort, item: item, size: uint32(size), expires: t.expiry(item, now)}
	pos, found := p.seek(k.sort)
	if found {
		t.bytes -= int64(p.at(pos).size)
		*p.at(pos) = e
	} else {
		t.items++
		p.insert(pos, e)
	}
	t.bytes += int64(size)
	t.noteExpiry(e)
}

// noteExpiry notes when an entry expires.
func (t *table) noteExpiry(e entry) {
	if at := int64(e.expires); at != 0 && (t.soonest == 0 || at < t.soonest) {
		t.soonest = at
	}
}

// remove deletes an item if it is there.
func (t *table) remove(k key) {
	p := t.partitions[k.hash]
	if p == nil {
		return
	}
	pos, found := p.seek(k.sort)
	if !found {
		return
	}
	t.forget(k.hash, p, pos)
}

func (t *table) forget(hash string, p *partition, pos position) {
	t.items--
	t.bytes -= int64(p.at(pos).size)
	p.remove(pos)
	if len(p.chunks) == 0 {
		delete(t.partitions, hash)
	}
}

// staleYears is how far in the past a time to live may lie: AWS leaves items alone whose time is more than five years ago.
const staleYears = 5 * 365 * 24 * time.Hour

// expiry reads when an item expires: whole seconds since 1970 in a number, 0 for never.
func (t *table) expiry(item document, now int64) uint32 {
	if t.ttl == "" {
		return 0
	}
	v, _ := item.get(t.ttl)
	if v.kind != kindNumber {
		return 0
	}
	whole, _, _ := strings.Cut(v.data, ".")
	at, err := strconv.ParseUint(whole, 10, 32)
	if err != nil || int64(at) < now-int64(staleYears/time.Second) {
		return 0
	}
	return uint32(at)
}

// setTTL names the attribute that holds the time to live, "" for none.
func (t *table) setTTL(attribute string, now int64) {
	t.ttl, t.soonest = attribute, 0
	for _, p := range t.partitions {
		for _, chunk := range p.chunks {
			for i := range chunk {
				chunk[i].expires = t.expiry(chunk[i].item, now)
				t.noteExpiry(chunk[i])
			}
		}
	}
}

// sweptChunks bounds how many chunks one write looks through for expired items, and so how long it holds the lock: a
// walk over three million items took 25 to 700 ms (for 10,000 items in a partition, and for one).
const sweptChunks = 4

// sweep frees memory of expired items, which reads never return: it looks through one chunk, wherever the map happens to
// begin, and through another for as long as it finds something. What has expired is so freed about as fast as items are
// written.
func (t *table) sweep(now int64) {
	if t.soonest == 0 || now < t.soonest {
		return
	}
	left := sweptChunks
	for hash, p := range t.partitions {
		if left--; !t.sweepChunk(hash, p, rand.IntN(len(p.chunks)), now) || left == 0 {
			return
		}
	}
}

// sweepChunk frees what has expired in one chunk of a partition, and tells whether anything had.
func (t *table) sweepChunk(hash string, p *partition, chunk int, now int64) (found bool) {
	for i := len(p.chunks[chunk]) - 1; i >= 0; i-- { // the last to go takes the chunk with it
		if pos := (position{chunk, i}); t.expired(p.at(pos), now) {
			t.forget(hash, p, pos)
			found = true
		}
	}
	return found
}
