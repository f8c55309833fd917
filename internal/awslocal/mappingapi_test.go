package awslocal

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

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

const keyARN = "arn:aws:kms:us-east-1:000000000000:key/1"

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
		in.KMSKeyArn = aws.String(keyARN)
		in.Enabled = aws.Bool(false)
	})
	got := s.get(t, id)
	if *got.State != "Disabled" || !got.StartingPositionTimestamp.Equal(since) || *got.BatchSize != 101 || *got.MaximumBatchingWindowInSeconds != 2 ||
		*got.ParallelizationFactor != 3 || *got.MaximumRetryAttempts != 4 || *got.MaximumRecordAgeInSeconds != 60 || !*got.BisectBatchOnFunctionError ||
		len(got.FunctionResponseTypes) != 1 || *got.DestinationConfig.OnFailure.Destination != queueARN ||
		*got.FilterCriteria.Filters[0].Pattern != `{"data":{"a":[1]}}` || got.MetricsConfig.Metrics[0] != types.EventSourceMappingMetricEventCount ||
		*got.KMSKeyArn != keyARN {
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
		{func(in *lambda.CreateEventSourceMappingInput) {
			in.FunctionName = aws.String("arn:aws:lambda:us-east-1:111111111111:function:f")
		}, "InvalidParameterValueException", "Function does not exist"},
		{func(in *lambda.CreateEventSourceMappingInput) {
			in.FunctionName = aws.String("arn:aws:lambda:eu-west-1:000000000000:function:f")
		}, "InvalidParameterValueException", "Function does not exist"},
		{func(in *lambda.CreateEventSourceMappingInput) { in.MaximumRecordAgeInSeconds = aws.Int32(59) }, "InvalidParameterValueException", "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)"},
		{func(in *lambda.CreateEventSourceMappingInput) { in.StartingPosition = "AT_TIMESTAMP" }, "InvalidParameterValueException", "Need to specify a timestamp"},
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

func TestCreateMapping_AbsurdTimestamp_IsRefused(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	for value, want := range map[string]string{
		"-1": "cannot be negative", "-1e300": "cannot be negative", "1e300": "cannot be in the future", "9e18": "cannot be in the future",
	} {
		status, body := call(t, http.MethodPost, s.URL()+"/2015-03-31/event-source-mappings/",
			`{"FunctionName":"f","EventSourceArn":"`+streamARN+`","StartingPosition":"AT_TIMESTAMP","StartingPositionTimestamp":`+value+`}`)
		if status != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", value, status, body)
		}
	}
}

func TestMapping_ParametersOfOtherSources_AreRefused(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	id := s.mustCreate(t, "f", nil)
	for name, value := range map[string]string{
		"AmazonManagedKafkaEventSourceConfig": `{"ConsumerGroupId":"x"}`, "DocumentDBEventSourceConfig": `{"DatabaseName":"x"}`,
		"LoggingConfig": `{"SystemLogLevel":"INFO"}`, "ProvisionedPollerConfig": `{"MinimumPollers":1}`, "Queues": `["x"]`,
		"ScalingConfig": `{"MaximumConcurrency":5}`, "SelfManagedEventSource": `{"Endpoints":{"KAFKA_BOOTSTRAP_SERVERS":["x:1"]}}`,
		"SelfManagedKafkaEventSourceConfig": `{"ConsumerGroupId":"x"}`, "SourceAccessConfigurations": `[{"Type":"BASIC_AUTH","URI":"x"}]`, "Topics": `["x"]`,
	} {
		want := "Unsupported '" + strings.ToLower(name[:1]) + name[1:] + "' parameter for given event source mapping type."
		for method, path := range map[string]string{http.MethodPost: "", http.MethodPut: id} {
			status, body := call(t, method, s.URL()+"/2015-03-31/event-source-mappings/"+path, `{"FunctionName":"f","EventSourceArn":"`+streamARN+`","StartingPosition":"LATEST","`+name+`":`+value+`}`)
			if status != 400 || !strings.Contains(body, want) {
				t.Errorf("%s %s: %d %s", method, name, status, body)
			}
		}
	}
	if status, body := call(t, http.MethodPut, s.URL()+"/2015-03-31/event-source-mappings/"+id, `{"Topics":[],"ScalingConfig":{},"Queues":null}`); status != 202 {
		t.Errorf("empty ones: %d %s", status, body)
	}
}

func TestListTags_OfAMapping_TellsThoseOfItsCreation(t *testing.T) {
	s := newSite(t)
	s.function(t, "f")
	made, err := s.create(t, "f", func(in *lambda.CreateEventSourceMappingInput) { in.Tags = map[string]string{"team": "x"} })
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.lambda.ListTags(t.Context(), &lambda.ListTagsInput{Resource: made.EventSourceMappingArn})
	if err != nil || len(out.Tags) != 1 || out.Tags["team"] != "x" {
		t.Errorf("%+v, %v", out, err)
	}
	for resource, want := range map[string]string{ // recorded by LocalStack (test_tag_exceptions)
		"event-source-mapping:4ccb74f0-0000-4000-8000-000000000000": "Event source mapping not found: ",
		"function:g": "Function not found: ",
	} {
		arn := "arn:aws:lambda:us-east-1:000000000000:" + resource
		_, err = s.lambda.ListTags(t.Context(), &lambda.ListTagsInput{Resource: &arn})
		fails(t, err, "ResourceNotFoundException", 404, want+arn)
	}
	_, err = s.lambda.ListTags(t.Context(), &lambda.ListTagsInput{Resource: aws.String("arn:aws:lambda:us-east-1:000000000000:function:f:live")})
	fails(t, err, "InvalidParameterValueException", 400, "Tags on function aliases and versions are not supported. Please specify a function ARN.")
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
		0: {
			{FunctionName: aws.String("none")},
			{FunctionName: aws.String("f:1")},
			{EventSourceArn: aws.String(streamARN + "3")},
			{FunctionName: aws.String("arn:aws:lambda:us-east-1:111111111111:function:f")},
			{FunctionName: aws.String("111111111111:function:f")},
			{FunctionName: aws.String("arn:aws:lambda:eu-west-1:000000000000:function:f")},
		},
		1: {{FunctionName: aws.String("f"), EventSourceArn: other}},
		2: {
			{FunctionName: aws.String("arn:aws:lambda:us-east-1:000000000000:function:f")},
			{FunctionName: aws.String("000000000000:function:f")},
			{FunctionName: aws.String("f:$LATEST")},
			{EventSourceArn: other},
		},
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
