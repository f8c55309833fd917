package stream

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Span is a run of records of one shard, by the sequence numbers of its first and its last record: what the event source
// mapping says of a batch that it gave up.
type Span struct {
	Shard       string
	First, Last string
	// Records is how many it has, when that is known: no more are read at once. 0 is not known.
	Records int
}

// Coverage says how much of a span could still be read.
type Coverage struct {
	Records     int    // that were read
	First, Last string // sequence numbers of the first and the last of them, "" when there were none
	// FrontGone says that the span's first record is not in the shard any more: what stood before First is trimmed, or
	// everything, when there is no First.
	FrontGone bool
	// BackGone says that the span's last record is not there. Behind a front that is, it was trimmed while we read, or
	// never was.
	BackGone bool
	// Reason is the stream's own word, when it refused to read there at all: ErrShardGone or ErrNotOfShard, wrapped.
	Reason error
}

// Whole tells whether both ends of the span were read. Who knows how many records it has compares that too: trimming
// that overtakes the reader leaves a gap which sequence numbers do not show.
func (c Coverage) Whole() bool { return !c.FrontGone && !c.BackGone }

// ReadSpan reads a span of a stream, by its name, and hands over its records in order, a page at a time; they are not
// used again. What has been trimmed is no error: the coverage tells. An error is the stream's, each's or ctx's; the
// coverage is then that of what was handed over before.
func ReadSpan(ctx context.Context, api GetRecordsAPI, stream string, s Span, each func([]types.Record) error) (Coverage, error) {
	c := Coverage{FrontGone: true, BackGone: true}
	r := NewShardReader(api, stream, s.Shard, AtSequence(s.First), s.Records)
	for {
		page, err := r.Next(ctx)
		if errors.Is(err, ErrShardGone) || errors.Is(err, ErrNotOfShard) {
			c.Reason = err
			return c, nil
		}
		if err != nil {
			return c, err
		}
		records, done := s.within(page.Records)
		if len(records) > 0 {
			c.add(s, records)
			if err := each(records); err != nil {
				return c, err
			}
		}
		if done || page.CaughtUp() {
			return c, nil
		}
	}
}

// within gives those records of a page that are the span's, and tells whether its last one has been reached or passed.
func (s Span) within(records []types.Record) (_ []types.Record, done bool) {
	from := 0
	for i := range records {
		number := aws.ToString(records[i].SequenceNumber)
		if CompareSequence(number, s.First) < 0 {
			from = i + 1
		}
		switch c := CompareSequence(number, s.Last); {
		case c == 0:
			return records[from : i+1], true
		case c > 0:
			return records[min(from, i):i], true
		}
	}
	return records[from:], false
}

// add counts records of a span, in their order.
func (c *Coverage) add(s Span, records []types.Record) {
	first, last := aws.ToString(records[0].SequenceNumber), aws.ToString(records[len(records)-1].SequenceNumber)
	if c.Records == 0 {
		c.First = first
		c.FrontGone = CompareSequence(first, s.First) != 0
	}
	c.Records += len(records)
	c.Last = last
	c.BackGone = CompareSequence(last, s.Last) != 0
}
