package awslocal

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
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
	return site{e, lambda.NewFromConfig(e.Config()), settled}
}

var copyZip []byte

// function creates a function that copies records into a table of its own, and fails on the record "bad".
func (s site) function(t *testing.T, name string) {
	t.Helper()
	if copyZip == nil {
		program, err := os.ReadFile(filepath.Join(built, "copy", "bootstrap"))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		h := &zip.FileHeader{Name: "bootstrap"}
		h.SetMode(0o755)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(program); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		copyZip = b.Bytes()
	}
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
		Code: &types.FunctionCode{ZipFile: copyZip}, Environment: &types.Environment{Variables: map[string]string{"TABLE": "table-" + name}},
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

var varying = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|"LastModified":[0-9.]+`)

func TestCase1_CreateResponse_ByteForByte(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	status, body := call(t, http.MethodPost, s.URL()+"/2015-03-31/event-source-mappings/", `{"FunctionName":"f","EventSourceArn":"`+streamARN+`","StartingPosition":"LATEST"}`)
	want := `{"BatchSize":100,"BisectBatchOnFunctionError":false,"DestinationConfig":{"OnFailure":{}},"EventSourceArn":"` + streamARN + `",` +
		`"EventSourceMappingArn":"arn:aws:lambda:us-east-1:000000000000:event-source-mapping:*","FunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:f",` +
		`"FunctionResponseTypes":[],*,"LastProcessingResult":"No records processed","MaximumBatchingWindowInSeconds":0,"MaximumRecordAgeInSeconds":-1,` +
		`"MaximumRetryAttempts":-1,"ParallelizationFactor":1,"StartingPosition":"LATEST","State":"Creating","StateTransitionReason":"User action",` +
		`"TumblingWindowInSeconds":0,"UUID":"*"}`
	if got := varying.ReplaceAllString(body, "*"); status != http.StatusAccepted || got != want {
		t.Errorf("%d %s\nwant %s", status, got, want)
	}
}

func TestCreateMapping_Everything_IsToldAgain(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	since := time.Now().Add(-time.Minute).Truncate(time.Second)
	id := s.mustCreate(t, "f", func(in *lambda.CreateEventSourceMappingInput) {
		in.StartingPosition, in.StartingPositionTimestamp = types.EventSourcePositionAtTimestamp, &since
		in.BatchSize, in.MaximumBatchingWindowInSeconds, in.ParallelizationFactor = aws.Int32(101), aws.Int32(2), aws.Int32(3)
		in.MaximumRetryAttempts, in.MaximumRecordAgeInSeconds, in.BisectBatchOnFunctionError = aws.Int32(4), aws.Int32(60), aws.Bool(true)
		in.FunctionResponseTypes = []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}
		in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String(queueARN)}}
		in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"data":{"a":[1]}}`)}}}
		in.MetricsConfig = &types.EventSourceMappingMetricsConfig{Metrics: []types.EventSourceMappingMetric{types.EventSourceMappingMetricEventCount}}
		in.Enabled = aws.Bool(false)
	})
	got := s.get(t, id)
	if *got.State != "Disabled" || !got.StartingPositionTimestamp.Equal(since) || *got.BatchSize != 101 || *got.MaximumBatchingWindowInSeconds != 2 ||
		*got.ParallelizationFactor != 3 || *got.MaximumRetryAttempts != 4 || *got.MaximumRecordAgeInSeconds != 60 || !*got.BisectBatchOnFunctionError ||
		len(got.FunctionResponseTypes) != 1 || *got.DestinationConfig.OnFailure.Destination != queueARN ||
		*got.FilterCriteria.Filters[0].Pattern != `{"data":{"a":[1]}}` || got.MetricsConfig.Metrics[0] != types.EventSourceMappingMetricEventCount {
		t.Errorf("%+v", got)
	}
	if since := time.Since(*got.LastModified); since < 0 || since > time.Minute {
		t.Errorf("last modified %v", got.LastModified)
	}
}

