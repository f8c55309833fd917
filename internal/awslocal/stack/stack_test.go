package stack

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/awslocal/dynamodb"
	"github.com/millrace/millrace/internal/awslocal/esm"
	"github.com/millrace/millrace/internal/awslocal/kinesis"
	"github.com/millrace/millrace/internal/awslocal/lambda"
)

// recorder is a Creator that only notes what it is asked for.
type recorder struct {
	got  []any
	fail error // of the last
}

func (r *recorder) Create(_ context.Context, resource any) error {
	r.got = append(r.got, resource)
	return r.fail
}

var options = Options{Name: "S", Region: "us-east-1", Account: "000000000000", Endpoint: "http://127.0.0.1:4566"}

func create(t *testing.T, text string, parameters map[string]string) (*Stack, []any, error) {
	t.Helper()
	parsed, err := Parse("/src/template.yaml", []byte(text))
	if err != nil {
		return nil, nil, err
	}
	o := options
	o.Parameters = parameters
	var r recorder
	s, err := Create(t.Context(), parsed, o, &r)
	return s, r.got, err
}

func mustCreate(t *testing.T, text string, parameters map[string]string) (*Stack, []any) {
	t.Helper()
	s, got, err := create(t, text, parameters)
	if err != nil {
		t.Fatal(err)
	}
	return s, got
}

// everything stands in an order that is not the one of creation.
const everything = `
Description: all kinds
Parameters:
  Architecture: {Type: String, Default: x86_64, AllowedValues: [x86_64, arm64]}
  Shards: {Type: Number, Default: 2, MinValue: 1}
Resources:
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      BatchSize: 1000
      BisectBatchOnFunctionError: true
      DestinationConfig: {OnFailure: {Destination: !GetAtt FailureQueue.Arn}}
      EventSourceArn: {"Fn::GetAtt": [Stream, Arn]}
      FilterCriteria: {Filters: [{Pattern: '{"data":{"a":[1]}}'}]}
      FunctionName: !GetAtt Processor.Arn
      FunctionResponseTypes: [ReportBatchItemFailures]
      MaximumBatchingWindowInSeconds: 1
      MaximumRecordAgeInSeconds: 3600
      MaximumRetryAttempts: 60
      MetricsConfig: {Metrics: [EventCount]}
      StartingPosition: TRIM_HORIZON
  Processor:
    Type: AWS::Lambda::Function
    DependsOn: Role
    Properties:
      Architectures: [!Ref Architecture]
      Code: dist/local/processor
      Environment:
        Variables: {QUEUE: !Ref FailureQueue, TABLE: !Ref Table, LIST: !Join [",", [a, !Ref "AWS::Region"]], EMPTY: ""}
      Handler: bootstrap
      MemorySize: "512"
      ReservedConcurrentExecutions: 4
      Role: !GetAtt Role.Arn
      Runtime: provided.al2023
      Timeout: 60
      TracingConfig: {Mode: Active}
  Role: {Type: "AWS::IAM::Role", Properties: {Description: !Sub "for ${Table}, key ${Key.Arn}"}}
  Key: {Type: "AWS::KMS::Key"}
  Stream:
    Type: AWS::Kinesis::Stream
    DeletionPolicy: Retain
    Properties: {RetentionPeriodHours: 48, ShardCount: !Ref Shards, StreamModeDetails: {StreamMode: PROVISIONED}, StreamEncryption: {EncryptionType: KMS, KeyId: !GetAtt Key.Arn}}
  Demand: {Type: "AWS::Kinesis::Stream", Properties: {Name: demand, StreamModeDetails: {StreamMode: ON_DEMAND}, MaxRecordSizeInKiB: 2048, Tags: [{Key: a, Value: b}]}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: sk, AttributeType: S}]
      BillingMode: PAY_PER_REQUEST
      KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]
      TimeToLiveSpecification: {AttributeName: expires, Enabled: True}
      SSESpecification: {SSEEnabled: true}
  FailureQueue:
    Type: AWS::SQS::Queue
    Properties:
      MessageRetentionPeriod: 1209600
      KmsMasterKeyId: !GetAtt Key.Arn
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: "3"}
  Dead: {Type: "AWS::SQS::Queue", Properties: {QueueName: dead}}
Outputs:
  Url: {Value: !Ref FailureQueue, Description: of the queue}
  Id: {Value: !Ref Mapping}
  Role: {Value: !GetAtt Role.RoleId}
  Arn: {Value: !Sub ["${Name}/${AWS::StackName}/${!Name}", {Name: !Select [5, !Split [":", !GetAtt Stream.Arn]]}]}
`

