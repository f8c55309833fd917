package stream

import (
	"context"
	"errors"
	"fmt"
	"math/big"
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

// split halves a shard of stream s.
func split(t *testing.T, api *sdk.Client, shard string) {
	t.Helper()
	out, err := api.ListShards(t.Context(), &sdk.ListShardsInput{StreamName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range out.Shards {
		if *s.ShardId != shard {
			continue
		}
		low, _ := new(big.Int).SetString(*s.HashKeyRange.StartingHashKey, 10)
		high, _ := new(big.Int).SetString(*s.HashKeyRange.EndingHashKey, 10)
		middle := low.Add(low, high).Rsh(low, 1).String()
		if _, err := api.SplitShard(t.Context(), &sdk.SplitShardInput{StreamName: aws.String("s"), ShardToSplit: &shard, NewStartingHashKey: &middle}); err != nil {
			t.Fatal(err)
		}
	}
}

func merge(t *testing.T, api *sdk.Client, left, right string) {
	t.Helper()
	if _, err := api.MergeShards(t.Context(), &sdk.MergeShardsInput{StreamName: aws.String("s"), ShardToMerge: &left, AdjacentShardToMerge: &right}); err != nil {
		t.Fatal(err)
	}
}

func id(n int) string { return fmt.Sprintf("shardId-%012d", n) }

// keys puts a record of each of some keys: each has all of its history in its data.
type keys struct{ n int }

func (k *keys) put(t *testing.T, api *sdk.Client) {
	t.Helper()
	k.n++
	for key := range 10 {
		if _, err := api.PutRecord(t.Context(), &sdk.PutRecordInput{
			StreamName: aws.String("s"), PartitionKey: aws.String(fmt.Sprint("key", key)), Data: fmt.Append(nil, k.n),
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// seen is what was read: the data of each key in the order in which they came.
type seen struct {
	byKey  map[string][]string
	shards []string // in the order of their first page
	n      int
}

func (s *seen) take(shard string, p Page) error {
	if s.byKey == nil {
		s.byKey = map[string][]string{}
	}
	if !slices.Contains(s.shards, shard) {
		s.shards = append(s.shards, shard)
	}
	for _, r := range p.Records {
		s.byKey[*r.PartitionKey] = append(s.byKey[*r.PartitionKey], string(r.Data))
		s.n++
	}
	return nil
}

// check demands each of a number of puts of each key, from one on, in order.
func (s *seen) check(t *testing.T, from, to int) {
	t.Helper()
	var want []string
	for n := from; n <= to; n++ {
		want = append(want, fmt.Sprint(n))
	}
	for key := range 10 {
		if got := s.byKey[fmt.Sprint("key", key)]; !slices.Equal(got, want) {
			t.Errorf("key%d: %q, want %q", key, got, want)
		}
	}
}

// resharded is a stream that was put to, split, put to, merged, and put to.
func resharded(t *testing.T, rules ...fault.Rule) (*sdk.Client, *keys) {
	api, faults := inBubble(t, kinesis.Options{}, 2)
	k := &keys{}
	k.put(t, api)
	split(t, api, id(0)) // into 2 and 3
	time.Sleep(time.Hour)
	k.put(t, api)
	merge(t, api, id(3), id(1)) // into 4
	time.Sleep(time.Hour)
	k.put(t, api)
	faults.Add(rules...)
	return api, k
}

func TestRead_ReshardedStream_EachKeyInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := resharded(t)
		var s seen
		if err := Read(t.Context(), api, "s", ReadOptions{PageRecords: 1}, s.take); err != nil {
			t.Fatal(err)
		}
		s.check(t, 1, 3)
		if len(s.shards) != 5 || slices.Index(s.shards, id(4)) < max(slices.Index(s.shards, id(3)), slices.Index(s.shards, id(1))) {
			t.Errorf("shards as they came: %v", s.shards)
		}
	})
}

func TestRead_ByFanOut_IsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := resharded(t, fault.Rule{Operation: "Kinesis.SubscribeToShard", Kind: fault.Error, Probability: 0.5, Count: 5})
		consumer := consume(t, api).ARN
		var s seen
		err := Read(t.Context(), api, "s", ReadOptions{Open: func(shard string, from Position) Pages {
			return NewFanOutReader(Subscriber{api}, consumer, shard, from)
		}}, s.take)
		if err != nil {
			t.Fatal(err)
		}
		s.check(t, 1, 3)
	})
}

func TestRead_ByTime_ReadsOnlyShardsOfThatTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := resharded(t)
		var s seen
		from := time.Now().Add(-90 * time.Minute) // behind the split, before the second put
		cut := 0
		err := Read(t.Context(), api, "s", ReadOptions{From: AtTime(from), Until: from.Add(time.Hour)}, func(shard string, p Page) error {
			if p.Cut {
				cut++
			}
			return s.take(shard, p)
		})
		if err != nil {
			t.Fatal(err)
		}
		s.check(t, 2, 2)
		if cut == 0 {
			t.Error("no page is said to be cut")
		}
		if slices.Contains(s.shards, id(0)) {
			t.Errorf("shards %v", s.shards)
		}
		s = seen{}
		if err := Read(t.Context(), api, "s", ReadOptions{From: AtTime(from)}, s.take); err != nil {
			t.Fatal(err)
		}
		s.check(t, 2, 3)
	})
}

func TestRead_NamedShards_AreTheOnlyOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := resharded(t)
		var s seen
		if err := Read(t.Context(), api, "s", ReadOptions{Shards: []string{id(4), id(0)}, Follow: false}, s.take); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(s.shards); !slices.Equal(s.shards, []string{id(0), id(4)}) {
			t.Errorf("shards %v", s.shards)
		}
		err := Read(t.Context(), api, "s", ReadOptions{Shards: []string{"shardId-7"}}, s.take)
		if err == nil || !strings.Contains(err.Error(), "stream s has no shard shardId-7") {
			t.Error(err)
		}
	})
}

