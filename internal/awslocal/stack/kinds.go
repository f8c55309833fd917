package stack

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/millrace/millrace/internal/awslocal/dynamodb"
	"github.com/millrace/millrace/internal/awslocal/esm"
	"github.com/millrace/millrace/internal/awslocal/kinesis"
	"github.com/millrace/millrace/internal/awslocal/lambda"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Queue is an AWS::SQS::Queue to create.
type Queue struct {
	Name       string
	Attributes map[string]string // under the names of CreateQueue
	URL        string            // what references to it have been given
}

// Mapping is an AWS::Lambda::EventSourceMapping to create.
type Mapping struct {
	UUID     string
	Function string // name
	Config   esm.Config
}

const mappingType = "AWS::Lambda::EventSourceMapping"

// kinds are the resource types that are emulated. Each reads the properties, and gives what to create and the
// attributes of it, Ref's under "". name is the physical name if the template gives none. What it gives is nil when the
// properties ask for what is not emulated; it has noted that then.
var kinds = map[string]func(p *plan, in *properties, name string) (step any, attributes map[string]string){
	"AWS::Kinesis::Stream":         (*plan).stream,
	"AWS::Kinesis::StreamConsumer": (*plan).consumer,
	"AWS::DynamoDB::Table":         (*plan).table,
	"AWS::SQS::Queue":              (*plan).queue,
	"AWS::SNS::Topic":              (*plan).topic,
	"AWS::SNS::Subscription":       (*plan).subscription,
	"AWS::S3::Bucket":              (*plan).bucket,
	"AWS::Lambda::Function":        (*plan).function,
	mappingType:                    (*plan).mapping,
}

// defaultRetention is what CloudFormation gives a stream, in hours.
const defaultRetention = 24

func (p *plan) stream(in *properties, name string) (any, map[string]string) {
	s := kinesis.Stream{
		Name:         in.text("Name", name),
		Retention:    time.Duration(in.integer("RetentionPeriodHours", defaultRetention)) * time.Hour,
		MaxRecordKiB: in.integer("MaxRecordSizeInKiB", 0),
	}
	if e := in.object("StreamEncryption"); e.values != nil {
		if kind := e.required("EncryptionType"); kind != "KMS" {
			e.fail("EncryptionType", "%q: want KMS", kind)
		}
		s.Key = e.required("KeyId")
	}
	switch mode := in.object("StreamModeDetails").text("StreamMode", "PROVISIONED"); mode {
	case "ON_DEMAND":
		s.OnDemand = true
	case "PROVISIONED":
		s.Shards = in.integer("ShardCount", 1)
	default:
		in.fail("StreamModeDetails.StreamMode", "%q: want PROVISIONED or ON_DEMAND", mode)
	}
	return s, map[string]string{"": s.Name, "Arn": p.arn("kinesis", "stream/"+s.Name)}
}

func (p *plan) table(in *properties, name string) (any, map[string]string) {
	t := dynamodb.Table{Name: in.text("TableName", name)}
	types := map[string]string{}
	for _, a := range in.objects("AttributeDefinitions") {
		types[a.required("AttributeName")] = a.required("AttributeType")
	}
	for _, k := range in.objects("KeySchema") {
		key := dynamodb.Key{Name: k.required("AttributeName"), Type: types[k.text("AttributeName", "")]}
		switch kind := k.required("KeyType"); kind {
		case "HASH":
			t.HashKey = key
		case "RANGE":
			t.RangeKey = key
		default:
			k.fail("KeyType", "%q: want HASH or RANGE", kind)
		}
		if key.Type == "" {
			in.fail("AttributeDefinitions", "does not have the key %s", key.Name)
		}
	}
	if t.HashKey.Name == "" {
		in.fail("KeySchema", "has no HASH key")
	}
	ttl := in.object("TimeToLiveSpecification")
	if attribute := ttl.text("AttributeName", ""); ttl.boolean("Enabled", false) {
		t.TTLAttribute = attribute
	}
	in.harmless("BillingMode") // the local table is billed per request; what another mode needs is left over
	return t, map[string]string{"": t.Name, "Arn": p.arn("dynamodb", "table/"+t.Name)}
}

// queueAttributes are the properties of a queue that are attributes of CreateQueue by the same name.
var queueAttributes = []string{
	"DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "VisibilityTimeout",
}

