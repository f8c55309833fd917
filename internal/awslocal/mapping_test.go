package awslocal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/millrace/millrace/internal/awslocal/esm"
)

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

func TestMappingOfAConsumer_ReadsItsStream(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	out, err := kinesis.NewFromConfig(s.Config()).RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: aws.String(streamARN), ConsumerName: aws.String("c")})
	if err != nil {
		t.Fatal(err)
	}
	arn := *out.Consumer.ConsumerARN
	_, err = s.create(t, "f", func(in *lambda.CreateEventSourceMappingInput) { in.EventSourceArn = aws.String(arn + "1") })
	fails(t, err, "InvalidParameterValueException", 400, "Stream not found: "+arn+"1")
	id := s.mustCreate(t, "f", func(in *lambda.CreateEventSourceMappingInput) {
		in.EventSourceArn, in.MaximumRetryAttempts = &arn, aws.Int32(0)
		in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String(queueARN)}}
	})
	if got := s.get(t, id); *got.EventSourceArn != arn {
		t.Errorf("source %s", *got.EventSourceArn)
	}
	s.put(t, "bad")
	s.settle(1)
	if doc := s.document(t); !strings.Contains(doc, `"streamArn":"`+arn+`"`) {
		t.Errorf("document %s", doc)
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

func TestStreamCreatedAgain_OverTheWire_TheMappingReadsTheNewOne(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	id := s.mustCreate(t, "f", nil)
	s.put(t, "a")
	s.settle(1)
	client := kinesis.NewFromConfig(s.Config())
	if _, err := client.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	for s.Mapping(id).Status().State != esm.Disabled {
		runtime.Gosched()
	}
	if got := s.get(t, id); *got.StateTransitionReason != esm.ReasonSource {
		t.Errorf("disabled for %q", *got.StateTransitionReason)
	}
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	s.put(t, "b")
	s.update(t, id, func(in *lambda.UpdateEventSourceMappingInput) { in.Enabled = aws.Bool(true) })
	s.settle(1)
	if got := s.get(t, id); !s.copied(t, "f", "b") || *got.State != "Enabled" || *got.StateTransitionReason != esm.ReasonUser {
		t.Errorf("%+v", got)
	}
}

func TestConsumerDeregistered_MappingIsDisabledAndReadsNothingMore(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	client := kinesis.NewFromConfig(s.Config())
	out, err := client.RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: aws.String(streamARN), ConsumerName: aws.String("c")})
	if err != nil {
		t.Fatal(err)
	}
	id := s.mustCreate(t, "f", func(in *lambda.CreateEventSourceMappingInput) { in.EventSourceArn = out.Consumer.ConsumerARN })
	s.put(t, "a")
	s.settle(1)
	if _, err := client.DeregisterStreamConsumer(t.Context(), &kinesis.DeregisterStreamConsumerInput{ConsumerARN: out.Consumer.ConsumerARN}); err != nil {
		t.Fatal(err)
	}
	s.put(t, "b")
	for s.Mapping(id).Status().State != esm.Disabled {
		runtime.Gosched()
	}
	s.update(t, id, func(in *lambda.UpdateEventSourceMappingInput) { in.Enabled = aws.Bool(true) })
	for s.Mapping(id).Status().State != esm.Disabled { // there is nobody to push to
		runtime.Gosched()
	}
	if st := s.Lambda.Stats("f"); st.Invocations != 1 {
		t.Errorf("stats %+v", st)
	}
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
