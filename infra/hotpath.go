package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskinesis"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/millrace/millrace/internal/config"
)

// hotPath is the way of an event from the stream to the table.
type hotPath struct {
	stream    awskinesis.Stream
	consumer  awskinesis.StreamConsumer // nil without fan-out
	table     awsdynamodb.Table
	queue     awssqs.Queue
	topic     awssns.Topic             // nil where failures go to the queue
	fromTopic []constructs.IDependable // what brings the topic's messages to the queue
	processor awslambda.Function
	mapping   awslambda.CfnEventSourceMapping
}

// newHotPath declares the hot path; key is nil where each service has its own; code is the folder with the processor's
// bootstrap.
func newHotPath(stack awscdk.Stack, s Settings, key awskms.Key, code string) hotPath {
	var h hotPath
	h.stream = newStream(stack, s, key)
	if s.FanOut {
		h.consumer = newConsumer(stack, s, h.stream)
	}
	h.table = newTable(stack, s, key)
	h.queue = newFailureQueue(stack, s, key)
	if s.FailuresTo == ToTopic {
		h.topic, h.fromTopic = newFailureTopic(stack, key, h.queue)
	}
	h.processor = h.newProcessor(stack, s, key, code)
	h.mapping = h.newMapping(stack, s)
	return h
}

func newStream(stack awscdk.Stack, s Settings, key awskms.Key) awskinesis.Stream {
	props := &awskinesis.StreamProps{
		StreamMode:      awskinesis.StreamMode_ON_DEMAND,
		RetentionPeriod: duration(s.StreamRetention),
		Encryption:      awskinesis.StreamEncryption_MANAGED,
		RemovalPolicy:   s.removal(),
	}
	if s.Capacity == Provisioned {
		props.StreamMode, props.ShardCount = awskinesis.StreamMode_PROVISIONED, jsii.Number(s.Shards)
	}
	if key != nil {
		props.Encryption, props.EncryptionKey = awskinesis.StreamEncryption_KMS, key
	}
	stream := awskinesis.NewStream(stack, jsii.String("Stream"), props)
	if key != nil {
		suppress(stream, "AwsSolutions-KDS3", "A key of our own has a policy of our own; Kinesis asks it for a data key every five minutes, which costs cents.")
	}
	return stream
}

// newConsumer declares the processor's consumer. The mapping reads by it, with throughput of its own; what that costs is
// said at the synthesis.
func newConsumer(stack awscdk.Stack, s Settings, stream awskinesis.Stream) awskinesis.StreamConsumer {
	consumer := awskinesis.NewStreamConsumer(stack, jsii.String("Consumer"), &awskinesis.StreamConsumerProps{
		Stream: stream, StreamConsumerName: awscdk.Aws_STACK_NAME(),
	})
	awscdk.Annotations_Of(consumer).AddInfo(jsii.String(fanOutCost(s)))
	return consumer
}

// fanOutCost says what enhanced fan-out costs in addition: prices of us-east-1, from "Amazon Kinesis Data Streams
// pricing". A month has 730 hours.
func fanOutCost(s Settings) string {
	const shardHour, hours = 0.015, 730
	if s.Capacity == OnDemand {
		return "enhanced fan-out costs $0.05 a GB read instead of $0.04 (us-east-1)"
	}
	return fmt.Sprintf("enhanced fan-out of %d shards costs $%.2f a month and $0.013 a GB read (us-east-1: $%.3f a shard and hour)",
		s.Shards, float64(s.Shards)*shardHour*hours, shardHour)
}

func newTable(stack awscdk.Stack, s Settings, key awskms.Key) awsdynamodb.Table {
	removal := s.removal()
	if s.KeepData { // under deletion protection a deployment that fails could not take it back; empty, it costs nothing
		removal = awscdk.RemovalPolicy_RETAIN
	}
	props := &awsdynamodb.TableProps{
		PartitionKey:        &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING},
		SortKey:             &awsdynamodb.Attribute{Name: jsii.String("sk"), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		TimeToLiveAttribute: jsii.String("expires"),
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		DeletionProtection: jsii.Bool(s.KeepData),
		Encryption:         awsdynamodb.TableEncryption_DEFAULT, // a key that DynamoDB owns
		RemovalPolicy:      removal,
	}
	if key != nil {
		props.Encryption, props.EncryptionKey = awsdynamodb.TableEncryption_CUSTOMER_MANAGED, key
	}
	return awsdynamodb.NewTable(stack, jsii.String("Table"), props)
}

