package stream

import (
	"cmp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Position is where in a shard reading starts. The zero value is TrimHorizon.
type Position struct {
	kind     types.ShardIteratorType
	time     time.Time
	sequence string
}

var (
	// TrimHorizon is before the oldest record that is still there.
	TrimHorizon = Position{}
	// Latest is behind the newest record.
	Latest = Position{kind: types.ShardIteratorTypeLatest}
)

// AtTime is before the first record that arrived at a time or later. The stream refuses a time that is to come; one
// before its oldest record means TrimHorizon (API reference of GetShardIterator).
func AtTime(t time.Time) Position {
	return Position{kind: types.ShardIteratorTypeAtTimestamp, time: t}
}

// AtSequence is before the record with a sequence number, AfterSequence behind it. They are positions of the one shard
// whose number it is. When the record has been trimmed, both are before the oldest record that is still there: AWS says so
// nowhere, but who resumes too late tells of it (influxdata/telegraf pull request 19508, justtrackio/gosoline 1124).
func AtSequence(number string) Position {
	return Position{kind: types.ShardIteratorTypeAtSequenceNumber, sequence: number}
}

// AfterSequence is behind the record with a sequence number.
func AfterSequence(number string) Position {
	return Position{kind: types.ShardIteratorTypeAfterSequenceNumber, sequence: number}
}

// behind gives those records of a shard that are not before a sequence number; any other position gives all.
func (p Position) behind(records []types.Record) []types.Record {
	if !p.Numbered() {
		return records
	}
	for i := range records {
		c := CompareSequence(aws.ToString(records[i].SequenceNumber), p.sequence)
		if c > 0 || c == 0 && p.kind == types.ShardIteratorTypeAtSequenceNumber {
			return records[i:]
		}
	}
	return nil
}

// Numbered tells whether the position is a sequence number, which only one shard has.
func (p Position) Numbered() bool { return p.sequence != "" }

func (p Position) iteratorType() types.ShardIteratorType {
	return cmp.Or(p.kind, types.ShardIteratorTypeTrimHorizon)
}

// at and number are the position's parts in the form of the SDK, nil when it has none.
func (p Position) at() *time.Time {
	if p.kind != types.ShardIteratorTypeAtTimestamp {
		return nil
	}
	return &p.time
}

func (p Position) number() *string {
	if p.sequence == "" {
		return nil
	}
	return &p.sequence
}

// place is how far the reading of a shard has come.
type place struct {
	from   Position
	opened time.Time // when from was first taken; zero before
	last   string    // sequence number of the last record read, or what stands for it
}

// position is where to go on, after an iterator or a subscription has ended. Latest would have moved on since it was
// taken, and would pass over what has come in between.
func (p *place) position() Position {
	switch {
	case p.last != "":
		return AfterSequence(p.last)
	case p.from == Latest && !p.opened.IsZero():
		return AtTime(p.opened)
	}
	return p.from
}

// taken notes that the stream has taken the position at a time.
func (p *place) taken(at time.Time) {
	if p.opened.IsZero() {
		p.opened = at
	}
}

// CompareSequence compares two sequence numbers, which are decimals of up to 129 digits and of different lengths. It is
// negative when a is before b. Numbers of different shards say nothing of each other.
func CompareSequence(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
