package stream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/kinesis"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// direct hands requests to a handler without a network in between: so the real client and the real service run on
// synctest's clock.
type direct struct{ handler http.Handler }

func (d direct) Do(q *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(q.Context())
	body, out := io.Pipe()
	w := &response{header: http.Header{}, out: out, begun: make(chan struct{})}
	go func() {
		defer func() {
			if p := recover(); p != nil { // net/http drops the connection
				w.begin(0)
				out.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
			w.begin(http.StatusOK)
			out.Close()
		}()
		d.handler.ServeHTTP(w, q.WithContext(ctx))
	}()
	<-w.begun
	if w.status == 0 {
		cancel()
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{StatusCode: w.status, Header: w.header, Body: &answer{body, cancel}, Request: q, ContentLength: -1}, nil
}

// answer is a response's body. Closing it ends the request, as a client that goes away does.
type answer struct {
	*io.PipeReader
	cancel func()
}

func (a *answer) Close() error {
	a.cancel()
	return a.PipeReader.Close()
}

type response struct {
	header http.Header
	out    *io.PipeWriter
	once   sync.Once
	begun  chan struct{}
	status int
}

func (w *response) begin(status int) {
	w.once.Do(func() {
		w.status = status
		close(w.begun)
	})
}

func (w *response) Header() http.Header    { return w.header }
func (w *response) WriteHeader(status int) { w.begin(status) }
func (w *response) Flush()                 { w.begin(http.StatusOK) }
func (w *response) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	return w.out.Write(b)
}

// inBubble serves a stream "s" to a client, both on the clock of the synctest bubble that it is called in.
func inBubble(t *testing.T, opt kinesis.Options, shards int32, rules ...fault.Rule) (*sdk.Client, *fault.Injector) {
	faults := fault.New(1, rules...)
	api := sdk.New(sdk.Options{
		BaseEndpoint:     aws.String("http://kinesis"),
		Region:           "us-east-1",
		Credentials:      credentials.NewStaticCredentialsProvider("k", "k", ""),
		RetryMaxAttempts: 20, // of the tests' own calls
		HTTPClient:       direct{wire.NewServer(faults, nil, kinesis.New(opt).Wire())},
	})
	if _, err := api.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: &shards}); err != nil {
		t.Fatal(err)
	}
	return api, faults
}

// puts puts records on stream s, one after another, and gives their sequence numbers.
func puts(t *testing.T, api *sdk.Client, data ...string) (numbers []string) {
	t.Helper()
	for _, d := range data {
		out, err := api.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: &d, Data: []byte(d)})
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, *out.SequenceNumber)
	}
	return numbers
}

const shard0 = "shardId-000000000000"

func dataOf(records []types.Record) (data []string) {
	for _, r := range records {
		data = append(data, string(r.Data))
	}
	return data
}

// drain reads until nothing more is there.
func drain(t *testing.T, r Pages) (data []string, retries int) {
	t.Helper()
	for {
		page, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, dataOf(page.Records)...)
		retries += page.Retries
		if page.CaughtUp() {
			return data, retries
		}
	}
}

// hooked is a client whose calls of GetRecords a test may answer itself, or see.
type hooked struct {
	GetRecordsAPI
	before func(call int) (*sdk.GetRecordsOutput, error) // nil, nil lets the call through

	calls []time.Time
}

func (h *hooked) GetRecords(ctx context.Context, in *sdk.GetRecordsInput, opts ...func(*sdk.Options)) (*sdk.GetRecordsOutput, error) {
	h.calls = append(h.calls, time.Now())
	if h.before != nil {
		out, err := h.before(len(h.calls))
		if out != nil {
			out.NextShardIterator = in.ShardIterator
		}
		if out != nil || err != nil {
			return out, err
		}
	}
	return h.GetRecordsAPI.GetRecords(ctx, in, opts...)
}

var errBroken = errors.New("broken")
