package main

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/config"
)

// Two more syntheses show what the defaults do not: lean has what costs least and keeps nothing, rich what costs most.
var (
	leanOnce = sync.OnceValues(func() (synthesis, error) { return synthesise(leanSettings()) })
	richOnce = sync.OnceValues(func() (synthesis, error) { return synthesise(richSettings()) })
)

func leanSettings() Settings {
	s := DefaultSettings()
	s.Stack, s.Architecture, s.Encryption, s.KeepData = "Lean-Stack2", X86, AWSKey, false
	s.Capacity, s.StreamRetention, s.RecordAge = OnDemand, 30*24*time.Hour, 7*24*time.Hour
	s.StartingPosition, s.BatchSize, s.BatchingWindow, s.Retries, s.Bisect = Latest, 100, 0, -1, false
	s.LogRetention, s.FailuresTo, s.AlarmEmail = 0, ToTopic, address
	s.ArchiveFormat, s.ArchiveInterval = JSON, time.Minute
	s.Processor.Horizon, s.Processor.Bits = config.None, 2
	return s
}

func richSettings() Settings {
	s := DefaultSettings()
	s.Shards, s.ParallelizationFactor, s.ReservedConcurrency = 3, 5, 15
	s.StartingPosition, s.RecordAge = "2026-01-23T21:00:00+01:00", 10*time.Hour
	s.Memory, s.Timeout, s.LogRetention = 1024, 2*time.Minute, 731*24*time.Hour
	s.FanOut, s.FailuresTo, s.AlarmEmail = true, ToTopic, address
	s.Processor.Bits = 2
	return s
}

func lean(t *testing.T) synthesis { return shared(t, leanOnce) }
func rich(t *testing.T) synthesis { return shared(t, richOnce) }

// property is what one property of a resource should be; nil: not there.
type property struct {
	id, name string
	want     any
}

func (s synthesis) check(t *testing.T, properties ...property) {
	t.Helper()
	for _, p := range properties {
		if diff := cmp.Diff(p.want, s.properties(t, p.id)[p.name]); diff != "" {
			t.Errorf("%s.%s: %s", p.id, p.name, diff)
		}
	}
}