func (p *plan) queue(in *properties, name string) (any, map[string]string) {
	q := Queue{Name: in.text("QueueName", name), Attributes: map[string]string{}}
	for _, attribute := range queueAttributes {
		if v := in.text(attribute, ""); v != "" {
			q.Attributes[attribute] = v
		}
	}
	if in.boolean("FifoQueue", false) {
		in.fail("FifoQueue", "FIFO queues are not emulated")
	}
	if redrive := in.object("RedrivePolicy"); redrive.values != nil {
		q.Attributes["RedrivePolicy"] = redrivePolicy(redrive)
	}
	q.URL = p.Endpoint + "/" + p.Account + "/" + q.Name
	return q, map[string]string{"": q.URL, "QueueUrl": q.URL, "QueueName": q.Name, "Arn": p.arn("sqs", q.Name)}
}

func redrivePolicy(in *properties) string {
	b, err := json.Marshal(struct {
		Target string `json:"deadLetterTargetArn"`
		Max    int    `json:"maxReceiveCount"`
	}{in.required("deadLetterTargetArn"), in.integer("maxReceiveCount", 10)})
	if err != nil {
		in.fail("deadLetterTargetArn", "%w", err)
	}
	return string(b)
}

func (p *plan) mapping(in *properties, name string) (any, map[string]string) {
	c, before := esm.DefaultConfig(), len(p.errs)
	ref := in.required("FunctionName")
	function, qualifier := lambda.SplitName(ref)
	m := Mapping{UUID: wire.IDOf(p.stackID() + name), Function: function}
	c.EventSourceARN = in.required("EventSourceArn")
	c.FunctionARN = p.arn("lambda", "function:"+m.Function)
	switch qualifier {
	case "":
	case lambda.Latest:
		c.FunctionARN += ":" + qualifier
	default:
		in.fail("FunctionName", "%q: a template's functions have no versions or aliases here", ref)
	}
	c.RoleARN = p.roles[m.Function]
	mappingSettings(in, &c)
	if len(p.errs) == before { // or what is wrong would be said again, of a value that nobody has given
		if err := c.Validate(); err != nil {
			p.errs = append(p.errs, fmt.Errorf("%s: %w", in.path, err))
		}
	}
	if _, ok := p.roles[m.Function]; !ok {
		in.fail("FunctionName", "there is no function %s in this template", m.Function)
	}
	m.Config = c
	return m, map[string]string{"": m.UUID, "Id": m.UUID, "EventSourceMappingArn": p.arn("lambda", "event-source-mapping:"+m.UUID)}
}

// mappingSettings reads what has a default, and the position. Whether AWS would take it, Validate says.
func mappingSettings(in *properties, c *esm.Config) {
	c.StartingPosition = esm.PositionType(in.required("StartingPosition"))
	if seconds := in.integer("StartingPositionTimestamp", 0); seconds != 0 {
		c.StartingPositionTimestamp = time.Unix(int64(seconds), 0)
	}
	c.Enabled = in.boolean("Enabled", c.Enabled)
	c.BatchSize = in.integer("BatchSize", c.BatchSize)
	c.MaximumBatchingWindowInSeconds = in.integer("MaximumBatchingWindowInSeconds", c.MaximumBatchingWindowInSeconds)
	c.ParallelizationFactor = in.integer("ParallelizationFactor", c.ParallelizationFactor)
	c.MaximumRetryAttempts = in.integer("MaximumRetryAttempts", c.MaximumRetryAttempts)
	c.MaximumRecordAgeInSeconds = in.integer("MaximumRecordAgeInSeconds", c.MaximumRecordAgeInSeconds)
	c.BisectBatchOnFunctionError = in.boolean("BisectBatchOnFunctionError", c.BisectBatchOnFunctionError)
	c.FunctionResponseTypes = slices.Clone(in.texts("FunctionResponseTypes"))
	destinations := in.object("DestinationConfig")
	c.OnFailure = destinations.object("OnFailure").text("Destination", "")
	c.OnSuccess = destinations.object("OnSuccess").text("Destination", "")
	for _, filter := range in.object("FilterCriteria").objects("Filters") {
		c.Filters = append(c.Filters, filter.required("Pattern"))
	}
	c.KMSKeyARN = in.text("KmsKeyArn", "")
	c.Metrics = slices.Clone(in.object("MetricsConfig").texts("Metrics"))
	c.TumblingWindowInSeconds = in.integer("TumblingWindowInSeconds", 0)
}
