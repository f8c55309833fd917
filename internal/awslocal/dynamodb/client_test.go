package dynamodb

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// hideWriterTo keeps net/http from dropping the connection when the SDK closes a request's body early (docs: local.md,
// "A trap in the SDK").
type hideWriterTo struct{ base http.RoundTripper }

func (h hideWriterTo) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.Body != nil {
		q.Body = struct{ io.ReadCloser }{q.Body}
	}
	return h.base.RoundTrip(q)
}

// dial makes an SDK client for an endpoint, which does not retry.
func dial(t testing.TB, endpoint string) *sdk.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return sdk.New(sdk.Options{
		Region:       cmp.Or(os.Getenv("AWS_REGION"), "us-east-1"),
		BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(
			cmp.Or(os.Getenv("AWS_ACCESS_KEY_ID"), "test"), cmp.Or(os.Getenv("AWS_SECRET_ACCESS_KEY"), "test"), os.Getenv("AWS_SESSION_TOKEN")),
		HTTPClient: &http.Client{Transport: hideWriterTo{transport}},
		Retryer:    aws.NopRetryer{},
	})
}

// serve runs a service on loopback and gives a client for it.
func serve(t testing.TB, svc *Service, faults *fault.Injector) *sdk.Client {
	server := httptest.NewServer(wire.NewServer(faults, nil, svc.Wire()))
	t.Cleanup(server.Close)
	return dial(t, server.URL)
}

// newLedger makes a service with the table that Millrace has.
func newLedger(t testing.TB, opt Options) *Service {
	t.Helper()
	svc := New(opt)
	_, err := svc.CreateTable(Table{
		Name: "ledger", HashKey: Key{"pk", "S"}, RangeKey: Key{"sk", "S"}, TTLAttribute: "expires",
	})
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

type item = map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
func bin(b ...byte) types.AttributeValue {
	return &types.AttributeValueMemberB{Value: append([]byte{}, b...)}
}
func boolean(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }
func list(v ...types.AttributeValue) types.AttributeValue {
	return &types.AttributeValueMemberL{Value: v}
}
func object(m item) types.AttributeValue    { return &types.AttributeValueMemberM{Value: m} }
func strs(s ...string) types.AttributeValue { return &types.AttributeValueMemberSS{Value: s} }
func nums(s ...string) types.AttributeValue { return &types.AttributeValueMemberNS{Value: s} }
func bins(b ...[]byte) types.AttributeValue { return &types.AttributeValueMemberBS{Value: b} }
func null() types.AttributeValue            { return &types.AttributeValueMemberNULL{Value: true} }

func mustPut(t testing.TB, c *sdk.Client, table string, i item) {
	t.Helper()
	if _, err := c.PutItem(context.Background(), &sdk.PutItemInput{TableName: &table, Item: i}); err != nil {
		t.Fatal(err)
	}
}
