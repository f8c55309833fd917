package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	// maxSilence is after which time without any event a subscription is taken for lost: Kinesis sends events without
	// records too. It is that of Amazon's client library (FanOutRecordsPublisher in awslabs/amazon-kinesis-client).
	maxSilence = 35 * time.Second
	// subscribeInterval is between two subscriptions of a consumer to one shard: one a second is allowed, and within five
	// seconds of the last success ResourceInUseException is the answer (API reference).
	subscribeInterval = 5 * time.Second
)

// Subscription is a stream of events from one shard, as *kinesis.SubscribeToShardEventStream is.
type Subscription interface {
	Events() <-chan types.SubscribeToShardEventStream
	Err() error // why Events was closed; nil when the subscription's time was over
	Close() error
}

// SubscribeAPI is what reading by enhanced fan-out needs. Subscriber makes one of a Kinesis client.
type SubscribeAPI interface {
	Subscribe(ctx context.Context, consumerARN, shard string, from *types.StartingPosition) (Subscription, error)
}

// Subscriber is a Kinesis client that subscribes.
type Subscriber struct{ Client *kinesis.Client }

// Subscribe calls SubscribeToShard. The subscription ends with ctx.
//
// Each has a client of its own: all event streams of one share a decoder, unguarded, in smithy-go 1.28.8
// (https://github.com/aws/smithy-go/issues/714).
func (s Subscriber) Subscribe(ctx context.Context, consumerARN, shard string, from *types.StartingPosition) (Subscription, error) {
	own := kinesis.New(s.Client.Options())
	out, err := own.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: &consumerARN, ShardId: &shard, StartingPosition: from}, once)
	if err != nil {
		return nil, err
	}
	return out.GetStream(), nil
}

// FanOutReader reads one shard by enhanced fan-out: the stream sends, at a throughput that the consumer shares with
// nobody. A subscription that is over, as it is after five minutes, or breaks, is followed by the next one, behind the
// last record. It is not safe for
// concurrent use. Close it.
type FanOutReader struct {
	api      SubscribeAPI
	consumer string
	shard    string
	place    place
	current  Subscription
	cancel   context.CancelCauseFunc // of the current subscription
	next     time.Time               // when the next subscription may be made
	patience patience                // with what has come instead of events
	ended    bool
}

// NewFanOutReader reads a shard for a consumer, by its ARN, from a position on.
func NewFanOutReader(api SubscribeAPI, consumerARN, shard string, from Position) *FanOutReader {
	return &FanOutReader{api: api, consumer: consumerARN, shard: shard, place: place{from: from}}
}

// Close ends the subscription.
func (r *FanOutReader) Close() {
	if r.current != nil {
		_ = r.current.Close() // what was lost with it comes with the next
		r.cancel(nil)
		r.current = nil
	}
}

// Next waits for the next page. Errors are as of ShardReader.Next.
func (r *FanOutReader) Next(ctx context.Context) (Page, error) {
	for retries := 0; !r.ended; {
		event, err := r.receive(ctx)
		if ctx.Err() != nil {
			return Page{}, context.Cause(ctx)
		}
		if event != nil {
			r.patience = patience{}
			return r.page(event, retries), nil
		}
		r.Close()
		if err == nil {
			continue // its time was over
		}
		if !isTransient(err) && !isTaken(err) || r.patience.ends(err) {
			return Page{}, fmt.Errorf("read shard %s by fan-out: %w", r.shard, explain(err))
		}
		retries++
		if at := time.Now().Add(pauseAfter(retries)); at.After(r.next) {
			r.next = at
		}
	}
	return Page{End: true}, nil
}

// isTaken tells that the consumer's last subscription to the shard is too young for another one, or that another reader
// has taken over.
func isTaken(err error) bool {
	var inUse *types.ResourceInUseException
	return errors.As(err, &inUse)
}

// receive waits for an event, without one when the subscription is over.
func (r *FanOutReader) receive(ctx context.Context) (*types.SubscribeToShardEvent, error) {
	if err := r.subscribe(ctx); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(maxSilence):
		return nil, fmt.Errorf("%w: no event for %s", errAnswerLost, maxSilence)
	case e, open := <-r.current.Events():
		if event, ok := e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); ok {
			return &event.Value, nil
		}
		if !open {
			return nil, r.current.Err()
		}
		return nil, fmt.Errorf("%w: event %T", errAnswerLost, e)
	}
}

// subscribe subscribes, unless there is a subscription.
func (r *FanOutReader) subscribe(ctx context.Context) error {
	if r.current != nil {
		return nil
	}
	if err := pause(ctx, time.Until(r.next)); err != nil {
		return err
	}
	from, now := r.place.position(), time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(requestTimeout, func() { cancel(fmt.Errorf("%w: none for %s", errAnswerLost, requestTimeout)) })
	s, err := r.api.Subscribe(ctx, r.consumer, r.shard, &types.StartingPosition{
		Type: from.iteratorType(), Timestamp: from.at(), SequenceNumber: from.number(),
	})
	if late.Stop(); err != nil {
		err = cmp.Or(context.Cause(ctx), err)
		cancel(nil)
		return err
	}
	r.current, r.cancel = s, cancel
	r.next = now.Add(subscribeInterval)
	r.place.taken(now)
	return nil
}

// page makes a page of an event. The last event of a shard has no continuation, and tells the children.
func (r *FanOutReader) page(e *types.SubscribeToShardEvent, retries int) Page {
	p := Page{Records: e.Records, Behind: behind(e.MillisBehindLatest), Children: childrenOf(e.ChildShards), Retries: retries}
	p.End = aws.ToString(e.ContinuationSequenceNumber) == "" || len(p.Children) > 0
	r.ended = p.End
	if n := len(e.Records); n > 0 {
		r.place.last = aws.ToString(e.Records[n-1].SequenceNumber)
	}
	if !p.End { // it goes on where nothing is put, too
		r.place.last = *e.ContinuationSequenceNumber
	}
	return p
}
