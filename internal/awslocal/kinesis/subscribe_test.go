package kinesis

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
)

// got is one event of a subscription.
type got struct {
	Records                    []struct{ Data, SequenceNumber string }
	MillisBehindLatest         int64
	ContinuationSequenceNumber string
	ChildShards                []childShard

	at time.Duration // since the subscription began
}

func (g got) data() []string {
	var out []string
	for _, r := range g.Records {
		out = append(out, r.Data)
	}
	return out
}

// listener is a subscription and what came of it.
type listener struct {
	events chan got
	ended  chan error
	stop   context.CancelFunc
}

func consumerOf(t testing.TB, svc *Service) string {
	t.Helper()
	return must[string](t)(svc.RegisterConsumer("s", "c", svc.now()))
}

// listen subscribes a consumer to a shard and sends it records, until the subscription ends.
func listen(t testing.TB, svc *Service, consumer string, shard uint32, from startingPosition) *listener {
	t.Helper()
	sub := must[*subscription](t)(svc.subscribe(&subscribeInput{ConsumerARN: consumer, ShardID: shardID(shard), StartingPosition: &from}))
	ctx, cancel := context.WithCancel(t.Context())
	l := &listener{make(chan got, 1000), make(chan error, 1), cancel}
	began := time.Now()
	go func() {
		l.ended <- sub.send(ctx, func(event []byte) error {
			g := got{at: time.Since(began)}
			if err := json.Unmarshal(event, &g); err != nil {
				return err
			}
			l.events <- g
			return nil
		})
		close(l.events)
	}()
	return l
}

var (
	fromStart  = startingPosition{Type: TrimHorizon}
	fromLatest = startingPosition{Type: Latest}
)

func TestSubscription_RecordsPut_AreSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := New(Options{})
		st := newStream(t, svc, 1)
		putOne(st, "k", "MQ==")
		l := listen(t, svc, consumerOf(t, svc), 0, fromStart)
		if g := <-l.events; len(g.Records) != 1 || g.MillisBehindLatest != 0 || g.at != 0 {
			t.Errorf("%+v", g)
		}
		time.Sleep(time.Second)
		putOne(st, "k", "2")
		if g := <-l.events; len(g.Records) != 1 || g.at != time.Second {
			t.Errorf("%+v", g)
		}
		l.stop()
		if err := <-l.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestSubscription_InSilence_SendsEmptyEventsAndEndsAfterFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := New(Options{})
		st := newStream(t, svc, 1)
		putOne(st, "k", "1")
		began := time.Now()
		l := listen(t, svc, consumerOf(t, svc), 0, fromLatest)
		n := 0
		for g := range l.events {
			n++
			if len(g.Records) != 0 || g.at != time.Duration(n)*keepAlive || len(g.ContinuationSequenceNumber) != sequenceDigits {
				t.Errorf("event %d: %+v", n, g)
			}
		}
		if err := <-l.ended; err != nil || time.Since(began) != 5*time.Minute || n < 59 {
			t.Errorf("%d events in %v, %v", n, time.Since(began), err)
		}
	})
}

func TestSubscription_ContinuationNumber_GoesOnWithoutGapOrCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := New(Options{})
		st := newStream(t, svc, 1)
		consumer := consumerOf(t, svc)
		first := listen(t, svc, consumer, 0, fromLatest)
		putOne(st, "k", "1")
		numbers := []string{(<-first.events).ContinuationSequenceNumber}
		numbers = append(numbers, (<-first.events).ContinuationSequenceNumber) // of a silence
		first.stop()
		putOne(st, "k", "2")
		for _, number := range numbers {
			for _, kind := range []PositionType{AtSequence, AfterSequence} {
				time.Sleep(5 * time.Second)
				l := listen(t, svc, consumer, 0, startingPosition{Type: kind, SequenceNumber: number})
				if g := <-l.events; len(g.Records) != 1 || g.Records[0].Data != "Mg==" {
					t.Errorf("%s: %q", kind, g.data())
				}
				l.stop()
			}
		}
	})
}

