package kinesis

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

// recordsOf reads every record of a stream, by shard.
func recordsOf(t testing.TB, svc *Service, stream string) map[string][]Record {
	t.Helper()
	out := map[string][]Record{}
	for _, sh := range must[[]Shard](t)(svc.Shards(stream)) {
		c := must[*Cursor](t)(svc.Open(stream, sh.ID, Position{Type: TrimHorizon}))
		out[sh.ID], _ = c.Read(1 << 30)
	}
	return out
}

// With many writers nothing is lost or doubled, and each shard's order is that of the sequence numbers that were
// acknowledged. It goes over the wire as well: the client of this package's tests must not send twice what was stored.
func TestPuts_Concurrent_AreStoredExactlyOnceInAcknowledgedOrder(t *testing.T) {
	const writers, puts = 8, 625 // 5,000 in all
	svc := New(Options{})
	newStream(t, svc, 3)
	c := serve(t, svc)
	acknowledged := make([]map[string]string, writers) // data by sequence number
	var group sync.WaitGroup
	for w := range writers {
		acknowledged[w] = map[string]string{}
		group.Go(func() {
			for i := range puts {
				data := fmt.Sprintf("%d/%d", w, i)
				out, err := c.PutRecords(background, &sdk.PutRecordsInput{StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{entryOf(data, data)}})
				if err != nil {
					t.Error(err)
					return
				}
				acknowledged[w][*out.Records[0].SequenceNumber] = data
			}
		})
	}
	group.Wait()
	want := map[string]string{}
	for _, a := range acknowledged {
		maps.Copy(want, a)
	}
	got := map[string]string{}
	for id, records := range recordsOf(t, svc, "s") {
		if !slices.IsSortedFunc(records, func(a, b Record) int { return strings.Compare(a.SequenceNumber, b.SequenceNumber) }) {
			t.Errorf("shard %s is not in the order of its sequence numbers", id)
		}
		for _, r := range records {
			if _, twice := got[r.SequenceNumber]; twice {
				t.Errorf("%s was given twice", r.SequenceNumber)
			}
			got[r.SequenceNumber] = string(r.Data)
		}
	}
	if len(want) != writers*puts || !maps.Equal(got, want) {
		t.Fatalf("%d puts acknowledged, %d stored, want %d of both, the same", len(want), len(got), writers*puts)
	}
}

func TestPutRecords_PartialFault_FailsAboutAThirdAndStoresTheRest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		svc := New(Options{})
		newStream(t, svc, 4)
		r := newPutRequest()
		n := rapid.IntRange(1, maxEntries).Draw(rt, "records")
		for i := range n {
			r.entries = append(r.entries, putEntry{key: []byte(strconv.Itoa(i)), data: rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(rt, "data")})
		}
		r.failSome()
		failed := 0
		for _, e := range r.entries {
			if e.failed {
				failed++
			}
		}
		if failed == 0 || n >= 100 && (failed < n/5 || failed > n/2) {
			rt.Fatalf("%d of %d failed", failed, n)
		}
	})

	svc := New(Options{})
	newStream(t, svc, 4)
	c := serve(t, svc, fault.Rule{Operation: "Kinesis.PutRecords", Kind: fault.Partial, Probability: 1, Count: 1})
	var entries []types.PutRecordsRequestEntry
	for i := range 100 {
		entries = append(entries, entryOf("key-"+strconv.Itoa(i), strconv.Itoa(i)))
	}
	out := put(t, c, "s", entries...)
	var again []types.PutRecordsRequestEntry
	for i, r := range out.Records {
		if r.ErrorCode == nil {
			continue
		}
		again = append(again, entries[i])
		if *r.ErrorCode != throttled || !strings.HasPrefix(*r.ErrorMessage, "Rate exceeded for shard shardId-00000000000") || r.SequenceNumber != nil {
			t.Errorf("record %d: %s: %s", i, *r.ErrorCode, *r.ErrorMessage)
		}
	}
	if int(*out.FailedRecordCount) != len(again) || len(again) == 0 {
		t.Fatalf("%d failed, counted %d", len(again), *out.FailedRecordCount)
	}
	if out = put(t, c, "s", again...); *out.FailedRecordCount != 0 {
		t.Fatalf("%d of the rest failed", *out.FailedRecordCount)
	}
	var got, want []string
	for _, records := range recordsOf(t, svc, "s") {
		for _, r := range records {
			got = append(got, string(r.Data))
		}
	}
	for _, e := range entries {
		want = append(want, string(e.Data))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("stored %q", got)
	}
}

