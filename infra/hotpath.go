package main

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskinesis"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/millrace/millrace/internal/config"
)

// The processor's size.
const (
	processorMemory  = 512 // MB
	processorTimeout = time.Minute
)

// The mapping's settings: docs/delivery.md gives the reasons.
const (
	batchSize      = 1000 // a full second of a full shard
	batchingWindow = time.Second
	retryAttempts  = 60 // about an hour of backoff: an outage must not drain a healthy stream into the queue
	ageShare       = 80 // per cent of the stream's retention after which a record is given up

	maxRecordAge = 7 * 24 * time.Hour // Lambda: MaximumRecordAgeInSeconds is at most 604,800
)

// queueRetention is the longest that SQS keeps a message.
const queueRetention = 14 * 24 * time.Hour

// hotPath is the way of an event from the stream to the table.
type hotPath struct {
	stream    awskinesis.Stream
	table     awsdynamodb.Table
	queue     awssqs.Queue
	processor awslambda.Function
	mapping   awslambda.CfnEventSourceMapping
}

// newHotPath declares the hot path; code is the folder with the processor's bootstrap.
func newHotPath(stack awscdk.Stack, s Settings, key awskms.Key, code string) hotPath {
	var h hotPath
	h.stream = newStream(stack, s, key)
	h.table = newTable(stack, s, key)
	h.queue = newFailureQueue(stack, s, key)
	h.processor = h.newProcessor(stack, s, key, code)
	h.mapping = h.newMapping(stack, s)
	return h
}

func newStream(stack awscdk.Stack, s Settings, key awskms.Key) awskinesis.Stream {
	stream := awskinesis.NewStream(stack, jsii.String("Stream"), &awskinesis.StreamProps{
		StreamMode:      awskinesis.StreamMode_PROVISIONED,
		ShardCount:      jsii.Number(s.Shards),
		RetentionPeriod: duration(s.StreamRetention),
		Encryption:      awskinesis.StreamEncryption_KMS,
		EncryptionKey:   key,
		RemovalPolicy:   s.removal(),
	})
	suppress(stream, "AwsSolutions-KDS3", "A key of our own has a policy of our own; Kinesis asks it for a data key every five minutes, which costs cents.")
	return stream
}