func TestSubscription_AtTheShardsEnd_TellsChildrenAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := New(Options{})
		st := newStream(t, svc, 1)
		l := listen(t, svc, consumerOf(t, svc), 0, fromLatest)
		synctest.Wait()
		putOne(st, "k", "1")
		synctest.Wait()
		must[[]string](t)(svc.SplitShard("s", ""))
		if g := <-l.events; len(g.Records) != 1 || g.ChildShards != nil {
			t.Errorf("%+v", g)
		}
		if g := <-l.events; len(g.ChildShards) != 2 || g.ContinuationSequenceNumber != "" || g.Records == nil {
			t.Errorf("%+v", g)
		}
		if err := <-l.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestSubscription_SecondOfAConsumer_WaitsFiveSecondsAndTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := New(Options{})
		newStream(t, svc, 2)
		consumer := consumerOf(t, svc)
		l := listen(t, svc, consumer, 0, fromLatest)
		again := &subscribeInput{ConsumerARN: consumer, ShardID: shardID(0), StartingPosition: &fromLatest}
		time.Sleep(4999 * time.Millisecond)
		_, err := svc.subscribe(again)
		wantError(t, err, "ResourceInUseException", "")
		other := must[string](t)(svc.RegisterConsumer("s", "other", svc.now()))
		listen(t, svc, other, 0, fromLatest).stop()
		listen(t, svc, consumer, 1, fromLatest).stop()
		time.Sleep(time.Millisecond)
		second := listen(t, svc, consumer, 0, fromLatest)
		wantError(t, <-l.ended, "ResourceInUseException", "")
		second.stop()
		if err := <-second.ended; err != nil {
			t.Error(err)
		}
		_, err = svc.subscribe(again) // also after the end, as on AWS
		wantError(t, err, "ResourceInUseException", "")
	})
}

func TestSubscription_ConsumerOrStreamGoes_EndsWithNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := New(Options{})
		newStream(t, svc, 1)
		consumer := consumerOf(t, svc)
		l := listen(t, svc, consumer, 0, fromLatest)
		must[*empty](t)(svc.deregisterStreamConsumer(t.Context(), &consumerTarget{ConsumerARN: consumer}))
		wantError(t, <-l.ended, "ResourceNotFoundException", "")
		_, err := svc.Consumer(consumer)
		wantError(t, errors.Unwrap(err), "ResourceNotFoundException", "")

		l = listen(t, svc, consumerOf(t, svc), 0, fromLatest)
		synctest.Wait()
		_, err = svc.deleteStream(t.Context(), &deleteStreamInput{target: target{StreamName: "s"}})
		wantError(t, err, "ResourceInUseException", "DeleteStream can't delete 000000000000:s because there are consumers associated with this data stream. "+
			"To delete s anyway, set the EnforceConsumerDeletion parameter to true to force the deletion of all the consumers that are associated with it.")
		must[*empty](t)(svc.deleteStream(t.Context(), &deleteStreamInput{target{StreamName: "s"}, true}))
		wantError(t, <-l.ended, "ResourceNotFoundException", "Stream s under account 000000000000 not found.")
	})
}

func TestSubscription_Enforced_GetsTwoMebibytesASecond(t *testing.T) {
	for _, enforce := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			svc := New(Options{Enforce: enforce})
			st := newStream(t, svc, 1)
			for range 8 {
				time.Sleep(time.Second) // a mebibyte a second comes in
				st.put([]putEntry{{key: []byte("k"), data: make([]byte, 1<<20-1)}})
			}
			l := listen(t, svc, consumerOf(t, svc), 0, fromStart)
			for i := range 8 {
				want := time.Duration(0)
				if enforce {
					want = time.Duration(i) * time.Second / 2
				}
				if g := <-l.events; len(g.Records) != 1 || g.at != want {
					t.Errorf("enforced %t: event %d of %d records after %v, want %v", enforce, i, len(g.Records), g.at, want)
				}
			}
			l.stop()
		})
	}
}

func TestSubscription_ManyRecords_ComeInOrderInEventsOfAMebibyte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := New(Options{})
		st := newStream(t, svc, 1)
		for i := range 100 {
			st.put([]putEntry{{key: []byte("k"), data: append(make([]byte, 1<<15), strconv.Itoa(i)...)}})
		}
		l := listen(t, svc, consumerOf(t, svc), 0, fromStart)
		var numbers []string
		for len(numbers) < 100 {
			g := <-l.events
			if n := len(g.Records); n == 0 || n > 31 {
				t.Fatalf("an event of %d records", n)
			}
			for _, r := range g.Records {
				numbers = append(numbers, r.SequenceNumber)
			}
		}
		if !slices.IsSorted(numbers) || len(slices.Compact(numbers)) != 100 {
			t.Error("out of order")
		}
		l.stop()
	})
}

