package main

import (
	"sync"
	"time"
)

// front is how far the reading has come in time: all that arrived before it has been read, about. Nobody knows how many
// records there are, and by this it can be said how long the rest will take. The zero value has begun nothing. It is safe
// for concurrent use.
type front struct {
	mu    sync.Mutex
	first time.Time            // arrival of the first record that was read
	last  time.Time            // of the last one
	at    map[string]time.Time // of the shards under way: arrival of the last record that was read, or zero
}

// begin notes that a shard is under way. Its first record is behind all that has been read of its parents: until it is
// there the shard is where the others are.
func (f *front) begin(shard string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == nil {
		f.at = map[string]time.Time{}
	}
	f.at[shard] = f.slowest(f.last)
}

// move notes that a shard has been read to a record, by its arrival, from another one on.
func (f *front) move(shard string, from, to time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first.IsZero() || from.Before(f.first) {
		f.first = from
	}
	f.at[shard] = to
	if to.After(f.last) {
		f.last = to
	}
}

// end notes that a shard has nothing more to read.
func (f *front) end(shard string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.at, shard)
}

// share is how much of the time until the end has passed, from 0 to 1.
func (f *front) share(end time.Time) float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.slowest(end)
	if f.first.IsZero() || !f.first.Before(at) {
		return 0
	}
	return float64(at.Sub(f.first)) / float64(end.Sub(f.first))
}

// slowest is where the slowest of the shards under way is, at most at a time.
func (f *front) slowest(most time.Time) time.Time {
	for _, at := range f.at {
		if at.Before(most) {
			most = at
		}
	}
	return most
}
