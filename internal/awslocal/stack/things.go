package stack

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/awslocal/sns"
)

// Topic is an AWS::SNS::Topic to create.
type Topic struct {
	Name          string
	Attributes    map[string]string // under the names of CreateTopic
	Subscriptions []Subscription    // that stand in the topic
}

// Subscription is an AWS::SNS::Subscription of a queue to create.
type Subscription struct {
	Topic, Queue string // ARNs
	Raw          bool
}

// Bucket is an AWS::S3::Bucket to create.
type Bucket struct{ Name string }

// Consumer is an AWS::Kinesis::StreamConsumer to create.
type Consumer struct {
	Name, Stream string    // the stream by its ARN
	Created      time.Time // which is in the ARN that references to it have been given
}

func (p *plan) topic(in *properties, name string) (any, map[string]string) {
	t := Topic{Name: in.text("TopicName", name)}
	if display := in.text("DisplayName", ""); display != "" {
		t.Attributes = map[string]string{"DisplayName": display}
	}
	if in.boolean("FifoTopic", false) {
		in.fail("FifoTopic", "FIFO topics are not emulated")
	}
	arn := p.arn("sns", t.Name)
	for _, inner := range in.objects("Subscription") {
		if s := p.subscriber(inner, arn); s != nil {
			t.Subscriptions = append(t.Subscriptions, *s)
		}
	}
	return t, map[string]string{"": arn, "TopicArn": arn, "TopicName": t.Name}
}

func (p *plan) subscription(in *properties, _ string) (any, map[string]string) {
	s := p.subscriber(in, in.required("TopicArn"))
	if s == nil {
		return nil, nil
	}
	s.Raw = in.boolean("RawMessageDelivery", false)
	if in.value("FilterPolicy") != nil {
		in.fail("FilterPolicy", "is not emulated: the queue would get other messages than on AWS")
	}
	arn := sns.SubscriptionARN(s.Topic, s.Queue)
	return *s, map[string]string{"": arn, "Arn": arn}
}

// subscriber reads what both kinds of subscription have. nil is one by a protocol that is not emulated, and noted.
func (p *plan) subscriber(in *properties, topic string) *Subscription {
	protocol, endpoint := in.required("Protocol"), in.text("Endpoint", "")
	if protocol != "sqs" {
		in.harmless("RawMessageDelivery", "FilterPolicy", "FilterPolicyScope", "DeliveryPolicy", "SubscriptionRoleArn")
		p.stack.NotEmulated = append(p.stack.NotEmulated, Resource{LogicalID: in.path, Type: "AWS::SNS::Subscription by " + protocol})
		return nil
	}
	if endpoint == "" {
		in.fail("Endpoint", "is required")
	}
	return &Subscription{Topic: topic, Queue: endpoint}
}

// maxBucketName is the length of the longest name (userguide, "General purpose bucket naming rules").
const maxBucketName = 63

func (p *plan) bucket(in *properties, name string) (any, map[string]string) {
	name = strings.ToLower(name)
	b := Bucket{in.text("BucketName", strings.TrimRight(name[:min(len(name), maxBucketName)], "-"))}
	return b, map[string]string{
		"": b.Name, "Arn": "arn:aws:s3:::" + b.Name, "DomainName": b.Name + ".s3.amazonaws.com",
		"RegionalDomainName": fmt.Sprintf("%s.s3.%s.amazonaws.com", b.Name, p.Region),
	}
}

func (p *plan) consumer(in *properties, _ string) (any, map[string]string) {
	c := Consumer{Name: in.required("ConsumerName"), Stream: in.required("StreamARN"), Created: p.created}
	arn := fmt.Sprintf("%s/consumer/%s:%d", c.Stream, c.Name, c.Created.Unix())
	return c, map[string]string{
		"": arn, "ConsumerARN": arn, "ConsumerName": c.Name, "ConsumerStatus": "ACTIVE", "StreamARN": c.Stream,
		"ConsumerCreationTimestamp": c.Created.UTC().Format(time.RFC3339),
	}
}
