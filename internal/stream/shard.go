package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// MaxPageRecords is the most that GetRecords gives at once (API reference).
const MaxPageRecords = 10_000

const (
	// readInterval is between two calls on one shard while there is more to read. A shard takes five calls a second from
	// all its readers (quotas of Kinesis Data Streams), and the event source mapping makes one of them.
	readInterval = 250 * time.Millisecond
	// idleInterval is between two calls on a shard that has nothing more: the second that the API reference of GetRecords
	// recommends.
	idleInterval = time.Second
)

var (
	// ErrShardGone says that a shard is no longer in the stream: closed, and all its records trimmed.
	ErrShardGone = errors.New("the shard is no longer in the stream")
	// ErrNotOfShard says that a sequence number is not one of the shard's records, past or present.
	ErrNotOfShard = errors.New("the sequence number is not the shard's")
)

// GetRecordsAPI is what reading a shard needs of the Kinesis client.
type GetRecordsAPI interface {
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

// ShardReader reads one shard by GetRecords, at the pace that the stream allows. What passes (throttles, lost answers,
// expired iterators) it bears; it goes on behind the last record that it gave. It is not safe for concurrent use.
type ShardReader struct {
	api      GetRecordsAPI
	stream   string
	shard    string
	limit    int32
	place    place
	iterator *string
	next     time.Time // when the next call may be made
	ended    bool
}

// NewShardReader reads a shard of a stream, by its name, from a position on, at most limit records a page; 0 is
// MaxPageRecords.
func NewShardReader(api GetRecordsAPI, stream, shard string, from Position, limit int) *ShardReader {
	if limit <= 0 || limit > MaxPageRecords {
		limit = MaxPageRecords
	}
	return &ShardReader{api: api, stream: stream, shard: shard, limit: int32(limit), place: place{from: from}}
}

// Close does nothing: a reader holds nothing between calls.
func (r *ShardReader) Close() {}

// Next reads the next page; behind the end of the shard it gives the end again. Errors: ErrShardGone, ErrNotOfShard, the
// stream's, and ctx's.
func (r *ShardReader) Next(ctx context.Context) (Page, error) {
	if r.ended {
		return Page{End: true}, nil
	}
	if err := pause(ctx, time.Until(r.next)); err != nil {
		return Page{}, err
	}
	var out *kinesis.GetRecordsOutput
	retries, err := persist(ctx, func(ctx context.Context) (err error) {
		out, err = r.call(ctx)
		return err
	})
	if err != nil {
		return Page{}, fmt.Errorf("read shard %s of stream %s: %w", r.shard, r.stream, err)
	}
	page := Page{Records: out.Records, Behind: behind(out.MillisBehindLatest), Children: childrenOf(out.ChildShards), Retries: retries}
	if n := len(out.Records); n > 0 {
		r.place.last = aws.ToString(out.Records[n-1].SequenceNumber)
	}
	r.iterator = out.NextShardIterator
	page.End = r.iterator == nil
	r.ended = page.End
	r.next = time.Now().Add(readInterval)
	if page.CaughtUp() {
		r.next = time.Now().Add(idleInterval)
	}
	return page, nil
}

// call makes one call of GetRecords. An iterator that has expired, as it does after five minutes, is let go: the next
// call gets another.
func (r *ShardReader) call(ctx context.Context) (*kinesis.GetRecordsOutput, error) {
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	out, err := r.api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: r.iterator, Limit: &r.limit}, once)
	var expired *types.ExpiredIteratorException
	if errors.As(err, &expired) {
		r.iterator = nil
	}
	return out, explain(err)
}

// open gets an iterator, unless there is one.
func (r *ShardReader) open(ctx context.Context) error {
	if r.iterator != nil {
		return nil
	}
	from, now := r.place.position(), time.Now()
	out, err := r.api.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: &r.stream, ShardId: &r.shard,
		ShardIteratorType: from.iteratorType(), Timestamp: from.at(), StartingSequenceNumber: from.number(),
	}, once)
	if err != nil {
		return explain(err)
	}
	if r.iterator = out.ShardIterator; r.iterator == nil {
		return fmt.Errorf("%w: no iterator in the answer", errAnswerLost)
	}
	r.place.taken(now)
	return nil
}

// explain marks the errors that say that something is not in the stream. Kinesis has one code for a shard and for a
// stream that does not exist, and one for everything that is wrong with an argument: the texts tell them apart, as
// recorded on AWS by mhart/kinesalite ("Shard S in stream N under account A does not exist", "StartingSequenceNumber Q
// used in GetShardIterator on shard S ... is invalid because it did not come from this stream", "Invalid
// StartingSequenceNumber. It encodes ...").
func explain(err error) error {
	var missing *types.ResourceNotFoundException
	var argument *types.InvalidArgumentException
	switch {
	case errors.As(err, &missing) && strings.HasPrefix(missing.ErrorMessage(), "Shard "):
		return fmt.Errorf("%w: %w", ErrShardGone, err)
	case errors.As(err, &argument) && strings.Contains(argument.ErrorMessage(), "StartingSequenceNumber"):
		return fmt.Errorf("%w: %w", ErrNotOfShard, err)
	}
	return err
}
