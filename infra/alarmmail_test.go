package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// address is of the one who is told, in the lean and in the rich synthesis.
const address = "oncall@example.com"

func TestAlarms_WithoutMail_TellNobody(t *testing.T) {
	for id, r := range synth(t).Resources {
		if r.Type == "AWS::SNS::Topic" || r.Properties["AlarmActions"] != nil {
			t.Errorf("%s (%s) tells somebody", id, r.Type)
		}
	}
}

func TestAlarms_WithMail_EachTellsTheTopicAndItTheMail(t *testing.T) {
	s := rich(t)
	for id, r := range s.Resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		if diff := cmp.Diff([]any{reference("AlarmTopic")}, r.Properties["AlarmActions"]); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
		if r.Properties["OKActions"] != nil {
			t.Errorf("%s would begin with a mail that all is well", id)
		}
	}
	want := map[string]any{"TopicArn": reference("AlarmTopic"), "Protocol": "email", "Endpoint": address}
	if diff := cmp.Diff(want, s.properties(t, "AlarmMail")); diff != "" {
		t.Error(diff)
	}
}

// onlyAlarms is the condition under which CloudWatch may use topic and key.
var onlyAlarms = map[string]any{
	"StringEquals": map[string]any{"aws:SourceAccount": reference("AWS::AccountId")},
	"ArnLike": map[string]any{"aws:SourceArn": join("arn:", reference("AWS::Partition"), ":cloudwatch:", reference("AWS::Region"), ":",
		reference("AWS::AccountId"), ":alarm:", reference("AWS::StackName"), "-*")},
}

func TestAlarmTopic_Policy_AdmitsThisStacksAlarmsByTLSAlone(t *testing.T) {
	s := rich(t)
	if diff := cmp.Diff(getAtt("Key", "Arn"), s.properties(t, "AlarmTopic")["KmsMasterKeyId"]); diff != "" {
		t.Errorf("not encrypted with the key: %s", diff)
	}
	bySid := statements(t, s.properties(t, "AlarmTopicPolicy")["PolicyDocument"])
	want := map[string]map[string]any{
		"Alarms": {
			"Sid": "Alarms", "Effect": "Allow", "Action": "sns:Publish", "Resource": reference("AlarmTopic"),
			"Principal": map[string]any{"Service": "cloudwatch.amazonaws.com"}, "Condition": onlyAlarms,
		},
		"AllowPublishThroughSSLOnly": {
			"Sid": "AllowPublishThroughSSLOnly", "Effect": "Deny", "Action": "sns:Publish", "Resource": reference("AlarmTopic"),
			"Principal": "*", "Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
		},
	}
	if diff := cmp.Diff(want, bySid); diff != "" {
		t.Error(diff)
	}
}

func TestKey_WithMail_IsUsedByThisStacksAlarmsToo(t *testing.T) {
	bySid := statements(t, rich(t).properties(t, "Key")["KeyPolicy"])
	want := map[string]any{
		"Sid": "Alarms", "Effect": "Allow", "Action": []any{"kms:Decrypt", "kms:GenerateDataKey"}, "Resource": "*",
		"Principal": map[string]any{"Service": "cloudwatch.amazonaws.com"}, "Condition": onlyAlarms,
	}
	if diff := cmp.Diff(want, bySid["Alarms"]); diff != "" {
		t.Error(diff)
	}
}

func TestAlarmTopic_WithoutKeyOfOurOwn_HasNone(t *testing.T) {
	if got := lean(t).properties(t, "AlarmTopic")["KmsMasterKeyId"]; got != nil {
		t.Errorf("CloudWatch may not use %v", got)
	}
}
