package main

import (
	"slices"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
)

// alarmPeriod is what one reading of an alarm covers. The services publish every minute, and late by some; five minutes
// leave few readings empty.
const alarmPeriod = 5 * time.Minute

// alarm is one alarm, as a row of a table. It fires when hits of the last readings are above the threshold.
type alarm struct {
	id        string // logical id; with the stack's name before it, the alarm's name
	meaning   string // for the one who gets the mail: what has happened, and what to do first
	metric    metric
	formula   formula // instead of metric, where one is not enough
	threshold float64
	below     bool // it fires below the threshold
	hits, of  int

	// missing is what a reading without data counts as; empty: as a good one. Most metrics here count what must not happen
	// and are not published while it does not, or while nothing is done at all.
	missing awscloudwatch.TreatMissingData
}

// alarms are all alarms. What else they could watch is on the dashboard.
func alarms(s Settings, w watched) []alarm {
	return slices.Concat(processorAlarms(s, w), throttleAlarms(w), failureAlarms(s, w), archiveAlarms(s, w))
}

func processorAlarms(s Settings, w watched) []alarm {
	return []alarm{
		// One reading is enough for an age, which does not jitter; a batch that is tried again may leave the next ones empty.
		{
			id: "ProcessorLag",
			meaning: "The processor has fallen half as far behind as it may: at the record age of its mapping, records go to the failure queue uncounted. " +
				"See whether ProcessorErrors, ProcessorThrottles or TableWriteThrottles fire too; if not, it is too slow: raise the memory, ParallelizationFactor or the number of shards.",
			metric: w.ofProcessor("IteratorAge", highest), threshold: milliseconds(lagThreshold(s)), hits: 1, of: 3,
		},
		// Every reader by GetRecords is in this metric: Firehose always, the mapping unless it reads by fan-out. Both poll, so
		// without data nobody reads: neither good nor bad, and shown as that.
		{
			id: "StreamLag",
			meaning: "A reader of the stream, the processor or Firehose, has fallen half as far behind as the processor may. " +
				"If ProcessorLag fires too, begin there; if not, it is Firehose: see ArchiveStale and the archive row of the dashboard.",
			metric: w.ofStream("GetRecords.IteratorAgeMilliseconds", highest), threshold: milliseconds(lagThreshold(s)), hits: 1, of: 3,
			missing: awscloudwatch.TreatMissingData_MISSING,
		},
		// One crash or time-out heals when Lambda tries again; ten minutes of them do not.
		{
			id: "ProcessorErrors",
			meaning: "The processor crashes or runs out of time again and again: its shard stands still until Lambda gives the batch up to the failure queue. " +
				"Read the processor's log; if it says nothing, compare its duration with the time-out.",
			metric: w.ofProcessor("Errors", sum), hits: 2, of: 3,
		},
		// Both metrics come only with traffic, so each is filled. They also come late, and a filled last reading is a guess:
		// three of four, and not the last three (CloudWatch, metric math: FILL).
		{
			id: "ProcessorDead",
			meaning: "Records come in, and for a quarter of an hour nobody has called the processor. " +
				"See whether its event source mapping is enabled, what its last result was, and whether its role may still read the stream and use the key.",
			formula: formula{"FILL(records, 0) > 0 AND FILL(calls, 0) == 0", map[string]metric{
				"records": w.ofStream("IncomingRecords", sum),
				"calls":   w.ofProcessor("Invocations", sum),
			}},
			hits: 3, of: 4,
		},
	}
}