func newTable(stack awscdk.Stack, s Settings, key awskms.Key) awsdynamodb.Table {
	return awsdynamodb.NewTable(stack, jsii.String("Table"), &awsdynamodb.TableProps{
		PartitionKey:        &awsdynamodb.Attribute{Name: jsii.String("pk"), Type: awsdynamodb.AttributeType_STRING},
		SortKey:             &awsdynamodb.Attribute{Name: jsii.String("sk"), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		TimeToLiveAttribute: jsii.String("expires"),
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		DeletionProtection: jsii.Bool(s.KeepData),
		Encryption:         awsdynamodb.TableEncryption_CUSTOMER_MANAGED,
		EncryptionKey:      key,
		RemovalPolicy:      s.removal(),
	})
}

func newFailureQueue(stack awscdk.Stack, s Settings, key awskms.Key) awssqs.Queue {
	queue := awssqs.NewQueue(stack, jsii.String("FailureQueue"), &awssqs.QueueProps{
		RetentionPeriod:     duration(queueRetention),
		Encryption:          awssqs.QueueEncryption_KMS,
		EncryptionMasterKey: key,
		EnforceSSL:          jsii.Bool(true),
		RemovalPolicy:       s.removal(),
	})
	suppress(queue, "AwsSolutions-SQS3", "This is the dead-letter queue: the mapping's on-failure destination. Only an operator reads it.")
	return queue
}

func (h hotPath) newProcessor(stack awscdk.Stack, s Settings, key awskms.Key, code string) awslambda.Function {
	logs := awslogs.NewLogGroup(stack, jsii.String("ProcessorLogs"), &awslogs.LogGroupProps{
		LogGroupName:  logGroupName("processor"),
		Retention:     awslogs.RetentionDays_ONE_MONTH,
		EncryptionKey: key,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY, // kept, its name would be taken when the stack comes back
	})
	return awslambda.NewFunction(stack, jsii.String("Processor"), &awslambda.FunctionProps{
		Description:  jsii.String("Counts each event of a batch once in the meters that it matches"),
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: architecture(s.Architecture),
		Handler:      jsii.String("bootstrap"),
		Code:         awslambda.Code_FromAsset(jsii.String(code), nil),
		MemorySize:   jsii.Number(processorMemory),
		Timeout:      duration(processorTimeout),
		Tracing:      awslambda.Tracing_ACTIVE,
		LogGroup:     logs,
		// Nothing may add to the policies: what the processor may do is written in processorPolicy, all of it.
		Role:        h.newProcessorRole(stack, key, logs).WithoutPolicyUpdates(nil),
		Environment: h.environment(s),
	})
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

// processorPolicy is all that the processor may do, and the mapping, which reads the stream and writes to the queue with
// the same role.
func (h hotPath) processorPolicy(stack awscdk.Stack, key awskms.Key, logs awslogs.LogGroup) awsiam.PolicyDocument {
	return awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
		// What a mapping needs of a stream that it polls; measured by denying one action after the other.
		allow("ReadStream", h.stream.StreamArn(), "kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator"),
		// A transaction needs the rights of the writes it is made of: PutItem.
		allow("Table", h.table.TableArn(), "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"),
		allow("Fail", h.queue.QueueArn(), "sqs:SendMessage"),
		allow("Logs", logs.LogGroupArn(), "logs:CreateLogStream", "logs:PutLogEvents"),
		allow("Trace", jsii.String("*"), "xray:PutTraceSegments", "xray:PutTelemetryRecords"),
		// Reading records, reading and writing items, and sending a message each decrypt a data key; a message may need a
		// new one. Only through these services: the role cannot call the key itself.
		via(stack, allow("Decrypt", key.KeyArn(), "kms:Decrypt"), "kinesis", "dynamodb", "sqs"),
		via(stack, allow("Encrypt", key.KeyArn(), "kms:GenerateDataKey"), "sqs"),
	}})
}

// newMapping declares the mapping at the lowest level: the higher one would add to the role what it does not need.
func (h hotPath) newMapping(stack awscdk.Stack, s Settings) awslambda.CfnEventSourceMapping {
	return awslambda.NewCfnEventSourceMapping(stack, jsii.String("Mapping"), &awslambda.CfnEventSourceMappingProps{
		EventSourceArn:                 h.stream.StreamArn(),
		FunctionName:                   h.processor.FunctionName(),
		StartingPosition:               jsii.String("TRIM_HORIZON"),
		BatchSize:                      jsii.Number(batchSize),
		MaximumBatchingWindowInSeconds: jsii.Number(batchingWindow.Seconds()),
		ParallelizationFactor:          jsii.Number(1),
		MaximumRetryAttempts:           jsii.Number(retryAttempts),
		MaximumRecordAgeInSeconds:      jsii.Number(recordAge(s.StreamRetention).Seconds()),
		BisectBatchOnFunctionError:     jsii.Bool(true),
		FunctionResponseTypes:          jsii.Strings("ReportBatchItemFailures"),
		DestinationConfig: &awslambda.CfnEventSourceMapping_DestinationConfigProperty{
			OnFailure: &awslambda.CfnEventSourceMapping_OnFailureProperty{Destination: h.queue.QueueArn()},
		},
		MetricsConfig: &awslambda.CfnEventSourceMapping_MetricsConfigProperty{Metrics: jsii.Strings("EventCount")},
	})
}

// recordAge is the age at which Lambda gives a record up: early enough that what the queue points to can still be read
// from a stream of that retention. At most what Lambda takes.
func recordAge(retention time.Duration) time.Duration {
	return min(retention*ageShare/100, maxRecordAge)
}

func allow(sid string, resource *string, actions ...string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String(sid), Resources: &[]*string{resource}, Actions: jsii.Strings(actions...),
	})
}

// via limits the use of a key to what the services do on the caller's behalf.
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
