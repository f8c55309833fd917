package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/kinesis"
)

// consume makes a consumer of stream s.
func consume(t *testing.T, api *sdk.Client) *Consumer {
	t.Helper()
	c, err := UseConsumer(t.Context(), api, streamARN(t, api), "test")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func streamARN(t *testing.T, api *sdk.Client) string {
	t.Helper()
	out, err := api.DescribeStreamSummary(t.Context(), &sdk.DescribeStreamSummaryInput{StreamName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	return *out.StreamDescriptionSummary.StreamARN
}

// counted is a Subscriber that counts.
type counted struct {
	Subscriber
	subscriptions int
}

func (c *counted) Subscribe(ctx context.Context, consumer, shard string, from *types.StartingPosition) (Subscription, error) {
	c.subscriptions++
	return c.Subscriber.Subscribe(ctx, consumer, shard, from)
}

func TestFanOutReader_EachPosition_BeginsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := inBubble(t, kinesis.Options{}, 1)
		numbers := puts(t, client, "1", "2")
		time.Sleep(time.Minute)
		at := time.Now()
		numbers = append(numbers, puts(t, client, "3", "4")...)
		consumer := consume(t, client).ARN
		for name, c := range map[string]struct {
			from Position
			want string
		}{
			"trim horizon": {TrimHorizon, "1234"},
			"latest":       {Latest, ""},
			"at time":      {AtTime(at), "34"},
			"at number":    {AtSequence(numbers[1]), "234"},
			"after number": {AfterSequence(numbers[1]), "34"},
		} {
			r := NewFanOutReader(Subscriber{client}, consumer, shard0, c.from)
			got, _ := drain(t, r)
			r.Close()
			if strings.Join(got, "") != c.want {
				t.Errorf("%s: read %q, want %q", name, got, c.want)
			}
		}
	})
}

func TestFanOutReader_SubscriptionsOver_AreRenewed_EachRecordOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, faults := inBubble(t, kinesis.Options{}, 1)
		api := &counted{Subscriber: Subscriber{client}}
		r := NewFanOutReader(api, consume(t, client).ARN, shard0, Latest)
		defer r.Close()
		var got, want []string
		for minute := range 12 {
			if minute == 7 {
				faults.Add(fault.Rule{Operation: "Kinesis.SubscribeToShard", Kind: fault.Throttle, Probability: 1, Count: 3})
			}
			data, _ := drain(t, r)
			got = append(got, data...)
			want = append(want, fmt.Sprint(minute))
			puts(t, client, fmt.Sprint(minute))
			time.Sleep(time.Minute)
		}
		rest, _ := drain(t, r)
		if got = append(got, rest...); !slices.Equal(got, want) || api.subscriptions < 5 {
			t.Errorf("%d subscriptions, read %q", api.subscriptions, got)
		}
	})
}

func TestFanOutReader_EndOfShard_NamesTheChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		puts(t, api, "1")
		split(t, api, shard0)
		r := NewFanOutReader(Subscriber{api}, consume(t, api).ARN, shard0, TrimHorizon)
		defer r.Close()
		for {
			page, err := r.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if page.End {
				if len(page.Children) != 2 || !slices.Equal(page.Children[0].Parents, []string{shard0}) {
					t.Errorf("children %v", page.Children)
				}
				break
			}
		}
		if page, err := r.Next(t.Context()); err != nil || !page.End {
			t.Errorf("behind the end: %+v, %v", page, err)
		}
	})
}

// Two readers of one consumer take the shard from each other; the one that is done for a while comes back.
func TestFanOutReader_ShardTakenByAnother_TakesItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := inBubble(t, kinesis.Options{}, 1)
		consumer := consume(t, client).ARN
		a, b := NewFanOutReader(Subscriber{client}, consumer, shard0, TrimHorizon), NewFanOutReader(Subscriber{client}, consumer, shard0, TrimHorizon)
		defer a.Close()
		drain(t, a)
		time.Sleep(time.Minute)
		puts(t, client, "1")
		if got, _ := drain(t, b); !slices.Equal(got, []string{"1"}) {
			t.Errorf("b read %q", got)
		}
		b.Close()
		puts(t, client, "2")
		var got []string
		for began := time.Now(); len(got) < 2 && time.Since(began) < time.Minute; {
			more, _ := drain(t, a)
			got = append(got, more...)
		}
		if !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("a read %q", got)
		}
	})
}

// silent subscribes to nothing.
type silent struct{ err error }

func (s silent) Subscribe(context.Context, string, string, *types.StartingPosition) (Subscription, error) {
	return s, s.err
}
func (s silent) Events() <-chan types.SubscribeToShardEventStream { return nil }
func (s silent) Err() error                                       { return nil }
func (s silent) Close() error                                     { return nil }

