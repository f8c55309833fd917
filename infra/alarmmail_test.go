package main

import (
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
	"github.com/google/go-cmp/cmp"
)

const mail = "oncall@example.com"

var synthWithMail = sync.OnceValues(func() (synthesis, error) {
	s := DefaultSettings()
	s.AlarmEmail = mail
	return synthesise(s)
})

// withMail gives the synthesis of the default settings with somebody to tell.
func withMail(t *testing.T) synthesis {
	t.Helper()
	needNode(t)
	s, err := synthWithMail()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAlarms_WithoutMail_TellNobody(t *testing.T) {
	for id, r := range synth(t).Resources {
		if r.Type == "AWS::SNS::Topic" || r.Properties["AlarmActions"] != nil {
			t.Errorf("%s (%s) tells somebody", id, r.Type)
		}
	}
}

func TestAlarms_WithMail_EachTellsTheTopicAndItTheMail(t *testing.T) {
	s := withMail(t)
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
	want := map[string]any{"TopicArn": reference("AlarmTopic"), "Protocol": "email", "Endpoint": mail}
	if diff := cmp.Diff(want, s.properties(t, "AlarmMail")); diff != "" {
		t.Error(diff)
	}
}

func TestAlarmTopic_CdkNagAwsSolutions_FindsNothing(t *testing.T) {
	for _, finding := range withMail(t).findings {
		t.Error(finding)
	}
}

// onlyAlarms is the condition under which CloudWatch may use topic and key.
var onlyAlarms = map[string]any{
	"StringEquals": map[string]any{"aws:SourceAccount": reference("AWS::AccountId")},
	"ArnLike": map[string]any{"aws:SourceArn": join("arn:", reference("AWS::Partition"), ":cloudwatch:", reference("AWS::Region"), ":",
		reference("AWS::AccountId"), ":alarm:", reference("AWS::StackName"), "-*")},
}

func TestAlarmTopic_Policy_AdmitsThisStacksAlarmsByTLSAlone(t *testing.T) {
	s := withMail(t)
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
	bySid := statements(t, withMail(t).properties(t, "Key")["KeyPolicy"])
	want := map[string]any{
		"Sid": "Alarms", "Effect": "Allow", "Action": []any{"kms:Decrypt", "kms:GenerateDataKey"}, "Resource": "*",
		"Principal": map[string]any{"Service": "cloudwatch.amazonaws.com"}, "Condition": onlyAlarms,
	}
	if diff := cmp.Diff(want, bySid["Alarms"]); diff != "" {
		t.Error(diff)
	}
}

func TestAlarmTopic_WithoutKeyOfOurOwn_HasNone(t *testing.T) {
	needNode(t)
	s := DefaultSettings()
	s.AlarmEmail = mail
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false)})
	stack := awscdk.NewStack(app, jsii.String("Small"), nil)
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Reports: jsii.Bool(false)}), nil)
	newAlarms(stack, s, nil, standIns())
	topics := *assertions.Template_FromStack(stack, nil).FindResources(jsii.String("AWS::SNS::Topic"), nil)
	if len(topics) != 1 {
		t.Errorf("%d topics, want one", len(topics))
	}
	for _, r := range topics {
		if properties := (*r)["Properties"].(map[string]any); properties["KmsMasterKeyId"] != nil {
			t.Errorf("CloudWatch may not use %v", properties["KmsMasterKeyId"])
		}
	}
	for _, finding := range findings(stack) {
		t.Error(finding)
	}
}
