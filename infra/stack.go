package main

import (
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/millrace/millrace/internal/config"
)

// newStack declares the application in app as one stack. The functions' code lies in codeFolder/<function>.
func newStack(app awscdk.App, s Settings, codeFolder string) awscdk.Stack {
	stack := awscdk.NewStack(app, jsii.String(s.Stack), &awscdk.StackProps{
		Description: jsii.String("Millrace: exact counts, sums and extremes from a stream of events"),
	})
	key := newKey(stack, s)
	hot := newHotPath(stack, s, key, filepath.Join(codeFolder, "processor"))
	cold := newColdPath(stack, s, key, hot.stream, filepath.Join(codeFolder, "transform"))
	cold.delivery.AddResourceDependency(hot.mapping, jsii.String("by then the role of Firehose is known everywhere; Firehose tries it once"))
	w := watched{
		stream:    hot.stream.StreamName(),
		table:     hot.table.TableName(),
		queue:     hot.queue.QueueName(),
		processor: hot.processor.FunctionName(),
		mapping:   hot.mapping.Ref(),
		delivery:  cold.delivery.Ref(),
		transform: cold.transform.FunctionName(),
	}
	dashboard := newDashboard(stack, s, w, newAlarms(stack, s, key, w))

	output(stack, config.OutputStream, "Kinesis stream that producers write to", hot.stream.StreamName())
	output(stack, config.OutputTable, "DynamoDB table of ledger and aggregates", hot.table.TableName())
	output(stack, config.OutputFailureQueue, "Queue of the records that failed", hot.queue.QueueUrl())
	output(stack, config.OutputProcessor, "Function of the hot path", hot.processor.FunctionName())
	output(stack, config.OutputMapping, "Event source mapping from stream to processor", hot.mapping.Ref())
	output(stack, config.OutputArchive, "Bucket of the archive", cold.archive.bucket.BucketName())
	output(stack, config.OutputDelivery, "Firehose from stream to archive", cold.delivery.Ref())
	output(stack, config.OutputTransform, "Function of the cold path", cold.transform.FunctionName())
	output(stack, config.OutputDatabase, "Glue database of the archive", cold.archive.database.Ref())
	output(stack, config.OutputWorkGroup, "Athena workgroup with the archive's queries", cold.archive.workGroup.Ref())
	output(stack, config.OutputDashboard, "CloudWatch dashboard", dashboard.Ref())
	nameByPath(stack)
	return stack
}

func output(stack awscdk.Stack, id, description string, value *string) {
	awscdk.NewCfnOutput(stack, jsii.String(id), &awscdk.CfnOutputProps{Description: jsii.String(description), Value: value})
}

// nameByPath makes each element's path its logical id ("FailureQueue/Policy/Resource" is FailureQueuePolicy): CDK would
// append a hash, which nobody can read or type. Two equal names are an error of the synthesis.
func nameByPath(stack awscdk.Stack) {
	for _, c := range *stack.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		element, ok := c.(awscdk.CfnElement)
		if !ok || element.Node().Scope() == nil {
			continue
		}
		path := strings.TrimPrefix(*element.Node().Path(), *stack.Node().Path()+"/")
		path = strings.TrimSuffix(path, "/Resource")
		element.OverrideLogicalId(jsii.String(strings.ReplaceAll(path, "/", "")))
	}
}

// logOwners are who writes logs here; each has a log group of that name.
var logOwners = []string{"processor", "transform", "delivery"}

// newKey declares the one key for what is at rest: stream, table, failure queue, archive and logs. Principals of this
// account use it by their own policies; service principals are admitted here: CloudWatch Logs, for the logs of this stack
// alone, and SNS for the failure topic. It is nil where each service has a key of its own.
func newKey(stack awscdk.Stack, s Settings) awskms.Key {
	if s.Encryption == AWSKey {
		return nil
	}
	key := awskms.NewKey(stack, jsii.String("Key"), &awskms.KeyProps{
		Description:       jsii.String("Millrace: stream, table, failure queue, archive and logs"),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     s.removal(),
	})
	groups := make([]*string, len(logOwners))
	for i, owner := range logOwners {
		groups[i] = logGroupArn(stack, owner)
	}
	// Unlike other services', the name of this principal ends as the partition's URLs do (region-info of the CDK).
	service := "logs." + *stack.Region() + "." + *stack.UrlSuffix()
	key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("Logs"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(&service, nil)},
		Actions: jsii.Strings("kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo",
			"kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey"),
		Resources: jsii.Strings("*"), // in a key's policy: this key
		Conditions: &map[string]any{"ArnEquals": map[string]any{
			"kms:EncryptionContext:aws:logs:arn": groups,
		}},
	}), nil)
	if s.FailuresTo == ToTopic {
		admitFailureTopic(stack, key)
	}
	return key
}

// removal is what becomes of the data when the stack, or a resource of it, is deleted. A first deployment that fails takes
// back what it has made: there is no data yet, and it would be paid for.
func (s Settings) removal() awscdk.RemovalPolicy {
	if s.KeepData {
		return awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE
	}
	return awscdk.RemovalPolicy_DESTROY
}

// logGroupName names a log group after the stack and its owner: a name known beforehand lets the key's policy admit that
// group and no other.
func logGroupName(owner string) *string {
	return jsii.String("/millrace/" + *awscdk.Aws_STACK_NAME() + "/" + owner)
}

func logGroupArn(stack awscdk.Stack, owner string) *string {
	return stack.FormatArn(&awscdk.ArnComponents{
		Service:      jsii.String("logs"),
		Resource:     jsii.String("log-group"),
		ResourceName: logGroupName(owner),
		ArnFormat:    awscdk.ArnFormat_COLON_RESOURCE_NAME,
	})
}
