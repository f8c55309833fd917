package kinesis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Limits of consumers, from "Quotas and limits" of the Kinesis Data Streams guide and ListStreamConsumers in the API
// reference.
const (
	maxConsumers    = 20  // of a stream
	listedConsumers = 100 // of a page, when no other number is asked for, and at most
)

// consumers are the enhanced fan-out consumers of one stream.
type consumers struct {
	mu   sync.Mutex
	list []*consumer // by name
}

// consumer is one of them. What stands above the lock never changes.
type consumer struct {
	stream *stream
	name   string
	arn    string
	made   int64         // ms
	left   chan struct{} // closed when it is deregistered

	mu            sync.Mutex
	gone          bool
	subscriptions map[uint32]*subscription // the newest to each shard, by its number; ended ones too
}

func (c *consumers) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.list)
}

// search finds the place of a name.
func (c *consumers) search(name string) (int, bool) {
	return slices.BinarySearchFunc(c.list, name, func(c *consumer, name string) int { return strings.Compare(c.name, name) })
}

// addConsumer registers a consumer that is made now, in milliseconds.
func (st *stream) addConsumer(name string, now int64) (*consumer, error) {
	c := &st.consumers
	c.mu.Lock()
	defer c.mu.Unlock()
	i, found := c.search(name)
	account := st.service.account
	switch { // the texts are ours
	case found:
		return nil, wire.Errorf("ResourceInUseException", "Consumer %s under stream %s already exists for account %s.", name, st.name, account)
	case len(c.list) == maxConsumers:
		return nil, wire.Errorf("LimitExceededException", "Stream %s under account %s has %d consumers, which is the limit.", st.name, account, maxConsumers)
	}
	made := &consumer{
		stream: st, name: name, made: now, arn: fmt.Sprintf("%s/consumer/%s:%d", st.arn, name, now/1000),
		left: make(chan struct{}), subscriptions: map[uint32]*subscription{},
	}
	c.list = slices.Insert(c.list, i, made)
	return made, nil
}

// consumer gives the stream's consumer of a name.
func (st *stream) consumer(name string) (*consumer, error) {
	c := &st.consumers
	c.mu.Lock()
	defer c.mu.Unlock()
	i, found := c.search(name)
	if !found {
		return nil, st.noConsumer(name)
	}
	return c.list[i], nil
}

// noConsumer has a text of ours.
func (st *stream) noConsumer(name string) error {
	return notFound("Consumer %s under stream %s not found for account %s.", name, st.name, st.service.account)
}

// consumer finds a consumer by its ARN.
func (s *Service) consumer(arn string) (*consumer, error) {
	streamARN, rest, ok := strings.Cut(arn, "/consumer/")
	if !ok { // the text is ours
		return nil, invalid("ConsumerARN %s is not the ARN of a consumer.", arn)
	}
	st, err := s.stream(streamARN)
	if err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(rest, ":")
	c, err := st.consumer(name)
	if err == nil && c.arn != arn { // one of that name was registered at another time
		return nil, st.noConsumer(rest)
	}
	return c, err
}

// Consumer gives the ARN of the stream that a consumer, named by its ARN, is registered with.
func (s *Service) Consumer(arn string) (stream string, err error) {
	c, err := s.consumer(arn)
	if err != nil {
		return "", fmt.Errorf("find consumer %s: %w", arn, err)
	}
	return c.stream.arn, nil
}

// RegisterConsumer registers a consumer with a stream, named by its name or ARN, as made at that time, which its ARN has in
// seconds. It can be used at once.
func (s *Service) RegisterConsumer(stream, name string, made time.Time) (arn string, err error) {
	st, err := s.stream(stream)
	if err != nil {
		return "", fmt.Errorf("register consumer %s: %w", name, err)
	}
	c, err := st.addConsumer(name, made.UnixMilli())
	if err != nil {
		return "", fmt.Errorf("register consumer %s: %w", name, err)
	}
	return c.arn, nil
}

// consumerSummary is what every answer about a consumer has, in AWS's names.
type consumerSummary struct {
	ConsumerName              string
	ConsumerARN               string
	ConsumerStatus            string
	ConsumerCreationTimestamp float64 // Unix seconds
}