func TestOptions_Settings_AreValid(t *testing.T) {
	for name, s := range map[string]Settings{"lean": leanSettings(), "rich": richSettings()} {
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptions_CdkNagAwsSolutions_FindsNothing(t *testing.T) {
	for _, finding := range slices.Concat(lean(t).findings, rich(t).findings) {
		t.Error(finding)
	}
}

func TestAWSKeys_AtRest_EachServiceHasItsOwn(t *testing.T) {
	s := lean(t)
	s.check(t,
		property{"Stream", "StreamEncryption", map[string]any{"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}},
		property{"Table", "SSESpecification", map[string]any{"SSEEnabled": false}}, // a key that DynamoDB owns
		property{"FailureQueue", "SqsManagedSseEnabled", true},
		property{"FailureQueue", "KmsMasterKeyId", nil},
		property{"FailureTopic", "KmsMasterKeyId", nil},
		property{"ProcessorLogs", "KmsKeyId", nil},
	)
	if strings.Contains(string(s.text), "kms:") || strings.Contains(string(s.text), "AWS::KMS") {
		t.Error("something is said of a key")
	}
}

func TestKeepData_No_DeletedStackLeavesNothing(t *testing.T) {
	s := lean(t)
	for id, r := range s.Resources {
		if r.DeletionPolicy == "Retain" || r.DeletionPolicy == "Snapshot" {
			t.Errorf("%s: deletion policy is %q", id, r.DeletionPolicy)
		}
	}
	for _, id := range []string{"Stream", "Table", "FailureQueue"} {
		if got := s.Resources[id].DeletionPolicy; got != "Delete" {
			t.Errorf("%s: deletion policy is %q", id, got)
		}
	}
	s.check(t, property{"Table", "DeletionProtectionEnabled", false})
}

func TestStream_OnDemand_NamesNoShards(t *testing.T) {
	lean(t).check(t,
		property{"Stream", "StreamModeDetails", map[string]any{"StreamMode": "ON_DEMAND"}},
		property{"Stream", "ShardCount", nil},
		property{"Stream", "RetentionPeriodHours", 720.0},
	)
	rich(t).check(t,
		property{"Stream", "StreamModeDetails", map[string]any{"StreamMode": "PROVISIONED"}},
		property{"Stream", "ShardCount", 3.0},
	)
}

func TestProcessor_Settings_AreFollowed(t *testing.T) {
	lean(t).check(t,
		property{"Processor", "Architectures", []any{"x86_64"}},
		property{"Processor", "ReservedConcurrentExecutions", nil},
		property{"ProcessorLogs", "RetentionInDays", nil},
	)
	rich(t).check(t,
		property{"Processor", "Architectures", []any{"arm64"}},
		property{"Processor", "MemorySize", 1024.0},
		property{"Processor", "Timeout", 120.0},
		property{"Processor", "ReservedConcurrentExecutions", 15.0},
		property{"ProcessorLogs", "RetentionInDays", 731.0},
	)
}

func TestMapping_Settings_AreFollowed(t *testing.T) {
	lean(t).check(t,
		property{"Mapping", "EventSourceArn", getAtt("Stream", "Arn")},
		property{"Mapping", "StartingPosition", "LATEST"},
		property{"Mapping", "StartingPositionTimestamp", nil},
		property{"Mapping", "BatchSize", 100.0},
		property{"Mapping", "MaximumBatchingWindowInSeconds", 0.0},
		property{"Mapping", "MaximumRetryAttempts", -1.0},
		property{"Mapping", "MaximumRecordAgeInSeconds", 604800.0},
		property{"Mapping", "BisectBatchOnFunctionError", false},
	)
	rich(t).check(t,
		property{"Mapping", "StartingPosition", "AT_TIMESTAMP"},
		property{"Mapping", "StartingPositionTimestamp", 1769198400.0}, // 20:00 UTC
		property{"Mapping", "ParallelizationFactor", 5.0},
		property{"Mapping", "MaximumRecordAgeInSeconds", 36000.0},
	)
}

func TestFanOut_Mapping_ReadsByAConsumerOfItsOwn(t *testing.T) {
	s := rich(t)
	s.check(t,
		property{"Consumer", "StreamARN", getAtt("Stream", "Arn")},
		property{"Mapping", "EventSourceArn", consumerARN},
	)
	if _, ok := lean(t).Resources["Consumer"]; ok {
		t.Error("a consumer, unasked")
	}
}

// consumerARN is that of the processor's consumer.
var consumerARN = getAtt("Consumer", "ConsumerARN")

func TestFanOut_ItsCost_IsSaidAndOnlyThen(t *testing.T) {
	infos := rich(t).infos
	if len(infos) != 1 || !strings.Contains(infos[0], fanOutCost(richSettings())) {
		t.Errorf("said: %q", infos)
	}
	for _, s := range []synthesis{synth(t), lean(t)} {
		if len(s.infos) > 0 {
			t.Errorf("said: %q", s.infos)
		}
	}
}

func TestFanOutCost_Capacity_DecidesWhatIsPaid(t *testing.T) {
	s := richSettings() // 3 shards at $0.015 an hour, 730 hours a month
	if got := fanOutCost(s); !strings.Contains(got, "3 shards costs $32.85 a month and $0.013 a GB") {
		t.Error(got)
	}
	s.Capacity = OnDemand
	if got := fanOutCost(s); !strings.Contains(got, "$0.05 a GB") || strings.Contains(got, "month") {
		t.Error(got)
	}
}

func TestProcessorRole_OptionalRights_AreExactlyThese(t *testing.T) {
	rest := map[string]rights{
		"Table":   {[]any{"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:Query"}, getAtt("Table", "Arn")},
		"Fail":    {[]any{"sqs:SendMessage"}, getAtt("FailureQueue", "Arn")},
		"Logs":    {[]any{"logs:CreateLogStream", "logs:PutLogEvents"}, getAtt("ProcessorLogs", "Arn")},
		"Trace":   {[]any{"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, "*"}, // these two take no resource
		"Publish": {[]any{"sns:Publish"}, reference("FailureTopic")},
	}
	for _, c := range []struct {
		name string
		s    synthesis
		more map[string]rights
	}{
		{"lean", lean(t), map[string]rights{
			"ReadStream": {[]any{"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}, getAtt("Stream", "Arn")},
		}},
		{"rich", rich(t), map[string]rights{
			"ReadStream": {[]any{"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}, getAtt("Stream", "Arn")},
			"Subscribe":  {[]any{"kinesis:SubscribeToShard"}, consumerARN},
			"Decrypt":    {[]any{"kms:Decrypt"}, getAtt("Key", "Arn")},
			"Encrypt":    {[]any{"kms:GenerateDataKey"}, getAtt("Key", "Arn")},
		}},
	} {
		for sid, r := range rest {
			c.more[sid] = r
		}
		if diff := cmp.Diff(c.more, rightsOf(t, c.s, "ProcessorRole")); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	wantServices(t, roleStatements(t, rich(t), "ProcessorRole"), map[string][]string{
		"Decrypt": {"kinesis", "dynamodb", "sqs", "sns"}, "Encrypt": {"sqs", "sns"},
	})
}

func TestFailureTopic_WhatLambdaGivesUp_ReachesTheQueueAsItIs(t *testing.T) {
	for _, s := range []synthesis{lean(t), rich(t)} {
		s.check(t,
			property{"Mapping", "DestinationConfig", map[string]any{"OnFailure": map[string]any{"Destination": reference("FailureTopic")}}},
			property{"FailureSubscription", "Protocol", "sqs"},
			property{"FailureSubscription", "TopicArn", reference("FailureTopic")},
			property{"FailureSubscription", "Endpoint", getAtt("FailureQueue", "Arn")},
			property{"FailureSubscription", "RawMessageDelivery", true},
		)
	}
	rich(t).check(t, property{"FailureTopic", "KmsMasterKeyId", getAtt("Key", "Arn")})
	for id, r := range synth(t).Resources {
		if strings.HasPrefix(r.Type, "AWS::SNS::") {
			t.Errorf("%s, unasked", id)
		}
	}
}

// A report to a topic that does not yet reach the queue would be gone, and count as delivered.
func TestFailureTopic_LeadsToTheQueue_BeforeTheMappingReportsToIt(t *testing.T) {
	for _, s := range []synthesis{lean(t), rich(t)} {
		if diff := cmp.Diff([]any{"FailureQueuePolicy", "FailureSubscription"}, s.Resources["Mapping"].DependsOn); diff != "" {
			t.Error(diff)
		}
	}
}

func TestFailureTopic_WithoutTLS_IsDenied(t *testing.T) {
	for _, s := range []synthesis{lean(t), rich(t)} {
		policy := s.properties(t, "FailureTopicPolicy")["PolicyDocument"].(map[string]any)
		want := []any{map[string]any{
			"Sid": "AllowPublishThroughSSLOnly", "Effect": "Deny", "Principal": "*", "Action": "sns:Publish",
			"Resource":  reference("FailureTopic"),
			"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
		}}
		if diff := cmp.Diff(want, policy["Statement"]); diff != "" {
			t.Error(diff)
		}
	}
}

func TestFailureQueue_Topic_IsTheOnlyOneLetIn(t *testing.T) {
	for _, s := range []synthesis{lean(t), rich(t)} {
		bySid := statements(t, s.properties(t, "FailureQueuePolicy")["PolicyDocument"])
		if len(bySid) != 2 || bySid[""]["Effect"] != "Deny" {
			t.Errorf("want two statements, without TLS and the topic's: %v", bySid)
		}
		want := map[string]any{
			"Sid": "FailureTopic", "Effect": "Allow", "Principal": map[string]any{"Service": "sns.amazonaws.com"},
			"Action": "sqs:SendMessage", "Resource": getAtt("FailureQueue", "Arn"),
			"Condition": map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": reference("FailureTopic")}},
		}
		if diff := cmp.Diff(want, bySid["FailureTopic"]); diff != "" {
			t.Error(diff)
		}
	}
}

// The key and the topic need each other, so the key's policy has the topic by its name.
func TestKey_FailureTopic_IsLetInByItsName(t *testing.T) {
	s := rich(t)
	name := []any{reference("AWS::StackName"), "-failures"}
	s.check(t, property{"FailureTopic", "TopicName", join(name...)})
	want := map[string]any{
		"Sid": "FailureTopic", "Effect": "Allow", "Principal": map[string]any{"Service": "sns.amazonaws.com"},
		"Action": []any{"kms:Decrypt", "kms:GenerateDataKey"}, "Resource": "*",
		"Condition": map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": join(append([]any{
			"arn:", reference("AWS::Partition"), ":sns:", reference("AWS::Region"), ":", reference("AWS::AccountId"), ":",
		}, name...)...)}},
	}
	bySid := statements(t, s.properties(t, "Key")["KeyPolicy"])
	if len(bySid) != 4 {
		t.Errorf("%d statements, want four: those of the account, the logs, the topic and the alarms", len(bySid))
	}
	if diff := cmp.Diff(want, bySid["FailureTopic"]); diff != "" {
		t.Error(diff)
	}
}