// throttleAlarms are those of who refuses work. Everybody who is refused tries again, so a burst is no alarm.
func throttleAlarms(w watched) []alarm {
	return []alarm{
		{
			id: "ProcessorThrottles",
			meaning: "Lambda refuses to run the processor: its reserved concurrency, or what other functions leave of the account's, is used up. " +
				"It needs shards x ParallelizationFactor instances: reserve them, or raise the account's limit.",
			metric: w.ofProcessor("Throttles", sum), hits: 2, of: 3,
		},
		{
			id: "StreamThrottles",
			meaning: "Kinesis refuses records: a shard takes 1,000 of them, or 1 MB, in a second. " +
				"Nothing is lost while producers try again, as scripts/produce does; if it lasts, add shards, or find the partition key that most records share.",
			metric: w.ofStream("WriteProvisionedThroughputExceeded", sum), hits: 2, of: 3,
		},
		// ThrottledRequests is published by table and operation only; these two, by table (DynamoDB, metrics and dimensions).
		// They are filled, because AWS says both that an alarm on AWS/DynamoDB without data stays as it is unless told otherwise
		// (CloudWatch user guide, missing data) and that it does so whatever it is told (API, PutMetricAlarm).
		{
			id: "TableWriteThrottles",
			meaning: "DynamoDB refuses writes of the table, most likely of one partition, which takes 1,000 write units in a second. " +
				"Nothing is lost while the processor tries again; if it lasts, larger batches write less; the usual cause is a group that most events share.",
			formula: filled(w.ofTable("WriteThrottleEvents", sum)), hits: 2, of: 3,
		},
		{
			id: "TableReadThrottles",
			meaning: "DynamoDB refuses reads of the table: a partition gives 3,000 read units in a second. " +
				"Look for many cold starts of the processor, each of which reads the ledger, and for queries in a loop (scripts/query).",
			formula: filled(w.ofTable("ReadThrottleEvents", sum)), hits: 2, of: 3,
		},
	}
}

func failureAlarms(s Settings, w watched) []alarm {
	return []alarm{
		// Each of these two is a record that is in nobody's hands: the first one counts.
		{
			id: "RecordsDropped",
			meaning: "Lambda gave records up and could not report them: they are not counted and not in the failure queue, only in the stream and in the archive. " +
				"Write down the time, and see whether the mapping's role may send to the failure destination and use its key.",
			metric: w.ofMapping("DroppedEventCount", sum), hits: 1, of: 1,
		},
		{
			id: "FailuresUndelivered",
			meaning: "Lambda could not deliver what it gave up to the failure destination. " +
				"See whether the mapping's role may send there and use its key; RecordsDropped says how many records it was.",
			metric: w.ofProcessor("DestinationDeliveryFailures", sum), hits: 1, of: 1,
		},
		// Without messages SQS stops publishing after some hours.
		{
			id: "FailureQueueNotEmpty",
			meaning: "Records failed and are not counted. " +
				"Look at a message of the failure queue: it has the record with the class and the text of its error, or, if Lambda gave it up, only its place in the stream.",
			metric: w.ofQueue("ApproximateNumberOfMessagesVisible", highest), hits: 1, of: 1,
		},
		{
			id: "FailureQueueOld",
			meaning: "The oldest message of the failure queue has waited so long that the stream may soon forget the records that it points to. " +
				"Handle the queue now. SQS leaves out messages that were received three times, looking at them included: FailureQueueNotEmpty is the alarm that counts.",
			metric: w.ofQueue("ApproximateAgeOfOldestMessage", highest), threshold: failureAgeThreshold(s).Seconds(), hits: 1, of: 1,
		},
	}
}

