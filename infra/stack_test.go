package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/config"
)

func TestStack_CdkNagAwsSolutions_FindsNothing(t *testing.T) {
	for _, finding := range synth(t).findings {
		t.Error(finding)
	}
}

func TestStack_LogicalIds_AreReadable(t *testing.T) {
	got := map[string]string{}
	for id, r := range synth(t).Resources {
		got[id] = r.Type
	}
	want := map[string]string{
		"Key":                "AWS::KMS::Key",
		"Stream":             "AWS::Kinesis::Stream",
		"Table":              "AWS::DynamoDB::Table",
		"FailureQueue":       "AWS::SQS::Queue",
		"FailureQueuePolicy": "AWS::SQS::QueuePolicy",
		"ProcessorLogs":      "AWS::Logs::LogGroup",
		"ProcessorRole":      "AWS::IAM::Role",
		"Processor":          "AWS::Lambda::Function",
		"Mapping":            "AWS::Lambda::EventSourceMapping",
		"Dashboard":          "AWS::CloudWatch::Dashboard",
		"Archive":            "AWS::S3::Bucket",
		"ArchivePolicy":      "AWS::S3::BucketPolicy",
		"ArchiveDatabase":    "AWS::Glue::Database",
		"ArchiveTable":       "AWS::Glue::Table",
		"WorkGroup":          "AWS::Athena::WorkGroup",
		"EventsByDay":        "AWS::Athena::NamedQuery",
		"Copies":             "AWS::Athena::NamedQuery",
		"TransformLogs":      "AWS::Logs::LogGroup",
		"TransformRole":      "AWS::IAM::Role",
		"Transform":          "AWS::Lambda::Function",
		"DeliveryLogs":       "AWS::Logs::LogGroup",
		"DeliveryLogStream":  "AWS::Logs::LogStream",
		"DeliveryRole":       "AWS::IAM::Role",
		"Delivery":           "AWS::KinesisFirehose::DeliveryStream",
	}
	for _, a := range alarms(DefaultSettings(), standIns()) {
		want[a.id] = "AWS::CloudWatch::Alarm"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStack_Outputs_LeadToTheResources(t *testing.T) {
	got := map[string]any{}
	for id, o := range synth(t).Outputs {
		got[id] = o.Value
	}
	want := map[string]any{
		config.OutputStream:       reference("Stream"),
		config.OutputTable:        reference("Table"),
		config.OutputFailureQueue: reference("FailureQueue"),
		config.OutputProcessor:    reference("Processor"),
		config.OutputMapping:      reference("Mapping"),
		config.OutputDashboard:    reference("Dashboard"),
		config.OutputArchive:      reference("Archive"),
		config.OutputDelivery:     reference("Delivery"),
		config.OutputTransform:    reference("Transform"),
		config.OutputDatabase:     reference("ArchiveDatabase"),
		config.OutputWorkGroup:    reference("WorkGroup"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStack_AtRest_IsEncryptedWithTheKey(t *testing.T) {
	s := synth(t)
	key := getAtt("Key", "Arn")
	for id, want := range map[string]map[string]any{
		"Key":           {"EnableKeyRotation": true},
		"Stream":        {"StreamEncryption": map[string]any{"EncryptionType": "KMS", "KeyId": key}},
		"Table":         {"SSESpecification": map[string]any{"KMSMasterKeyId": key, "SSEEnabled": true, "SSEType": "KMS"}},
		"FailureQueue":  {"KmsMasterKeyId": key},
		"ProcessorLogs": {"KmsKeyId": key},
		"TransformLogs": {"KmsKeyId": key},
		"DeliveryLogs":  {"KmsKeyId": key},
		"Archive": {"BucketEncryption": map[string]any{"ServerSideEncryptionConfiguration": []any{map[string]any{
			"BucketKeyEnabled":              true,
			"ServerSideEncryptionByDefault": map[string]any{"KMSMasterKeyID": key, "SSEAlgorithm": "aws:kms"},
		}}}},
	} {
		for name, value := range want {
			if diff := cmp.Diff(value, s.properties(t, id)[name]); diff != "" {
				t.Errorf("%s.%s: %s", id, name, diff)
			}
		}
	}
}

func TestStack_DeletedStack_KeepsTheData(t *testing.T) {
	s := synth(t)
	for id, want := range map[string]string{
		"Table": "Retain", // it could not be taken back by a first deployment that fails: it is protected
		"Key":   "RetainExceptOnCreate", "Stream": "RetainExceptOnCreate", "Archive": "RetainExceptOnCreate", "ArchivePolicy": "RetainExceptOnCreate",
		"FailureQueue": "RetainExceptOnCreate", "FailureQueuePolicy": "RetainExceptOnCreate",
	} {
		if r := s.Resources[id]; r.DeletionPolicy != want || r.UpdateReplacePolicy != "Retain" {
			t.Errorf("%s: deletion policy is %q, when replaced %q", id, r.DeletionPolicy, r.UpdateReplacePolicy)
		}
	}
	table := s.properties(t, "Table")
	if table["DeletionProtectionEnabled"] != true {
		t.Error("the table may be deleted")
	}
	want := map[string]any{"PointInTimeRecoveryEnabled": true}
	if diff := cmp.Diff(want, table["PointInTimeRecoverySpecification"]); diff != "" {
		t.Error(diff)
	}
}

func TestTable_Expiry_IsTheLedgersAttribute(t *testing.T) {
	want := map[string]any{"AttributeName": "expires", "Enabled": true}
	if diff := cmp.Diff(want, synth(t).properties(t, "Table")["TimeToLiveSpecification"]); diff != "" {
		t.Error(diff)
	}
}

func TestFailureQueue_WithoutTLS_IsDenied(t *testing.T) {
	s := synth(t)
	if got := s.properties(t, "FailureQueue")["MessageRetentionPeriod"]; got != 1209600.0 {
		t.Errorf("messages are kept for %v seconds", got)
	}
	want := map[string]any{
		"Effect":    "Deny",
		"Principal": map[string]any{"AWS": "*"},
		"Action":    "sqs:*",
		"Resource":  getAtt("FailureQueue", "Arn"),
		"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
	}
	policy := s.properties(t, "FailureQueuePolicy")["PolicyDocument"].(map[string]any)
	if diff := cmp.Diff([]any{want}, policy["Statement"]); diff != "" {
		t.Error(diff)
	}
}

func TestMapping_Settings_FollowFromDelivery(t *testing.T) {
	want := map[string]any{
		"EventSourceArn":                 getAtt("Stream", "Arn"),
		"FunctionName":                   reference("Processor"),
		"StartingPosition":               "TRIM_HORIZON",
		"BatchSize":                      1000.0,
		"MaximumBatchingWindowInSeconds": 1.0,
		"ParallelizationFactor":          1.0,
		"MaximumRetryAttempts":           60.0,
		"MaximumRecordAgeInSeconds":      69120.0, // 80 % of 24 h
		"BisectBatchOnFunctionError":     true,
		"FunctionResponseTypes":          []any{"ReportBatchItemFailures"},
		"DestinationConfig":              map[string]any{"OnFailure": map[string]any{"Destination": getAtt("FailureQueue", "Arn")}},
		"MetricsConfig":                  map[string]any{"Metrics": []any{"EventCount"}},
	}
	if diff := cmp.Diff(want, synth(t).properties(t, "Mapping")); diff != "" {
		t.Error(diff)
	}
}

func TestProcessor_Environment_IsWhatTheProcessorReads(t *testing.T) {
	environment := synth(t).properties(t, "Processor")["Environment"].(map[string]any)["Variables"].(map[string]any)
	got, err := config.ReadProcessor(func(name string) string { text, _ := environment[name].(string); return text })
	if err != nil {
		t.Fatal(err)
	}
	if want := DefaultSettings().Processor; got != want {
		t.Errorf("reads %+v, want %+v", got, want)
	}
	want := map[string]any{config.EnvTable: reference("Table"), config.EnvFailureQueue: reference("FailureQueue")}
	for name, value := range DefaultSettings().Processor.Environment() {
		want[name] = value
	}
	if diff := cmp.Diff(want, environment); diff != "" {
		t.Error(diff)
	}
}

func TestProcessor_Runtime_RunsTheBootstrap(t *testing.T) {
	got := synth(t).properties(t, "Processor")
	for name, want := range map[string]any{
		"Runtime":       "provided.al2023",
		"Handler":       "bootstrap",
		"Architectures": []any{"arm64"},
		"TracingConfig": map[string]any{"Mode": "Active"},
		"LoggingConfig": map[string]any{"LogGroup": reference("ProcessorLogs")},
		"Role":          getAtt("ProcessorRole", "Arn"),
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
