package sqs

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plainBody hides that request bodies can write themselves: else net/http may drop a connection whose 200 is being
// read, and the SDK sends again what was stored (docs/local.md, "A trap in the SDK").
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

// serve puts a new service behind the wire.
func serve(t testing.TB, rules ...fault.Rule) *sdk.Client {
	server := httptest.NewUnstartedServer(nil)
	svc := New(Options{BaseURL: "http://" + server.Listener.Addr().String()})
	server.Config.Handler = wire.NewServer(fault.New(1, rules...), nil, svc.Wire())
	server.Start()
	t.Cleanup(server.Close)
	return dial(t, server.URL)
}

// endpoint is the local service, or the one that MILLRACE_CONFORMANCE_ENDPOINT names.
func endpoint(t testing.TB) *sdk.Client {
	if url := os.Getenv("MILLRACE_CONFORMANCE_ENDPOINT"); url != "" {
		return dial(t, url)
	}
	return serve(t)
}

var started = strconv.FormatInt(time.Now().UnixNano(), 36)

// uniqueName gives a queue name that no other run uses.
func uniqueName(t testing.TB, suffix string) string {
	return "millrace-" + started + "-" + strings.Map(func(r rune) rune {
		if r == '/' || r == '#' {
			return '-'
		}
		return r
	}, t.Name()[max(0, len(t.Name())-40):]) + suffix
}

// newQueueURL makes a queue for a test.
func newQueueURL(t testing.TB, c *sdk.Client, suffix string, attrs map[string]string) *string {
	t.Helper()
	out, err := c.CreateQueue(t.Context(), &sdk.CreateQueueInput{QueueName: aws.String(uniqueName(t, suffix)), Attributes: attrs})
	if err != nil {
		t.Fatal(err)
	}
	return out.QueueUrl
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

// wantError checks for an error of the model of type E, or of a code that the model does not have.
func wantError[E error](t testing.TB, err error) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Errorf("error = %v, want a %T", err, want)
	}
}

func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("error = %v, want %s", err, code)
	}
}
