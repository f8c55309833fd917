package stack

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/millrace/millrace/internal/awslocal/esm"
	"github.com/millrace/millrace/internal/awslocal/kinesis"
	"github.com/millrace/millrace/internal/awslocal/sns"
)

const (
	topicARN = "arn:aws:sns:us-east-1:000000000000:S-Topic"
	queueARN = "arn:aws:sqs:us-east-1:000000000000:S-Queue"
)

func TestCreate_TopicsBucketsAndConsumers(t *testing.T) {
	s, got := mustCreate(t, `
Resources:
  Queue: {Type: "AWS::SQS::Queue"}
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: of things
      KmsMasterKeyId: key
      Subscription: [{Protocol: sqs, Endpoint: !GetAtt Queue.Arn}, {Protocol: email, Endpoint: a@b.example}]
  ByHand: {Type: "AWS::SNS::Subscription", Properties: {Protocol: sqs, TopicArn: !Ref Topic, Endpoint: !GetAtt Queue.Arn, RawMessageDelivery: "true"}}
  ByLambda: {Type: "AWS::SNS::Subscription", Properties: {Protocol: lambda, TopicArn: !Ref Topic, Endpoint: x, FilterPolicy: {a: [b]}}}
  Bucket: {Type: "AWS::S3::Bucket", Properties: {VersioningConfiguration: {Status: Enabled}}}
  Named: {Type: "AWS::S3::Bucket", Properties: {BucketName: named}}
  Stream: {Type: "AWS::Kinesis::Stream"}
  Consumer: {Type: "AWS::Kinesis::StreamConsumer", Properties: {ConsumerName: c, StreamARN: !GetAtt Stream.Arn}}
Outputs:
  Topic: {Value: !GetAtt Topic.TopicName}
  Subscription: {Value: !Ref ByHand}
  Bucket: {Value: !GetAtt Bucket.Arn}
  Consumer: {Value: !GetAtt Consumer.ConsumerARN}
`, nil)
	want := []any{
		Queue{Name: "S-Queue", Attributes: map[string]string{}, URL: "http://127.0.0.1:4566/000000000000/S-Queue"},
		Topic{Name: "S-Topic", Attributes: map[string]string{"DisplayName": "of things"}, Subscriptions: []Subscription{{Topic: topicARN, Queue: queueARN}}},
		Subscription{Topic: topicARN, Queue: queueARN, Raw: true},
		Bucket{"s-bucket"},
		Bucket{"named"},
		kinesis.Stream{Name: "S-Stream", Shards: 1, Retention: defaultRetention * 3600e9},
		Consumer{Name: "c", Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/S-Stream"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Consumer{}, "Created")); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	made := got[6].(Consumer).Created
	outputs := map[string]string{
		"Topic": "S-Topic", "Subscription": sns.SubscriptionARN(topicARN, queueARN), "Bucket": "arn:aws:s3:::s-bucket",
		"Consumer": "arn:aws:kinesis:us-east-1:000000000000:stream/S-Stream/consumer/c:" + strconv.FormatInt(made.Unix(), 10),
	}
	if diff := cmp.Diff(outputs, s.Outputs); diff != "" {
		t.Error(diff)
	}
	if ignored := []string{"Topic.KmsMasterKeyId", "Bucket.VersioningConfiguration"}; !slices.Equal(s.Ignored, ignored) {
		t.Errorf("ignored %v", s.Ignored)
	}
	notEmulated := []Resource{{"Topic.Subscription[1]", "AWS::SNS::Subscription by email", ""}, {"ByLambda", "AWS::SNS::Subscription by lambda", ""}}
	if diff := cmp.Diff(notEmulated, s.NotEmulated); diff != "" {
		t.Error(diff)
	}
}

func TestCreate_CodeOfAFunction_IsInAFolderAZipOrS3(t *testing.T) {
	for code, want := range map[string]Function{
		"Code: x":                                {},
		"Code: dist/x.zip":                       {Zip: "/src/dist/x.zip"},
		"Code: /abs/x.zip":                       {Zip: "/abs/x.zip"},
		"Code: {S3Bucket: b, S3Key: k}":          {Bucket: "b", Key: "k"},
		"Code: {S3Bucket: !Sub b, S3Key: k.zip}": {Bucket: "b", Key: "k.zip"},
	} {
		_, got := mustCreate(t, "Resources: {F: {Type: 'AWS::Lambda::Function', Properties: {Runtime: provided.al2023, "+code+"}}}", nil)
		f := got[0].(Function)
		if f.Zip != want.Zip || f.Bucket != want.Bucket || f.Key != want.Key || (f.CodeDir != "") != (code == "Code: x") {
			t.Errorf("%s: %+v", code, f)
		}
	}
	_, got := mustCreate(t, `Resources: {F: {Type: 'AWS::Lambda::Function', Metadata: {"aws:asset:path": asset.1234, "aws:asset:property": Code},
		Properties: {Runtime: provided.al2023, Code: {S3Bucket: !Sub "cdk-${AWS::AccountId}", S3Key: 1234.zip}}}}`, nil)
	if f := got[0].(Function); f.CodeDir != "/src/asset.1234" || f.Bucket != "" {
		t.Errorf("of the CDK: %+v", f)
	}
}

func TestCreate_MappingsSettings_AreTaken(t *testing.T) {
	_, got := mustCreate(t, `
Resources:
  F: {Type: AWS::Lambda::Function, Properties: {Runtime: provided.al2023, Code: x, FunctionName: f}}
  M:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref F
      EventSourceArn: arn:aws:kinesis:us-east-1:000000000000:stream/s
      StartingPosition: LATEST
      FilterCriteria: {Filters: [{Pattern: '{"data":{"a":[1]}}'}, {Pattern: '{"partitionKey":["k"]}'}]}
      DestinationConfig: {OnFailure: {Destination: "arn:aws:s3:::b"}}
`, nil)
	c := got[1].(Mapping).Config
	want := esm.DefaultConfig()
	want.EventSourceARN, want.StartingPosition, want.OnFailure = c.EventSourceARN, esm.Latest, "arn:aws:s3:::b"
	want.FunctionARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
	want.Filters = []string{`{"data":{"a":[1]}}`, `{"partitionKey":["k"]}`}
	if diff := cmp.Diff(want, c, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// conditional has each condition function, and what stands under them.
const conditional = `
Parameters: {Stage: {Type: String, Default: dev}, Names: {Type: CommaDelimitedList, Default: "a,b"}}
Mappings: {Sizes: {dev: {Delay: 5, Names: [x, y]}, prod: {Delay: 9}}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: !Not [!Condition IsProd]
  IsEither: !Or [!Condition IsProd, {Condition: IsDev}]
  IsBoth: {"Fn::And": [{Condition: IsEither}, !Equals [!FindInMap [Sizes, !Ref Stage, Delay], "5"]]}
  HasNames: !Equals [!Ref Names, [a, b]]
Resources:
  Plain:
    Type: AWS::SQS::Queue
    Properties:
      DelaySeconds: !FindInMap [Sizes, !Ref Stage, Delay]
      MaximumMessageSize: !If [IsProd, !GetAtt Prod.Size, !Ref "AWS::NoValue"]
      QueueName: !Join ["-", [plain, !If [IsDev, !Select [1, !FindInMap [Sizes, dev, Names]], !Ref Prod], !If [HasNames, "1", "2"]]]
      VisibilityTimeout: !FindInMap [Sizes, none, Delay, DefaultValue: 7]
  Prod: {Type: "AWS::SQS::Queue", Condition: IsProd}
  Both: {Type: "AWS::SQS::Queue", Condition: IsBoth, DependsOn: Prod}
  Metadata: {Type: "AWS::CDK::Metadata", Condition: IsProd}
Outputs:
  Prod: {Condition: IsProd, Value: !Ref Prod}
  Data: {Value: {"Fn::Base64": !Sub "for ${Stage}"}}
`

func TestCreate_Conditions_ChooseWhatIsThere(t *testing.T) {
	s, got := mustCreate(t, conditional, nil)
	var names []string
	for _, q := range got {
		names = append(names, q.(Queue).Name)
	}
	plain := map[string]string{"DelaySeconds": "5", "VisibilityTimeout": "7"}
	if !slices.Equal(names, []string{"plain-y-1", "S-Both"}) || !cmp.Equal(got[0].(Queue).Attributes, plain) {
		t.Errorf("created %v", got)
	}
	if diff := cmp.Diff(map[string]string{"Data": "Zm9yIGRldg=="}, s.Outputs); diff != "" || len(s.NotEmulated) != 0 {
		t.Errorf("%v, %v", s.Outputs, s.NotEmulated)
	}
	_, _, err := create(t, conditional, map[string]string{"Stage": "prod"})
	if err == nil || !strings.Contains(err.Error(), "Plain.MaximumMessageSize: Fn::GetAtt: Prod has no attribute Size here") {
		t.Errorf("error %v", err)
	}
}