// Splits and merges while it follows, with every fault of the wire.
func TestRead_FollowThroughReshardingAndFaults_EachRecordOnce_EachKeyInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rules []fault.Rule
		for _, op := range []string{getRecords, "Kinesis.GetShardIterator", "Kinesis.ListShards"} {
			for _, k := range []fault.Kind{fault.Throttle, fault.Error, fault.DropAfter, fault.Expire} {
				rules = append(rules, fault.Rule{Operation: op, Kind: k, Probability: 0.1, Count: 20})
			}
		}
		api, _ := inBubble(t, kinesis.Options{}, 2, rules...)
		ctx, stop := context.WithCancelCause(t.Context())
		k := &keys{}
		k.put(t, api)
		time.Sleep(time.Second)
		var s seen
		done := make(chan error)
		go func() { done <- Read(ctx, api, "s", ReadOptions{From: Latest, Follow: true, PageRecords: 3}, s.take) }()
		time.Sleep(10 * time.Minute)
		for _, reshard := range []func(){
			func() { split(t, api, id(0)) },        // 2, 3
			func() { merge(t, api, id(3), id(1)) }, // 4
			func() { split(t, api, id(2)) },        // 5, 6
			func() {
				merge(t, api, id(6), id(4)) // 7
				merge(t, api, id(5), id(7)) // 8, before 7 had anything
			},
		} {
			k.put(t, api)
			reshard()
			k.put(t, api)
			time.Sleep(time.Minute)
		}
		stop(errBroken)
		if err := <-done; !errors.Is(err, errBroken) {
			t.Error(err)
		}
		s.check(t, 2, 9)
	})
}

func TestRead_Until_EndsAFollowingReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 2)
		k := &keys{}
		k.put(t, api)
		until := time.Now().Add(time.Hour)
		time.AfterFunc(30*time.Minute, func() { k.put(t, api) })
		time.AfterFunc(61*time.Minute, func() { k.put(t, api) })
		var s seen
		if err := Read(t.Context(), api, "s", ReadOptions{Until: until, Follow: true}, s.take); err != nil {
			t.Fatal(err)
		}
		if late := time.Since(until); late > 2*idleInterval {
			t.Errorf("ended %s late", late)
		}
		s.check(t, 1, 2)
	})
}

// One shard has much, the other little: it does not wait for the other's end.
func TestRead_ShardsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		much, little := 0, 0
		open := func(shard string, _ Position) Pages {
			return &pages{left: map[string]int{id(0): 1000, id(1): 10}[shard]}
		}
		api := listed{shards: []types.Shard{{ShardId: aws.String(id(0))}, {ShardId: aws.String(id(1))}}}
		err := Read(t.Context(), api, "s", ReadOptions{Open: open}, func(shard string, p Page) error {
			if shard == id(1) {
				little++
				return nil
			}
			if much++; much == 100 && little < 10 {
				t.Errorf("%d pages of the one, %d of the other", much, little)
			}
			return nil
		})
		if err != nil || much != 1001 {
			t.Errorf("%d pages: %v", much, err)
		}
	})
}

// pages are pages of which the last is the end.
type pages struct{ left int }

func (p *pages) Next(context.Context) (Page, error) {
	p.left--
	time.Sleep(time.Millisecond)
	return Page{Behind: time.Second, End: p.left < 0}, nil
}
func (p *pages) Close() {}

// listed is a stream that can only be listed, a shard a page.
type listed struct {
	GetRecordsAPI
	shards []types.Shard
}

func (l listed) ListShards(_ context.Context, in *sdk.ListShardsInput, _ ...func(*sdk.Options)) (*sdk.ListShardsOutput, error) {
	n := 0
	if in.NextToken != nil {
		if in.StreamName != nil || in.ShardFilter != nil {
			return nil, &types.InvalidArgumentException{Message: aws.String("NextToken and StreamName cannot be provided together.")}
		}
		_, _ = fmt.Sscan(*in.NextToken, &n)
	}
	out := &sdk.ListShardsOutput{Shards: l.shards[n : n+1]}
	if n+1 < len(l.shards) {
		out.NextToken = aws.String(fmt.Sprint(n + 1))
	}
	return out, nil
}

func TestRead_ErrorOfOneShard_EndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := resharded(t)
		api := struct {
			ListShardsAPI
			GetRecordsAPI
		}{client, &hooked{GetRecordsAPI: client, before: func(int) (*sdk.GetRecordsOutput, error) { return nil, errBroken }}}
		if err := Read(t.Context(), api, "s", ReadOptions{Shards: []string{id(0)}}, func(string, Page) error { return nil }); !errors.Is(err, errBroken) {
			t.Error(err)
		}
		if err := Read(t.Context(), client, "s", ReadOptions{}, func(string, Page) error { return errBroken }); !errors.Is(err, errBroken) {
			t.Error(err)
		}
	})
}

func TestRead_ShardThatIsGoneBeforeItIsRead_IsPassedOver_ItsChildrenAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := resharded(t)
		var s seen
		err := Read(t.Context(), client, "s", ReadOptions{Open: func(shard string, from Position) Pages {
			if shard == id(0) {
				shard = "shardId-000000000099"
			}
			return NewShardReader(client, "s", shard, from, 0)
		}}, s.take)
		if err != nil || len(s.shards) != 5 || s.n == 0 {
			t.Errorf("shards %v: %v", s.shards, err)
		}
	})
}
