package kinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Times and sizes of a subscription: from SubscribeToShard in the API reference, but for the last two.
const (
	subscriptionLife = 5 * time.Minute
	subscriptionHold = 5000 // ms for which no other takes a subscription over

	// keepAlive is after which silence an event without records comes. AWS sends such events, and says nowhere when;
	// its own client library gives up after 35 seconds (FanOutRecordsPublisher in awslabs/amazon-kinesis-client).
	keepAlive = 5 * time.Second
	// eventBytes is how many bytes of keys and data an event has, unless a single record is larger.
	eventBytes = 1 << 20
)

// subscription is a reader of one shard to whom records are sent.
type subscription struct {
	shard *shard
	since int64      // ms
	place uint64     // of the next record
	ended chan error // has room for the one reason for which the subscription ends early
	runs  []run
	event []byte
}

type startingPosition struct {
	Type           PositionType
	SequenceNumber string
	Timestamp      *float64 // Unix seconds
}

type subscribeInput struct {
	ConsumerARN      string
	ShardID          string `json:"ShardId"`
	StartingPosition *startingPosition
	DryRun           bool
}

func (in *subscribeInput) check() error {
	var v violations
	v.given(in.ConsumerARN, "consumerARN")
	v.name(in.ShardID, "shardId")
	if in.StartingPosition == nil {
		v.Null("startingPosition")
	} else {
		v.position(in.StartingPosition.Type, "startingPosition.type")
		v.number(in.StartingPosition.SequenceNumber, "startingPosition.sequenceNumber")
	}
	return v.Err()
}

// subscribeToShard finds where the subscription starts, so that what is put after the answer has begun is sent.
func (s *Service) subscribeToShard(_ context.Context, request []byte) (func(context.Context, *wire.Events) error, error) {
	var in subscribeInput
	if err := json.Unmarshal(request, &in); err != nil {
		return nil, wire.Unreadable(err)
	}
	sub, err := s.subscribe(&in)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, to *wire.Events) error {
		return sub.send(ctx, func(event []byte) error { return to.Send("SubscribeToShardEvent", event) })
	}, nil
}

// subscribe begins a subscription. The texts for a wrong position are those of GetShardIterator.
func (s *Service) subscribe(in *subscribeInput) (*subscription, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	c, err := s.consumer(in.ConsumerARN)
	if err != nil {
		return nil, err
	}
	start := getShardIteratorInput{
		ShardIteratorType: in.StartingPosition.Type, StartingSequenceNumber: in.StartingPosition.SequenceNumber, Timestamp: in.StartingPosition.Timestamp,
	}
	sh, err := c.stream.shard(in.ShardID)
	if err != nil {
		return nil, err
	}
	from, err := start.position(s.nowMillis())
	if err != nil {
		return nil, err
	}
	place, err := sh.place(from)
	if err != nil {
		return nil, err
	}
	if in.DryRun { // the text is ours
		return nil, wire.Errorf("DryRunOperationException", "The request would have succeeded, but it has the parameter DryRun.")
	}
	sub := &subscription{shard: sh, since: s.nowMillis(), place: place, ended: make(chan error, 1)}
	return sub, c.take(sub)
}

// take makes a subscription the consumer's only one to its shard. An earlier one ends, unless it has only just begun.
func (c *consumer) take(sub *subscription) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return c.notFound()
	}
	// AWS's text begins with the same words (https://github.com/daangn/kinesumer/issues/16), the rest is ours.
	inUse := wire.Errorf("ResourceInUseException", "Another active subscription exists for this consumer: %s to shard %s.", c.arn, sub.shard.id)
	if earlier := c.subscriptions[sub.shard.number]; earlier != nil {
		if sub.since-earlier.since < subscriptionHold {
			return inUse
		}
		earlier.ended <- inUse
	}
	c.subscriptions[sub.shard.number] = sub
	return nil
}

// remove ends the consumer and its subscriptions.
func (c *consumer) remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	c.gone = true
	close(c.left)
	for _, sub := range c.subscriptions {
		sub.ended <- c.notFound()
	}
}

// hasLeft tells whether the consumer was deregistered; none never is.
func (c *consumer) hasLeft() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.left:
		return true
	default:
		return false
	}
}

func (c *consumer) notFound() error { return c.stream.noConsumer(c.name) }

// errOver tells that a subscription has ended as it should: its time is up, or the reader or the endpoint has gone.
var errOver = errors.New("the subscription is over")

// send hands records to emit, as events in JSON, as soon as they are there. It returns nil at the end of the shard and
// of the subscription's time, and when ctx ends; else the reason for which it ended.
func (s *subscription) send(ctx context.Context, emit func(event []byte) error) error {
	ctx, cancel := context.WithTimeout(ctx, subscriptionLife)
	defer cancel()
	for {
		p, err := s.next(ctx)
		if err == nil {
			err = s.sendPage(p, emit)
		}
		if err == nil && !p.end {
			_, err = s.rest(ctx, nil, s.pace(p))
		}
		if errors.Is(err, errOver) || err == nil && p.end {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// next waits for the shard's next page: with records, or at the end, or without records after a silence.
func (s *subscription) next(ctx context.Context) (page, error) {
	for {
		wake, err := s.shard.wait(s.place)
		if err != nil {
			return page{}, err
		}
		silent := false
		if wake != nil {
			if silent, err = s.rest(ctx, wake, keepAlive); err != nil {
				return page{}, err
			}
		}
		p := s.shard.read(s.runs[:0], s.place, maxPageRecords, max(eventBytes, s.shard.stream.maxRecord))
		if silent || p.end || len(p.runs) > 0 {
			return p, nil
		}
	}
}

// rest waits until it is woken, or for a time: then it has been silent. An error tells that the subscription has ended.
func (s *subscription) rest(ctx context.Context, wake <-chan struct{}, d time.Duration) (silent bool, err error) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-wake:
		return false, nil
	case <-t.C:
		return true, nil
	case err := <-s.ended:
		return false, err
	case <-ctx.Done():
		return false, errOver
	}
}

// pace is for how long the next page has to wait after one, by the limit of a subscription: 2 MiB a second.
func (s *subscription) pace(p page) time.Duration {
	if !s.shard.stream.service.enforce {
		return 0
	}
	return time.Duration(p.size()) * time.Second / readBytesPerSecond
}

func (s *subscription) sendPage(p page, emit func([]byte) error) (err error) {
	s.runs, s.place = p.runs, p.next
	if s.event, err = s.shard.appendEvent(s.event[:0], p); err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	return emit(s.event)
}

// appendEvent writes a SubscribeToShardEvent. At the end of a closed shard it tells the children, and no number to go on
// from.
func (sh *shard) appendEvent(out []byte, p page) (_ []byte, err error) {
	now := sh.stream.service.nowMillis()
	if out, err = sh.appendRecords(append(out, '{'), p, now); err != nil {
		return nil, err
	}
	if p.end {
		return sh.appendChildren(out)
	}
	out = append(out, `,"ContinuationSequenceNumber":"`...)
	return append(sh.continuation(p, now).append(out), `"}`...), nil
}

// continuation is a sequence number between the record before a page's end and the one after it, so that reading at it
// and reading after it are the same: its counter is that of the record before, its second a later one.
func (sh *shard) continuation(p page, now int64) sequence {
	if n := len(p.runs); n > 0 {
		last := p.runs[n-1].entries
		now = max(now, last[len(last)-1].arrival) // a clock may be set back
	}
	return newSequence(sh.created, sh.number, p.next, now/1000+1)
}