func TestCase5_SameStreamAndFunction_IsRefused(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	s.function(t, "g")
	id := s.mustCreate(t, "f", nil)
	for _, ref := range []string{"f", "f:$LATEST", "arn:aws:lambda:us-east-1:000000000000:function:f"} {
		_, err := s.create(t, ref, nil)
		fails(t, err, "ResourceConflictException", 409, `The event source arn (" `+streamARN+` ") and function (" f ") provided mapping already exists. Please update or delete the existing mapping with UUID `+id)
	}
	other := s.mustCreate(t, "g", nil)
	_, err := s.lambda.UpdateEventSourceMapping(t.Context(), &lambda.UpdateEventSourceMappingInput{UUID: &other, FunctionName: aws.String("f")})
	fails(t, err, "ResourceConflictException", 409, `The event source arn (" `+streamARN+` ") and function (" f ") provided mapping already exists. Please update or delete the existing mapping with UUID `+id)
}

func TestCreateMapping_Refused_HasAWSsTexts(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	for _, one := range []struct {
		change  func(*lambda.CreateEventSourceMappingInput)
		code    string
		message string
	}{
		{func(in *lambda.CreateEventSourceMappingInput) { in.StartingPosition = "" }, "InvalidParameterValueException", "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null."},
		{func(in *lambda.CreateEventSourceMappingInput) { in.StartingPosition = "invalid" }, "ValidationException", "1 validation error detected: Value 'invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"},
		{func(in *lambda.CreateEventSourceMappingInput) { in.EventSourceArn = aws.String(streamARN + "x") }, "InvalidParameterValueException", "Stream not found: " + streamARN + "x"},
		{func(in *lambda.CreateEventSourceMappingInput) { in.EventSourceArn = nil }, "InvalidParameterValueException", "Unrecognized event source."},
		{func(in *lambda.CreateEventSourceMappingInput) { in.FunctionName = aws.String("g") }, "InvalidParameterValueException", "Function does not exist"},
		{func(in *lambda.CreateEventSourceMappingInput) { in.FunctionName = aws.String("f:1") }, "InvalidParameterValueException", "Function does not exist"},
		{func(in *lambda.CreateEventSourceMappingInput) { in.MaximumRecordAgeInSeconds = aws.Int32(59) }, "ValidationException", "1 validation error detected: Value '59' at 'maximumRecordAgeInSeconds' failed to satisfy constraint: Member must have value greater than or equal to 60"},
		{func(in *lambda.CreateEventSourceMappingInput) {
			in.DestinationConfig = &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: aws.String(queueARN)}}
		}, "InvalidParameterValueException", "Unsupported DestinationConfig parameter for given event source mapping type."},
		{func(in *lambda.CreateEventSourceMappingInput) {
			in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String("{")}}}
		}, "InvalidParameterValueException", "Invalid filter pattern definition."},
	} {
		_, err := s.create(t, "f", one.change)
		fails(t, err, one.code, 400, one.message)
	}
	none := aws.String("4ccb74f0-0000-4000-8000-000000000000")
	_, err := s.lambda.GetEventSourceMapping(t.Context(), &lambda.GetEventSourceMappingInput{UUID: none})
	fails(t, err, "ResourceNotFoundException", 404, "The resource you requested does not exist.")
	_, err = s.lambda.UpdateEventSourceMapping(t.Context(), &lambda.UpdateEventSourceMappingInput{UUID: none})
	fails(t, err, "ResourceNotFoundException", 404, "The resource you requested does not exist.")
	_, err = s.lambda.DeleteEventSourceMapping(t.Context(), &lambda.DeleteEventSourceMappingInput{UUID: none})
	fails(t, err, "ResourceNotFoundException", 404, "The resource you requested does not exist.")
	if all := s.Mappings.Entries(); len(all) != 0 {
		t.Errorf("mappings %+v", all)
	}
	status, body := call(t, http.MethodPost, s.URL()+"/2015-03-31/event-source-mappings", `{"FunctionName":"f","EventSourceArn":"`+streamARN+`","StartingPosition":"invalid"}`)
	if status != 400 || strings.Contains(body, "Type") { // unlike InvalidParameterValueException
		t.Errorf("%d %s", status, body)
	}
}

