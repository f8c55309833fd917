package main

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskinesis"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskinesisfirehose"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"github.com/millrace/millrace/internal/config"
)

// The transform function's size. A batch is a few thousand events at most: milliseconds of work, and a few times its own
// size in memory. What needs more is a record that is made to: 64 MB of gzipped JSON, which took up to 310 MB and five
// seconds of a whole processor. Firehose waits five minutes at most (Firehose, "Transform source data"); a batch that is
// not done after one has hung, and is tried again the sooner.
const (
	transformMemory  = 512 // MB
	transformTimeout = time.Minute
)

// How Firehose calls the transform function.
const (
	// transformBuffer is below the default of 1, of the 0.2 to 3 MB that Firehose takes: the answer may have 6 MB, and rows
	// in base64 are about four times as long as flights, more where events are shorter or gzipped.
	transformBuffer   = "0.5" // MB
	transformInterval = "60"  // seconds
	// transformRetries is more than the default of 3: a batch that is given up goes to the error prefix, out of the table.
	transformRetries = "5"
)

// deliveryBuffer is the most that Firehose gathers: few large objects are what Athena reads best. Format conversion needs
// 64 MiB at least.
const deliveryBuffer = 128 // MiB

// deliveryLog names both the delivery stream's log group and the one log stream in it, which Firehose does not create.
const deliveryLog = "delivery"

// coldPath is the way of an event from the stream to the archive.
type coldPath struct {
	archive   archive
	transform awslambda.Function
	delivery  awskinesisfirehose.CfnDeliveryStream
}

// newColdPath declares the cold path; key is nil without a key of our own, code is the folder with the transform
// function's bootstrap.
func newColdPath(stack awscdk.Stack, s Settings, key awskms.Key, source awskinesis.Stream, code string) coldPath {
	var c coldPath
	c.archive = newArchive(stack, s, key)
	c.transform = newTransform(stack, s, key, code)
	c.delivery = c.newDelivery(stack, s, key, source)
	return c
}

func newTransform(stack awscdk.Stack, s Settings, key awskms.Key, code string) awslambda.Function {
	logs := newLogs(stack, s, key, "Transform")
	return awslambda.NewFunction(stack, jsii.String("Transform"), &awslambda.FunctionProps{
		Description:  jsii.String("Makes rows of the archive from the records of the stream"),
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: architecture(s.Architecture),
		Handler:      jsii.String("bootstrap"),
		Code:         awslambda.Code_FromAsset(jsii.String(code), nil),
		MemorySize:   jsii.Number(transformMemory),
		Timeout:      duration(transformTimeout),
		Tracing:      awslambda.Tracing_ACTIVE,
		LogGroup:     logs,
		Role:         newTransformRole(stack, logs).WithoutPolicyUpdates(nil),
	})
}

// newTransformRole lets the transform function write its logs and traces, and nothing else: Firehose hands it the records
// and takes what it answers.
func newTransformRole(stack awscdk.Stack, logs awslogs.LogGroup) awsiam.Role {
	role := awsiam.NewRole(stack, jsii.String("TransformRole"), &awsiam.RoleProps{
		Description: jsii.String("Transform function"),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		InlinePolicies: &map[string]awsiam.PolicyDocument{"Transform": policy(
			allow("Logs", logs.LogGroupArn(), "logs:CreateLogStream", "logs:PutLogEvents"),
			allow("Trace", jsii.String("*"), "xray:PutTraceSegments", "xray:PutTelemetryRecords"),
		)},
	})
	suppress(role, "AwsSolutions-IAM5", "X-Ray's two actions for sending traces know no resource: * is the only one they take.", "Resource::*")
	return role
}

