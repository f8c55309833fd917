package kinesis

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// settle waits until a change of the stream is over.
func (s subject) settle(t *testing.T) {
	t.Helper()
	must[*sdk.DescribeStreamOutput](t)(sdk.NewStreamExistsWaiter(s.Client).
		WaitForOutput(background, &sdk.DescribeStreamInput{StreamName: &s.stream}, time.Minute))
}

// half is the middle of the hash space.
const half = "170141183460469231731687303715884105728"

func (s subject) split(t *testing.T, shard uint32, at string) {
	t.Helper()
	must[*sdk.SplitShardOutput](t)(s.SplitShard(background, &sdk.SplitShardInput{StreamName: &s.stream, ShardToSplit: aws.String(shardID(shard)), NewStartingHashKey: &at}))
	s.settle(t)
}

// read reads a shard from its start to its tip or end.
func (s subject) read(t *testing.T, shard uint32) ([]string, *sdk.GetRecordsOutput) {
	t.Helper()
	it := iteratorFor(t, s.Client, sdk.GetShardIteratorInput{StreamName: &s.stream, ShardId: aws.String(shardID(shard)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	records, last := readAll(t, s.Client, it, 1000)
	return dataOf(records), last
}

func (s subject) openShards(t *testing.T) int {
	t.Helper()
	d := must[*sdk.DescribeStreamSummaryOutput](t)(s.DescribeStreamSummary(background, &sdk.DescribeStreamSummaryInput{StreamName: &s.stream}))
	return int(*d.StreamDescriptionSummary.OpenShardCount)
}

func checkSplit(t *testing.T, s subject) {
	put(t, s.Client, s.stream, entryOf("k", "before"))
	s.split(t, 0, half)
	out := put(t, s.Client, s.stream, entryOf("k", "after"))
	all := s.shards(t)
	if len(all) != 3 || s.openShards(t) != 2 {
		t.Fatalf("shards %+v", all)
	}
	end := all[0].SequenceNumberRange.EndingSequenceNumber
	for i, keys := range [][2]string{{"0", "170141183460469231731687303715884105727"}, {half, "340282366920938463463374607431768211455"}} {
		sh := all[i+1]
		if *sh.ShardId != shardID(uint32(i+1)) || *sh.ParentShardId != shardID(0) || sh.AdjacentParentShardId != nil || sh.SequenceNumberRange.EndingSequenceNumber != nil ||
			*sh.HashKeyRange.StartingHashKey != keys[0] || *sh.HashKeyRange.EndingHashKey != keys[1] || end == nil || *sh.SequenceNumberRange.StartingSequenceNumber <= *end {
			t.Errorf("child %s of %s has %s to %s, from number %s on; its parent ends with %s", *sh.ShardId, *sh.ParentShardId,
				*sh.HashKeyRange.StartingHashKey, *sh.HashKeyRange.EndingHashKey, *sh.SequenceNumberRange.StartingSequenceNumber, aws.ToString(end))
		}
	}
	got, last := s.read(t, 0)
	if !slices.Equal(got, []string{"before"}) || last.NextShardIterator != nil {
		t.Errorf("the parent holds %q, and goes on at %v", got, last.NextShardIterator)
	}
	for i, c := range last.ChildShards {
		if *c.ShardId != shardID(uint32(i+1)) || !slices.Equal(c.ParentShards, []string{shardID(0)}) || *c.HashKeyRange.StartingHashKey != *all[i+1].HashKeyRange.StartingHashKey {
			t.Errorf("child %+v", c)
		}
	}
	n, _ := parseShardID(*out.Records[0].ShardId)
	if got, _ := s.read(t, n); len(last.ChildShards) != 2 || n == 0 || !slices.Equal(got, []string{"after"}) {
		t.Errorf("%d children; %s holds %q", len(last.ChildShards), *out.Records[0].ShardId, got)
	}
}

func checkMerge(t *testing.T, s subject) {
	for _, sh := range s.shards(t) {
		e := entryOf("k", *sh.ShardId)
		e.ExplicitHashKey = sh.HashKeyRange.StartingHashKey
		put(t, s.Client, s.stream, e)
	}
	must[*sdk.MergeShardsOutput](t)(s.MergeShards(background, &sdk.MergeShardsInput{StreamName: &s.stream, ShardToMerge: aws.String(shardID(1)), AdjacentShardToMerge: aws.String(shardID(2))}))
	s.settle(t)
	all := s.shards(t)
	if len(all) != 4 || s.openShards(t) != 2 {
		t.Fatalf("shards %+v", all)
	}
	child := all[3]
	if *child.ParentShardId != shardID(1) || *child.AdjacentParentShardId != shardID(2) ||
		*child.HashKeyRange.StartingHashKey != *all[1].HashKeyRange.StartingHashKey || *child.HashKeyRange.EndingHashKey != *all[2].HashKeyRange.EndingHashKey {
		t.Errorf("child %+v", child)
	}
	for n := range uint32(2) {
		got, last := s.read(t, n+1)
		if !slices.Equal(got, []string{shardID(n + 1)}) || last.NextShardIterator != nil || len(last.ChildShards) != 1 || *last.ChildShards[0].ShardId != shardID(3) ||
			!slices.Equal(last.ChildShards[0].ParentShards, []string{shardID(1), shardID(2)}) {
			t.Errorf("%s holds %q, then %+v", shardID(n+1), got, last.ChildShards)
		}
	}
	out := put(t, s.Client, s.stream, types.PutRecordsRequestEntry{PartitionKey: aws.String("k"), Data: []byte("d"), ExplicitHashKey: all[2].HashKeyRange.EndingHashKey})
	if *out.Records[0].ShardId != shardID(3) {
		t.Errorf("put to %s", *out.Records[0].ShardId)
	}
}

func checkWrongReshards(t *testing.T, s subject) {
	split := func(shard, at string) error {
		_, err := s.SplitShard(background, &sdk.SplitShardInput{StreamName: &s.stream, ShardToSplit: &shard, NewStartingHashKey: &at})
		return err
	}
	merge := func(a, b string) error {
		_, err := s.MergeShards(background, &sdk.MergeShardsInput{StreamName: &s.stream, ShardToMerge: &a, AdjacentShardToMerge: &b})
		return err
	}
	under := " in stream " + s.stream + " under account " + s.account
	const argument, missing, validation = "InvalidArgumentException", "ResourceNotFoundException", "ValidationException"
	for shard, at := range map[string]string{shardID(0): "1", shardID(1): "0", shardID(2): "999999999999999999999999999999999999999"} {
		n, _ := parseShardID(shard)
		keys := s.shards(t)[n].HashKeyRange
		s.wantError(t, split(shard, at), argument, "NewStartingHashKey "+at+" used in SplitShard() on shard "+shard+under+
			" is not both greater than one plus the shard's StartingHashKey "+*keys.StartingHashKey+" and less than the shard's EndingHashKey "+*keys.EndingHashKey+".")
	}
	s.wantError(t, split("shardId-5", "7"), missing, "Could not find shard shardId-000000000005"+under+".")
	s.wantError(t, split("ABKLFD8", "7"), missing, "Could not find shard ABKLFD8"+under+".")
	s.wantError(t, split(shardID(0), "x"), validation,
		`1 validation error detected: Value 'x' at 'newStartingHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\d{0,38})`)
	s.wantError(t, merge(shardID(0), "shardId-5"), missing, "Could not find shard shardId-000000000005"+under+".")
	for a, b := range map[string]string{shardID(0): shardID(2), shardID(1): shardID(0)} {
		s.wantError(t, merge(a, b), argument, "Shards "+a+" and "+b+under+" are not an adjacent pair of shards eligible for merging")
	}
	s.split(t, 0, "7")
	s.wantError(t, split(shardID(0), "8"), argument, "Shard shardId-000000000000"+under+" has already been merged or split, and thus is not eligible for merging or splitting.")
	if n := len(s.shards(t)); n != 5 {
		t.Errorf("%d shards", n)
	}
}

func checkScale(t *testing.T, s subject) {
	scale := func(target int) (*sdk.UpdateShardCountOutput, error) {
		return s.UpdateShardCount(background, &sdk.UpdateShardCountInput{
			StreamName: &s.stream, TargetShardCount: aws.Int32(int32(target)), ScalingType: types.ScalingTypeUniformScaling,
		})
	}
	open := 2
	for _, target := range []int{4, 3, 2, 1} {
		out := must[*sdk.UpdateShardCountOutput](t)(scale(target))
		if *out.CurrentShardCount != int32(open) || *out.TargetShardCount != int32(target) || *out.StreamName != s.stream || s.texts && *out.StreamARN != s.arn {
			t.Errorf("%+v", out)
		}
		s.settle(t)
		open = target
		if got := s.openShards(t); got != open {
			t.Errorf("%d open shards, want %d", got, open)
		}
	}
	s.wantError(t, second(scale(3)), "LimitExceededException",
		"UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 1, Target shard count: 3")
	s.wantError(t, second(scale(10_001)), "LimitExceededException",
		"Target shard count or number of open shards cannot be greater than 10000. Current open shard count: 1, Target shard count: 10001")
	s.wantError(t, second(scale(0)), "ValidationException",
		"1 validation error detected: Value '0' at 'targetShardCount' failed to satisfy constraint: Member must have value greater than or equal to 1")
}

// checkScaleDown is apart: another endpoint has limits of its own.
func checkScaleDown(t *testing.T, s subject) {
	_, err := s.UpdateShardCount(background, &sdk.UpdateShardCountInput{StreamName: &s.stream, TargetShardCount: aws.Int32(2), ScalingType: types.ScalingTypeUniformScaling})
	s.wantError(t, err, "LimitExceededException",
		"UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: 5, Target shard count: 2")
}

func second[T any](_ T, err error) error { return err }

func checkScaleKeepsRecords(t *testing.T, s subject) {
	const n = 60
	var entries []types.PutRecordsRequestEntry
	for i := range n {
		entries = append(entries, entryOf("key-"+strconv.Itoa(i%7), strconv.Itoa(i)))
	}
	for round, target := range []int32{3, 6, 4} {
		put(t, s.Client, s.stream, entries[round*20:(round+1)*20]...)
		must[*sdk.UpdateShardCountOutput](t)(s.UpdateShardCount(background, &sdk.UpdateShardCountInput{
			StreamName: &s.stream, TargetShardCount: &target, ScalingType: types.ScalingTypeUniformScaling,
		}))
		s.settle(t)
	}
	byKey := map[string][]int{}
	for _, sh := range s.shards(t) { // parents have lower numbers than their children
		it := iteratorFor(t, s.Client, sdk.GetShardIteratorInput{StreamName: &s.stream, ShardId: sh.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		records, _ := readAll(t, s.Client, it, 1000)
		for _, r := range records {
			i, _ := strconv.Atoi(string(r.Data))
			byKey[*r.PartitionKey] = append(byKey[*r.PartitionKey], i)
		}
	}
	total := 0
	for key, list := range byKey {
		total += len(list)
		if !slices.IsSorted(list) {
			t.Errorf("%s: %v", key, list)
		}
	}
	if total != n {
		t.Errorf("%d records, want %d", total, n)
	}
}

func checkMode(t *testing.T, s subject) {
	set := func(mode types.StreamMode) {
		t.Helper()
		must[*sdk.UpdateStreamModeOutput](t)(s.UpdateStreamMode(background, &sdk.UpdateStreamModeInput{StreamARN: &s.arn, StreamModeDetails: &types.StreamModeDetails{StreamMode: mode}}))
		s.settle(t)
		d := must[*sdk.DescribeStreamSummaryOutput](t)(s.DescribeStreamSummary(background, &sdk.DescribeStreamSummaryInput{StreamName: &s.stream}))
		if got := d.StreamDescriptionSummary.StreamModeDetails.StreamMode; got != mode {
			t.Errorf("mode %s, want %s", got, mode)
		}
	}
	set(types.StreamModeOnDemand)
	_, err := s.SplitShard(background, &sdk.SplitShardInput{StreamName: &s.stream, ShardToSplit: aws.String(shardID(0)), NewStartingHashKey: aws.String("7")})
	s.wantError(t, err, "ValidationException", "")
	_, err = s.UpdateShardCount(background, &sdk.UpdateShardCountInput{StreamName: &s.stream, TargetShardCount: aws.Int32(2), ScalingType: types.ScalingTypeUniformScaling})
	s.wantError(t, err, "ValidationException", "")
	set(types.StreamModeProvisioned)
	s.split(t, 0, "7")
}