func TestCreate_AllKinds_InTheOrderOfTheirReferences(t *testing.T) {
	s, got := mustCreate(t, everything, map[string]string{"Shards": "3"})
	mapping := esm.DefaultConfig()
	mapping.EventSourceARN = "arn:aws:kinesis:us-east-1:000000000000:stream/S-Stream"
	mapping.FunctionARN = "arn:aws:lambda:us-east-1:000000000000:function:S-Processor"
	mapping.RoleARN = "arn:aws:iam::000000000000:role/S-Role"
	mapping.StartingPosition = esm.TrimHorizon
	mapping.BatchSize, mapping.MaximumBatchingWindowInSeconds = 1000, 1
	mapping.MaximumRecordAgeInSeconds, mapping.MaximumRetryAttempts = 3600, 60
	mapping.BisectBatchOnFunctionError, mapping.FunctionResponseTypes = true, []string{"ReportBatchItemFailures"}
	mapping.OnFailure = "arn:aws:sqs:us-east-1:000000000000:S-FailureQueue"
	mapping.Metrics, mapping.Filters = []string{esm.EventCount}, []string{`{"data":{"a":[1]}}`}
	const urls = "http://127.0.0.1:4566/000000000000/"
	want := []any{
		Queue{Name: "dead", Attributes: map[string]string{}, URL: urls + "dead"},
		Queue{Name: "S-FailureQueue", URL: urls + "S-FailureQueue", Attributes: map[string]string{
			"MessageRetentionPeriod": "1209600",
			"RedrivePolicy":          `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":3}`,
		}},
		dynamodb.Table{Name: "S-Table", HashKey: dynamodb.Key{Name: "pk", Type: "S"}, RangeKey: dynamodb.Key{Name: "sk", Type: "S"}, TTLAttribute: "expires"},
		Function{Function: lambda.Function{
			Name: "S-Processor", CodeDir: "/src/dist/local/processor", Handler: "bootstrap", Timeout: time.Minute, MemoryMB: 512,
			RoleARN: "arn:aws:iam::000000000000:role/S-Role", ReservedConcurrency: 4, Architecture: "x86_64",
			Environment: map[string]string{"QUEUE": urls + "S-FailureQueue", "TABLE": "S-Table", "LIST": "a,us-east-1", "EMPTY": ""},
		}},
		kinesis.Stream{Name: "S-Stream", Shards: 3, Retention: 48 * time.Hour, Key: "arn:aws:kms:us-east-1:000000000000:key/S-Key"},
		kinesis.Stream{Name: "demand", OnDemand: true, Retention: 24 * time.Hour, MaxRecordKiB: 2048},
		Mapping{UUID: s.Outputs["Id"], Function: "S-Processor", Config: mapping},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	outputs := map[string]string{"Url": urls + "S-FailureQueue", "Id": s.Outputs["Id"], "Arn": "stream/S-Stream/S/${Name}", "Role": "S-Role.RoleId"}
	if !maps.Equal(s.Outputs, outputs) || len(s.Outputs["Id"]) != 36 {
		t.Errorf("outputs %v", s.Outputs)
	}
	ignored := []string{"FailureQueue.KmsMasterKeyId", "Table.SSESpecification", "Processor.TracingConfig"}
	if !slices.Equal(s.Ignored, ignored) {
		t.Errorf("ignored %v", s.Ignored)
	}
	if want := []Resource{{"Key", "AWS::KMS::Key", "S-Key"}, {"Role", "AWS::IAM::Role", "S-Role"}}; !slices.Equal(s.NotEmulated, want) {
		t.Errorf("not emulated %v", s.NotEmulated)
	}
	if s.Resources[1] != (Resource{"FailureQueue", "AWS::SQS::Queue", urls + "S-FailureQueue"}) || s.Parameters["Shards"] != "3" {
		t.Errorf("resources %v, parameters %v", s.Resources, s.Parameters)
	}
}

// The template of this project is what the whole package is for.
func TestCreate_OurTemplate(t *testing.T) {
	file := filepath.Join("..", "..", "..", "template.yaml")
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("there is no template.yaml: go generate ./infra writes it")
	}
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(file, b)
	if err != nil {
		t.Fatal(err)
	}
	var r recorder
	s, err := Create(t.Context(), parsed, options, &r)
	if err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{
		"StreamName", "TableName", "FailureQueueUrl", "ProcessorName", "MappingId",
		"ArchiveName", "DeliveryName", "TransformName", "DatabaseName", "WorkGroupName",
	} {
		if s.Outputs[output] == "" {
			t.Errorf("no output %s in %v", output, s.Outputs)
		}
	}
	functions := map[string]bool{}
	for _, made := range r.got {
		if f, ok := made.(Function); ok {
			functions[f.Name] = true
		}
	}
	if want := map[string]bool{s.Outputs["ProcessorName"]: true, s.Outputs["TransformName"]: true}; !maps.Equal(functions, want) {
		t.Errorf("functions %v", functions)
	}
	for _, kind := range []string{"AWS::KinesisFirehose::DeliveryStream", "AWS::Glue::Table", "AWS::Athena::WorkGroup"} {
		if !slices.ContainsFunc(s.NotEmulated, func(r Resource) bool { return r.Type == kind }) {
			t.Errorf("%s is not told to be not emulated", kind)
		}
	}
	t.Logf("not emulated: %v; ignored: %v", s.NotEmulated, s.Ignored)
}