func (h hotPath) newProcessor(stack awscdk.Stack, s Settings, key awskms.Key, code string) awslambda.Function {
	logs := newLogs(stack, s, key, "Processor")
	props := &awslambda.FunctionProps{
		Description:  jsii.String("Counts each event of a batch once in the meters that it matches"),
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: architecture(s.Architecture),
		Handler:      jsii.String("bootstrap"),
		Code:         awslambda.Code_FromAsset(jsii.String(code), nil),
		MemorySize:   jsii.Number(s.Memory),
		Timeout:      duration(s.Timeout),
		Tracing:      awslambda.Tracing_ACTIVE,
		LogGroup:     logs,
		// Nothing may add to the policies: what the processor may do is written in processorPolicy, all of it.
		Role:        h.newProcessorRole(stack, key, logs).WithoutPolicyUpdates(nil),
		Environment: h.environment(s),
	}
	if s.ReservedConcurrency > 0 {
		props.ReservedConcurrentExecutions = jsii.Number(s.ReservedConcurrency)
	}
	return awslambda.NewFunction(stack, jsii.String("Processor"), props)
}

// newLogs declares the log group of a function, or of what else writes logs; owner is one of logOwners.
func newLogs(stack awscdk.Stack, s Settings, key awskms.Key, owner string) awslogs.LogGroup {
	logs := awslogs.NewLogGroup(stack, jsii.String(owner+"Logs"), &awslogs.LogGroupProps{
		LogGroupName:  logGroupName(strings.ToLower(owner)),
		Retention:     awslogs.RetentionDays_INFINITE,
		EncryptionKey: key,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY, // kept, its name would be taken when the stack comes back
	})
	if s.LogRetention > 0 { // the property below takes days, RetentionDays has names for them
		logs.Node().DefaultChild().(awslogs.CfnLogGroup).SetRetentionInDays(jsii.Number(s.LogRetention.Hours() / 24))
	}
	return logs
}

func (h hotPath) environment(s Settings) *map[string]*string {
	env := map[string]*string{config.EnvTable: h.table.TableName(), config.EnvFailureQueue: h.queue.QueueUrl()}
	for name, value := range s.Processor.Environment() {
		env[name] = jsii.String(value)
	}
	return &env
}

func (h hotPath) newProcessorRole(stack awscdk.Stack, key awskms.Key, logs awslogs.LogGroup) awsiam.Role {
	role := awsiam.NewRole(stack, jsii.String("ProcessorRole"), &awsiam.RoleProps{
		Description:    jsii.String("Processor, and Lambda reading the stream for it"),
		AssumedBy:      awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		InlinePolicies: &map[string]awsiam.PolicyDocument{"Processor": h.processorPolicy(stack, key, logs)},
	})
	suppress(role, "AwsSolutions-IAM5", "X-Ray's two actions for sending traces know no resource: * is the only one they take.", "Resource::*")
	return role
}

// processorPolicy is all that the processor may do, and the mapping, which reads the stream and reports what it gives up
// with the same role.
func (h hotPath) processorPolicy(stack awscdk.Stack, key awskms.Key, logs awslogs.LogGroup) awsiam.PolicyDocument {
	statements := append(h.readRights(),
		// A transaction needs the rights of the writes it is made of: PutItem.
		allow("Table", h.table.TableArn(), "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"),
		allow("Fail", h.queue.QueueArn(), "sqs:SendMessage"),
		allow("Logs", logs.LogGroupArn(), "logs:CreateLogStream", "logs:PutLogEvents"),
		allow("Trace", jsii.String("*"), "xray:PutTraceSegments", "xray:PutTelemetryRecords"),
	)
	if h.topic != nil {
		statements = append(statements, allow("Publish", h.topic.TopicArn(), "sns:Publish"))
	}
	if key != nil {
		statements = append(statements, h.keyRights(stack, key)...)
	}
	return awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements})
}

// readRights are what AWS asks of a mapping's role, also when it reads by a consumer: it still gets records by itself when
// it tries a batch again (Lambda developer guide, "Create an event source mapping", permissions). Who denied one action
// after the other (radkawar/stackd) found two of them unused by a mapping that polls; both only describe.
func (h hotPath) readRights() []awsiam.PolicyStatement {
	rights := []awsiam.PolicyStatement{allow("ReadStream", h.stream.StreamArn(), "kinesis:DescribeStream", "kinesis:DescribeStreamSummary",
		"kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards")}
	if h.consumer != nil {
		rights = append(rights, allow("Subscribe", h.consumer.StreamConsumerArn(), "kinesis:SubscribeToShard"))
	}
	return rights
}