// newDelivery declares the delivery stream at the lowest level: the higher one would give its role more than it needs. The
// role's policy is part of the role, so that the delivery stream, which names the role, is never there before its rights.
func (c coldPath) newDelivery(stack awscdk.Stack, s Settings, key awskms.Key, source awskinesis.Stream) awskinesisfirehose.CfnDeliveryStream {
	logs := newLogs(stack, s, key, "Delivery")
	logStream := awslogs.NewLogStream(stack, jsii.String("DeliveryLogStream"), &awslogs.LogStreamProps{
		LogGroup:      logs,
		LogStreamName: jsii.String(deliveryLog),
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	role := c.newDeliveryRole(stack, s, key, source)
	delivery := awskinesisfirehose.NewCfnDeliveryStream(stack, jsii.String("Delivery"), &awskinesisfirehose.CfnDeliveryStreamProps{
		DeliveryStreamType: jsii.String("KinesisStreamAsSource"),
		KinesisStreamSourceConfiguration: &awskinesisfirehose.CfnDeliveryStream_KinesisStreamSourceConfigurationProperty{
			KinesisStreamArn: source.StreamArn(),
			RoleArn:          role.RoleArn(),
		},
		ExtendedS3DestinationConfiguration: c.destination(s, role, logStream),
	})
	suppress(delivery, "AwsSolutions-KDF1", "Firehose refuses encryption of its own for a delivery stream that reads a Kinesis stream: what it holds is encrypted as the stream is.")
	return delivery
}

// destination is how Firehose writes the archive. The bucket encrypts what it gets. There is no backup of the records as
// they came: the rows have each event to the byte, and what the transform function refuses is under the error prefix
// with its bytes. (A backup once switched on cannot be switched off, and would store all of it twice.)
func (c coldPath) destination(s Settings, role awsiam.Role, logs awslogs.LogStream) any {
	destination := &awskinesisfirehose.CfnDeliveryStream_ExtendedS3DestinationConfigurationProperty{
		BucketArn:         c.archive.bucket.BucketArn(),
		RoleArn:           role.RoleArn(),
		Prefix:            jsii.String(config.ArchivePrefix + "dt=!{timestamp:yyyy-MM-dd}/"),
		ErrorOutputPrefix: jsii.String(config.ErrorPrefix + "!{firehose:error-output-type}/dt=!{timestamp:yyyy-MM-dd}/"),
		BufferingHints: &awskinesisfirehose.CfnDeliveryStream_BufferingHintsProperty{
			SizeInMBs:         jsii.Number(deliveryBuffer),
			IntervalInSeconds: jsii.Number(s.ArchiveInterval.Seconds()),
		},
		CloudWatchLoggingOptions: &awskinesisfirehose.CfnDeliveryStream_CloudWatchLoggingOptionsProperty{
			Enabled:       jsii.Bool(true),
			LogGroupName:  logGroupName(deliveryLog),
			LogStreamName: logs.LogStreamName(),
		},
		ProcessingConfiguration: c.processing(),
		S3BackupMode:            jsii.String("Disabled"),
	}
	// Both are said for either format: what an update leaves out stays as it was (Firehose API, UpdateDestination). With
	// conversion Firehose compresses nothing: Parquet does that itself.
	if s.ArchiveFormat == Parquet {
		destination.CompressionFormat = jsii.String("UNCOMPRESSED")
		destination.DataFormatConversionConfiguration = c.conversion(role)
	} else {
		destination.CompressionFormat = jsii.String("GZIP")
		destination.DataFormatConversionConfiguration = &awskinesisfirehose.CfnDeliveryStream_DataFormatConversionConfigurationProperty{Enabled: jsii.Bool(false)}
	}
	return destination
}

// processing has Firehose call the transform function.
func (c coldPath) processing() any {
	var parameters []any
	for _, p := range []struct{ name, value string }{
		{"LambdaArn", *c.transform.FunctionArn()},
		{"BufferSizeInMBs", transformBuffer},
		{"BufferIntervalInSeconds", transformInterval},
		{"NumberOfRetries", transformRetries},
	} {
		parameters = append(parameters, &awskinesisfirehose.CfnDeliveryStream_ProcessorParameterProperty{
			ParameterName: jsii.String(p.name), ParameterValue: jsii.String(p.value),
		})
	}
	return &awskinesisfirehose.CfnDeliveryStream_ProcessingConfigurationProperty{
		Enabled: jsii.Bool(true),
		Processors: []any{&awskinesisfirehose.CfnDeliveryStream_ProcessorProperty{
			Type: jsii.String("Lambda"), Parameters: parameters,
		}},
	}
}

// conversion has Firehose make Parquet of the rows by the archive's table. The OpenX deserializer reads timestamps as the
// transform function writes them.
func (c coldPath) conversion(role awsiam.Role) any {
	return &awskinesisfirehose.CfnDeliveryStream_DataFormatConversionConfigurationProperty{
		Enabled: jsii.Bool(true),
		InputFormatConfiguration: &awskinesisfirehose.CfnDeliveryStream_InputFormatConfigurationProperty{
			Deserializer: &awskinesisfirehose.CfnDeliveryStream_DeserializerProperty{
				OpenXJsonSerDe: &awskinesisfirehose.CfnDeliveryStream_OpenXJsonSerDeProperty{},
			},
		},
		OutputFormatConfiguration: &awskinesisfirehose.CfnDeliveryStream_OutputFormatConfigurationProperty{
			Serializer: &awskinesisfirehose.CfnDeliveryStream_SerializerProperty{
				ParquetSerDe: &awskinesisfirehose.CfnDeliveryStream_ParquetSerDeProperty{Compression: jsii.String("SNAPPY")},
			},
		},
		SchemaConfiguration: &awskinesisfirehose.CfnDeliveryStream_SchemaConfigurationProperty{
			DatabaseName: c.archive.database.Ref(),
			TableName:    c.archive.table.Ref(),
			RoleArn:      role.RoleArn(),
		},
	}
}

// newDeliveryRole is admitted to Firehose on behalf of this account alone: Firehose names the account that it works for
// as the external id (CloudWatch Logs, "Create a Firehose delivery stream").
func (c coldPath) newDeliveryRole(stack awscdk.Stack, s Settings, key awskms.Key, source awskinesis.Stream) awsiam.Role {
	role := awsiam.NewRole(stack, jsii.String("DeliveryRole"), &awsiam.RoleProps{
		Description: jsii.String("Firehose, from the stream through the transform function into the archive"),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("firehose.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"sts:ExternalId": stack.Account()}},
		}),
		InlinePolicies: &map[string]awsiam.PolicyDocument{"Delivery": policy(c.deliveryRights(stack, s, key, source)...)},
	})
	for _, prefix := range []string{config.ArchivePrefix, config.ErrorPrefix} {
		suppress(role, "AwsSolutions-IAM5", "Firehose chooses the names of the objects that it writes below this prefix.", "Resource::<Archive.Arn>/"+prefix+"*")
	}
	return role
}

// deliveryRights are all that Firehose may do (Firehose, "Controlling access"): of what is listed there nothing is left
// out, but objects are those below the two prefixes, and of the function no other version.
func (c coldPath) deliveryRights(stack awscdk.Stack, s Settings, key awskms.Key, source awskinesis.Stream) []awsiam.PolicyStatement {
	bucket := c.archive.bucket
	objects := allow("Objects", bucket.ArnForObjects(jsii.String(config.ArchivePrefix+"*")), "s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject")
	objects.AddResources(bucket.ArnForObjects(jsii.String(config.ErrorPrefix + "*")))
	transform := allow("Transform", c.transform.FunctionArn(), "lambda:GetFunctionConfiguration", "lambda:InvokeFunction")
	transform.AddResources(jsii.String(*c.transform.FunctionArn() + ":$LATEST")) // the same function, as Firehose may call it
	rights := []awsiam.PolicyStatement{
		allow("ReadStream", source.StreamArn(), "kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"),
		allow("Archive", bucket.BucketArn(), "s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"),
		objects,
		transform,
		allow("Logs", deliveryLogArn(stack), "logs:PutLogEvents"),
	}
	if s.ArchiveFormat == Parquet {
		rights = append(rights, c.archive.readSchema(stack))
	}
	if key != nil {
		// Reading records decrypts a data key, and so does an upload in parts; each object needs a new one, of the bucket's.
		rights = append(rights,
			via(stack, allow("Decrypt", key.KeyArn(), "kms:Decrypt"), "kinesis", "s3"),
			via(stack, allow("Encrypt", key.KeyArn(), "kms:GenerateDataKey"), "s3"))
	}
	return rights
}

// deliveryLogArn is the one log stream that Firehose writes to.
func deliveryLogArn(stack awscdk.Stack) *string {
	return jsii.String(*logGroupArn(stack, deliveryLog) + ":log-stream:" + deliveryLog)
}

func policy(statements ...awsiam.PolicyStatement) awsiam.PolicyDocument {
	return awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements})
}
