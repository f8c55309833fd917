package esm

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"strings"
	"time"
)

// gathering is a lane that has no invocation under way.
type gathering struct {
	queue  []Record // read and not yet settled, oldest first
	more   bool     // the reader has more records at hand: a short queue says nothing yet
	flush  bool     // do not wait for the window: the shard has ended, or the last batch was cut by its size
	window time.Duration
	opened time.Time
	limit  time.Duration // age at which a record is given up
}

// cutting is what becomes of a gathering.
type cutting struct {
	n      int       // the batch is the queue's first n; 0: none yet
	bySize bool      // it is as big as it may be, though not as many
	due    time.Time // if n is 0: when to look again though nothing has happened; zero is never
}

// closeBatch tells whether the batch is closed: by BatchSize, by the event's size, by the window, or because its oldest
// record is at the age limit and must not wait longer.
func closeBatch(cfg *Config, enc *encoder, g gathering, now time.Time) cutting {
	if len(g.queue) == 0 {
		return cutting{}
	}
	n, full := cut(enc, g.queue, cfg.BatchSize)
	switch {
	case full:
		return cutting{n: n, bySize: n < cfg.BatchSize}
	case g.more:
		return cutting{}
	case g.flush || g.window == 0:
		return cutting{n: n}
	}
	due := g.opened.Add(g.window)
	if old := g.queue[0].Arrival.Add(g.limit); old.Before(due) {
		due = old
	}
	if now.Before(due) {
		return cutting{due: due}
	}
	return cutting{n: n}
}

// cut gives the length of the batch at the front of a queue: records are taken in order while their number is within
// limit and the event within MaxEvent. One record that alone is over MaxEvent makes a batch, which is never invoked.
// full: nothing that comes later can be added.
func cut(enc *encoder, queue []Record, limit int) (n int, full bool) {
	size := len(eventStart) + len(eventEnd)
	for n = 0; n < len(queue) && n < limit; n++ {
		add := enc.size(&queue[n])
		if n > 0 {
			add += len(",")
		}
		if size+add > MaxEvent {
			return max(n, 1), true
		}
		size += add
	}
	return n, n == limit
}

// windowStart gives the start of the batching window that now is in. The next window starts when an invocation
// completes; what an empty window does is documented nowhere: here windows follow one another, so that the first record
// after a silence is gathered with what comes soon after it.
func windowStart(opened time.Time, window time.Duration, now time.Time) time.Time {
	if window == 0 {
		return opened
	}
	return opened.Add(now.Sub(opened) / window * window)
}

// laneOf gives the lane of a key. It takes the low end of the hash: the high end has already chosen the shard.
func laneOf(key string, lanes int) int {
	if lanes == 1 {
		return 0
	}
	sum := md5.Sum([]byte(key))
	return int(binary.BigEndian.Uint64(sum[8:]) % uint64(lanes))
}

// compare compares sequence numbers, which are decimal and differ in length.
func compare(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
