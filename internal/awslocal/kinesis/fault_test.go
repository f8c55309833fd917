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

func TestTrim_BeforeATime_KeepsWhatArrivedThenOrLater(t *testing.T) {
	svc, now := withClock(Options{})
	st := newStream(t, svc, 1)
	start := now.t
	for i := range 4 {
		putOne(st, "k", strconv.Itoa(i))
		now.add(time.Second)
	}
	c := must[*Cursor](t)(svc.Open("s", shardID(0), Position{Type: TrimHorizon}))
	for _, step := range []struct {
		before  time.Time
		trimmed int
	}{{start, 0}, {start.Add(time.Nanosecond), 1}, {start.Add(2 * time.Second), 1}, {start.Add(time.Second), 0}} {
		if n := must[int](t)(svc.Trim("s", step.before)); n != step.trimmed {
			t.Errorf("before %v: %d trimmed, want %d", step.before.Sub(start), n, step.trimmed)
		}
	}
	if got, _ := c.Read(10); !slices.Equal(texts(got), []string{"2", "3"}) {
		t.Errorf("read %q", texts(got))
	}
	if n := must[int](t)(svc.Trim(st.arn, time.Time{})); n != 2 {
		t.Errorf("%d trimmed", n)
	}
	putOne(st, "k", "4") // in the same millisecond as the trim
	if got, _ := c.Read(10); !slices.Equal(texts(got), []string{"4"}) {
		t.Errorf("read %q", texts(got))
	}
}

func TestSplitAndMerge_OnDemandStream_ChangesToo(t *testing.T) {
	svc := New(Options{})
	arn := must[string](t)(svc.Create(Stream{Name: "s", OnDemand: true}))
	if ids := must[[]string](t)(svc.SplitShard(arn, "")); !slices.Equal(ids, []string{shardID(4), shardID(5)}) {
		t.Errorf("children %v", ids)
	}
	if ids := must[[]string](t)(svc.SplitShard(arn, "")); !slices.Equal(ids, []string{shardID(6), shardID(7)}) {
		t.Errorf("children %v", ids)
	}
	if id := must[string](t)(svc.MergeShards(arn, "")); id != shardID(8) {
		t.Errorf("child %s", id)
	}
	st := must[*stream](t)(svc.stream(arn))
	checkLineage(t, st)
	if first := st.shards.Load().open[0]; first.parent != shardID(4) || first.adjacent != shardID(5) {
		t.Errorf("%s is of %s and %s", first.id, first.parent, first.adjacent)
	}
	_, err := svc.SplitShard("t", "")
	wantError(t, err, "ResourceNotFoundException", "Stream t under account 000000000000 not found.")
}

func TestSplit_ToSingleKeys_IsRefusedAtTheEnd(t *testing.T) {
	svc := New(Options{})
	st := newStream(t, svc, 1)
	var err error
	splits := 0
	for id := shardID(0); err == nil; splits++ {
		var ids []string
		if ids, err = svc.SplitShard("s", id); err == nil {
			id = ids[0]
		}
	}
	wantError(t, err, "InvalidArgumentException", "")
	if splits < 120 || splits > 128 {
		t.Errorf("%d splits", splits)
	}
	checkLineage(t, st)
}

func TestSubscribeToShard_LargestRecord_ComesInOneEvent(t *testing.T) {
	svc := New(Options{})
	c := serve(t, svc)
	must[*sdk.CreateStreamOutput](t)(c.CreateStream(background, &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1), MaxRecordSizeInKiB: aws.Int32(10 << 10)}))
	st := must[*stream](t)(svc.stream("s"))
	data := make([]byte, 10<<20-1)
	for range 2 {
		st.put([]putEntry{{key: []byte("k"), data: data}})
	}
	s := subject{Client: c, stream: "s", arn: st.arn}
	events := s.subscribe(t, consumerOf(t, svc), 0, types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon})
	for range 2 {
		if e := event(t, events); len(e.Records) != 1 || len(e.Records[0].Data) != len(data) {
			t.Fatalf("%d records", len(e.Records))
		}
	}
}