func TestSubscribe_WrongRequests_AreRefused(t *testing.T) {
	svc := New(Options{})
	newStream(t, svc, 1)
	consumer := consumerOf(t, svc)
	const missing, argument, validation = "ResourceNotFoundException", "InvalidArgumentException", "ValidationException"
	for _, c := range []struct {
		want string
		in   subscribeInput
	}{
		{validation, subscribeInput{}},
		{validation, subscribeInput{ConsumerARN: consumer, ShardID: shardID(0), StartingPosition: &startingPosition{Type: "HERE"}}},
		{missing, subscribeInput{ConsumerARN: consumer + "0", ShardID: shardID(0), StartingPosition: &fromStart}},
		{missing, subscribeInput{ConsumerARN: consumer, ShardID: shardID(1), StartingPosition: &fromStart}},
		{missing, subscribeInput{ConsumerARN: "arn:aws:kinesis:us-east-1:000000000000:stream/t/consumer/c:1", ShardID: shardID(0), StartingPosition: &fromStart}},
		{argument, subscribeInput{ConsumerARN: "arn:aws:kinesis:us-east-1:000000000000:stream/s", ShardID: shardID(0), StartingPosition: &fromStart}},
		{argument, subscribeInput{ConsumerARN: consumer, ShardID: shardID(0), StartingPosition: &startingPosition{Type: AtSequence}}},
		{"DryRunOperationException", subscribeInput{ConsumerARN: consumer, ShardID: shardID(0), StartingPosition: &fromStart, DryRun: true}},
	} {
		_, err := svc.subscribe(&c.in)
		wantError(t, err, c.want, "")
	}
	must[*subscription](t)(svc.subscribe(&subscribeInput{ConsumerARN: consumer, ShardID: shardID(0), StartingPosition: &fromStart})) // none of them held the shard
}

func TestRegisterConsumer_BeyondTwentyOrWrongNames_AreRefused(t *testing.T) {
	svc := New(Options{})
	newStream(t, svc, 1)
	for i := range maxConsumers {
		must[string](t)(svc.RegisterConsumer("s", "c"+strconv.Itoa(i), svc.now()))
	}
	arn := "arn:aws:kinesis:us-east-1:000000000000:stream/s"
	register := func(name string) error {
		_, err := svc.registerStreamConsumer(t.Context(), &registerConsumerInput{arn, name})
		return err
	}
	wantError(t, register("c20"), "LimitExceededException", "")
	wantError(t, register("c1"), "ResourceInUseException", "Consumer c1 under stream s already exists for account 000000000000.")
	wantError(t, register("c d"), "ValidationException",
		"1 validation error detected: Value 'c d' at 'consumerName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	must[*empty](t)(svc.deregisterStreamConsumer(t.Context(), &consumerTarget{StreamARN: arn, ConsumerName: "c3"}))
	if err := register("c20"); err != nil {
		t.Error(err)
	}
}

func TestConsumer_ARN_LeadsToItsStream(t *testing.T) {
	svc, now := withClock(Options{})
	newStream(t, svc, 1)
	consumer := consumerOf(t, svc)
	if want := "arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:1795435200"; consumer != want {
		t.Errorf("consumer %s, want %s", consumer, want)
	}
	if stream, err := svc.Consumer(consumer); err != nil || stream != "arn:aws:kinesis:us-east-1:000000000000:stream/s" {
		t.Errorf("%s, %v", stream, err)
	}
	must[*empty](t)(svc.deregisterStreamConsumer(t.Context(), &consumerTarget{ConsumerARN: consumer}))
	now.add(time.Second)
	if again := consumerOf(t, svc); again == consumer {
		t.Errorf("registered again it is still %s", again)
	}
	_, err := svc.Consumer(consumer)
	wantError(t, err, "ResourceNotFoundException", "Consumer c:1795435200 under stream s not found for account 000000000000.")
}
