package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/failure"
)

// filter says which failures are meant. The zero value means all.
type filter struct {
	classes []string
	shards  []string
	ids     []string // whole, or as the list shows them
	since   time.Time
}

func (f *filter) passes(x *failure.Failure) bool {
	return oneOf(f.classes, x.Class()) && oneOf(f.shards, shardOf(x.Message)) &&
		(len(f.ids) == 0 || slices.Contains(f.ids, x.ID()) || slices.Contains(f.ids, shortID(x.Message))) &&
		!failedAt(x).Before(f.since)
}

func oneOf(wanted []string, s string) bool { return len(wanted) == 0 || slices.Contains(wanted, s) }

// failedAt is when a failure reached the queue, as near as is known.
func failedAt(x *failure.Failure) time.Time {
	switch {
	case !x.Sent.IsZero():
		return x.Sent
	case x.Batch != nil:
		return x.Batch.Discarded
	}
	return x.Record.Arrival
}

func shardOf(m failure.Message) string {
	if m.Record != nil {
		return m.Record.Shard
	}
	return m.Batch.Shard
}

// tailOf is how many digits of a sequence number the list shows: its head hardly changes.
const tailOf = 10

func tailDigits(sequence string) string { return sequence[max(0, len(sequence)-tailOf):] }

// shortID is the id for people: of two failures it may be the same, and then means both.
func shortID(m failure.Message) string {
	if r := m.Record; r != nil {
		return fmt.Sprintf("%s:%s:%d", cli.ShortShard(r.Shard), tailDigits(r.Sequence), r.Sub)
	}
	return fmt.Sprintf("%s:%s-%s", cli.ShortShard(m.Batch.Shard), tailDigits(m.Batch.First), tailDigits(m.Batch.Last))
}

// readable tells, by age alone, how much of a failure's records can still be read.
type readable string

const (
	inMessage readable = "in message"
	inStream  readable = "in stream"
	partly    readable = "in part"
	trimmed   readable = "trimmed"
	perhaps   readable = "perhaps" // nobody has said when its records arrived
)

// readableAt tells it for a time and the stream's retention.
func readableAt(m failure.Message, now time.Time, retention time.Duration) readable {
	gone := func(arrival time.Time) bool { return now.Sub(arrival) >= retention }
	switch {
	case m.Record != nil && m.Record.Payload != nil:
		return inMessage
	case arrivalOf(m).IsZero():
		return perhaps
	case m.Record != nil && gone(m.Record.Arrival), m.Batch != nil && gone(m.Batch.LastArrival):
		return trimmed
	case m.Batch != nil && gone(m.Batch.FirstArrival):
		return partly
	}
	return inStream
}

func arrivalOf(m failure.Message) time.Time {
	if m.Record != nil {
		return m.Record.Arrival
	}
	return m.Batch.FirstArrival
}

// retriesExhausted is the condition under which the function was called as often as the mapping allows. Throttles and
// other calls that never reached it do not count.
const retriesExhausted = "RetryAttemptsExhausted"

// reasonOf is why it failed, for people.
func reasonOf(m failure.Message) string {
	if m.Record != nil {
		return m.Record.Text
	}
	var b strings.Builder
	fmt.Fprintf(&b, "given up by the mapping after %s", cli.Count(int64(m.Batch.Invocations), "attempt"))
	switch {
	case m.Batch.FunctionError != "":
		fmt.Fprintf(&b, ": the function failed (%s)", m.Batch.FunctionError)
	case m.Batch.Condition == retriesExhausted: // it has answered, and left the first record unsettled
		b.WriteString(": the function's log says why")
	}
	return b.String()
}
