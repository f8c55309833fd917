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

// ReadSpan reads a span of a stream, by its name, and hands over its records in order, a page at a time, none of them
// empty; they are not used again. What has been trimmed is no error, and is not handed over. Who wants to know whether
// it was all compares both ends, and the number of records if that is known: trimming that overtakes the reader leaves a
// gap which sequence numbers do not show. An error is the stream's, each's or ctx's.
func ReadSpan(ctx context.Context, api GetRecordsAPI, stream string, s Span, each func([]types.Record) error) error {
	r := NewShardReader(api, stream, s.Shard, AtSequence(s.First), s.Records)
	for {
		page, err := r.Next(ctx)
		if errors.Is(err, ErrShardGone) || errors.Is(err, ErrNotOfShard) {
			return nil
		}
		if err != nil {
			return err
		}
		records, done := s.within(page.Records)
		if len(records) > 0 {
			if err := each(records); err != nil {
				return err
			}
		}
		if done || page.CaughtUp() {
			return nil
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
