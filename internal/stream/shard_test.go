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

const getRecords = "Kinesis.GetRecords"

func TestShardReader_EachPosition_BeginsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		numbers := puts(t, api, "1", "2")
		time.Sleep(time.Minute)
		at := time.Now()
		numbers = append(numbers, puts(t, api, "3", "4")...)
		for name, c := range map[string]struct {
			from Position
			want string
		}{
			"zero":          {Position{}, "1234"},
			"trim horizon":  {TrimHorizon, "1234"},
			"latest":        {Latest, ""},
			"at time":       {AtTime(at), "34"},
			"after a time":  {AtTime(at.Add(-time.Second)), "34"},
			"long ago":      {AtTime(at.Add(-1000 * time.Hour)), "1234"},
			"at number":     {AtSequence(numbers[1]), "234"},
			"after number":  {AfterSequence(numbers[1]), "34"},
			"after the end": {AfterSequence(numbers[3]), ""},
		} {
			got, _ := drain(t, NewShardReader(api, "s", shard0, c.from, 1))
			if strings.Join(got, "") != c.want {
				t.Errorf("%s: read %q, want %q", name, got, c.want)
			}
		}
	})
}

func TestShardReader_EmptyPages_AreNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := inBubble(t, kinesis.Options{}, 1)
		puts(t, client, "1")
		api := &hooked{GetRecordsAPI: client, before: func(call int) (*sdk.GetRecordsOutput, error) {
			if call > 5 {
				return nil, nil
			}
			return &sdk.GetRecordsOutput{MillisBehindLatest: aws.Int64(1)}, nil
		}}
		if got, _ := drain(t, NewShardReader(api, "s", shard0, TrimHorizon, 0)); !slices.Equal(got, []string{"1"}) {
			t.Errorf("read %q", got)
		}
	})
}

func TestShardReader_FaultsAndExpiredIterators_EachRecordOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rule := func(op string, k fault.Kind) fault.Rule {
			return fault.Rule{Operation: op, Kind: k, Probability: 0.3, Count: 8}
		}
		api, faults := inBubble(t, kinesis.Options{}, 1, rule(getRecords, fault.Throttle), rule(getRecords, fault.Error), rule(getRecords, fault.DropAfter),
			rule(getRecords, fault.Expire), rule("Kinesis.GetShardIterator", fault.Throttle))
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprint(i))
		}
		puts(t, api, want...)
		got, retries := drain(t, NewShardReader(api, "s", shard0, TrimHorizon, 3))
		if !slices.Equal(got, want) || retries == 0 {
			t.Errorf("%d retries, read %q", retries, got)
		}
		for _, fired := range faults.Report() {
			if fired.Times == 0 {
				t.Errorf("%s of %s never fired", fired.Kind, fired.Operation)
			}
		}
	})
}

func TestShardReader_LatestExpiresBeforeTheFirstRecord_LosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, faults := inBubble(t, kinesis.Options{}, 1)
		puts(t, api, "before")
		time.Sleep(time.Second)
		r := NewShardReader(api, "s", shard0, Latest, 0)
		if page, err := r.Next(t.Context()); err != nil || !page.CaughtUp() {
			t.Fatalf("%+v, %v", page, err)
		}
		puts(t, api, "meanwhile")
		faults.Add(fault.Rule{Operation: getRecords, Kind: fault.Expire, Probability: 1, Count: 1})
		if got, _ := drain(t, r); !slices.Equal(got, []string{"meanwhile"}) {
			t.Errorf("read %q", got)
		}
	})
}

// stuckAt is a client whose iterators of sequence numbers stay where they are, a day behind.
type stuckAt struct {
	GetRecordsAPI
	numbered map[string]bool
}

func (s *stuckAt) GetShardIterator(ctx context.Context, in *sdk.GetShardIteratorInput, opts ...func(*sdk.Options)) (*sdk.GetShardIteratorOutput, error) {
	out, err := s.GetRecordsAPI.GetShardIterator(ctx, in, opts...)
	if err == nil {
		s.numbered[*out.ShardIterator] = in.StartingSequenceNumber != nil
	}
	return out, err
}

func (s *stuckAt) GetRecords(ctx context.Context, in *sdk.GetRecordsInput, opts ...func(*sdk.Options)) (*sdk.GetRecordsOutput, error) {
	if s.numbered[*in.ShardIterator] {
		return &sdk.GetRecordsOutput{MillisBehindLatest: aws.Int64(86_400_000), NextShardIterator: in.ShardIterator}, nil
	}
	return s.GetRecordsAPI.GetRecords(ctx, in, opts...)
}

func TestShardReader_IteratorOfATrimmedNumber_DoesNotHoldItUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := inBubble(t, kinesis.Options{}, 1)
		numbers := puts(t, client, "1", "2", "3", "4")
		for want, from := range map[string]Position{"234": AtSequence(numbers[1]), "34": AfterSequence(numbers[1])} {
			api := &stuckAt{client, map[string]bool{}}
			began := time.Now()
			if got, _ := drain(t, NewShardReader(api, "s", shard0, from, 1)); strings.Join(got, "") != want || time.Since(began) > 10*time.Second {
				t.Errorf("after %s: read %q, want %q", time.Since(began), got, want)
			}
		}
	})
}