func TestTwoFunctions_OverTheWire_EachGetsEveryRecord(t *testing.T) {
	s := newSite(t)
	for _, f := range []string{"f", "g"} {
		s.function(t, f)
		s.mustCreate(t, f, nil)
	}
	s.put(t, "hello")
	s.settle(2)
	if !s.copied(t, "f", "hello") || !s.copied(t, "g", "hello") {
		t.Error("not copied twice")
	}
}

func TestFailingRecord_OverTheWire_IsRetriedAndReported(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	id := s.mustCreate(t, "f", func(in *lambda.CreateEventSourceMappingInput) {
		in.MaximumRetryAttempts, in.BatchSize = aws.Int32(1), aws.Int32(1)
		in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String(queueARN)}}
	})
	if got := *s.get(t, id).LastProcessingResult; got != "No records processed" {
		t.Errorf("result %q", got)
	}
	s.put(t, "bad")
	s.settle(1)
	if got := *s.get(t, id).LastProcessingResult; got != "PROBLEM: Function call failed" {
		t.Errorf("result %q", got)
	}
	if st := s.Lambda.Stats("f"); st.Invocations != 2 {
		t.Errorf("stats %+v", st)
	}
	if doc := s.document(t); !strings.Contains(doc, `"functionArn":"arn:aws:lambda:us-east-1:000000000000:function:f","condition":"RetryAttemptsExhausted","approximateInvokeCount":2`) ||
		!strings.Contains(doc, `"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"}`) {
		t.Errorf("document %s", doc)
	}
	s.put(t, "good")
	s.settle(1)
	if got := *s.get(t, id).LastProcessingResult; got != "OK" {
		t.Errorf("result %q", got)
	}
}

func TestMappingOfAnAlias_KeepsTheQualifierAndTellsTheVersion(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	if _, err := s.lambda.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: aws.String("f")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.lambda.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: aws.String("f"), Name: aws.String("live"), FunctionVersion: aws.String("1")}); err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:lambda:us-east-1:000000000000:function:f:live"
	id := s.mustCreate(t, arn, func(in *lambda.CreateEventSourceMappingInput) {
		in.MaximumRetryAttempts = aws.Int32(0)
		in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String(queueARN)}}
	})
	if got := s.get(t, id); *got.FunctionArn != arn {
		t.Errorf("function %s", *got.FunctionArn)
	}
	s.put(t, "bad")
	s.settle(1)
	if doc := s.document(t); !strings.Contains(doc, `"functionArn":"`+arn+`"`) || !strings.Contains(doc, `"executedVersion":"1"`) {
		t.Errorf("document %s", doc)
	}
	if _, err := s.create(t, "f", nil); err != nil {
		t.Errorf("a mapping of $LATEST beside it: %v", err)
	}
}

func TestUpdateMapping_DisabledAndEnabled_LosesNothing(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	id := s.mustCreate(t, "f", nil)
	s.put(t, "a")
	s.settle(1)
	out := s.update(t, id, func(in *lambda.UpdateEventSourceMappingInput) { in.Enabled = aws.Bool(false) })
	if *out.State != "Disabling" {
		t.Errorf("state %s", *out.State)
	}
	if got := s.get(t, id); *got.State != "Disabled" {
		t.Errorf("state %s", *got.State)
	}
	s.put(t, "b")
	out = s.update(t, id, func(in *lambda.UpdateEventSourceMappingInput) { in.Enabled = aws.Bool(true) })
	if *out.State != "Enabling" {
		t.Errorf("state %s", *out.State)
	}
	s.settle(1)
	if st := s.Lambda.Stats("f"); !s.copied(t, "f", "b") || st.Invocations != 2 {
		t.Errorf("stats %+v", st)
	}
}