func archiveAlarms(s Settings, w watched) []alarm {
	all := []alarm{
		{
			id: "ArchiveStale",
			meaning: "Firehose holds events for longer than it should: it cannot transform, convert or write them. " +
				"See whether TransformErrors or TransformCalls fire, then the delivery stream's error log: the bucket, its key, the Glue table. What the stream forgets before this is mended never reaches the archive.",
			metric: w.ofDelivery("DeliveryToS3.DataFreshness", highest), threshold: freshnessThreshold(s).Seconds(), hits: 2, of: 3,
		},
		// What never gets into Firehose is in none of its ages, and the stream's own age is that of its best reader.
		{
			id: "ArchiveDead",
			meaning: "Records come in, and for a quarter of an hour Firehose has read none: what the stream forgets before it does never reaches the archive. " +
				"See whether the delivery stream is active, and whether its role may still read the stream and use the key.",
			formula: formula{"FILL(records, 0) > 0 AND FILL(read, 0) == 0", map[string]metric{
				"records": w.ofStream("IncomingRecords", sum),
				"read":    w.ofDelivery("DataReadFromKinesisStream.Records", sum),
			}},
			hits: 3, of: 4,
		},
		// Firehose tries a call again at once, then writes the batch to the error prefix (Firehose, data transformation
		// failures): a batch that the function cannot take is over within one reading.
		{
			id: "TransformErrors",
			meaning: "The transform function crashes or runs out of time: after " + transformRetries + " more tries Firehose writes the batch below the archive's error prefix, untransformed. " +
				"Read the function's log.",
			metric: w.ofTransform("Errors", sum), hits: 1, of: 1,
		},
		// The share of calls that succeeded. It also sees those that never reached the function.
		{
			id: "TransformCalls",
			meaning: "Firehose's calls of the transform function fail: what is not transformed after " + transformRetries + " more tries is written below the archive's error prefix. " +
				"If TransformErrors fires, begin there; if not, the function is throttled, or Firehose's role may not call it.",
			metric: w.ofDelivery("ExecuteProcessing.Success", average), threshold: 1, below: true, hits: 2, of: 3,
		},
		// No metric of Firehose counts what the function refuses. What is no event also comes to the failure queue; this is
		// counted, and does not.
		{
			id: "TransformOverflow",
			meaning: "The rows of some events had no room in the transform function's answer: they are below the archive's error prefix, not in the table. " +
				"Events are very short or large, or gzipped very well: if it lasts, have Firehose buffer less for the function (transformBuffer in infra/coldpath.go).",
			metric: w.transformed("FailuresNoRoom", sum), hits: 1, of: 1,
		},
	}
	if s.ArchiveFormat == Parquet { // who does not convert does not publish this
		all = append(all, alarm{
			id: "ConversionErrors",
			meaning: "Firehose could not convert events to Parquet: they are below the archive's error prefix, not in the table. " +
				"Compare the columns of the Glue table with what the transform function writes.",
			metric: w.ofDelivery("FailedConversion.Records", sum), hits: 1, of: 1,
		})
	}
	return all
}

// lagThreshold is the age of a record that warns: half of the age at which Lambda gives it up. As that is below the
// stream's retention, this is below half of it, from where on AWS speaks of a risk (Kinesis, recommended metrics).
// By default: 80 % of 24 h is 19.2 h, half of it 9.6 h; as much is left to act in.
func lagThreshold(s Settings) time.Duration { return s.RecordAge / 2 }

// failureAgeThreshold is the age of a message that warns. A record that is given up at its greatest age stays in the
// stream for what is left of the retention, and the pointer to it is worth no more; half of that warns. By default:
// 24 h - 19.2 h is 4.8 h, half of it 2.4 h. Where the stream keeps more than the queue, half of the queue's life warns.
func failureAgeThreshold(s Settings) time.Duration {
	return min(s.StreamRetention-s.RecordAge, queueRetention) / 2
}

// freshnessMargin is for what Firehose does besides gathering: it gathers once more for the transform function, calls it,
// converts, and tries again.
const freshnessMargin = 5 * time.Minute

// freshnessThreshold is the age of the oldest event in Firehose's hands that warns: three times as old as an object
// gets, and the margin. By default 20 minutes; never more than 50, for an interval is at most 15.
func freshnessThreshold(s Settings) time.Duration { return 3*s.ArchiveInterval + freshnessMargin }

func milliseconds(d time.Duration) float64 { return float64(d.Milliseconds()) }

