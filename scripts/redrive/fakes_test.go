package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/kpl"
	"github.com/millrace/millrace/internal/kpl/kpltest"
)

const streamName = "S"

// fakeStream has records in shards, of which the first may be trimmed.
type fakeStream struct {
	records map[string][]types.Record
	trimmed map[string]int
}

func (s *fakeStream) GetShardIterator(_ context.Context, in *kinesis.GetShardIteratorInput, _ ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	at := s.trimmed[*in.ShardId]
	for at < len(s.records[*in.ShardId]) && *s.records[*in.ShardId][at].SequenceNumber < aws.ToString(in.StartingSequenceNumber) {
		at++
	}
	return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String(fmt.Sprint(*in.ShardId, " ", at))}, nil
}

// GetRecords gives an empty page before each full one, and at most three records.
func (s *fakeStream) GetRecords(_ context.Context, in *kinesis.GetRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	shard, rest, _ := strings.Cut(*in.ShardIterator, " ")
	number, full := strings.CutSuffix(rest, "!")
	at, _ := strconv.Atoi(number)
	records := s.records[shard]
	out := &kinesis.GetRecordsOutput{MillisBehindLatest: aws.Int64(int64(len(records)-at) * 1000)}
	if !full {
		out.NextShardIterator = aws.String(*in.ShardIterator + "!")
		return out, nil
	}
	end := min(at+min(3, int(*in.Limit)), len(records))
	out.Records, out.NextShardIterator = records[at:end], aws.String(fmt.Sprint(shard, " ", end))
	out.MillisBehindLatest = aws.Int64(int64(len(records)-end) * 1000)
	return out, nil
}

// fakeQueue is the failure queue: bodies by message id. Calls are counted together with those of the function; from one
// of them on, nothing gets through any more: that one is done or not, and nobody is told.
type fakeQueue struct {
	bodies map[string]string
	ids    int
	calls  int
	killAt int // 0 is never
	isDone bool
	sends  int
}

var errKilled = errors.New("killed")

// live tells whether a call has an effect, and with which error it answers.
func (q *fakeQueue) live() (does bool, err error) {
	q.calls++
	switch {
	case q.killAt == 0 || q.calls < q.killAt:
		return true, nil
	case q.calls == q.killAt:
		return q.isDone, errKilled
	}
	return false, errKilled
}

func (q *fakeQueue) put(bodies ...string) {
	for _, b := range bodies {
		q.ids++
		q.bodies[fmt.Sprint("m", q.ids)] = b
	}
}

func (q *fakeQueue) Send(_ context.Context, records []failure.Record) error {
	does, err := q.live()
	if does {
		q.sends += len(records)
		for i := range records {
			body, err := records[i].Body()
			if err != nil {
				return err
			}
			q.put(body)
		}
	}
	return err
}

func (q *fakeQueue) Delete(_ context.Context, ids ...string) error {
	does, err := q.live()
	if does {
		for _, id := range ids {
			delete(q.bodies, id)
		}
	}
	return err
}

// list is what a snapshot of the queue has.
func (q *fakeQueue) list() (messages []failure.Received) {
	for n := range q.ids {
		id := fmt.Sprint("m", n+1)
		if body, ok := q.bodies[id]; ok {
			m, err := failure.Parse(body)
			messages = append(messages, failure.Received{MessageID: id, Sent: time.UnixMilli(int64(n)), Body: body, Message: m, Err: err})
		}
	}
	return messages
}

// fakeFunction is the processor: it counts each user record once. Its data says what becomes of it: the word behind the
// last colon.
type fakeFunction struct {
	queue   *fakeQueue // whose calls count together with its own
	counted map[string]int
	tries   map[string]int
}

func (f *fakeFunction) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	does, err := f.queue.live()
	if !does {
		return nil, err
	}
	var e struct {
		Records []struct {
			Kinesis struct {
				PartitionKey   string `json:"partitionKey"`
				SequenceNumber string `json:"sequenceNumber"`
				Data           []byte `json:"data"`
			} `json:"kinesis"`
			Millrace struct {
				User bool `json:"userRecord"`
			} `json:"millrace"`
		} `json:"Records"`
	}
	if err := json.Unmarshal(in.Payload, &e); err != nil {
		return nil, err
	}
	var results []direct.Result
	waiting := map[string]bool{}
	for i, r := range e.Records {
		users := []kpl.UserRecord{{PartitionKey: r.Kinesis.PartitionKey, Data: r.Kinesis.Data}}
		if kpl.IsAggregate(r.Kinesis.Data) && !r.Millrace.User {
			if users, err = kpl.Split(r.Kinesis.Data, nil); err != nil {
				return nil, err
			}
		}
		for _, u := range users {
			result := f.handle(u, waiting)
			if result.Reason == "crash" {
				return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorMessage":"exit status 3"}`)}, nil
			}
			result.Record, result.Sub, result.SequenceNumber = i, u.Sub, r.Kinesis.SequenceNumber
			results = append(results, result)
		}
	}
	return &lambda.InvokeOutput{Payload: direct.Answer(len(e.Records), results)}, err
}

func (f *fakeFunction) handle(u kpl.UserRecord, waiting map[string]bool) direct.Result {
	data := string(u.Data)
	_, kind, _ := strings.Cut(data, ":")
	f.tries[data]++
	switch {
	case data == "", kpl.IsAggregate(u.Data):
		return direct.Result{Outcome: direct.Failed, Class: "undecodable", Reason: "no JSON"}
	case f.counted[data] > 0:
		return direct.Result{Outcome: direct.Copy}
	case waiting[u.PartitionKey]:
		return direct.Result{Outcome: direct.Unsettled, Reason: "behind"}
	case kind == "permanent":
		return direct.Result{Outcome: direct.Failed, Class: "refused", Reason: "no such customer"}
	case kind == "poison":
		return direct.Result{Reason: "crash"}
	case kind == "stuck", kind == "flaky" && f.tries[data]%3 != 0:
		waiting[u.PartitionKey] = true
		return direct.Result{Outcome: direct.Unsettled, Reason: "the bank is busy"}
	case kind == "other":
		return direct.Result{Outcome: direct.Nothing}
	}
	f.counted[data]++
	return direct.Result{Outcome: direct.Counted}
}

// aggregate writes what the KPL writes, with one key for all.
func aggregate(key string, data ...string) []byte {
	users := make([][]byte, len(data))
	for i := range data {
		users[i] = []byte(data[i])
	}
	return kpltest.OneKey(key, users...)
}

// document is what the mapping sends for records from one sequence number to another.
func document(shard, first, last string, size int) string {
	return fmt.Sprintf(`{"requestContext":{"requestId":"r","functionArn":"arn:aws:lambda:r:1:function:f","condition":"RetryAttemptsExhausted","approximateInvokeCount":9},`+
		`"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"version":"1.0","timestamp":"2026-11-28T12:00:00.000Z",`+
		`"KinesisBatchInfo":{"shardId":"%s","startSequenceNumber":"%s","endSequenceNumber":"%s","approximateArrivalOfFirstRecord":"2026-11-28T11:00:00.000Z",`+
		`"approximateArrivalOfLastRecord":"2026-11-28T11:00:01.000Z","batchSize":%d,"streamArn":"arn:aws:kinesis:r:1:stream/%s"}}`, shard, first, last, size, streamName)
}