func TestUpdateMapping_Settings_AreChangedAndCleared(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	s.function(t, "g")
	id := s.mustCreate(t, "f", func(in *lambda.CreateEventSourceMappingInput) {
		in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String(queueARN)}}
		in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"data":["x"]}`)}}}
	})
	out := s.update(t, id, func(in *lambda.UpdateEventSourceMappingInput) {
		in.BatchSize, in.FunctionName = aws.Int32(7), aws.String("g")
		in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String("")}}
		in.FilterCriteria = &types.FilterCriteria{}
	})
	if *out.State != "Updating" {
		t.Errorf("state %s", *out.State)
	}
	got := s.get(t, id)
	if *got.State != "Enabled" || *got.BatchSize != 7 || got.FilterCriteria != nil || got.DestinationConfig.OnFailure.Destination != nil ||
		*got.FunctionArn != "arn:aws:lambda:us-east-1:000000000000:function:g" || *got.MaximumRetryAttempts != -1 {
		t.Errorf("%+v", got)
	}
	s.put(t, "x")
	s.settle(1)
	if !s.copied(t, "g", "x") || s.copied(t, "f", "x") {
		t.Error("the other function got the record")
	}
	_, err := s.lambda.UpdateEventSourceMapping(t.Context(), &lambda.UpdateEventSourceMappingInput{UUID: &id, BatchSize: aws.Int32(0)})
	fails(t, err, "ValidationException", 400, "1 validation error detected: Value '0' at 'batchSize' failed to satisfy constraint: Member must have value greater than or equal to 1")
	for _, body := range []string{`{"StartingPosition":"LATEST"}`, `{"EventSourceArn":"` + streamARN + `2"}`} {
		if status, answer := call(t, http.MethodPut, s.URL()+"/2015-03-31/event-source-mappings/"+id, body); status != 400 || !strings.Contains(answer, "cannot be changed") {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}

func TestDeleteMapping_IsShownUntilItsLastInvocationEnds(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	id := s.mustCreate(t, "f", nil)
	s.put(t, "a")
	s.settle(1)
	out, err := s.lambda.DeleteEventSourceMapping(t.Context(), &lambda.DeleteEventSourceMappingInput{UUID: &id})
	if err != nil || *out.State != "Deleting" || *out.UUID != id || *out.LastProcessingResult == "" {
		t.Fatalf("%+v, %v", out, err)
	}
	s.gone(id)
	_, err = s.lambda.GetEventSourceMapping(t.Context(), &lambda.GetEventSourceMappingInput{UUID: &id})
	fails(t, err, "ResourceNotFoundException", 404, "The resource you requested does not exist.")
	if again := s.mustCreate(t, "f", nil); again == id {
		t.Error("the UUID came again")
	}
}

func TestStreamDeleted_MappingIsDisabledAndCanBeDeleted(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	id := s.mustCreate(t, "f", nil)
	s.put(t, "a")
	s.settle(1)
	if _, err := kinesis.NewFromConfig(s.Config()).DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	for s.Mapping(id).Status().State != esm.Disabled {
		runtime.Gosched()
	}
	out := s.update(t, id, func(in *lambda.UpdateEventSourceMappingInput) { in.Enabled = aws.Bool(true) })
	if *out.State != "Enabling" {
		t.Errorf("state %s", *out.State)
	}
	for s.Mapping(id).Status().State != esm.Disabled { // there is nothing to read
		runtime.Gosched()
	}
	if _, err := s.lambda.DeleteEventSourceMapping(t.Context(), &lambda.DeleteEventSourceMappingInput{UUID: &id}); err != nil {
		t.Fatal(err)
	}
	s.gone(id)
}

func TestFunctionDeleted_MappingStaysAndWaitsForAnother(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	id := s.mustCreate(t, "f", func(in *lambda.CreateEventSourceMappingInput) { in.MaximumRetryAttempts = aws.Int32(0) })
	if _, err := s.lambda.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String("f")}); err != nil {
		t.Fatal(err)
	}
	s.put(t, "a")
	if got := s.get(t, id); *got.State != "Enabled" {
		t.Errorf("state %s", *got.State)
	}
	_, err := dynamodb.NewFromConfig(s.Config()).DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("table-f")})
	if err != nil {
		t.Fatal(err)
	}
	s.function(t, "f")
	s.settle(1)
	if !s.copied(t, "f", "a") {
		t.Error("not copied")
	}
}

func TestListMappings_FilteredAndInPages(t *testing.T) {
	s := newSite(t)
	other := aws.String(streamARN + "2")
	if _, err := kinesis.NewFromConfig(s.Config()).CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s2"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"f", "g"} {
		s.function(t, f)
		s.mustCreate(t, f, nil)
		s.mustCreate(t, f, func(in *lambda.CreateEventSourceMappingInput) { in.EventSourceArn = other })
	}
	for want, in := range map[int][]lambda.ListEventSourceMappingsInput{
		0: {{FunctionName: aws.String("none")}, {FunctionName: aws.String("f:1")}, {EventSourceArn: aws.String(streamARN + "3")}},
		1: {{FunctionName: aws.String("f"), EventSourceArn: other}},
		2: {{FunctionName: aws.String("arn:aws:lambda:us-east-1:000000000000:function:f")}, {EventSourceArn: other}},
		4: {{}, {MaxItems: aws.Int32(1)}, {MaxItems: aws.Int32(3)}},
	} {
		for _, one := range in {
			seen := map[string]bool{}
			pages := lambda.NewListEventSourceMappingsPaginator(s.lambda, &one)
			for pages.HasMorePages() {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range page.EventSourceMappings {
					seen[*m.UUID] = true
				}
			}
			if len(seen) != want {
				t.Errorf("%+v: %d, want %d", one, len(seen), want)
			}
		}
	}
}

func TestDeploy_Mapping_IsInTheDirectory(t *testing.T) {
	w := deploy(t)
	w.put(t, 5, "hello")
	id := w.Outputs["Mapping"]
	got, err := lambda.NewFromConfig(w.Config()).GetEventSourceMapping(t.Context(), &lambda.GetEventSourceMappingInput{UUID: &id})
	if err != nil || *got.State != "Enabled" || *got.LastProcessingResult != "OK" || *got.MaximumRetryAttempts != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	status, body := call(t, http.MethodGet, w.URL()+"/_millrace/mappings", "")
	var reports []Report
	if err := json.Unmarshal([]byte(body), &reports); err != nil || status != http.StatusOK || len(reports) != 1 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	r := reports[0]
	if r.UUID != id || r.State != esm.Enabled || r.Counters["PolledEventCount"] != 5 || r.Counters["Settled"] != 5 || r.Counters["DroppedEventCount"] != 0 || len(r.Shards) != 2 {
		t.Errorf("report %+v", r)
	}
	for _, sh := range r.Shards {
		if sh.Unsettled != 0 || sh.Done || sh.IteratorAge < 0 {
			t.Errorf("shard %+v", sh)
		}
	}
}

func TestClose_MappingsAndFunctions_LeaveNothing(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	for i := range 3 {
		name := fmt.Sprint("s", i)
		if _, err := kinesis.NewFromConfig(s.Config()).CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(2)}); err != nil {
			t.Fatal(err)
		}
		s.mustCreate(t, "f", func(in *lambda.CreateEventSourceMappingInput) {
			in.EventSourceArn = aws.String(strings.Replace(streamARN, "/s", "/"+name, 1))
		})
	}
	s.Close()
	if _, err := s.Mappings.Create("", "f", esm.Config{}); err == nil {
		t.Error("a closed endpoint makes mappings")
	}
}