func TestFanOutReader_SilenceAndErrors_EndItInTime(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want error
		took time.Duration
	}{
		"silence":        {nil, errAnswerLost, 3 * maxSilence},
		"an error":       {errBroken, errBroken, 0},
		"an error often": {errAnswerLost, errAnswerLost, readPatience},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			_, err := NewFanOutReader(silent{c.err}, "arn", shard0, TrimHorizon).Next(t.Context())
			if took := time.Since(began); !errors.Is(err, c.want) || took < c.took || took > c.took+30*time.Second {
				t.Errorf("%s: after %s: %v", name, took, err)
			}
		})
	}
}

func TestFanOutReader_SubscriptionWithoutAnswer_IsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1, fault.Rule{Operation: "Kinesis.SubscribeToShard", Kind: fault.Hang, Probability: 1, Count: 1, Delay: time.Hour})
		puts(t, api, "1")
		r := NewFanOutReader(Subscriber{api}, consume(t, api).ARN, shard0, TrimHorizon)
		defer r.Close()
		began := time.Now()
		if got, retries := drain(t, r); !slices.Equal(got, []string{"1"}) || retries == 0 || time.Since(began) > time.Minute {
			t.Errorf("after %s and %d retries: %q", time.Since(began), retries, got)
		}
	})
}

func TestFanOutReader_NoSuchConsumer_SaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		_, err := NewFanOutReader(Subscriber{api}, streamARN(t, api)+"/consumer/nobody:1", shard0, TrimHorizon).Next(t.Context())
		var missing *types.ResourceNotFoundException
		if !errors.As(err, &missing) {
			t.Error(err)
		}
	})
}

// making is a consumer that takes its time.
type making struct {
	registered, gone int
	active           time.Time
}

func (m *making) RegisterStreamConsumer(context.Context, *sdk.RegisterStreamConsumerInput, ...func(*sdk.Options)) (*sdk.RegisterStreamConsumerOutput, error) {
	m.registered++
	return &sdk.RegisterStreamConsumerOutput{Consumer: &types.Consumer{ConsumerARN: aws.String("arn"), ConsumerStatus: types.ConsumerStatusCreating}}, nil
}

func (m *making) DescribeStreamConsumer(context.Context, *sdk.DescribeStreamConsumerInput, ...func(*sdk.Options)) (*sdk.DescribeStreamConsumerOutput, error) {
	if m.registered == 0 || time.Now().Before(m.active.Add(-5*time.Second)) {
		return nil, &types.ResourceNotFoundException{}
	}
	d := &types.ConsumerDescription{ConsumerARN: aws.String("arn"), ConsumerStatus: types.ConsumerStatusCreating}
	if !time.Now().Before(m.active) {
		d.ConsumerStatus = types.ConsumerStatusActive
	}
	return &sdk.DescribeStreamConsumerOutput{ConsumerDescription: d}, nil
}

func (m *making) DeregisterStreamConsumer(context.Context, *sdk.DeregisterStreamConsumerInput, ...func(*sdk.Options)) (*sdk.DeregisterStreamConsumerOutput, error) {
	m.gone++
	return &sdk.DeregisterStreamConsumerOutput{}, nil
}

func TestUseConsumer_MakesOne_WaitsForIt_AndGivesItBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &making{active: time.Now().Add(10 * time.Second)}
		c, err := UseConsumer(t.Context(), m, "stream", "test")
		if err != nil || c.ARN != "arn" || !c.Made || time.Now().Before(m.active) || m.registered != 1 {
			t.Errorf("%+v, %v", c, err)
		}
		if err := errors.Join(c.Release(t.Context()), c.Release(t.Context())); err != nil || m.gone != 1 {
			t.Errorf("deregistered %d times: %v", m.gone, err)
		}
	})
}

func TestUseConsumer_OneThatIsThere_IsLeftThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		made, used := consume(t, api), consume(t, api)
		if !made.Made || used.Made || used.ARN != made.ARN || used.Release(t.Context()) != nil {
			t.Errorf("%+v, %+v", made, used)
		}
		if again := consume(t, api); again.Made {
			t.Error("it was taken away")
		}
	})
}

func TestUseConsumer_NeverActive_GivesUp_AndCanBeReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &making{active: time.Now().Add(time.Hour)}
		c, err := UseConsumer(t.Context(), m, "stream", "test")
		if err == nil || !strings.Contains(err.Error(), "consumer test is still CREATING after 2m0s") {
			t.Error(err)
		}
		if err := c.Release(t.Context()); err != nil || m.gone != 1 {
			t.Errorf("deregistered %d times: %v", m.gone, err)
		}
	})
}
