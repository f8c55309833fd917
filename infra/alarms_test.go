package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// standIns are names as the tests without CDK use them.
func standIns() watched {
	return watched{
		stream: jsii.String("stream"), table: jsii.String("table"), queue: jsii.String("queue"),
		processor: jsii.String("processor"), mapping: jsii.String("mapping"),
		delivery: jsii.String("delivery"), transform: jsii.String("transform"),
	}
}

// published is what AWS publishes by one dimension, as its documentation says; of each page what is used here.
var published = []struct {
	source    string
	namespace string
	dimension string
	names     string
}{
	{
		"https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html#kinesis-metrics-stream",
		"AWS/Kinesis", "StreamName",
		"GetRecords.Bytes GetRecords.IteratorAgeMilliseconds IncomingBytes IncomingRecords PutRecords.FailedRecords PutRecords.ThrottledRecords WriteProvisionedThroughputExceeded",
	},
	{
		"https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
		"AWS/Lambda", "FunctionName",
		"ConcurrentExecutions DestinationDeliveryFailures Duration Errors Invocations IteratorAge Throttles",
	},
	{ // only of a mapping with MetricsConfig EventCount
		"https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics",
		"AWS/Lambda", "EventSourceMappingUUID",
		"DroppedEventCount OnFailureDestinationDeliveredEventCount",
	},
	{
		"https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html",
		"AWS/SQS", "QueueName",
		"ApproximateAgeOfOldestMessage ApproximateNumberOfMessagesNotVisible ApproximateNumberOfMessagesVisible",
	},
	{ // ThrottledRequests is not among them: it is published by TableName and Operation
		"https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html",
		"AWS/DynamoDB", "TableName",
		"ConsumedReadCapacityUnits ConsumedWriteCapacityUnits ReadThrottleEvents WriteThrottleEvents",
	},
	{
		"https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html",
		"AWS/Firehose", "DeliveryStreamName",
		"DataReadFromKinesisStream.Records DeliveryToS3.DataFreshness DeliveryToS3.Records ExecuteProcessing.Success FailedConversion.Records KinesisMillisBehindLatest SucceedProcessing.Records",
	},
	{ // ours: TestAlarms_OwnMetrics_AreWritten reads the source
		"functions/transform/metrics.go",
		"Millrace", "FunctionName",
		"FailuresNoRoom",
	},
}

// source gives the page that says that AWS publishes the metric by that dimension; empty if none does.
func source(namespace, dimension, name string) string {
	for _, p := range published {
		if p.namespace == namespace && p.dimension == dimension && strings.Contains(" "+p.names+" ", " "+name+" ") {
			return p.source
		}
	}
	return ""
}

// watch is what an alarm of the template watches, written here by hand from the documentation.
type watch struct{ namespace, name, dimension, statistic string }

