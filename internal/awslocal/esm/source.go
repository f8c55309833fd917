package esm

import (
	"context"
	"time"
)

// Record is a Kinesis record as it was put.
type Record struct {
	SequenceNumber string // decimal
	PartitionKey   string
	Data           []byte // not to be changed
	Arrival        time.Time

	// before is the sequence number of the record before it in the shard, which may be of another lane or filtered out:
	// the checkpoint while this one is the oldest that is not settled.
	before string
}

// Shard is a shard of the stream in its lineage. A shard without parents has "" for both.
type Shard struct {
	ID             string
	Parent         string
	AdjacentParent string // the second parent, of a merge
	// First and Last bound the hash keys of the shard's records, both included: MD5's 16 bytes, big endian.
	First, Last [16]byte
}

// PositionType says where reading starts; the values are the ones of the Kinesis API.
type PositionType string

// The positions. A mapping starts at one of the first three; the others are for going on from a checkpoint.
const (
	TrimHorizon   PositionType = "TRIM_HORIZON"
	Latest        PositionType = "LATEST"
	AtTimestamp   PositionType = "AT_TIMESTAMP"
	AtSequence    PositionType = "AT_SEQUENCE_NUMBER"
	AfterSequence PositionType = "AFTER_SEQUENCE_NUMBER"
)

// Position is a place in a shard.
type Position struct {
	Type           PositionType
	Timestamp      time.Time // AtTimestamp
	SequenceNumber string    // AtSequence, AfterSequence
}

// Source is the stream that a mapping reads. It must be safe for concurrent use.
type Source interface {
	// Shards lists every shard that still has records or can get some. A closed shard's children are in the list
	// before the shard's cursors come to their end.
	Shards() ([]Shard, error)
	// Open places a cursor in a shard.
	Open(shard string, from Position) (Cursor, error)
	// Retention is how long the stream keeps a record; 0 if that is not known.
	Retention() time.Duration
	// Generation tells the streams apart that one after the other had the same name. It is never 0. The error says that
	// there is no stream.
	Generation() (uint64, error)
}

// Cursor reads one shard. It is used by one goroutine at a time.
type Cursor interface {
	// Read gives the next records, at most max, and never waits. The slice is the caller's, the records' data is not.
	// end: the shard is closed and read to its end.
	Read(max int) (records []Record, end bool)
	// Wait returns when Read has something to tell, or with an error when it cannot or ctx ends.
	Wait(ctx context.Context) error
}

// Invocation is one call of the function. Its payload's memory is used again after the call has returned, unless it
// returned because ctx ended: then it may still be read.
type Invocation struct {
	RequestID string
	Payload   []byte
}

// Answer is what a function that was reached gave back.
type Answer struct {
	Payload         []byte
	FunctionError   string // "" or "Unhandled"
	ExecutedVersion string // "$LATEST" or a number
}

// Invoker runs the mapping's function. An error means that no answer came: nearly always the function was not reached,
// as when it is throttled, and so an error costs a batch none of its retries. An invocation whose answer was lost on the
// way (the faults hang and drop-after) is one too: the function has run, may have done its work, and is given the same
// batch again, as often as that happens, until the records are too old. It must be safe for concurrent use.
type Invoker interface {
	Invoke(ctx context.Context, in Invocation) (Answer, error)
}

// Destination takes failure documents: body goes to the queue, the topic or, as the object key, into the bucket of that
// ARN, without waiting. key is "" for what is no bucket. It must be safe for concurrent use.
type Destination interface {
	Send(arn, key, body string) error
}