func TestPutRecords_ThrottledShard_FailsInPart(t *testing.T) {
	svc, now := withClock(Options{Enforce: true})
	newStream(t, svc, 2)
	c := serve(t, svc)
	atShard := func(hash, data string) types.PutRecordsRequestEntry {
		e := entryOf("k", data)
		e.ExplicitHashKey = &hash
		return e
	}
	low, high := "0", maxHash.String()
	for range 2 { // 998 records and 1 byte each, with the key 2: then two more fit
		put(t, c, "s", slices.Repeat([]types.PutRecordsRequestEntry{atShard(low, "d")}, 499)...)
	}
	out := put(t, c, "s", atShard(low, "1"), atShard(high, "2"), atShard(low, "3"), atShard(low, "4"), atShard(high, "5"))
	if *out.FailedRecordCount != 1 || out.Records[3].ErrorCode == nil || *out.Records[3].ErrorCode != throttled ||
		*out.Records[3].ErrorMessage != "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000." {
		t.Fatalf("%+v", out.Records)
	}
	_, err := c.PutRecord(background, &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), ExplicitHashKey: &low, Data: []byte("d")})
	wantError(t, err, throttled, "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.")
	now.add(time.Second)
	out = put(t, c, "s", atShard(low, strings.Repeat("d", 1<<20-1)), atShard(low, "d"))
	if *out.FailedRecordCount != 1 || out.Records[0].ErrorCode != nil {
		t.Fatalf("a mebibyte and a record of two bytes in a second: %+v", out.Records)
	}
}

func TestGetRecords_EnforcedLimits_ThrottleTheShard(t *testing.T) {
	svc, now := withClock(Options{Enforce: true})
	st := newStream(t, svc, 1)
	c := serve(t, svc)
	for range 11 { // a mebibyte each
		st.put([]putEntry{{key: []byte("k"), data: make([]byte, 1<<20-1)}})
		now.add(time.Second)
	}
	it := iteratorFor(t, c, sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String(shardID(0)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	read := func() error { // without the client, which is slow with pages of 10 MiB
		_, err := svc.getRecords(background, []byte(`{"ShardIterator":"`+*it+`"}`), nil)
		return err
	}
	refused := func() {
		t.Helper()
		wantError(t, read(), throttled, "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.")
	}
	if err := read(); err != nil { // 10 MiB: five seconds' worth
		t.Fatal(err)
	}
	for range 5 {
		refused()
		now.add(time.Second)
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	now.add(10 * time.Second)
	it = iteratorFor(t, c, sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String(shardID(0)), ShardIteratorType: types.ShardIteratorTypeLatest})
	for range readsPerSecond {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	refused()
}

func TestPut_DataAndKeyTogetherOverTheLimit_SaysThatTheKeyCounts(t *testing.T) {
	svc := New(Options{})
	newStream(t, svc, 1)
	c := serve(t, svc)
	put := func(data int) error {
		_, err := c.PutRecord(background, &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: make([]byte, data)})
		return err
	}
	if err := put(1<<20 - 1); err != nil {
		t.Fatal(err)
	}
	wantError(t, put(1<<20), "ValidationException", "1 validation error detected: Value at 'data' failed to satisfy constraint: "+
		"Member and partition key together must have length less than or equal to 1048576")
	wantError(t, put(1<<20+1), "ValidationException", "1 validation error detected: Value at 'data' failed to satisfy constraint: "+
		"Member must have length less than or equal to 1048576")
}

func TestPutRecords_MoreThanTenMebibytes_AreRefused(t *testing.T) {
	r := newPutRequest()
	r.given = true
	e := putEntry{key: []byte("k"), hasKey: true, data: make([]byte, 1<<20-1), hasData: true}
	r.entries = slices.Repeat([]putEntry{e}, 10)
	if err := r.fit(defaultMaxRecord); err != nil {
		t.Fatal(err)
	}
	r.entries = append(r.entries, putEntry{key: []byte("k"), hasKey: true, hasData: true})
	wantError(t, r.fit(defaultMaxRecord), "InvalidArgumentException", "Records size exceeds 10 MB limit")
}

func TestPutRecord_LargerLimit_TakesLargerRecords(t *testing.T) {
	svc := New(Options{})
	c := serve(t, svc)
	must[*sdk.CreateStreamOutput](t)(c.CreateStream(background, &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1), MaxRecordSizeInKiB: aws.Int32(2048)}))
	put(t, c, "s", entryOf("k", strings.Repeat("d", 2<<20-1)))
	if records := recordsOf(t, svc, "s")[shardID(0)]; len(records) != 1 || len(records[0].Data) != 2<<20-1 {
		t.Fatalf("%d records", len(records))
	}
}
