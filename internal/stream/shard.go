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
	// stuckPages is after how many empty pages in a row, none nearer to the newest record than the first, an iterator
	// counts as stuck: five seconds.
	stuckPages = 20
)

var (
	// ErrShardGone says that a shard is no longer in the stream: closed, and all its records trimmed. Kinesis answers a
	// stream that is not there in the same words: find the stream first.
	ErrShardGone = errors.New("the shard is no longer in the stream")
	// ErrNotOfShard says that a sequence number is not that of one of the shard's records, or no longer.
	ErrNotOfShard = errors.New("the sequence number is not the shard's, or no longer")
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

	numbered bool     // the iterator was made of a sequence number, and has given nothing yet
	stall    stall    // of such an iterator
	skip     Position // records before it are not wanted; the zero value wants all
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
	r.iterator = out.NextShardIterator
	page.End = r.iterator == nil
	r.ended = page.End
	r.next = time.Now().Add(readInterval)
	if page.CaughtUp() {
		r.next = time.Now().Add(idleInterval)
	}
	r.settle(&page)
	return page, nil
}

// settle notes how far a page has brought the reader. An iterator of a sequence number that has been trimmed may be stuck
// at empty pages, as far behind as the stream's retention (https://github.com/harlow/kinesis-consumer/issues/125): the
// reader then begins at the oldest record, and leaves out what stands before the number.
func (r *ShardReader) settle(p *Page) {
	if n := len(p.Records); n > 0 {
		last := aws.ToString(p.Records[n-1].SequenceNumber)
		p.Records = r.skip.behind(p.Records)
		if len(p.Records) > 0 {
			r.place.last, r.skip = last, Position{}
		}
		r.numbered = false
	}
	if r.numbered && r.stall.stuck(p) {
		r.skip, r.iterator = r.place.position(), nil
	}
}

// stall recognises an iterator that does not move: one that crawls through a gap comes nearer to the newest record.
type stall struct {
	pages  int
	behind time.Duration // of the first of them
}

func (s *stall) stuck(p *Page) bool {
	if p.CaughtUp() || p.Behind < s.behind {
		s.pages = 0
	}
	if s.pages == 0 {
		s.behind = p.Behind
	}
	s.pages++
	return s.pages > stuckPages
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
	r.stall, r.numbered = stall{}, from.Numbered() && !r.skip.Numbered()
	if r.skip.Numbered() {
		from = TrimHorizon
	}
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
// recorded on AWS by mhart/kinesalite ("Shard S in stream N under account A does not exist", "Could not find shard S in
// stream N under account A." of what is no id of a shard, "StartingSequenceNumber Q used in GetShardIterator on shard S
// ... is invalid because it did not come from this stream", "Invalid StartingSequenceNumber. It encodes ...").
func explain(err error) error {
	var missing *types.ResourceNotFoundException
	var argument *types.InvalidArgumentException
	switch {
	case errors.As(err, &missing) && (strings.HasPrefix(missing.ErrorMessage(), "Shard ") || strings.HasPrefix(missing.ErrorMessage(), "Could not find shard ")):
		return fmt.Errorf("%w: %w", ErrShardGone, err)
	case errors.As(err, &argument) && strings.Contains(argument.ErrorMessage(), "StartingSequenceNumber"):
		return fmt.Errorf("%w: %w", ErrNotOfShard, err)
	}
	return err
}
