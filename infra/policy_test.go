package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// statements gives the statements of a policy document by their Sid.
func statements(t *testing.T, document any) map[string]map[string]any {
	t.Helper()
	bySid := map[string]map[string]any{}
	for _, statement := range document.(map[string]any)["Statement"].([]any) {
		s := statement.(map[string]any)
		sid, _ := s["Sid"].(string)
		if _, taken := bySid[sid]; taken {
			t.Fatalf("two statements %q", sid)
		}
		bySid[sid] = s
	}
	return bySid
}

// list gives a value that a policy may write alone or as a list.
func list(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// rights is one statement of the processor's policy: what, on which.
type rights struct {
	Actions  []any
	Resource any
}

// rightsOf gives all that a role allows, by Sid; there is nothing that it denies, and no policy that is not of our own.
func rightsOf(t *testing.T, s synthesis, role string) map[string]rights {
	t.Helper()
	got := map[string]rights{}
	for sid, statement := range roleStatements(t, s, role) {
		if statement["Effect"] != "Allow" {
			t.Errorf("%s: %s: effect is %v", role, sid, statement["Effect"])
		}
		got[sid] = rights{list(statement["Action"]), statement["Resource"]}
	}
	return got
}

func roleStatements(t *testing.T, s synthesis, role string) map[string]map[string]any {
	t.Helper()
	properties := s.properties(t, role)
	if managed := properties["ManagedPolicyArns"]; managed != nil {
		t.Errorf("%s: policies not of our own: %v", role, managed)
	}
	policies := properties["Policies"].([]any)
	if len(policies) != 1 {
		t.Fatalf("%s: %d policies, want one", role, len(policies))
	}
	return statements(t, policies[0].(map[string]any)["PolicyDocument"])
}

func TestProcessorRole_Rights_AreExactlyThese(t *testing.T) {
	got := rightsOf(t, synth(t), "ProcessorRole")
	want := map[string]rights{
		"ReadStream": {[]any{"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}, getAtt("Stream", "Arn")},
		"Table":      {[]any{"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:Query"}, getAtt("Table", "Arn")},
		"Fail":       {[]any{"sqs:SendMessage"}, getAtt("FailureQueue", "Arn")},
		"Logs":       {[]any{"logs:CreateLogStream", "logs:PutLogEvents"}, getAtt("ProcessorLogs", "Arn")},
		"Trace":      {[]any{"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, "*"}, // these two take no resource
		"Decrypt":    {[]any{"kms:Decrypt"}, getAtt("Key", "Arn")},
		"Encrypt":    {[]any{"kms:GenerateDataKey"}, getAtt("Key", "Arn")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestProcessorRole_UseOfTheKey_IsThroughServicesOnly(t *testing.T) {
	wantServices(t, roleStatements(t, synth(t), "ProcessorRole"), map[string][]string{"Decrypt": {"kinesis", "dynamodb", "sqs"}, "Encrypt": {"sqs"}})
}

// wantServices checks through which services statements allow the use of the key.
func wantServices(t *testing.T, bySid map[string]map[string]any, services map[string][]string) {
	t.Helper()
	for sid, services := range services {
		hosts := []any{}
		for _, service := range services {
			hosts = append(hosts, join(service+".", reference("AWS::Region"), ".amazonaws.com"))
		}
		want := map[string]any{"StringEquals": map[string]any{"kms:ViaService": hosts}}
		if diff := cmp.Diff(want, bySid[sid]["Condition"]); diff != "" {
			t.Errorf("%s: %s", sid, diff)
		}
	}
}

func TestProcessorRole_Assumed_ByLambdaAlone(t *testing.T) {
	trust := statements(t, synth(t).properties(t, "ProcessorRole")["AssumeRolePolicyDocument"])
	want := map[string]map[string]any{"": {
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"Service": "lambda.amazonaws.com"},
	}}
	if diff := cmp.Diff(want, trust); diff != "" {
		t.Error(diff)
	}
}

func TestKey_Policy_AdmitsTheAccountAndItsLogs(t *testing.T) {
	bySid := statements(t, synth(t).properties(t, "Key")["KeyPolicy"])
	if len(bySid) != 2 {
		t.Errorf("%d statements, want two: the account's and the logs'", len(bySid))
	}
	account := map[string]any{"AWS": join("arn:", reference("AWS::Partition"), ":iam::", reference("AWS::AccountId"), ":root")}
	if diff := cmp.Diff(account, bySid[""]["Principal"]); diff != "" {
		t.Error(diff)
	}
	logs := bySid["Logs"]
	service := map[string]any{"Service": join("logs.", reference("AWS::Region"), ".", reference("AWS::URLSuffix"))} // China's ends in .cn
	if diff := cmp.Diff(service, logs["Principal"]); diff != "" {
		t.Error(diff)
	}
	for _, action := range list(logs["Action"]) {
		if strings.Contains(action.(string), "*") {
			t.Errorf("action %v is not named", action)
		}
	}
	groups := []any{}
	for _, owner := range []string{"processor", "transform", "delivery"} {
		groups = append(groups, join("arn:", reference("AWS::Partition"), ":logs:", reference("AWS::Region"), ":", reference("AWS::AccountId"),
			":log-group:/millrace/", reference("AWS::StackName"), "/"+owner))
	}
	want := map[string]any{"ArnEquals": map[string]any{"kms:EncryptionContext:aws:logs:arn": groups}}
	if diff := cmp.Diff(want, logs["Condition"]); diff != "" {
		t.Error(diff)
	}
}

func join(parts ...any) map[string]any {
	return map[string]any{"Fn::Join": []any{"", parts}}
}
