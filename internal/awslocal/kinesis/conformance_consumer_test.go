package kinesis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func (s subject) register(t *testing.T, name string) *types.Consumer {
	t.Helper()
	c := must[*sdk.RegisterStreamConsumerOutput](t)(s.RegisterStreamConsumer(background, &sdk.RegisterStreamConsumerInput{StreamARN: &s.arn, ConsumerName: &name})).Consumer
	for s.consumer(t, *c.ConsumerARN).ConsumerStatus != types.ConsumerStatusActive { // never here, but it takes AWS a minute
		time.Sleep(time.Second)
	}
	return c
}

func (s subject) consumer(t *testing.T, arn string) *types.ConsumerDescription {
	t.Helper()
	return must[*sdk.DescribeStreamConsumerOutput](t)(s.DescribeStreamConsumer(background, &sdk.DescribeStreamConsumerInput{ConsumerARN: &arn})).ConsumerDescription
}

func checkConsumers(t *testing.T, s subject) {
	made := s.register(t, "one")
	if want := fmt.Sprintf("%s/consumer/one:%d", s.arn, made.ConsumerCreationTimestamp.Unix()); *made.ConsumerARN != want || *made.ConsumerName != "one" {
		t.Errorf("consumer %s of %v, want %s", *made.ConsumerARN, *made.ConsumerCreationTimestamp, want)
	}
	byARN := s.consumer(t, *made.ConsumerARN)
	byName := must[*sdk.DescribeStreamConsumerOutput](t)(s.DescribeStreamConsumer(background, &sdk.DescribeStreamConsumerInput{StreamARN: &s.arn, ConsumerName: aws.String("one")})).ConsumerDescription
	if *byARN.ConsumerARN != *byName.ConsumerARN || *byARN.StreamARN != s.arn || !byARN.ConsumerCreationTimestamp.Equal(*made.ConsumerCreationTimestamp) {
		t.Errorf("%+v and %+v", byARN, byName)
	}
	summary := must[*sdk.DescribeStreamSummaryOutput](t)(s.DescribeStreamSummary(background, &sdk.DescribeStreamSummaryInput{StreamName: &s.stream}))
	if n := *summary.StreamDescriptionSummary.ConsumerCount; n != 1 {
		t.Errorf("%d consumers", n)
	}
	_, err := s.RegisterStreamConsumer(background, &sdk.RegisterStreamConsumerInput{StreamARN: &s.arn, ConsumerName: aws.String("one")})
	s.wantError(t, err, "ResourceInUseException", "")
	_, err = s.DeleteStream(background, &sdk.DeleteStreamInput{StreamName: &s.stream})
	s.wantError(t, err, "ResourceInUseException", "")
	must[*sdk.DeregisterStreamConsumerOutput](t)(s.DeregisterStreamConsumer(background, &sdk.DeregisterStreamConsumerInput{ConsumerARN: made.ConsumerARN}))
	for range 60 {
		if _, err = s.DescribeStreamConsumer(background, &sdk.DescribeStreamConsumerInput{ConsumerARN: made.ConsumerARN}); err != nil {
			break
		}
		time.Sleep(time.Second) // not here
	}
	s.wantError(t, err, "ResourceNotFoundException", "")
	_, err = s.RegisterStreamConsumer(background, &sdk.RegisterStreamConsumerInput{StreamARN: aws.String(s.arn + "-not"), ConsumerName: aws.String("one")})
	s.wantError(t, err, "ResourceNotFoundException", "")
}