func TestCreate_MappingBeforeItsFunction_NamedInAnyWay(t *testing.T) {
	const arn = "arn:aws:lambda:us-east-1:000000000000:function:work"
	for ref, want := range map[string]string{
		"work":                       arn,
		"work:$LATEST":               arn + ":$LATEST",
		"000000000000:function:work": arn,
		arn:                          arn,
		arn + ":$LATEST":             arn + ":$LATEST",
	} {
		_, got := mustCreate(t, `Resources:
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: "`+ref+`", EventSourceArn: "arn:aws:kinesis:us-east-1:000000000000:stream/s", StartingPosition: LATEST}
  Function:
    Type: AWS::Lambda::Function
    Properties: {FunctionName: work, Runtime: provided.al2023, Code: x, Role: r}
`, nil)
		if _, first := got[0].(Function); !first {
			t.Fatalf("%s: created %v", ref, got)
		}
		if m := got[1].(Mapping); m.Function != "work" || m.Config.FunctionARN != want || m.Config.RoleARN != "r" {
			t.Errorf("%s: %+v", ref, m)
		}
	}
}

func TestCreate_ServiceRefuses_NamesTheResource(t *testing.T) {
	parsed, err := Parse("t.yaml", []byte(`{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}, "R": {"Type": "AWS::SQS::Queue"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	r := recorder{fail: full}
	_, err = Create(t.Context(), parsed, options, &r)
	if !errors.Is(err, full) || err.Error() != "create Q (AWS::SQS::Queue): full" || len(r.got) != 1 {
		t.Errorf("error %v after %d", err, len(r.got))
	}
}

func TestCreate_UnreadableSetting_IsOneError(t *testing.T) {
	for value, want := range map[string]string{"abc": `M.BatchSize: "abc": want a whole number`, "[1]": "M.BatchSize: want a string"} {
		_, _, err := create(t, `Resources:
  F: {Type: "AWS::Lambda::Function", Properties: {FunctionName: f, Runtime: provided.al2023, Code: x, Role: r}}
  M:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref F, EventSourceArn: "arn:aws:kinesis:us-east-1:000000000000:stream/s", StartingPosition: LATEST, BatchSize: `+value+`}
`, nil)
		if err == nil || !strings.HasSuffix(err.Error(), want) || strings.Count(err.Error(), "\n") > 1 {
			t.Errorf("%s: %v, want %s alone", value, err, want)
		}
	}
}

// wrong has one queue with what is under test in it.
func wrong(properties string) string {
	return "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      " + strings.ReplaceAll(properties, "\n", "\n      ")
}

func TestCreate_WrongTemplates_AreNamedByPlace(t *testing.T) {
	const function = "Resources: {F: {Type: 'AWS::Lambda::Function', Properties: {Runtime: provided.al2023, Code: x, "
	for want, text := range map[string]string{
		"template.yaml: is empty":                                                       "",
		"line 1: Resources: want a mapping":                                             "Resources: [a]",
		"line 2: the template: Resources is there twice":                                "Resources: {}\nResources: {}",
		"line 1: Transform: macros and AWS::Serverless":                                 "Transform: AWS::Serverless-2016-10-31",
		"line 1: Resource: there is no such section":                                    "Resource: {}",
		"line 1: Q: has no Type":                                                        "Resources: {Q: {}}",
		"line 1: Q.Typ: a resource has no such attribute":                               "Resources: {Q: {Typ: x}}",
		"Outputs.O: has no Value":                                                       "Outputs: {O: {Description: x}}",
		"line 1: Outputs.O.Value: Ref: there is no resource or parameter X":             "Outputs: {O: {Value: !Ref X}}",
		"line 5: Q.QueueName: Ref: there is no resource or parameter Table":             wrong("QueueName: !Ref Table"),
		"line 6: Q.A.B[0]: Fn::GetAtt: there is no resource or parameter T":             wrong("A:\n  B: [!GetAtt T.Arn]"),
		"line 5: Q.QueueName: Fn::Sub: there is no resource or parameter Oops":          wrong("QueueName: !Sub 'a${Oops.Arn}'"),
		"line 5: Q.QueueName: Fn::Sub: ${Oops has no end":                               wrong("QueueName: !Sub 'a${Oops'"),
		"line 5: Q.QueueName: Fn::ImportValue: is not emulated":                         wrong("QueueName: !ImportValue a"),
		"line 5: Q.QueueName: Fn::If: there is no condition a":                          wrong("QueueName: !If [a, b, c]"),
		"line 5: Q.QueueName: Fn::If: want a condition's name and two values":           wrong("QueueName: !If [a, b]"),
		"line 5: Q.QueueName: Fn::FindInMap: there is no a in the mappings":             wrong("QueueName: !FindInMap [a, b, c]"),
		"line 5: Q.QueueName: Fn::Base64: want a string":                                wrong("QueueName: !Base64 [a]"),
		"Fn::Equals: want strings":                                                      "Conditions: {C: !Equals [{a: b}, c]}",
		"line 1: Conditions.C: Fn::Or: want Fn::Equals of two values":                   "Conditions: {C: !Or [!Equals [a, b]]}",
		"condition C needs itself":                                                      "Conditions: {C: !Not [!Condition D], D: !Not [{Condition: C}]}",
		"Conditions.C: want a condition function":                                       "Conditions: {C: yes}",
		"Outputs.O.Condition: there is no condition C":                                  "Outputs: {O: {Value: a, Condition: C}}",
		"there is no resource or parameter Q, or its condition is false":                "Conditions: {C: !Equals [a, b]}\nResources: {Q: {Type: 'AWS::SQS::Queue', Condition: C}}\nOutputs: {O: {Value: !Ref Q}}",
		"line 1: F: AWS::Serverless::Function is a macro":                               "Resources: {F: {Type: 'AWS::Serverless::Function'}}",
		"such as cdk synth writes":                                                      "Transform: [AWS::Serverless-2016-10-31]",
		"T.FifoTopic: FIFO topics are not emulated":                                     "Resources: {T: {Type: 'AWS::SNS::Topic', Properties: {FifoTopic: true}}}",
		"S.FilterPolicy: is not emulated":                                               "Resources: {S: {Type: 'AWS::SNS::Subscription', Properties: {TopicArn: t, Protocol: sqs, Endpoint: q, FilterPolicy: {}}}}",
		"S.Endpoint: is required":                                                       "Resources: {S: {Type: 'AWS::SNS::Subscription', Properties: {TopicArn: t, Protocol: sqs}}}",
		"C.ConsumerName: is required":                                                   "Resources: {C: {Type: 'AWS::Kinesis::StreamConsumer', Properties: {StreamARN: s}}}",
		"F.Code.ZipFile: code in the template is source":                                "Resources: {F: {Type: 'AWS::Lambda::Function', Properties: {Runtime: provided, Code: {ZipFile: x}}}}",
		"F.Code.ImageUri: container images are not emulated":                            "Resources: {F: {Type: 'AWS::Lambda::Function', Properties: {Runtime: provided, Code: {ImageUri: x}}}}",
		"line 5: Q.QueueName: Fn::Join: want a delimiter and a list":                    wrong("QueueName: !Join [a]"),
		"line 5: Q.QueueName: Fn::Select: there is no element 2 in a list of 2":         wrong("QueueName: !Select [2, [a, b]]"),
		"line 5: Q.QueueName: Fn::Split: want a delimiter and a string":                 wrong("QueueName: !Split ['', a]"),
		"line 5: Q.QueueName: Ref: want a name":                                         wrong("QueueName: !Ref [a]"),
		"line 5: Q.QueueName: Fn::GetAtt: want a resource and its attribute":            wrong("QueueName: !GetAtt Q"),
		"Q.QueueName: want a string":                                                    wrong("QueueName: [a]"),
		"Q.FifoQueue: FIFO queues are not emulated":                                     wrong("FifoQueue: true"),
		"Q.FifoQueue: \"maybe\": want true or false":                                    wrong("FifoQueue: maybe"),
		"Q.RedrivePolicy.deadLetterTargetArn: is required":                              wrong("RedrivePolicy: {maxReceiveCount: 1}"),
		"Q.RedrivePolicy.maxReceiveCount: \"x\": want a whole number":                   wrong("RedrivePolicy: {deadLetterTargetArn: a, maxReceiveCount: x}"),
		"line 6: Q.A: YAML aliases are not part of a template":                          "Metadata: &a {}\n" + wrong("A: *a"),
		"line 1: A needs itself: A -> B -> A":                                           "Resources: {A: {Type: T, Properties: {X: !Ref B}}, B: {Type: T, DependsOn: [A]}}",
		"line 1: A.DependsOn: there is no resource B":                                   "Resources: {A: {Type: T, DependsOn: B}}",
		"line 1: Q.Condition: there is no condition C":                                  "Resources: {Q: {Type: 'AWS::SQS::Queue', Condition: C}}",
		"line 2: Outputs.O.Value: Fn::GetAtt: Q has no attribute Color here":            "Resources: {Q: {Type: 'AWS::SQS::Queue'}}\nOutputs: {O: {Value: !GetAtt Q.Color}}",
		"Outputs.O.Value: want a string":                                                "Outputs: {O: {Value: [a]}}",
		"parameter P: has no default: give it a value":                                  "Parameters: {P: {Type: String}}",
		"parameter P: \"c\" is not allowed: want one of a, b":                           "Parameters: {P: {Type: String, Default: c, AllowedValues: [a, b]}}",
		"parameter P: \"c\" does not match a+":                                          "Parameters: {P: {Type: String, Default: c, AllowedPattern: a+}}",
		"parameter P: \"3\" is above MaxValue 2":                                        "Parameters: {P: {Type: Number, Default: 3, MaxValue: 2}}",
		"parameter P: \"x\" is no number":                                               "Parameters: {P: {Type: Number, Default: x}}",
		"parameter P: \"\" is below MinLength 1":                                        "Parameters: {P: {Type: String, Default: '', MinLength: 1}}",
		"line 1: Parameters.P: has no Type":                                             "Parameters: {P: {Default: 1}}",
		"F.Runtime: \"python3.12\": want provided.al2023":                               "Resources: {F: {Type: 'AWS::Lambda::Function', Properties: {Runtime: python3.12, Code: x}}}",
		"F.Code: want a folder that holds the function's bootstrap, a zip with it, or":  "Resources: {F: {Type: 'AWS::Lambda::Function', Properties: {Runtime: provided, Code: {S3Key: x}}}}",
		"F.ReservedConcurrentExecutions: 0: want 1 or more":                             function + "ReservedConcurrentExecutions: 0}}}",
		"M.FunctionName: there is no function x in this template":                       "Resources: {M: {Type: 'AWS::Lambda::EventSourceMapping', Properties: {FunctionName: x, EventSourceArn: y, StartingPosition: LATEST}}}",
		"M.FunctionName: \"x:live\": a template's functions have no versions or":        "Resources: {M: {Type: 'AWS::Lambda::EventSourceMapping', Properties: {FunctionName: 'x:live', EventSourceArn: y, StartingPosition: LATEST}}}",
		"M.FilterCriteria.Filters[0].Pattern: is required":                              "Resources: {M: {Type: 'AWS::Lambda::EventSourceMapping', Properties: {FilterCriteria: {Filters: [{}]}}}}",
		"does not implement tumbling windows":                                           "Resources: {M: {Type: 'AWS::Lambda::EventSourceMapping', Properties: {FunctionName: x, EventSourceArn: 'arn:aws:kinesis:us-east-1:000000000000:stream/s', StartingPosition: LATEST, TumblingWindowInSeconds: 30}}}",
		"M: ValidationException: 1 validation error detected: Value '0' at 'batchSize'": "Resources: {M: {Type: 'AWS::Lambda::EventSourceMapping', Properties: {FunctionName: x, EventSourceArn: y, StartingPosition: LATEST, BatchSize: 0}}}",
		"S.StreamEncryption.KeyId: is required":                                         "Resources: {S: {Type: 'AWS::Kinesis::Stream', Properties: {StreamEncryption: {EncryptionType: KMS}}}}",
		"S.StreamEncryption.EncryptionType: \"NONE\": want KMS":                         "Resources: {S: {Type: 'AWS::Kinesis::Stream', Properties: {StreamEncryption: {EncryptionType: NONE, KeyId: a}}}}",
		"T.KeySchema: has no HASH key":                                                  "Resources: {T: {Type: 'AWS::DynamoDB::Table'}}",
		"T.AttributeDefinitions: does not have the key a":                               "Resources: {T: {Type: 'AWS::DynamoDB::Table', Properties: {KeySchema: [{AttributeName: a, KeyType: HASH}]}}}",
		"S.StreamModeDetails.StreamMode: \"FAST\": want PROVISIONED or ON_DEMAND":       "Resources: {S: {Type: 'AWS::Kinesis::Stream', Properties: {StreamModeDetails: {StreamMode: FAST}}}}",
		"M: InvalidParameterValueException: Invalid filter pattern definition.":         "Resources: {M: {Type: 'AWS::Lambda::EventSourceMapping', Properties: {FunctionName: x, EventSourceArn: 'arn:aws:kinesis:us-east-1:000000000000:stream/s', StartingPosition: LATEST, FilterCriteria: {Filters: [{Pattern: 'x'}]}}}}",
	} {
		s, got, err := create(t, text, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if s != nil || got != nil {
			t.Errorf("%q: created %v", want, got)
		}
	}
}

func TestCreate_SeveralErrors_AreAllNamed(t *testing.T) {
	_, _, err := create(t, wrong("VisibilityTimeout: [1]\nFifoQueue: maybe\nQueueName: !If [a]"), nil)
	for _, part := range []string{"Q.VisibilityTimeout", "Q.FifoQueue", "Q.QueueName"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want %q in it", err, part)
		}
	}
}

func TestCreate_UnknownParameter_NamesThoseThatThereAre(t *testing.T) {
	_, _, err := create(t, everything, map[string]string{"Shard": "3"})
	if err == nil || !strings.Contains(err.Error(), "parameter Shard: /src/template.yaml has none of this name; it has: Architecture, Shards") {
		t.Errorf("error %v", err)
	}
}

func TestCreate_NoValue_TakesThePropertyAway(t *testing.T) {
	_, got := mustCreate(t, wrong("QueueName: !Ref AWS::NoValue\nVisibilityTimeout: 30"), nil)
	if got[0].(Queue).Name != "S-Q" || got[0].(Queue).Attributes["VisibilityTimeout"] != "30" {
		t.Errorf("created %v", got)
	}
}

func TestCreate_ListParameter_IsAList(t *testing.T) {
	s, _ := mustCreate(t, "Parameters: {L: {Type: CommaDelimitedList, Default: 'a, b,c'}}\nOutputs: {O: {Value: !Join ['-', !Ref L]}}", nil)
	if s.Outputs["O"] != "a-b-c" || s.Parameters["L"] != "a,b,c" {
		t.Errorf("outputs %v, parameters %v", s.Outputs, s.Parameters)
	}
}
