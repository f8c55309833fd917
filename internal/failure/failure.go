// Package failure is the door to the failure queue: it writes Millrace's own messages and reads both kinds that reach
// the queue, its own and the documents of the event source mapping.
package failure

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Class says why a record failed, in one word that tools can count.
type Class string

// The classes that Millrace writes. A reader meets others when a newer version has written them.
const (
	Undecodable Class = "undecodable" // neither an event, nor gzip, nor a readable aggregate
	Invalid     Class = "invalid"     // not a CloudEvent, or a measure is missing or no number
	Late        Class = "late"        // older than the horizon
	Refused     Class = "refused"     // refused for good by the handler, or by DynamoDB for its value
	Panic       Class = "panic"       // the handler panicked
	GaveUp      Class = "gave-up"     // the handler's transient errors outlasted patience
	TooLarge    Class = "too-large"   // inflates to more than is read
	Crash       Class = "crash"       // the function crashes on it: found by a redrive
)

// Record is one user record that failed.
type Record struct {
	Stream   string // name of the stream
	Shard    string
	Sequence string // sequence number of the Kinesis record
	Sub      int    // place in its aggregate, from 0; 0 for a record that is none
	Key      string // Kinesis partition key, of the user record in an aggregate
	Arrival  time.Time
	Class    Class
	Text     string // why, for people; over MaxText bytes it is cut
	// Payload is the user record's data. nil makes the message a pointer: the data must be read back from the stream,
	// or from the archive once it is trimmed. An empty payload is not nil.
	Payload []byte
}

// Batch is what the mapping tells of the records that it discarded: a range of sequence numbers, without payloads.
type Batch struct {
	Stream        string // name of the stream
	StreamARN     string // as the mapping has it: of the stream, or of its fan-out consumer
	Shard         string
	First, Last   string // sequence numbers, both within
	FirstArrival  time.Time
	LastArrival   time.Time
	Size          int    // how many records
	Function      string // ARN of the function
	Condition     string // RetryAttemptsExhausted or RecordAgeExceeded
	Invocations   int    // about how often the function was tried
	FunctionError string // "Unhandled", or "" when it answered, or was not the cause
	Discarded     time.Time
}

// Message is one message of the failure queue, of either kind: exactly one of its fields is set.
type Message struct {
	Record *Record
	Batch  *Batch
}

// ID is the same for every message that tells of the same failure of one stream: shard, sequence number and sub-sequence
// number of a record, shard and range of a batch. By it readers fold what redelivery sent twice.
func (m Message) ID() string {
	if m.Record != nil {
		return m.Record.ID()
	}
	return m.Batch.ID()
}

// Class is the record's class, or the condition under which the mapping gave the batch up.
func (m Message) Class() string {
	if m.Record != nil {
		return string(m.Record.Class)
	}
	return m.Batch.Condition
}

// Stream is the name of the stream that the message tells of.
func (m Message) Stream() string {
	if m.Record != nil {
		return m.Record.Stream
	}
	return m.Batch.Stream
}

// ID is the record's stable id.
func (r *Record) ID() string { return fmt.Sprintf("%s:%s:%d", r.Shard, r.Sequence, r.Sub) }

// ID is the batch's stable id. It has another form than a record's.
func (b *Batch) ID() string { return fmt.Sprintf("%s:%s-%s", b.Shard, b.First, b.Last) }

// Compare orders messages by shard and by (first) sequence number, records of one aggregate by their place in it: the
// order in which they were put.
func Compare(a, b Message) int {
	as, an, ai := a.place()
	bs, bn, bi := b.place()
	return cmp.Or(strings.Compare(as, bs), compareSequence(an, bn), cmp.Compare(ai, bi))
}

func (m Message) place() (shard, sequence string, sub int) {
	if m.Record != nil {
		return m.Record.Shard, m.Record.Sequence, m.Record.Sub
	}
	return m.Batch.Shard, m.Batch.First, 0
}

// compareSequence compares decimal numbers of any length.
func compareSequence(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