func checkConsumerPages(t *testing.T, s subject) {
	var want []string
	for i := range 5 {
		want = append(want, "c"+strconv.Itoa(i))
		s.register(t, want[i])
	}
	var got []string
	pages := sdk.NewListStreamConsumersPaginator(s.Client, &sdk.ListStreamConsumersInput{StreamARN: &s.arn, MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		for _, c := range must[*sdk.ListStreamConsumersOutput](t)(pages.NextPage(background)).Consumers {
			got = append(got, *c.ConsumerName)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("consumers %v", got)
	}
	must[*sdk.DeleteStreamOutput](t)(s.DeleteStream(background, &sdk.DeleteStreamInput{StreamName: &s.stream, EnforceConsumerDeletion: aws.Bool(true)}))
}

// subscribe begins a subscription that ends with the test, with a client of its own: all subscriptions of one client
// decode into one buffer (smithy-go 1.28.8, internal/eventstream.Codec.payloadBuf).
func (s subject) subscribe(t *testing.T, consumer string, shard uint32, from types.StartingPosition) *sdk.SubscribeToShardEventStream {
	t.Helper()
	ctx, cancel := context.WithCancel(background)
	t.Cleanup(cancel)
	out := must[*sdk.SubscribeToShardOutput](t)(sdk.New(s.Options()).SubscribeToShard(ctx, &sdk.SubscribeToShardInput{ConsumerARN: &consumer, ShardId: aws.String(shardID(shard)), StartingPosition: &from}))
	events := out.GetStream()
	t.Cleanup(func() { _ = events.Close() })
	return events
}

// take takes so many records of a subscription, and the last event.
func take(t *testing.T, events *sdk.SubscribeToShardEventStream, n int) (data []string, last types.SubscribeToShardEvent) {
	t.Helper()
	for len(data) < n {
		last = event(t, events)
		data = append(data, dataOf(last.Records)...)
	}
	return data, last
}

func event(t *testing.T, events *sdk.SubscribeToShardEventStream) types.SubscribeToShardEvent {
	t.Helper()
	e, ok := <-events.Events()
	if !ok {
		t.Fatalf("the subscription has ended: %v", events.Err())
	}
	return e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
}

func checkSubscribe(t *testing.T, s subject) {
	var numbers []string
	for i := range 4 {
		out := put(t, s.Client, s.stream, entryOf("k", strconv.Itoa(i)))
		numbers = append(numbers, *out.Records[0].SequenceNumber)
	}
	at := func(kind types.ShardIteratorType, number string) types.StartingPosition {
		return types.StartingPosition{Type: kind, SequenceNumber: &number}
	}
	latest := s.subscribe(t, *s.register(t, "latest").ConsumerARN, 0, types.StartingPosition{Type: types.ShardIteratorTypeLatest})
	put(t, s.Client, s.stream, entryOf("k", "4"))
	if got, last := take(t, latest, 1); !slices.Equal(got, []string{"4"}) || *last.ContinuationSequenceNumber < *last.Records[0].SequenceNumber || *last.Records[0].PartitionKey != "k" {
		t.Errorf("LATEST: %q, then %v", got, *last.ContinuationSequenceNumber)
	}
	hour := time.Now().Add(-time.Hour)
	for i, c := range []struct {
		from types.StartingPosition
		want []string
	}{
		{types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}, []string{"0", "1", "2", "3", "4"}},
		{at(types.ShardIteratorTypeAtSequenceNumber, numbers[2]), []string{"2", "3", "4"}},
		{at(types.ShardIteratorTypeAfterSequenceNumber, numbers[2]), []string{"3", "4"}},
		{types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: &hour}, []string{"0", "1", "2", "3", "4"}},
	} {
		events := s.subscribe(t, *s.register(t, "c"+strconv.Itoa(i)).ConsumerARN, 0, c.from)
		if got, _ := take(t, events, len(c.want)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.from.Type, got, c.want)
		}
	}
	s.dropConsumers(t)
}

// dropConsumers makes the stream deletable.
func (s subject) dropConsumers(t *testing.T) {
	for _, c := range must[*sdk.ListStreamConsumersOutput](t)(s.ListStreamConsumers(background, &sdk.ListStreamConsumersInput{StreamARN: &s.arn})).Consumers {
		must[*sdk.DeregisterStreamConsumerOutput](t)(s.DeregisterStreamConsumer(background, &sdk.DeregisterStreamConsumerInput{ConsumerARN: c.ConsumerARN}))
	}
}

func checkSubscribeEnd(t *testing.T, s subject) {
	put(t, s.Client, s.stream, entryOf("k", "1"))
	events := s.subscribe(t, *s.register(t, "c").ConsumerARN, 0, types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon})
	take(t, events, 1)
	s.split(t, 0, half)
	last := event(t, events)
	for last.ChildShards == nil {
		last = event(t, events)
	}
	var ids []string
	for _, c := range last.ChildShards {
		ids = append(ids, *c.ShardId)
	}
	if !slices.Equal(ids, []string{shardID(1), shardID(2)}) || last.ContinuationSequenceNumber != nil {
		t.Errorf("children %v, continuation %v", ids, last.ContinuationSequenceNumber)
	}
	if e, ok := <-events.Events(); ok || events.Err() != nil {
		t.Errorf("then %v, %v", e, events.Err())
	}
	s.dropConsumers(t)
}

func checkSubscribeAgain(t *testing.T, s subject) {
	consumer := *s.register(t, "c").ConsumerARN
	s.subscribe(t, consumer, 0, types.StartingPosition{Type: types.ShardIteratorTypeLatest})
	_, err := s.SubscribeToShard(background, &sdk.SubscribeToShardInput{
		ConsumerARN: &consumer, ShardId: aws.String(shardID(0)), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
	})
	s.wantError(t, err, "ResourceInUseException", "")
	if s.texts && !strings.Contains(err.Error(), "Another active subscription exists for this consumer") {
		t.Errorf("error %v", err)
	}
	_, err = s.SubscribeToShard(background, &sdk.SubscribeToShardInput{
		ConsumerARN: aws.String(consumer + "0"), ShardId: aws.String(shardID(0)), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
	})
	s.wantError(t, err, "ResourceNotFoundException", "")
	s.dropConsumers(t)
}