func TestStall_IsNotACrawl(t *testing.T) {
	var s stall
	for i := range 1000 {
		if s.stuck(&Page{Behind: time.Hour - time.Duration(i)*time.Millisecond}) {
			t.Fatalf("stuck at page %d", i)
		}
	}
	for i := range stuckPages - 1 {
		if s.stuck(&Page{Behind: time.Hour + time.Duration(i)}) {
			t.Fatalf("stuck at page %d", i)
		}
	}
}

func TestShardReader_SleptThroughItsIterator_GoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		puts(t, api, "1", "2")
		r := NewShardReader(api, "s", shard0, TrimHorizon, 1)
		first, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		rest, _ := drain(t, r)
		if got := append(dataOf(first.Records), rest...); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("read %q", got)
		}
	})
}

// A shard gives five calls a second to all its readers; one reader leaves one of them to the event source mapping.
func TestShardReader_KeepsToTheLimitOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := inBubble(t, kinesis.Options{Enforce: true}, 1)
		for i := range 50 {
			puts(t, client, fmt.Sprint(i))
		}
		api := &hooked{GetRecordsAPI: client}
		r := NewShardReader(api, "s", shard0, TrimHorizon, 1)
		if got, retries := drain(t, r); len(got) != 50 || retries != 0 {
			t.Errorf("read %d records with %d retries", len(got), retries)
		}
		for i := 4; i < len(api.calls); i++ {
			if api.calls[i].Sub(api.calls[i-4]) < time.Second {
				t.Fatalf("calls %d to %d within %s", i-4, i, api.calls[i].Sub(api.calls[i-4]))
			}
		}
		before := time.Now()
		if _, err := r.Next(t.Context()); err != nil || time.Since(before) < idleInterval {
			t.Errorf("asked again after %s: %v", time.Since(before), err)
		}
	})
}

func TestShardReader_ManyReaders_BackOffAndAllReadOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{Enforce: true}, 1)
		puts(t, api, "1", "2", "3", "4", "5")
		retries := make(chan int, 6)
		for range cap(retries) {
			go func() {
				got, n := drain(t, NewShardReader(api, "s", shard0, TrimHorizon, 1))
				if len(got) != 5 {
					t.Errorf("read %q", got)
				}
				retries <- n
			}()
		}
		total := 0
		for range cap(retries) {
			total += <-retries
		}
		if total == 0 {
			t.Error("nobody was throttled")
		}
	})
}

func TestShardReader_ErrorsThatPass_AreBorneForAMinute_ThrottlesForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := inBubble(t, kinesis.Options{}, 1)
		throttledFor := 10 * time.Minute
		began := time.Now()
		api := &hooked{GetRecordsAPI: client, before: func(int) (*sdk.GetRecordsOutput, error) {
			if time.Since(began) < throttledFor {
				return nil, &types.ProvisionedThroughputExceededException{}
			}
			return nil, nil
		}}
		if page, err := NewShardReader(api, "s", shard0, TrimHorizon, 0).Next(t.Context()); err != nil || page.Retries < 60 {
			t.Errorf("throttled: %d retries, %v", page.Retries, err)
		}
		began = time.Now()
		api.before = func(int) (*sdk.GetRecordsOutput, error) { return nil, fmt.Errorf("%w: as a test", errAnswerLost) }
		_, err := NewShardReader(api, "s", shard0, TrimHorizon, 0).Next(t.Context())
		if took := time.Since(began); !errors.Is(err, errAnswerLost) || took < readPatience || took > readPatience+maxBackoff {
			t.Errorf("after %s: %v", took, err)
		}
		api.before = func(int) (*sdk.GetRecordsOutput, error) { return nil, errBroken }
		if _, err = NewShardReader(api, "s", shard0, TrimHorizon, 0).Next(t.Context()); !errors.Is(err, errBroken) {
			t.Error(err)
		}
	})
}

func TestShardReader_EndedContext_EndsEveryPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := inBubble(t, kinesis.Options{}, 1)
		api := &hooked{GetRecordsAPI: client, before: func(int) (*sdk.GetRecordsOutput, error) {
			return nil, &types.ProvisionedThroughputExceededException{}
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := NewShardReader(api, "s", shard0, TrimHorizon, 0).Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestShardReader_WhatIsNotThere_IsToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 2)
		number := puts(t, api, "1")[0]
		next := func(stream, shard string, from Position) error {
			_, err := NewShardReader(api, stream, shard, from, 0).Next(t.Context())
			return err
		}
		for _, shard := range []string{"shardId-000000000009", "shardId-x"} {
			if err := next("s", shard, TrimHorizon); !errors.Is(err, ErrShardGone) {
				t.Error(err)
			}
		}
		if err := next("other", shard0, TrimHorizon); !errors.Is(err, ErrShardGone) { // Kinesis tells no more
			t.Error(err)
		}
		wrong := 0
		for _, shard := range []string{shard0, "shardId-000000000001"} {
			if errors.Is(next("s", shard, AtSequence(number)), ErrNotOfShard) {
				wrong++
			}
		}
		if wrong != 1 {
			t.Errorf("the number is not one of %d shards of 2", wrong)
		}
		var argument *types.InvalidArgumentException
		if err := next("s", shard0, AtTime(time.Now().Add(time.Hour))); !errors.As(err, &argument) || errors.Is(err, ErrNotOfShard) {
			t.Error(err)
		}
	})
}