// newAlarms declares the alarms and, if there is somebody to tell, the topic that tells. It gives the alarms' ARNs. Key is
// nil where each service has its own.
//
// No alarm tells that it is over: each new one would begin with a mail that all is well. The dashboard shows the states.
func newAlarms(stack awscdk.Stack, s Settings, key awskms.Key, w watched) []*string {
	var action awscloudwatch.IAlarmAction
	if s.AlarmEmail != "" {
		action = awscloudwatchactions.NewSnsAction(newAlarmTopic(stack, s, key))
	}
	var arns []*string
	for _, a := range alarms(s, w) {
		construct := a.construct(stack)
		if action != nil {
			construct.AddAlarmAction(action)
		}
		arns = append(arns, alarmArn(stack, a.id))
	}
	return arns
}

func (a alarm) construct(stack awscdk.Stack) awscloudwatch.Alarm {
	watch, comparison, missing := awscloudwatch.IMetric(nil), awscloudwatch.ComparisonOperator_GREATER_THAN_THRESHOLD, a.missing
	if a.formula.text != "" {
		watch = a.formula.construct(alarmPeriod)
	} else {
		watch = a.metric.construct(alarmPeriod)
	}
	if a.below {
		comparison = awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD
	}
	if missing == "" {
		missing = awscloudwatch.TreatMissingData_NOT_BREACHING
	}
	return awscloudwatch.NewAlarm(stack, jsii.String(a.id), &awscloudwatch.AlarmProps{
		AlarmName:          alarmName(a.id),
		AlarmDescription:   jsii.String(a.meaning),
		Metric:             watch,
		Threshold:          jsii.Number(a.threshold),
		ComparisonOperator: comparison,
		DatapointsToAlarm:  jsii.Number(a.hits),
		EvaluationPeriods:  jsii.Number(a.of),
		TreatMissingData:   missing,
	})
}

// alarmName names an alarm after the stack: the mail's subject, and what the policies below admit.
func alarmName(id string) *string { return jsii.String(*awscdk.Aws_STACK_NAME() + "-" + id) }

func alarmArn(stack awscdk.Stack, id string) *string {
	return stack.FormatArn(&awscdk.ArnComponents{
		Service:      jsii.String("cloudwatch"),
		Resource:     jsii.String("alarm"),
		ResourceName: alarmName(id),
		ArnFormat:    awscdk.ArnFormat_COLON_RESOURCE_NAME,
	})
}

// newAlarmTopic declares the topic and its one subscriber, who has to confirm the mail that AWS sends first. With a key of
// our own the topic is encrypted with it; with the services' own keys it is not: CloudWatch may not use that of SNS, whose
// policy nobody can change (AWS re:Post, "CloudWatch alarms with encrypted SNS topics"). What it carries is names and numbers.
func newAlarmTopic(stack awscdk.Stack, s Settings, key awskms.Key) awssns.Topic {
	topic := awssns.NewTopic(stack, jsii.String("AlarmTopic"), &awssns.TopicProps{
		DisplayName: jsii.String("Millrace alarms"),
		MasterKey:   key,
		EnforceSSL:  jsii.Bool(true),
	})
	topic.AddToResourcePolicy(fromAlarms(stack, topic.TopicArn(), "sns:Publish"))
	if key != nil {
		key.AddToResourcePolicy(fromAlarms(stack, jsii.String("*"), "kms:Decrypt", "kms:GenerateDataKey"), nil) // *: this key
	}
	awssns.NewSubscription(stack, jsii.String("AlarmMail"), &awssns.SubscriptionProps{
		Topic:    topic,
		Protocol: awssns.SubscriptionProtocol_EMAIL,
		Endpoint: jsii.String(s.AlarmEmail),
	})
	return topic
}

// fromAlarms allows CloudWatch what it needs to tell of this stack's alarms, and of no others.
func fromAlarms(stack awscdk.Stack, resource *string, actions ...string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("Alarms"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Actions:    jsii.Strings(actions...),
		Resources:  &[]*string{resource},
		Conditions: &map[string]any{
			"StringEquals": map[string]any{"aws:SourceAccount": stack.Account()},
			"ArnLike":      map[string]any{"aws:SourceArn": alarmArn(stack, "*")},
		},
	})
}
