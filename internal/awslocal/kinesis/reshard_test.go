package kinesis

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// split halves an open shard.
func (st *stream) split(sh *shard) []*shard {
	return st.replace([]*shard{sh}, splitStep(0, sh.keys, sh.keys.middle()).into...)
}

func newStream(t testing.TB, svc *Service, shards int) *stream {
	t.Helper()
	arn := must[string](t)(svc.Create(Stream{Name: "s", Shards: shards}))
	return must[*stream](t)(svc.stream(arn))
}

func TestGetRecords_ClosedShardReadToItsEnd_NamesChildrenAndNoIterator(t *testing.T) {
	svc, now := withClock(Options{})
	st := newStream(t, svc, 1)
	c := serve(t, svc)
	put(t, c, "s", entryOf("a", "1"), entryOf("a", "2"))
	now.add(time.Second)
	children := st.split(st.shards.Load().all[0])
	merged := st.replace(children, keyRange{hi: maxHash})

	it := iteratorFor(t, c, sdk.GetShardIteratorInput{StreamName: &st.name, ShardId: new("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	first := must[*sdk.GetRecordsOutput](t)(c.GetRecords(context.Background(), &sdk.GetRecordsInput{ShardIterator: it, Limit: new(int32(1))}))
	if first.NextShardIterator == nil || first.ChildShards != nil {
		t.Fatal("the end was told before the last record")
	}
	records, last := readAll(t, c, it, 1000)
	if got := dataOf(records); !slices.Equal(got, []string{"1", "2"}) {
		t.Fatalf("read %q", got)
	}
	var ids []string
	for _, child := range last.ChildShards {
		ids = append(ids, *child.ShardId)
		if !slices.Equal(child.ParentShards, []string{"shardId-000000000000"}) {
			t.Errorf("parents %v", child.ParentShards)
		}
	}
	if !slices.Equal(ids, []string{children[0].id, children[1].id}) || last.NextShardIterator != nil {
		t.Fatalf("children %v, next %v", ids, last.NextShardIterator)
	}
	it = iteratorFor(t, c, sdk.GetShardIteratorInput{StreamName: &st.name, ShardId: &children[0].id, ShardIteratorType: types.ShardIteratorTypeLatest})
	_, last = readAll(t, c, it, 1000)
	if len(last.ChildShards) != 1 || !slices.Equal(last.ChildShards[0].ParentShards, []string{merged[0].parent, merged[0].adjacent}) {
		t.Fatalf("children of a merged shard: %+v", last.ChildShards)
	}
}

func TestListShards_Filters_PickByLineageAndTime(t *testing.T) {
	svc, now := withClock(Options{})
	st := newStream(t, svc, 2)
	c := serve(t, svc)
	start := now.t
	now.add(time.Hour)
	st.split(st.shards.Load().all[0]) // into 2 and 3
	atSplit := now.t
	now.add(time.Hour)

	list := func(filter *types.ShardFilter) []int {
		out := must[*sdk.ListShardsOutput](t)(c.ListShards(context.Background(), &sdk.ListShardsInput{StreamName: &st.name, ShardFilter: filter}))
		numbers := []int{}
		for _, sh := range out.Shards {
			n, _ := parseShardID(*sh.ShardId)
			numbers = append(numbers, int(n))
		}
		return numbers
	}
	check := func(name string, filter *types.ShardFilter, want ...int) {
		t.Helper()
		if got := list(filter); !slices.Equal(got, want) {
			t.Errorf("%s: shards %v, want %v", name, got, want)
		}
	}
	timed := func(kind types.ShardFilterType, at time.Time) *types.ShardFilter {
		return &types.ShardFilter{Type: kind, Timestamp: &at}
	}
	check("none", nil, 0, 1, 2, 3)
	check("at trim horizon", &types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}, 0, 1)
	check("from trim horizon", &types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon}, 0, 1, 2, 3)
	check("at latest", &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}, 1, 2, 3)
	check("after id", &types.ShardFilter{Type: types.ShardFilterTypeAfterShardId, ShardId: new(shardID(1))}, 2, 3)
	check("at a time before the split", timed(types.ShardFilterTypeAtTimestamp, start), 0, 1)
	check("at a time after the split", timed(types.ShardFilterTypeAtTimestamp, atSplit.Add(time.Second)), 1, 2, 3)
	check("from a time before the split", timed(types.ShardFilterTypeFromTimestamp, start), 0, 1, 2, 3)
	check("from a time after the split", timed(types.ShardFilterTypeFromTimestamp, atSplit.Add(time.Second)), 1, 2, 3)
	now.add(24 * time.Hour)
	check("when the parent has expired", nil, 1, 2, 3)
	check("from trim horizon, parent expired", &types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon}, 1, 2, 3)
	_, err := c.GetShardIterator(context.Background(), &sdk.GetShardIteratorInput{StreamName: &st.name, ShardId: new(shardID(0)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	wantError(t, err, "ResourceNotFoundException", "Shard shardId-000000000000 in stream s under account 000000000000 does not exist")
}

func TestSequenceNumbers_OfChildren_AreAboveTheirParentsEnding(t *testing.T) {
	svc, _ := withClock(Options{}) // the clock stands still: both are created in one second
	st := newStream(t, svc, 1)
	parent := st.shards.Load().all[0]
	for _, child := range st.split(parent) {
		if parent.ending(parent.closed).compare(child.starting()) >= 0 {
			t.Fatalf("parent ends at %v, child starts at %v", parent.ending(parent.closed), child.starting())
		}
		d := child.describe()
		if d.SequenceNumberRange.StartingSequenceNumber <= parent.describe().SequenceNumberRange.EndingSequenceNumber {
			t.Fatal("not so in text")
		}
	}
}

// A put that has picked a shard may find it closed: its entries then go to the children. Here the others are split while
// the first shard, which is put to before them, looks at the clock.
func TestPut_ShardsClosedMeanwhile_GoesToTheirChildren(t *testing.T) {
	var st *stream
	split := false
	svc := New(Options{Now: func() time.Time {
		if st != nil && !split {
			split = true
			st.split(st.shards.Load().all[1]) // into 3 and 4
			st.split(st.shards.Load().all[2]) // into 5 and 6
		}
		return newClock().t
	}})
	made := newStream(t, svc, 3)
	var entries []putEntry
	for i, data := range []string{"a", "b", "c", "d", "e", "f"} {
		entries = append(entries, putEntry{hash: made.shards.Load().all[i%3].keys.lo, data: []byte(data)})
	}
	st = made
	st.put(entries)
	var got []string
	for id := range uint32(7) {
		c := must[*Cursor](t)(svc.Open("s", shardID(id), Position{Type: TrimHorizon}))
		records, _ := c.Read(10)
		got = append(got, strings.Join(texts(records), ""))
	}
	if want := []string{"ad", "", "", "be", "", "cf", ""}; !slices.Equal(got, want) {
		t.Fatalf("stored %q, want %q", got, want)
	}
}

// Nothing is lost, stored twice or out of order.
func TestPut_WhileShardsSplit_LosesNothing(t *testing.T) {
	const writers, puts = 4, 200
	svc := New(Options{})
	st := newStream(t, svc, 1)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range puts {
				key := []byte(strconv.Itoa(w))
				entries := []putEntry{{key: key, hash: hashOf(key), data: []byte(strconv.Itoa(2 * i))}, {key: key, hash: hashOf(key), data: []byte(strconv.Itoa(2*i + 1))}}
				st.put(entries)
			}
		})
	}
	for range 6 {
		open := st.shards.Load().open
		st.split(open[len(open)/2])
	}
	group.Wait()
	got := map[string][]string{}
	for _, sh := range st.shards.Load().all {
		c := must[*Cursor](t)(svc.Open("s", sh.id, Position{Type: TrimHorizon}))
		records, _ := c.Read(1 << 20)
		for _, r := range records {
			got[r.PartitionKey] = append(got[r.PartitionKey], string(r.Data))
		}
	}
	for w := range writers {
		data := got[strconv.Itoa(w)]
		if len(data) != 2*puts {
			t.Fatalf("writer %d: %d records, want %d", w, len(data), 2*puts)
		}
		for i, d := range data {
			if d != strconv.Itoa(i) {
				t.Fatalf("writer %d: record %d is %s", w, i, d)
			}
		}
	}
}

// TestReshard_OnDemandStream_IsRefused has moto's text (moto/kinesis/exceptions.py).
func TestReshard_OnDemandStream_IsRefused(t *testing.T) {
	ask := asker(t)
	const stream, want = `{"StreamName":"s"`, "Request is invalid. Stream s under account 000000000000 is in On-Demand mode."
	ask("UpdateStreamMode", `{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`)
	ask("UpdateShardCount", stream+`,"TargetShardCount":2,"ScalingType":"UNIFORM_SCALING"}`, `"ValidationException"`, want)
	ask("SplitShard", stream+`,"ShardToSplit":"0","NewStartingHashKey":"9"}`, want)
	ask("MergeShards", stream+`,"ShardToMerge":"0","AdjacentShardToMerge":"1"}`, want)
}
