package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTransform_Runtime_RunsTheBootstrap(t *testing.T) {
	got := synth(t).properties(t, "Transform")
	for name, want := range map[string]any{
		"Runtime":       "provided.al2023",
		"Handler":       "bootstrap",
		"Architectures": []any{"arm64"},
		"TracingConfig": map[string]any{"Mode": "Active"},
		"LoggingConfig": map[string]any{"LogGroup": reference("TransformLogs")},
		"Role":          getAtt("TransformRole", "Arn"),
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if timeout := got["Timeout"].(float64); timeout > 300 { // Firehose: "supports Lambda invocation time of up to 5 minutes"
		t.Errorf("Firehose gives up before the function's %v seconds", timeout)
	}
}

// destination gives a synthesis' one destination.
func destination(t *testing.T, s synthesis) map[string]any {
	t.Helper()
	return s.properties(t, "Delivery")["ExtendedS3DestinationConfiguration"].(map[string]any)
}

func TestDelivery_Source_IsTheStream(t *testing.T) {
	delivery := synth(t).properties(t, "Delivery")
	if got := delivery["DeliveryStreamType"]; got != "KinesisStreamAsSource" {
		t.Errorf("type is %v", got)
	}
	want := map[string]any{"KinesisStreamARN": getAtt("Stream", "Arn"), "RoleARN": getAtt("DeliveryRole", "Arn")}
	if diff := cmp.Diff(want, delivery["KinesisStreamSourceConfiguration"]); diff != "" {
		t.Error(diff)
	}
}

func TestDelivery_Objects_LieWhereTheArchiveIsRead(t *testing.T) {
	got := destination(t, synth(t))
	for name, want := range map[string]any{
		"BucketARN":         getAtt("Archive", "Arn"),
		"Prefix":            "events/dt=!{timestamp:yyyy-MM-dd}/",
		"ErrorOutputPrefix": "errors/!{firehose:error-output-type}/dt=!{timestamp:yyyy-MM-dd}/",
		"BufferingHints":    map[string]any{"IntervalInSeconds": 300.0, "SizeInMBs": 128.0},
		"S3BackupMode":      "Disabled",
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestDelivery_Records_GoThroughTheTransformFunction(t *testing.T) {
	parameter := func(name string, value any) map[string]any {
		return map[string]any{"ParameterName": name, "ParameterValue": value}
	}
	want := map[string]any{"Enabled": true, "Processors": []any{map[string]any{"Type": "Lambda", "Parameters": []any{
		parameter("LambdaArn", getAtt("Transform", "Arn")),
		parameter("BufferSizeInMBs", "0.5"),
		parameter("BufferIntervalInSeconds", "60"),
		parameter("NumberOfRetries", "5"),
	}}}}
	if diff := cmp.Diff(want, destination(t, synth(t))["ProcessingConfiguration"]); diff != "" {
		t.Error(diff)
	}
}

func TestDelivery_Errors_AreLoggedWhereItMayWrite(t *testing.T) {
	s := synth(t)
	group := join("/millrace/", reference("AWS::StackName"), "/delivery")
	want := map[string]any{"Enabled": true, "LogGroupName": group, "LogStreamName": reference("DeliveryLogStream")}
	if diff := cmp.Diff(want, destination(t, s)["CloudWatchLoggingOptions"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(group, s.properties(t, "DeliveryLogs")["LogGroupName"]); diff != "" {
		t.Error(diff)
	}
	stream := map[string]any{"LogGroupName": reference("DeliveryLogs"), "LogStreamName": "delivery"}
	if diff := cmp.Diff(stream, s.properties(t, "DeliveryLogStream")); diff != "" {
		t.Error(diff)
	}
}

func TestDelivery_Parquet_IsConvertedByTheArchivesTable(t *testing.T) {
	got := destination(t, synth(t))
	want := map[string]any{
		"Enabled":                   true,
		"InputFormatConfiguration":  map[string]any{"Deserializer": map[string]any{"OpenXJsonSerDe": map[string]any{}}},
		"OutputFormatConfiguration": map[string]any{"Serializer": map[string]any{"ParquetSerDe": map[string]any{"Compression": "SNAPPY"}}},
		"SchemaConfiguration": map[string]any{
			"DatabaseName": reference("ArchiveDatabase"), "TableName": reference("ArchiveTable"), "RoleARN": getAtt("DeliveryRole", "Arn"),
		},
	}
	if diff := cmp.Diff(want, got["DataFormatConversionConfiguration"]); diff != "" {
		t.Error(diff)
	}
	if got["CompressionFormat"] != "UNCOMPRESSED" {
		t.Errorf("compressed by %v as well, which Firehose refuses", got["CompressionFormat"])
	}
	if size := got["BufferingHints"].(map[string]any)["SizeInMBs"].(float64); size < 64 {
		t.Errorf("gathers %v MiB: conversion needs 64", size)
	}
}

func TestDelivery_JSON_IsGzippedAndReadAsJSON(t *testing.T) {
	s := lean(t)
	got := destination(t, s)
	if got["CompressionFormat"] != "GZIP" {
		t.Errorf("compressed by %v", got["CompressionFormat"])
	}
	if diff := cmp.Diff(map[string]any{"Enabled": false}, got["DataFormatConversionConfiguration"]); diff != "" {
		t.Errorf("what an update leaves out stays as it was: %s", diff)
	}
	if diff := cmp.Diff(map[string]any{"IntervalInSeconds": 60.0, "SizeInMBs": 128.0}, got["BufferingHints"]); diff != "" {
		t.Error(diff)
	}
	table := s.properties(t, "ArchiveTable")["TableInput"].(map[string]any)
	if serde := table["StorageDescriptor"].(map[string]any)["SerdeInfo"].(map[string]any)["SerializationLibrary"]; serde != "org.openx.data.jsonserde.JsonSerDe" {
		t.Errorf("the table is read by %v", serde)
	}
	if format := table["Parameters"].(map[string]any)["classification"]; format != "json" {
		t.Errorf("the table is %v", format)
	}
}

func TestColdPath_OtherSettings_AreFollowed(t *testing.T) {
	s := lean(t)
	for _, finding := range s.findings {
		t.Error(finding)
	}
	if name := s.properties(t, "ArchiveDatabase")["DatabaseInput"].(map[string]any)["Name"]; name != "lean_stack2" {
		t.Errorf("database is %v", name)
	}
	for _, id := range []string{"TransformLogs", "DeliveryLogs"} {
		if got := s.properties(t, id)["RetentionInDays"]; got != nil {
			t.Errorf("%s: kept for %v days, not for ever", id, got)
		}
	}
	if got := s.properties(t, "Transform")["Architectures"].([]any)[0]; got != X86 {
		t.Errorf("the transform function runs on %v", got)
	}
}

func TestArchive_DataNotKept_GoesWithTheStackOnceItIsEmpty(t *testing.T) {
	s := lean(t)
	if got := s.Resources["Archive"].DeletionPolicy; got != "Delete" {
		t.Errorf("deletion policy is %q", got)
	}
	if got := s.properties(t, "Archive")["VersioningConfiguration"]; got != nil {
		t.Errorf("emptied it still holds versions: %v", got)
	}
	for id, r := range s.Resources {
		if strings.HasPrefix(r.Type, "Custom::") || r.Type == "AWS::Lambda::Function" && id != "Processor" && id != "Transform" {
			t.Errorf("%s (%s) is there to empty the bucket", id, r.Type)
		}
	}
}

func TestColdPath_WithoutAKeyOfOurOwn_UsesTheServices(t *testing.T) {
	s := lean(t)
	encryption := s.properties(t, "Archive")["BucketEncryption"].(map[string]any)
	want := []any{map[string]any{"ServerSideEncryptionByDefault": map[string]any{"SSEAlgorithm": "AES256"}}}
	if diff := cmp.Diff(want, encryption["ServerSideEncryptionConfiguration"]); diff != "" {
		t.Error(diff)
	}
	results := s.properties(t, "WorkGroup")["WorkGroupConfiguration"].(map[string]any)["ResultConfiguration"].(map[string]any)
	if diff := cmp.Diff(map[string]any{"EncryptionOption": "SSE_S3"}, results["EncryptionConfiguration"]); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{"TransformLogs", "DeliveryLogs"} {
		if key := s.properties(t, id)["KmsKeyId"]; key != nil {
			t.Errorf("%s: key %v", id, key)
		}
	}
	for sid, right := range rightsOf(t, s, "DeliveryRole") {
		for _, action := range right.Actions {
			if strings.HasPrefix(action.(string), "kms:") {
				t.Errorf("%s: Firehose may %v", sid, action)
			}
		}
	}
}

// A role that is seconds old may not be known yet where Firehose tries it.
func TestDelivery_FirstDeployment_ComesWhenItsRoleIsOld(t *testing.T) {
	if diff := cmp.Diff([]any{"Mapping"}, synth(t).Resources["Delivery"].DependsOn); diff != "" {
		t.Error(diff)
	}
}
