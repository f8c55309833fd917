package kinesis

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// plainBody hides that request bodies can write themselves: else net/http may drop a connection whose 200 is being
// read, and the SDK sends again what was stored (design/local.md, "A trap in the SDK").
type plainBody struct{ next http.RoundTripper }

func (p plainBody) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.Clone(r.Context())
	if q.Body != nil {
		q.Body = struct{ io.ReadCloser }{q.Body}
	}
	return p.next.RoundTrip(q)
}

// dial makes an SDK client of an endpoint. It does not retry: a test must see every error.
func dial(t testing.TB, endpoint string) *sdk.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return sdk.New(sdk.Options{
		BaseEndpoint: &endpoint,
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:   &http.Client{Transport: plainBody{transport}},
		Retryer:      aws.NopRetryer{},
	})
}

// serve puts a service behind the wire.
func serve(t testing.TB, svc *Service, rules ...fault.Rule) *sdk.Client {
	server := httptest.NewServer(wire.NewServer(fault.New(1, rules...), nil, svc.Wire()))
	t.Cleanup(server.Close)
	return dial(t, server.URL)
}

// clock is a clock that stands still until it is moved.
type clock struct{ t time.Time }

func newClock() *clock { return &clock{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time      { return c.t }
func (c *clock) add(d time.Duration) { c.t = c.t.Add(d) }
func withClock(opt Options) (*Service, *clock) {
	c := newClock()
	opt.Now = c.now
	return New(opt), c
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantError checks the code and, when it is not "", the text of an error.
func wantError(t testing.TB, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	var own *wire.Error
	var gotCode, gotMessage string
	switch {
	case errors.As(err, &api):
		gotCode, gotMessage = api.ErrorCode(), api.ErrorMessage()
	case errors.As(err, &own):
		gotCode, gotMessage = own.Code, own.Message
	default:
		t.Fatalf("error %v: want %s", err, code)
	}
	if gotCode != code || message != "" && gotMessage != message {
		t.Fatalf("error %s: %s\nwant %s: %s", gotCode, gotMessage, code, message)
	}
}

func entryOf(key, data string) types.PutRecordsRequestEntry {
	return types.PutRecordsRequestEntry{PartitionKey: &key, Data: []byte(data)}
}

func put(t testing.TB, c *sdk.Client, stream string, entries ...types.PutRecordsRequestEntry) *sdk.PutRecordsOutput {
	t.Helper()
	return must[*sdk.PutRecordsOutput](t)(c.PutRecords(context.Background(), &sdk.PutRecordsInput{StreamName: &stream, Records: entries}))
}

func iteratorFor(t testing.TB, c *sdk.Client, in sdk.GetShardIteratorInput) *string {
	t.Helper()
	return must[*sdk.GetShardIteratorOutput](t)(c.GetShardIterator(context.Background(), &in)).ShardIterator
}

// readAll reads a shard from an iterator to its tip or end.
func readAll(t testing.TB, c *sdk.Client, it *string, limit int32) (records []types.Record, last *sdk.GetRecordsOutput) {
	t.Helper()
	for empty := 0; ; {
		last = must[*sdk.GetRecordsOutput](t)(c.GetRecords(context.Background(), &sdk.GetRecordsInput{ShardIterator: it, Limit: &limit}))
		records = append(records, last.Records...)
		if empty++; len(last.Records) > 0 {
			empty = 0
		}
		it = last.NextShardIterator
		if it == nil || empty > 0 && *last.MillisBehindLatest == 0 || empty > 20 { // AWS gives empty pages before the tip, but not so many
			return records, last
		}
	}
}

func dataOf(records []types.Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.Data))
	}
	return out
}
