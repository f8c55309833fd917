package esm

import (
	"testing"
	"time"
)

func TestCase65_Document_ByteForByte(t *testing.T) {
	cfg := testConfig()
	records := []Record{
		{SequenceNumber: "1", Arrival: time.UnixMilli(1789809023187)},
		{SequenceNumber: "2", Arrival: time.UnixMilli(1789809023187)},
		{SequenceNumber: "3", Arrival: time.UnixMilli(1789809024000)},
	}
	const (
		head = `{"requestContext":{"requestId":"30d0e7bd-5ddd-4e96-af57-03a7080f606d","functionArn":"` + functionARN + `","condition":"`
		tail = `,"version":"1.0","timestamp":"2026-09-19T09:10:45.948Z","KinesisBatchInfo":{"shardId":"shardId-000000000000",` +
			`"startSequenceNumber":"1","endSequenceNumber":"3","approximateArrivalOfFirstRecord":"2026-09-19T09:10:23.187Z",` +
			`"approximateArrivalOfLastRecord":"2026-09-19T09:10:24.000Z","batchSize":3,"streamArn":"` + streamARN + `"}}`
	)
	for _, c := range []struct {
		step step
		want string
	}{
		{
			step{fate: RetryAttemptsExhausted, count: 1, response: &response{version: "1"}},
			`RetryAttemptsExhausted","approximateInvokeCount":1},"responseContext":{"statusCode":200,"executedVersion":"1","functionError":null}`,
		},
		{
			step{fate: RetryAttemptsExhausted, count: 2, response: &response{version: "$LATEST", functionError: "Unhandled"}},
			`RetryAttemptsExhausted","approximateInvokeCount":2},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"}`,
		},
		{step{fate: RecordAgeExceeded, count: 8}, `RecordAgeExceeded","approximateInvokeCount":8}`},
		{step{fate: RetryAttemptsExhausted, count: 3}, `RetryAttemptsExhausted","approximateInvokeCount":3}`},
	} {
		now := time.Date(2026, 9, 19, 11, 10, 45, 948_700_000, time.FixedZone("", 7200))
		got := document(&cfg, shard0, "30d0e7bd-5ddd-4e96-af57-03a7080f606d", c.step, records, now, nil)
		if want := head + c.want + tail; got != want {
			t.Errorf("document =\n%s\nwant\n%s", got, want)
		}
	}
}
