package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

func newFailureQueue(stack awscdk.Stack, s Settings, key awskms.Key) awssqs.Queue {
	props := &awssqs.QueueProps{
		RetentionPeriod: duration(queueRetention),
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:      jsii.Bool(true),
		RemovalPolicy:   s.removal(),
	}
	if key != nil {
		props.Encryption, props.EncryptionMasterKey = awssqs.QueueEncryption_KMS, key
	}
	queue := awssqs.NewQueue(stack, jsii.String("FailureQueue"), props)
	queuePolicy(queue).ApplyRemovalPolicy(s.removal()) // TLS only, as long as it is there
	suppress(queue, "AwsSolutions-SQS3", "This is the dead-letter queue: the mapping's on-failure destination. Only an operator reads it.")
	return queue
}

// queuePolicy gives the policy of a queue that has one.
func queuePolicy(queue awssqs.Queue) awssqs.QueuePolicy {
	return queue.Node().FindChild(jsii.String("Policy")).(awssqs.QueuePolicy)
}

// newFailureTopic declares the topic that Lambda reports to what it gives up, with the failure queue subscribed: the
// queue gets the very document that it would get from Lambda (raw delivery). It also gives what must be there before the
// topic leads to the queue.
func newFailureTopic(stack awscdk.Stack, key awskms.Key, queue awssqs.Queue) (awssns.Topic, []constructs.IDependable) {
	topic := awssns.NewTopic(stack, jsii.String("FailureTopic"), &awssns.TopicProps{
		TopicName:  failureTopicName(),
		MasterKey:  key,
		EnforceSSL: jsii.Bool(true),
	})
	subscription := awssns.NewSubscription(stack, jsii.String("FailureSubscription"), &awssns.SubscriptionProps{
		Topic:              topic,
		Protocol:           awssns.SubscriptionProtocol_SQS,
		Endpoint:           queue.QueueArn(),
		RawMessageDelivery: jsii.Bool(true),
	})
	queue.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("FailureTopic"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("sns.amazonaws.com"), nil)},
		Actions:    jsii.Strings("sqs:SendMessage"),
		Resources:  &[]*string{queue.QueueArn()},
		Conditions: &map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": topic.TopicArn()}},
	}))
	return topic, []constructs.IDependable{subscription, queuePolicy(queue)}
}

// admitFailureTopic lets SNS encrypt for the failure queue what comes by the failure topic. The topic is named
// beforehand, and its ARN written out, because it is itself encrypted with the key: each would wait for the other.
func admitFailureTopic(stack awscdk.Stack, key awskms.Key) {
	topic := stack.FormatArn(&awscdk.ArnComponents{Service: jsii.String("sns"), Resource: failureTopicName()})
	key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("FailureTopic"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("sns.amazonaws.com"), nil)},
		Actions:    jsii.Strings("kms:Decrypt", "kms:GenerateDataKey"),
		Resources:  jsii.Strings("*"), // in a key's policy: this key
		Conditions: &map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": topic}},
	}), nil)
}

func failureTopicName() *string { return jsii.String(*awscdk.Aws_STACK_NAME() + "-failures") }