var watches = map[string]watch{
	"ProcessorLag":         {"AWS/Lambda", "IteratorAge", "FunctionName", "Maximum"},
	"StreamLag":            {"AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "StreamName", "Maximum"},
	"ProcessorErrors":      {"AWS/Lambda", "Errors", "FunctionName", "Sum"},
	"ProcessorThrottles":   {"AWS/Lambda", "Throttles", "FunctionName", "Sum"},
	"StreamThrottles":      {"AWS/Kinesis", "WriteProvisionedThroughputExceeded", "StreamName", "Sum"},
	"RecordsDropped":       {"AWS/Lambda", "DroppedEventCount", "EventSourceMappingUUID", "Sum"},
	"FailuresUndelivered":  {"AWS/Lambda", "DestinationDeliveryFailures", "FunctionName", "Sum"},
	"FailureQueueNotEmpty": {"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "Maximum"},
	"FailureQueueOld":      {"AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "Maximum"},
	"ArchiveStale":         {"AWS/Firehose", "DeliveryToS3.DataFreshness", "DeliveryStreamName", "Maximum"},
	"TransformErrors":      {"AWS/Lambda", "Errors", "FunctionName", "Sum"},
	"TransformOverflow":    {"Millrace", "FailuresNoRoom", "FunctionName", "Sum"},
	"TransformCalls":       {"AWS/Firehose", "ExecuteProcessing.Success", "DeliveryStreamName", "Average"},
	"ConversionErrors":     {"AWS/Firehose", "FailedConversion.Records", "DeliveryStreamName", "Sum"},
}

// values are the dimensions' values in the template.
func values(id string) map[string]any {
	function := any(reference("Processor"))
	if strings.HasPrefix(id, "Transform") {
		function = reference("Transform")
	}
	return map[string]any{
		"StreamName":             reference("Stream"),
		"FunctionName":           function,
		"EventSourceMappingUUID": reference("Mapping"),
		"QueueName":              getAtt("FailureQueue", "QueueName"),
		"TableName":              reference("Table"),
		"DeliveryStreamName":     reference("Delivery"),
	}
}

func TestAlarms_Metrics_AreThoseThatAWSPublishes(t *testing.T) {
	s := synth(t)
	for id, want := range watches {
		if source(want.namespace, want.dimension, want.name) == "" {
			t.Errorf("%s: nobody publishes %v", id, want)
		}
		got := s.properties(t, id)
		wanted := map[string]any{
			"Namespace": want.namespace, "MetricName": want.name, "Statistic": want.statistic, "Period": 300.0,
			"Dimensions": []any{map[string]any{"Name": want.dimension, "Value": values(id)[want.dimension]}},
		}
		for property, value := range wanted {
			if diff := cmp.Diff(value, got[property]); diff != "" {
				t.Errorf("%s.%s: %s", id, property, diff)
			}
		}
		for _, property := range []string{"Metrics", "ExtendedStatistic", "Unit"} { // a unit that is not the metric's has no data
			if got[property] != nil {
				t.Errorf("%s.%s is %v", id, property, got[property])
			}
		}
	}
}

// expressions are the alarms on more than a metric as it is: the expression, and what each name in it stands for.
var expressions = map[string]struct {
	text string
	of   map[string]watch
}{
	"ProcessorDead": {"FILL(records, 0) > 0 AND FILL(calls, 0) == 0", map[string]watch{
		"records": {"AWS/Kinesis", "IncomingRecords", "StreamName", "Sum"},
		"calls":   {"AWS/Lambda", "Invocations", "FunctionName", "Sum"},
	}},
	"ArchiveDead": {"FILL(records, 0) > 0 AND FILL(read, 0) == 0", map[string]watch{
		"records": {"AWS/Kinesis", "IncomingRecords", "StreamName", "Sum"},
		"read":    {"AWS/Firehose", "DataReadFromKinesisStream.Records", "DeliveryStreamName", "Sum"},
	}},
	"TableWriteThrottles": {"FILL(m, 0)", map[string]watch{"m": {"AWS/DynamoDB", "WriteThrottleEvents", "TableName", "Sum"}}},
	"TableReadThrottles":  {"FILL(m, 0)", map[string]watch{"m": {"AWS/DynamoDB", "ReadThrottleEvents", "TableName", "Sum"}}},
}

func TestAlarms_Expressions_AreOverMetricsThatAWSPublishes(t *testing.T) {
	for id, e := range expressions {
		want := map[string]any{"expr_1": map[string]any{"Id": "expr_1", "ReturnData": true, "Expression": e.text}}
		for name, w := range e.of {
			want[name] = map[string]any{"Id": name, "ReturnData": false, "MetricStat": map[string]any{
				"Period": 300.0, "Stat": w.statistic,
				"Metric": map[string]any{
					"Namespace": w.namespace, "MetricName": w.name,
					"Dimensions": []any{map[string]any{"Name": w.dimension, "Value": values(id)[w.dimension]}},
				},
			}}
		}
		got := map[string]any{}
		for _, query := range synth(t).properties(t, id)["Metrics"].([]any) {
			got[query.(map[string]any)["Id"].(string)] = query
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
}

func TestAlarms_Template_HasTheAlarmsOfTheTable(t *testing.T) {
	s := synth(t)
	for _, a := range alarms(DefaultSettings(), standIns()) {
		comparison := "GreaterThanThreshold"
		if a.below {
			comparison = "LessThanThreshold"
		}
		missing := "notBreaching"
		if a.id == "StreamLag" {
			missing = "missing"
		}
		got := s.properties(t, a.id)
		for property, want := range map[string]any{
			"AlarmName":          join(reference("AWS::StackName"), "-"+a.id),
			"AlarmDescription":   a.meaning,
			"Threshold":          a.threshold,
			"ComparisonOperator": comparison,
			"DatapointsToAlarm":  float64(a.hits),
			"EvaluationPeriods":  float64(a.of),
			"TreatMissingData":   missing,
			"AlarmActions":       nil,
		} {
			if diff := cmp.Diff(want, got[property]); diff != "" {
				t.Errorf("%s.%s: %s", a.id, property, diff)
			}
		}
	}
}

// all gives the metrics of an alarm.
func (a alarm) all() []metric {
	if a.formula.text == "" {
		return []metric{a.metric}
	}
	var all []metric
	for _, id := range a.formula.ids() {
		all = append(all, a.formula.of[id])
	}
	return all
}

func TestAlarms_EachMetric_HasItsDimension(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range alarms(DefaultSettings(), standIns()) {
		for _, m := range a.all() {
			if m.of == nil || *m.of == "" || source(m.namespace, m.dimension, m.name) == "" {
				t.Errorf("%s: %+v is not published so", a.id, m)
			}
		}
		if seen[a.id] {
			t.Errorf("%s twice", a.id)
		}
		seen[a.id] = true
		_, isMetric := watches[a.id]
		if _, isExpression := expressions[a.id]; isMetric == isExpression {
			t.Errorf("%s: no test, or two, say what it watches", a.id)
		}
	}
}

// maxDescription is the most that CloudWatch takes (PutMetricAlarm, AlarmDescription).
const maxDescription = 1024

var script = regexp.MustCompile(`scripts/\w+`)

func TestAlarms_EachDescription_SaysWhatToDo(t *testing.T) {
	for _, a := range alarms(DefaultSettings(), standIns()) {
		first, then, found := strings.Cut(a.meaning, ". ")
		if !found || first == "" || !strings.HasSuffix(then, ".") || len(a.meaning) > maxDescription {
			t.Errorf("%s: want what it means, and what to do: %q", a.id, a.meaning)
		}
		for _, command := range script.FindAllString(a.meaning, -1) {
			if _, err := os.Stat("../" + command); err != nil {
				t.Errorf("%s: there is no %s", a.id, command)
			}
		}
	}
}

// AWS contradicts itself on what an alarm on these metrics does without data: none of them is ever without.
func TestAlarms_OnDynamoDB_AreNeverWithoutData(t *testing.T) {
	for _, a := range alarms(DefaultSettings(), standIns()) {
		for _, m := range a.all() {
			if m.namespace == "AWS/DynamoDB" && !strings.HasPrefix(a.formula.text, "FILL(") {
				t.Errorf("%s: once fired it may never be over", a.id)
			}
		}
	}
}

func TestAlarms_OwnMetrics_AreWritten(t *testing.T) {
	for id, w := range watches {
		if w.namespace == "Millrace" && !slices.Contains(writtenBy(t, "transform"), w.name) {
			t.Errorf("%s: the transform function writes no %s", id, w.name)
		}
	}
}

func TestAlarms_JSONArchive_HasNoConversionToWatch(t *testing.T) {
	s := DefaultSettings()
	s.ArchiveFormat = JSON
	for _, a := range alarms(s, standIns()) {
		if a.id == "ConversionErrors" {
			t.Error("nobody converts, and nobody publishes the metric")
		}
	}
}

func TestThresholds_Defaults(t *testing.T) {
	s := DefaultSettings()
	for _, c := range []struct {
		name      string
		got, want time.Duration
	}{
		{"lag", lagThreshold(s), 9*time.Hour + 36*time.Minute},
		{"age in the failure queue", failureAgeThreshold(s), 2*time.Hour + 24*time.Minute},
		{"freshness of the archive", freshnessThreshold(s), 20 * time.Minute},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestThresholds_AnySettings_WarnBeforeSomethingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := DefaultSettings()
		s.StreamRetention = time.Duration(rapid.IntRange(24, 8760).Draw(t, "hours")) * time.Hour
		longest := min(s.StreamRetention-time.Second, maxRecordAge)
		s.RecordAge = time.Duration(rapid.IntRange(60, int(longest/time.Second)).Draw(t, "record age")) * time.Second
		s.ArchiveInterval = time.Duration(rapid.IntRange(0, 900).Draw(t, "interval")) * time.Second

		if lag := lagThreshold(s); lag <= 0 || lag > s.RecordAge/2 || lag >= s.StreamRetention/2 {
			t.Fatalf("lag %v with record age %v and retention %v", lag, s.RecordAge, s.StreamRetention)
		}
		// A record given up at its greatest age can still be read from the stream when the alarm comes, with as much time again.
		age := failureAgeThreshold(s)
		if age <= 0 || s.RecordAge+2*age > s.StreamRetention || 2*age > queueRetention {
			t.Fatalf("failure age %v with record age %v and retention %v", age, s.RecordAge, s.StreamRetention)
		}
		if fresh := freshnessThreshold(s); fresh <= 2*s.ArchiveInterval || fresh > s.StreamRetention/20 {
			t.Fatalf("freshness %v with interval %v and retention %v", fresh, s.ArchiveInterval, s.StreamRetention)
		}
	})
}

func TestAlarms_LongerRetention_RaisesTheThresholds(t *testing.T) {
	threshold := func(s Settings, id string) float64 {
		for _, a := range alarms(s, standIns()) {
			if a.id == id {
				return a.threshold
			}
		}
		t.Fatalf("no alarm %s", id)
		return 0
	}
	short, long := DefaultSettings(), DefaultSettings()
	long.StreamRetention, long.RecordAge = 2*short.StreamRetention, 2*short.RecordAge
	for _, id := range []string{"ProcessorLag", "StreamLag", "FailureQueueOld"} {
		if got, want := threshold(long, id), 2*threshold(short, id); got != want {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
	long.ArchiveInterval = 15 * time.Minute
	if got, want := threshold(long, "ArchiveStale"), 3000.0; got != want {
		t.Errorf("ArchiveStale: %v s, want %v", got, want)
	}
}
