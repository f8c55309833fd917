// Package client makes the aws.Config with which every binary of ours talks to AWS or to a local endpoint.
//
// A function reads its environment and nothing else (FromEnvironment). config.LoadDefaultConfig also knows profiles,
// single sign-on and instance roles, which a Lambda function never has: it costs a bootstrap 1.8 MB of 8.0 (arm64,
// stripped) and a part of its start. The commands, which do need those, load the default config over HTTP (package cli)
// and give it their endpoint with WithEndpoint.
package client

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

const (
	// idlePerHost connections are kept for the next call. The SDK's own 10 make a ledger that reads its logs in
	// parallel open connections over and over.
	idlePerHost = 64
	// dialTimeout is long for a connection inside a region and short against a function's time-out. The SDK's is 30 s.
	dialTimeout = 3 * time.Second
	keepAlive   = 30 * time.Second
	// answerTimeout is long for any call of a function's, and short against its time-out: a connection that died while
	// the instance was frozen would otherwise hold its first call until the deadline.
	answerTimeout = 5 * time.Second
	// firstWait bounds the wait before a second attempt.
	firstWait = 50 * time.Millisecond
)

// FromEnvironment makes the config of a function from what Lambda puts into its environment: AWS_REGION,
// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and, for a local endpoint, AWS_ENDPOINT_URL. It reads no
// file and calls nobody. Clients made of it try three times, as the SDK's standard mode does, but wait less between.
//
// The endpoints of single services (AWS_ENDPOINT_URL_DYNAMODB and the like) and AWS_DEFAULT_REGION are not read.
func FromEnvironment(getenv func(string) string) (aws.Config, error) {
	region, key, secret := getenv("AWS_REGION"), getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY")
	if region == "" {
		return aws.Config{}, errors.New("read environment: AWS_REGION is not set")
	}
	if key == "" || secret == "" {
		return aws.Config{}, errors.New("read environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set")
	}
	cfg := aws.Config{
		Region:      region,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, getenv("AWS_SESSION_TOKEN")),
		HTTPClient: HTTP().WithTransportOptions(func(t *http.Transport) {
			t.ResponseHeaderTimeout = answerTimeout
		}),
		Retryer: quickRetryer,
	}
	if endpoint := getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		return WithEndpoint(cfg, endpoint)
	}
	return cfg, nil
}

// quickRetryer waits up to 50 and 100 ms before the second and third attempt. The SDK's own waits of up to 1 and 2 s
// suit a program; a function pays for them, and all that is behind in its shard waits too.
func quickRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return rand.N(firstWait << min(max(attempt-1, 0), 4)), nil
		})
	})
}

// WithEndpoint sends all calls of a config to one URL, and makes its HTTP client safe against a server that answers in
// microseconds (see wholeBody).
func WithEndpoint(cfg aws.Config, endpoint string) (aws.Config, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return aws.Config{}, fmt.Errorf("endpoint %q: want a URL, as in http://127.0.0.1:4566", endpoint)
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = HTTP()
	}
	cfg.BaseEndpoint = &endpoint
	cfg.HTTPClient = wholeBody{cfg.HTTPClient}
	return cfg, nil
}

// IsLoopback tells whether an endpoint is on this machine, where nobody checks credentials and none need be found.
func IsLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
}

// HTTP makes an HTTP client that keeps enough connections open for parallel calls to one service, and gives up early
// on one that cannot be reached. It is safe for concurrent use; make it once.
func HTTP() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) {
			d.Timeout = dialTimeout
			d.KeepAlive = keepAlive
		}).
		WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns = 2 * idlePerHost
			t.MaxIdleConnsPerHost = idlePerHost
		})
}

// wholeBody hides the WriterTo of request bodies.
//
// The SDK (smithy-go 1.28.8) closes the request body as soon as the response's headers arrive. When the server answers
// faster than net/http has returned from the body's WriterTo, net/http takes the closed body for a failed request,
// drops the connection while the answer is being read, and the SDK sends the request again: of 5,000 PutRecords over
// loopback, 4 were once measured to be applied twice without an error (docs/local.md). With a body that is only a
// Reader, none were. It is a race that not every machine and server shows.
type wholeBody struct{ next aws.HTTPClient }

// Do sends a request.
func (w wholeBody) Do(q *http.Request) (*http.Response, error) {
	if q.Body != nil && q.Body != http.NoBody {
		q = q.WithContext(q.Context())
		q.Body = struct{ io.ReadCloser }{q.Body}
	}
	return w.next.Do(q)
}
