package kinesis

import (
	"context"
	"fmt"
	"math"
	"time"
)

// PositionType says where in a shard reading starts, in the words of GetShardIterator.
type PositionType string

// The positions in a shard.
const (
	TrimHorizon   PositionType = "TRIM_HORIZON"          // at the oldest record that is not trimmed
	Latest        PositionType = "LATEST"                // after the newest record
	AtTimestamp   PositionType = "AT_TIMESTAMP"          // at the first record that arrived at Position.Timestamp or later
	AtSequence    PositionType = "AT_SEQUENCE_NUMBER"    // at the record with Position.SequenceNumber, or the first after it
	AfterSequence PositionType = "AFTER_SEQUENCE_NUMBER" // at the first record after it
)

// Position is where in a shard reading starts.
type Position struct {
	Type           PositionType
	Timestamp      time.Time // of AtTimestamp
	SequenceNumber string    // of AtSequence and AfterSequence: one of this shard's
}

// Shard is a shard in its lineage.
type Shard struct {
	ID             string
	Parent         string // of a split or merge; "" without
	AdjacentParent string // the second parent of a merge; "" without
	// First and Last bound the hash keys of the shard's records, both included: MD5's 16 bytes, big endian.
	First, Last [16]byte
}

// Record is one record of a shard. Its memory is the shard's: Data must not be changed.
type Record struct {
	SequenceNumber string // 56 digits, ordered within a shard and from parent to child
	PartitionKey   string
	Data           []byte
	Arrival        time.Time // UTC, in ms
}

// Shards lists the shards of a stream, named by its name or ARN: oldest first, with the closed ones that still may hold
// records.
func (s *Service) Shards(stream string) ([]Shard, error) {
	st, err := s.stream(stream)
	if err != nil {
		return nil, fmt.Errorf("list shards of %s: %w", stream, err)
	}
	var out []Shard
	for _, sh := range st.visible() {
		out = append(out, Shard{sh.id, sh.parent, sh.adjacent, sh.keys.lo.bytes(), sh.keys.hi.bytes()})
	}
	return out, nil
}

// Retention is for how long a stream, named by its name or ARN, keeps its records.
func (s *Service) Retention(stream string) (time.Duration, error) {
	st, err := s.stream(stream)
	if err != nil {
		return 0, fmt.Errorf("read retention of %s: %w", stream, err)
	}
	return time.Duration(st.retention.Load()) * time.Millisecond, nil
}

// Generation is a number that no two streams of the service have, not even under one name one after the other. It is
// never 0. stream is a name or ARN.
func (s *Service) Generation(stream string) (uint64, error) {
	st, err := s.stream(stream)
	if err != nil {
		return 0, fmt.Errorf("find stream %s: %w", stream, err)
	}
	return st.serial, nil
}

// Cursor reads one shard in order. It is not safe for concurrent use; any number of cursors may read one shard.
type Cursor struct {
	shard    *shard
	consumer *consumer // on whose behalf it reads, nil for nobody's
	next     uint64
	runs     []run
}

// Open starts reading a shard of a stream, named by its name or ARN. Latest is fixed by Open, not by the first Read.
func (s *Service) Open(stream, shard string, from Position) (*Cursor, error) {
	st, err := s.stream(stream)
	if err != nil {
		return nil, fmt.Errorf("open shard %s: %w", shard, err)
	}
	sh, err := st.shard(shard)
	if err != nil {
		return nil, fmt.Errorf("open shard %s: %w", shard, err)
	}
	next, err := sh.place(from)
	if err != nil {
		return nil, fmt.Errorf("open shard %s: %w", shard, err)
	}
	return &Cursor{shard: sh, next: next}, nil
}

// OpenFor is Open for a fan-out consumer, named by its ARN, of the shard's stream. Once the consumer is deregistered, Read
// gives no more records, and Wait says so with ResourceNotFoundException.
func (s *Service) OpenFor(consumer, shard string, from Position) (*Cursor, error) {
	who, err := s.consumer(consumer)
	if err != nil {
		return nil, fmt.Errorf("open shard %s: %w", shard, err)
	}
	c, err := s.Open(who.stream.arn, shard, from)
	if err == nil {
		c.consumer = who
	}
	return c, err
}

// Read gives the next records, at most max of them, and never waits: none when there are none. end tells that the shard
// is closed and has been read to its end. Records that are trimmed before they are read are passed over.
func (c *Cursor) Read(max int) (records []Record, end bool) {
	if c.consumer.hasLeft() {
		return nil, false
	}
	p := c.shard.read(c.runs[:0], c.next, max, math.MaxInt)
	c.runs, c.next = p.runs, p.next
	return c.shard.records(p.runs), p.end
}

// records spells out records. All sequence numbers and keys of one call share one string.
func (sh *shard) records(runs []run) []Record {
	n, keys := 0, 0
	for _, r := range runs {
		n += len(r.entries)
		for _, e := range r.entries {
			keys += int(e.key)
		}
	}
	if n == 0 {
		return nil
	}
	text := make([]byte, 0, n*sequenceDigits+keys)
	for _, r := range runs {
		for place, rec := range r.all() {
			text = append(sh.sequence(place, rec.arrival).append(text), rec.key...)
		}
	}
	rest := string(text)
	out := make([]Record, 0, n)
	for _, r := range runs {
		for _, rec := range r.all() {
			end := sequenceDigits + len(rec.key)
			out = append(out, Record{rest[:sequenceDigits], rest[sequenceDigits:end], rec.data, time.UnixMilli(rec.arrival).UTC()})
			rest = rest[end:]
		}
	}
	return out
}

// Wait returns when Read would give records or the end, or when ctx ends, with its error. It sleeps until the shard
// changes; nothing is polled. When the stream is deleted it says so with ResourceNotFoundException.
func (c *Cursor) Wait(ctx context.Context) error {
	var left chan struct{} // nil never closes
	if c.consumer != nil {
		left = c.consumer.left
	}
	for {
		if c.consumer.hasLeft() {
			return c.consumer.notFound()
		}
		wake, err := c.shard.wait(c.next)
		if wake == nil || err != nil {
			return err
		}
		select {
		case <-wake:
		case <-left:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wait gives what will be closed when the shard changes; nil when there is something to read from a place on.
func (sh *shard) wait(place uint64) (<-chan struct{}, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.trim()
	switch {
	case sh.gone:
		return nil, notFound("Stream %s under account %s not found.", sh.stream.name, sh.stream.service.account)
	case max(place, sh.log.oldest) < sh.log.next || sh.closed != 0:
		return nil, nil
	case sh.wake == nil:
		sh.wake = make(chan struct{})
	}
	return sh.wake, nil
}

// Records counts what was ever put on a stream, trimmed records included.
func (s *Service) Records(stream string) (int64, error) {
	st, err := s.stream(stream)
	if err != nil {
		return 0, err
	}
	n := int64(0)
	for _, sh := range st.shards.Load().all {
		sh.mu.Lock()
		n += int64(sh.log.next)
		sh.mu.Unlock()
	}
	return n, nil
}
