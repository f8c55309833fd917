package awslocal

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/internal/awslocal/esm"
)

const (
	streamARN = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
	queueARN  = "arn:aws:sqs:us-east-1:000000000000:q"
	roleARN   = "arn:aws:iam::000000000000:role/r"

	codeBucket = "code" // a zip in a request would have to be encoded and decoded each time
)

// site is an endpoint with stream s, queue q, and what the test creates there; all over the wire.
type site struct {
	*Endpoint
	lambda  *lambda.Client
	settled chan esm.Settled
}

func newSite(t *testing.T) site {
	t.Helper()
	settled := make(chan esm.Settled, 1000)
	e := Start(t, Options{Mapping: esm.Options{Settled: func(s esm.Settled) { settled <- s }, MaxRest: 10 * time.Millisecond}})
	if _, err := kinesis.NewFromConfig(e.Config()).CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := sqs.NewFromConfig(e.Config()).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")}); err != nil {
		t.Fatal(err)
	}
	code, err := copyZip()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.S3.CreateBucket(codeBucket), e.S3.Put(codeBucket, "copy.zip", code, "application/zip")); err != nil {
		t.Fatal(err)
	}
	return site{e, lambda.NewFromConfig(e.Config()), settled}
}

// copyZip is the test's function as a deployment package, packed once and not compressed: with the race detector that
// would take long.
var copyZip = sync.OnceValues(func() ([]byte, error) {
	program, err := os.ReadFile(filepath.Join(built, "copy", "bootstrap"))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Store}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	err = z.Close()
	return b.Bytes(), err
})

// function creates a function that copies records into a table of its own, and fails on the record "bad".
func (s site) function(t *testing.T, name string) {
	t.Helper()
	_, err := dynamodb.NewFromConfig(s.Config()).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("table-" + name), BillingMode: dynamotypes.BillingModePayPerRequest,
		AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}},
		KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.lambda.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: &name, Role: aws.String(roleARN), Handler: aws.String("bootstrap"), Runtime: types.RuntimeProvidedal2023, Timeout: aws.Int32(30),
		Code: &types.FunctionCode{S3Bucket: aws.String(codeBucket), S3Key: aws.String("copy.zip")}, Environment: &types.Environment{Variables: map[string]string{"TABLE": "table-" + name}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// create makes a mapping of stream s; change may be nil.
func (s site) create(t *testing.T, function string, change func(*lambda.CreateEventSourceMappingInput)) (*lambda.CreateEventSourceMappingOutput, error) {
	t.Helper()
	in := &lambda.CreateEventSourceMappingInput{FunctionName: &function, EventSourceArn: aws.String(streamARN), StartingPosition: types.EventSourcePositionTrimHorizon}
	if change != nil {
		change(in)
	}
	return s.lambda.CreateEventSourceMapping(t.Context(), in)
}

func (s site) mustCreate(t *testing.T, function string, change func(*lambda.CreateEventSourceMappingInput)) string {
	t.Helper()
	out, err := s.create(t, function, change)
	if err != nil {
		t.Fatal(err)
	}
	return *out.UUID
}

func (s site) update(t *testing.T, id string, change func(*lambda.UpdateEventSourceMappingInput)) *lambda.UpdateEventSourceMappingOutput {
	t.Helper()
	in := &lambda.UpdateEventSourceMappingInput{UUID: &id}
	change(in)
	out, err := s.lambda.UpdateEventSourceMapping(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// get gives a mapping once no change of it is under way.
func (s site) get(t *testing.T, id string) *lambda.GetEventSourceMappingOutput {
	t.Helper()
	if err := s.Mapping(id).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := s.lambda.GetEventSourceMapping(t.Context(), &lambda.GetEventSourceMappingInput{UUID: &id})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s site) put(t *testing.T, data ...string) {
	t.Helper()
	for _, d := range data {
		in := &kinesis.PutRecordInput{StreamName: aws.String("s"), PartitionKey: &d, Data: []byte(d)}
		if _, err := kinesis.NewFromConfig(s.Config()).PutRecord(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
}

// settle waits until n records are settled.
func (s site) settle(n int) {
	for ; n > 0; n -= len((<-s.settled).Records) {
	}
}

// copied tells whether a function has copied a record.
func (s site) copied(t *testing.T, function, data string) bool {
	t.Helper()
	out, err := dynamodb.NewFromConfig(s.Config()).GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String("table-" + function), Key: map[string]dynamotypes.AttributeValue{"pk": &dynamotypes.AttributeValueMemberS{Value: data}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Item) > 0
}

// document takes the one failure document out of the queue.
func (s site) document(t *testing.T) string {
	t.Helper()
	out, err := sqs.NewFromConfig(s.Config()).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(s.URL() + "/000000000000/q"), WaitTimeSeconds: 5})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("messages %+v, %v", out, err)
	}
	return *out.Messages[0].Body
}

// gone returns when a mapping that is being deleted is no longer there.
func (s site) gone(id string) {
	for s.Mapping(id) != nil {
		runtime.Gosched()
	}
}

func fails(t *testing.T, err error, code string, status int, message string) {
	t.Helper()
	var api smithy.APIError
	var res interface{ HTTPStatusCode() int }
	if !errors.As(err, &api) || !errors.As(err, &res) || api.ErrorCode() != code || res.HTTPStatusCode() != status || api.ErrorMessage() != message {
		t.Errorf("error %v\nwant %d %s: %s", err, status, code, message)
	}
}
