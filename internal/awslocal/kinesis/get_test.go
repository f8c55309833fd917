package kinesis

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

func trimHorizon(t testing.TB, c *sdk.Client) *string {
	t.Helper()
	return iteratorFor(t, c, sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String(shardID(0)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
}

func TestGetRecords_IteratorOlderThanFiveMinutes_HasExpired(t *testing.T) {
	svc, now := withClock(Options{})
	newStream(t, svc, 1)
	c := serve(t, svc)
	it := trimHorizon(t, c)
	now.add(5 * time.Minute)
	must[*sdk.GetRecordsOutput](t)(c.GetRecords(background, &sdk.GetRecordsInput{ShardIterator: it}))
	now.add(time.Millisecond)
	_, err := c.GetRecords(background, &sdk.GetRecordsInput{ShardIterator: it})
	wantError(t, err, "ExpiredIteratorException", "Iterator expired. The iterator was created at time Mon Nov 23 12:00:00 UTC 2026 "+
		"while right now it is Mon Nov 23 12:05:00 UTC 2026 which is further in the future than the tolerated delay of 300000 milliseconds.")
}

func TestGetRecords_ExpireFault_SaysExpiredOnce(t *testing.T) {
	svc := New(Options{})
	newStream(t, svc, 1)
	c := serve(t, svc, fault.Rule{Operation: "Kinesis.GetRecords", Kind: fault.Expire, Probability: 1, Count: 1})
	it := trimHorizon(t, c)
	_, err := c.GetRecords(background, &sdk.GetRecordsInput{ShardIterator: it})
	wantError(t, err, "ExpiredIteratorException", "")
	must[*sdk.GetRecordsOutput](t)(c.GetRecords(background, &sdk.GetRecordsInput{ShardIterator: it}))
}

func TestGetRecords_Page_HoldsTenMebibytesAndTenThousandRecords(t *testing.T) {
	svc, now := withClock(Options{})
	st := newStream(t, svc, 1)
	sizes := func() (out []int) { // without the client, which is slow with pages of 10 MiB
		it := iterator{made: svc.nowMillis(), stream: st.serial, name: st.name}
		token := string(it.append(nil))
		for {
			answer := must[[]byte](t)(svc.getRecords(background, []byte(`{"ShardIterator":"`+token+`"}`), nil))
			out = append(out, bytes.Count(answer, []byte(`"SequenceNumber"`)))
			if bytes.Contains(answer, []byte(`"MillisBehindLatest":0,`)) {
				return out
			}
			_, next, _ := strings.Cut(string(answer), `"NextShardIterator":"`)
			token = strings.TrimSuffix(next, `"}`)
		}
	}
	for range 21 { // with its key half a mebibyte each: 20 fill a page
		st.put([]putEntry{{key: []byte("k"), data: make([]byte, 1<<19-1)}})
	}
	now.add(time.Second)
	if got := sizes(); len(got) != 2 || got[0] != 20 || got[1] != 1 {
		t.Errorf("pages of %v", got)
	}
	now.add(25 * time.Hour)
	fill(t, st, 10_001)
	now.add(time.Second)
	if got := sizes(); len(got) != 2 || got[0] != 10_000 || got[1] != 1 {
		t.Errorf("pages of %v", got)
	}
}

func TestGetRecords_MillisBehindLatest_IsTheAgeOfThePagesLastRecord(t *testing.T) {
	svc, now := withClock(Options{})
	newStream(t, svc, 1)
	c := serve(t, svc)
	put(t, c, "s", entryOf("k", "1"))
	now.add(3 * time.Second)
	put(t, c, "s", entryOf("k", "2"))
	now.add(2 * time.Second)
	first := must[*sdk.GetRecordsOutput](t)(c.GetRecords(background, &sdk.GetRecordsInput{ShardIterator: trimHorizon(t, c), Limit: aws.Int32(1)}))
	second := must[*sdk.GetRecordsOutput](t)(c.GetRecords(background, &sdk.GetRecordsInput{ShardIterator: first.NextShardIterator, Limit: aws.Int32(1)}))
	if *first.MillisBehindLatest != 5000 || *second.MillisBehindLatest != 0 {
		t.Fatalf("%d and %d ms behind", *first.MillisBehindLatest, *second.MillisBehindLatest)
	}
	if got, want := first.Records[0].ApproximateArrivalTimestamp.UnixMilli(), newClock().t.UnixMilli(); got != want {
		t.Fatalf("arrived at %d, want %d", got, want)
	}
}

func TestGetRecords_StreamDeletedAndMadeAgain_DoesNotKnowOldIterators(t *testing.T) {
	svc := New(Options{})
	newStream(t, svc, 1)
	c := serve(t, svc)
	it := trimHorizon(t, c)
	must[*sdk.DeleteStreamOutput](t)(c.DeleteStream(background, &sdk.DeleteStreamInput{StreamName: aws.String("s")}))
	newStream(t, svc, 1)
	_, err := c.GetRecords(background, &sdk.GetRecordsInput{ShardIterator: it})
	wantError(t, err, "ResourceNotFoundException", "Shard shardId-000000000000 in stream s under account 000000000000 does not exist")
}

func TestListShards_OldToken_HasExpired(t *testing.T) {
	svc, now := withClock(Options{})
	newStream(t, svc, 2)
	c := serve(t, svc)
	out := must[*sdk.ListShardsOutput](t)(c.ListShards(background, &sdk.ListShardsInput{StreamName: aws.String("s"), MaxResults: aws.Int32(1)}))
	now.add(301 * time.Second)
	_, err := c.ListShards(background, &sdk.ListShardsInput{NextToken: out.NextToken})
	wantError(t, err, "ExpiredNextTokenException", "")
	_, err = c.ListShards(background, &sdk.ListShardsInput{NextToken: out.NextToken, StreamName: aws.String("s")})
	wantError(t, err, "InvalidArgumentException", "NextToken and StreamName cannot be provided together.")
	_, err = c.ListShards(background, &sdk.ListShardsInput{NextToken: out.NextToken, StreamARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/s")})
	wantError(t, err, "InvalidArgumentException", "NextToken and StreamARN cannot be provided together.")
}

func FuzzParseIterator(f *testing.F) {
	f.Add(string(iterator{made: 1, stream: 2, shard: 3, place: 4, name: "s"}.append(nil)))
	f.Add("AAAA")
	svc := New(Options{})
	newStream(f, svc, 1)
	f.Fuzz(func(t *testing.T, token string) {
		it, err := parseIterator(token)
		if err != nil {
			return
		}
		if back, err := parseIterator(string(it.append(nil))); err != nil || back != it {
			t.Fatalf("%+v came back as %+v, %v", it, back, err)
		}
		_, _ = svc.getRecords(background, []byte(`{"ShardIterator":"`+string(it.append(nil))+`"}`), nil) // must not panic
	})
}
