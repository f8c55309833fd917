package main

import (
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"
)

// watched names what alarms and dashboard look at, as the metrics of AWS do.
type watched struct {
	stream    *string // name
	table     *string // name
	queue     *string // name of the failure queue
	processor *string // name of the function
	mapping   *string // UUID of the event source mapping
	delivery  *string // name of the Firehose delivery stream
	transform *string // name of the function
}

// Statistics of CloudWatch. An age is looked at by its maximum: an average hides the one shard that stands still.
const (
	sum     = "Sum"
	highest = "Maximum"
	average = "Average"
	median  = "p50"
	slowest = "p99"
)

// metric is one number that CloudWatch keeps. Each one here is published by a single dimension; asked for without it, or
// with another one, it has no data, and says nothing of that.
type metric struct {
	namespace, dimension string
	of                   *string // value of the dimension
	name, statistic      string
}

func (w watched) ofStream(name, statistic string) metric {
	return metric{"AWS/Kinesis", "StreamName", w.stream, name, statistic}
}

func (w watched) ofTable(name, statistic string) metric {
	return metric{"AWS/DynamoDB", "TableName", w.table, name, statistic}
}

func (w watched) ofQueue(name, statistic string) metric {
	return metric{"AWS/SQS", "QueueName", w.queue, name, statistic}
}

func (w watched) ofProcessor(name, statistic string) metric {
	return metric{"AWS/Lambda", "FunctionName", w.processor, name, statistic}
}

func (w watched) ofMapping(name, statistic string) metric {
	return metric{"AWS/Lambda", "EventSourceMappingUUID", w.mapping, name, statistic}
}

func (w watched) ofTransform(name, statistic string) metric {
	return metric{"AWS/Lambda", "FunctionName", w.transform, name, statistic}
}

func (w watched) ofDelivery(name, statistic string) metric {
	return metric{"AWS/Firehose", "DeliveryStreamName", w.delivery, name, statistic}
}

// counted is one of the metrics that the processor writes itself (functions/processor/metrics.go).
func (w watched) counted(name, statistic string) metric {
	return metric{"Millrace", "FunctionName", w.processor, name, statistic}
}

// transformed is one of those that the transform function writes itself (functions/transform/metrics.go).
func (w watched) transformed(name, statistic string) metric {
	return metric{"Millrace", "FunctionName", w.transform, name, statistic}
}

// formula is an expression of metric math over metrics, by the ids that the expression calls them.
type formula struct {
	text string
	of   map[string]metric
}

// filled is nought where a metric has no data.
func filled(m metric) formula { return formula{"FILL(m, 0)", map[string]metric{"m": m}} }

// ids are those of the metrics, in order.
func (f formula) ids() []string { return slices.Sorted(maps.Keys(f.of)) }

func (m metric) construct(period time.Duration) awscloudwatch.IMetric {
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace:     jsii.String(m.namespace),
		MetricName:    jsii.String(m.name),
		DimensionsMap: &map[string]*string{m.dimension: m.of},
		Statistic:     jsii.String(m.statistic),
		Period:        duration(period),
	})
}

func (f formula) construct(period time.Duration) awscloudwatch.IMetric {
	metrics := map[string]awscloudwatch.IMetric{}
	for id, m := range f.of {
		metrics[id] = m.construct(period)
	}
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression:   jsii.String(f.text),
		UsingMetrics: &metrics,
		Period:       duration(period),
	})
}