// keyRights are what the processor needs of the key. Reading records, reading and writing items, and sending a message
// each decrypt a data key; a message may need a new one. Only through these services: the role cannot call the key itself.
func (h hotPath) keyRights(stack awscdk.Stack, key awskms.Key) []awsiam.PolicyStatement {
	decrypt, encrypt := []string{"kinesis", "dynamodb", "sqs"}, []string{"sqs"}
	if h.topic != nil {
		decrypt, encrypt = append(decrypt, "sns"), append(encrypt, "sns")
	}
	return []awsiam.PolicyStatement{
		via(stack, allow("Decrypt", key.KeyArn(), "kms:Decrypt"), decrypt...),
		via(stack, allow("Encrypt", key.KeyArn(), "kms:GenerateDataKey"), encrypt...),
	}
}

// newMapping declares the mapping at the lowest level: the higher one would add to the role what it does not need.
func (h hotPath) newMapping(stack awscdk.Stack, s Settings) awslambda.CfnEventSourceMapping {
	source, destination := h.stream.StreamArn(), h.queue.QueueArn()
	if h.consumer != nil {
		source = h.consumer.StreamConsumerArn()
	}
	if h.topic != nil {
		destination = h.topic.TopicArn()
	}
	position, timestamp := startingPosition(s.StartingPosition)
	mapping := awslambda.NewCfnEventSourceMapping(stack, jsii.String("Mapping"), &awslambda.CfnEventSourceMappingProps{
		EventSourceArn:                 source,
		FunctionName:                   h.processor.FunctionName(),
		StartingPosition:               jsii.String(position),
		StartingPositionTimestamp:      timestamp,
		BatchSize:                      jsii.Number(s.BatchSize),
		MaximumBatchingWindowInSeconds: jsii.Number(s.BatchingWindow.Seconds()),
		ParallelizationFactor:          jsii.Number(s.ParallelizationFactor),
		MaximumRetryAttempts:           jsii.Number(s.Retries),
		MaximumRecordAgeInSeconds:      jsii.Number(s.RecordAge.Seconds()),
		BisectBatchOnFunctionError:     jsii.Bool(s.Bisect),
		FunctionResponseTypes:          jsii.Strings("ReportBatchItemFailures"),
		DestinationConfig: &awslambda.CfnEventSourceMapping_DestinationConfigProperty{
			OnFailure: &awslambda.CfnEventSourceMapping_OnFailureProperty{Destination: destination},
		},
		MetricsConfig: &awslambda.CfnEventSourceMapping_MetricsConfigProperty{Metrics: jsii.Strings("EventCount")},
	})
	mapping.Node().AddDependency(h.fromTopic...) // what is reported to a topic without subscribers is gone, and counts as delivered
	return mapping
}

// startingPosition gives the position as the mapping has it, and its time in seconds of the epoch if it is one.
func startingPosition(text string) (position string, timestamp *float64) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text, nil
	}
	return "AT_TIMESTAMP", jsii.Number(at.Unix())
}

func allow(sid string, resource *string, actions ...string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String(sid), Resources: &[]*string{resource}, Actions: jsii.Strings(actions...),
	})
}

// via limits the use of a key to what the services do on the caller's behalf. Their names in this condition end in
// amazonaws.com in every partition: China has sqs.cn-north-1.amazonaws.com (CDK's own aws-secretsmanager writes them so).
func via(stack awscdk.Stack, s awsiam.PolicyStatement, services ...string) awsiam.PolicyStatement {
	hosts := make([]string, len(services))
	for i, service := range services {
		hosts[i] = service + "." + *stack.Region() + ".amazonaws.com"
	}
	s.AddCondition(jsii.String("StringEquals"), map[string]any{"kms:ViaService": hosts})
	return s
}

// suppress tells cdk-nag why a rule does not hold here; a finding may be given to suppress no other of the same rule.
func suppress(construct any, rule, reason string, finding ...any) {
	suppression := cdknag.NagPackSuppression{Id: jsii.String(rule), Reason: jsii.String(reason)}
	if len(finding) > 0 {
		suppression.AppliesTo = &finding
	}
	cdknag.NagSuppressions_AddResourceSuppressions(construct, &[]*cdknag.NagPackSuppression{&suppression}, nil)
}

func architecture(name string) awslambda.Architecture {
	if name == X86 {
		return awslambda.Architecture_X86_64()
	}
	return awslambda.Architecture_ARM_64()
}

func duration(d time.Duration) awscdk.Duration {
	return awscdk.Duration_Seconds(jsii.Number(d.Seconds()))
}