func (c *consumer) describe() consumerSummary {
	return consumerSummary{c.name, c.arn, "ACTIVE", seconds(c.made)}
}

// consumerTarget names a consumer in a request: by its ARN, or by its name and its stream's ARN.
type consumerTarget struct {
	ConsumerARN  string
	StreamARN    string
	ConsumerName string
}

func (s *Service) findConsumer(t consumerTarget) (*consumer, error) {
	if t.ConsumerARN != "" {
		return s.consumer(t.ConsumerARN)
	}
	if t.StreamARN == "" || t.ConsumerName == "" { // the text is ours
		return nil, invalid("Either ConsumerARN or both StreamARN and ConsumerName should be provided.")
	}
	st, err := s.stream(t.StreamARN)
	if err != nil {
		return nil, err
	}
	return st.consumer(t.ConsumerName)
}

type registerConsumerInput struct {
	StreamARN    string
	ConsumerName string
}

type registerConsumerOutput struct{ Consumer consumerSummary }

func (s *Service) registerStreamConsumer(_ context.Context, in *registerConsumerInput) (*registerConsumerOutput, error) {
	var v violations
	v.given(in.StreamARN, "streamARN")
	v.name(in.ConsumerName, "consumerName")
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, err := s.stream(in.StreamARN)
	if err != nil {
		return nil, err
	}
	c, err := st.addConsumer(in.ConsumerName, s.nowMillis())
	if err != nil {
		return nil, err
	}
	return &registerConsumerOutput{c.describe()}, nil
}

type consumerDescription struct {
	consumerSummary
	StreamARN string
}

type describeConsumerOutput struct{ ConsumerDescription consumerDescription }

func (s *Service) describeStreamConsumer(_ context.Context, in *consumerTarget) (*describeConsumerOutput, error) {
	c, err := s.findConsumer(*in)
	if err != nil {
		return nil, err
	}
	return &describeConsumerOutput{consumerDescription{c.describe(), c.stream.arn}}, nil
}

// deregisterStreamConsumer ends the consumer's subscriptions too.
func (s *Service) deregisterStreamConsumer(_ context.Context, in *consumerTarget) (*empty, error) {
	c, err := s.findConsumer(*in)
	if err != nil {
		return nil, err
	}
	all := &c.stream.consumers
	all.mu.Lock()
	all.list = slices.DeleteFunc(all.list, func(o *consumer) bool { return o == c })
	all.mu.Unlock()
	c.remove()
	return &empty{}, nil
}

type listConsumersInput struct {
	StreamARN               string
	NextToken               string
	MaxResults              *int
	StreamCreationTimestamp *float64 // Unix seconds
}

type listConsumersOutput struct {
	Consumers []consumerSummary
	NextToken string `json:",omitzero"`
}

func (s *Service) listStreamConsumers(_ context.Context, in *listConsumersInput) (*listConsumersOutput, error) {
	var v violations
	v.given(in.StreamARN, "streamARN")
	limit := min(v.limit(in.MaxResults, listedConsumers, maxListed, "maxResults"), listedConsumers)
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, l, err := s.consumerListing(in)
	if err != nil {
		return nil, err
	}
	out := &listConsumersOutput{Consumers: []consumerSummary{}}
	c := &st.consumers
	c.mu.Lock()
	defer c.mu.Unlock()
	from, found := c.search(l.After)
	if found {
		from++
	}
	for _, one := range c.list[from:min(from+limit, len(c.list))] {
		out.Consumers = append(out.Consumers, one.describe())
		l.After = one.name
	}
	if from+limit < len(c.list) {
		out.NextToken, err = l.token()
	}
	return out, err
}

// consumerListing tells what a call lists: what its token says, or what the call itself says. The call names its stream
// in any case, as the aws CLI does for every page.
func (s *Service) consumerListing(in *listConsumersInput) (*stream, listing, error) {
	if in.NextToken == "" {
		return s.begin(target{StreamARN: in.StreamARN}, in.StreamCreationTimestamp)
	}
	st, l, err := s.resume(in.NextToken)
	if err == nil && st.arn != in.StreamARN {
		return nil, l, invalid("NextToken is invalid.")
	}
	return st, l, err
}
