package awslocal

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	streams "github.com/millrace/millrace/internal/awslocal/kinesis"
)

// newStream makes a stream of one shard with so many records.
func newStream(t *testing.T, e *Endpoint, records int) (arn string) {
	t.Helper()
	arn, err := e.Kinesis.Create(streams.Stream{Name: "s", Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range records {
		_, err := kinesis.NewFromConfig(e.Config()).PutRecord(t.Context(), &kinesis.PutRecordInput{StreamARN: &arn, PartitionKey: aws.String("k"), Data: []byte("d")})
		if err != nil {
			t.Fatal(err)
		}
	}
	return arn
}

func TestControl_Streams_AreSplitMergedAndTrimmed(t *testing.T) {
	e := Start(t, Options{})
	newStream(t, e, 3)
	hour := time.Now().Add(-time.Hour).Format(time.RFC3339)
	for _, c := range []struct {
		call   string
		status int
		want   string
	}{
		{"split", 200, `{"children":["shardId-000000000001","shardId-000000000002"]}`},
		{"split?shard=shardId-000000000002", 200, `{"children":["shardId-000000000003","shardId-000000000004"]}`},
		{"split?shard=shardId-000000000002", 400, "has already been merged or split"},
		{"split?shard=shardId-000000000009", 404, "Could not find shard shardId-000000000009"},
		{"merge", 200, `{"children":["shardId-000000000005"]}`},
		{"merge?shard=shardId-000000000004", 400, "No hash keys follow those of shard shardId-000000000004."},
		{"merge?shard=shardId-000000000005", 200, `{"children":["shardId-000000000006"]}`},
		{"trim?before=" + url.QueryEscape(hour), 200, `{"records":0}`},
		{"trim?before=yesterday", 400, `before "yesterday": want a time`},
		{"trim", 200, `{"records":3}`},
		{"trim", 200, `{"records":0}`},
		{"expire", 200, `{}`},
		{"explode", 404, "not found"},
	} {
		status, body := call(t, http.MethodPost, e.URL()+"/_millrace/streams/s/"+c.call, "")
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.call, status, body, c.status, c.want)
		}
	}
	for _, what := range []string{"trim", "split", "merge", "expire"} {
		if status, body := call(t, http.MethodPost, e.URL()+"/_millrace/streams/t/"+what, ""); status != http.StatusNotFound || !strings.Contains(body, "Stream t under account 000000000000 not found.") {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
}

func TestControl_Expire_EndsIteratorsOfThatStream(t *testing.T) {
	e := Start(t, Options{})
	arn := newStream(t, e, 1)
	c := kinesis.NewFromConfig(e.Config())
	read := func(it *string) (*kinesis.GetRecordsOutput, error) {
		return c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
	}
	iterator := func() *string {
		out, err := c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamARN: &arn, ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.ShardIterator
	}
	first := iterator()
	page, err := read(first)
	if err != nil {
		t.Fatal(err)
	}
	call(t, http.MethodPost, e.URL()+"/_millrace/streams/s/expire", "")
	for _, it := range []*string{first, page.NextShardIterator} {
		if _, err := read(it); !errors.As(err, new(*types.ExpiredIteratorException)) {
			t.Errorf("error %v", err)
		}
	}
	if page, err := read(iterator()); err != nil || len(page.Records) != 1 {
		t.Errorf("%v, %v", page, err)
	}
}

func TestClose_SubscriptionUnderWay_EndsIt(t *testing.T) {
	e := Start(t, Options{})
	newStream(t, e, 0)
	consumer, err := e.Kinesis.RegisterConsumer("s", "c", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	out, err := kinesis.NewFromConfig(e.Config()).SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
		ConsumerARN: &consumer, ShardId: aws.String("shardId-000000000000"), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Close() // returns when no request is left
	for range out.GetStream().Events() {
	}
	_ = out.GetStream().Close()
}

// AWS's SDKs for JavaScript (version 3) and Java (asynchronous) call Kinesis over HTTP/2, and an endpoint without TLS with
// prior knowledge.
func TestHTTP2_WithPriorKnowledge_ServesKinesisWithItsSubscriptions(t *testing.T) {
	e := Start(t, Options{})
	arn := newStream(t, e, 1)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	cfg := e.Config()
	cfg.HTTPClient = &http.Client{Transport: transport}
	c := kinesis.NewFromConfig(cfg)
	if _, err := c.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamARN: &arn}); err != nil {
		t.Fatal(err)
	}
	consumer, err := e.Kinesis.RegisterConsumer("s", "c", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
		ConsumerARN: &consumer, ShardId: aws.String("shardId-000000000000"), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer out.GetStream().Close()
	event, ok := (<-out.GetStream().Events()).(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
	if !ok || len(event.Value.Records) != 1 {
		t.Errorf("%+v, %v", event, out.GetStream().Err())
	}
}
