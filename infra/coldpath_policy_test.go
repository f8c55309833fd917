package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// roleRights gives all that a role allows, by Sid; there is nothing that it denies, and no policy that is not of our own.
func roleRights(t *testing.T, s synthesis, role string) map[string]rights {
	t.Helper()
	properties := s.properties(t, role)
	if managed := properties["ManagedPolicyArns"]; managed != nil {
		t.Errorf("%s: policies not of our own: %v", role, managed)
	}
	policies := properties["Policies"].([]any)
	if len(policies) != 1 {
		t.Fatalf("%s: %d policies, want one", role, len(policies))
	}
	got := map[string]rights{}
	for sid, statement := range statements(t, policies[0].(map[string]any)["PolicyDocument"]) {
		if statement["Effect"] != "Allow" {
			t.Errorf("%s: %s: effect is %v", role, sid, statement["Effect"])
		}
		got[sid] = rights{list(statement["Action"]), statement["Resource"]}
	}
	return got
}

func TestTransformRole_Rights_AreExactlyThese(t *testing.T) {
	want := map[string]rights{
		"Logs":  {[]any{"logs:CreateLogStream", "logs:PutLogEvents"}, getAtt("TransformLogs", "Arn")},
		"Trace": {[]any{"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, "*"}, // these two take no resource
	}
	if diff := cmp.Diff(want, roleRights(t, synth(t), "TransformRole")); diff != "" {
		t.Error(diff)
	}
}

func TestTransformRole_Assumed_ByLambdaAlone(t *testing.T) {
	trust := statements(t, synth(t).properties(t, "TransformRole")["AssumeRolePolicyDocument"])
	want := map[string]map[string]any{"": {
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"Service": "lambda.amazonaws.com"},
	}}
	if diff := cmp.Diff(want, trust); diff != "" {
		t.Error(diff)
	}
}

// arn is an ARN of the stack's own account and region.
func arn(service string, resource ...any) map[string]any {
	parts := []any{"arn:", reference("AWS::Partition"), ":" + service + ":", reference("AWS::Region"), ":", reference("AWS::AccountId")}
	return join(append(parts, resource...)...)
}

func TestDeliveryRole_Rights_AreExactlyThese(t *testing.T) {
	s := synth(t)
	below := func(prefix string) any { return join(getAtt("Archive", "Arn"), "/"+prefix+"*") }
	database := reference("ArchiveDatabase")
	want := map[string]rights{
		"ReadStream": {[]any{"kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}, getAtt("Stream", "Arn")},
		"Archive":    {[]any{"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"}, getAtt("Archive", "Arn")},
		"Objects":    {[]any{"s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"}, []any{below("errors/"), below("events/")}},
		"Transform":  {[]any{"lambda:GetFunctionConfiguration", "lambda:InvokeFunction"}, []any{getAtt("Transform", "Arn"), join(getAtt("Transform", "Arn"), ":$LATEST")}},
		"Logs":       {[]any{"logs:PutLogEvents"}, arn("logs", ":log-group:/millrace/", reference("AWS::StackName"), "/delivery:log-stream:delivery")},
		"Schema": {[]any{"glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"}, []any{
			arn("glue", ":catalog"), arn("glue", ":database/", database), arn("glue", ":table/", database, "/", reference("ArchiveTable")),
		}},
		"Decrypt": {[]any{"kms:Decrypt"}, getAtt("Key", "Arn")},
		"Encrypt": {[]any{"kms:GenerateDataKey"}, getAtt("Key", "Arn")},
	}
	if diff := cmp.Diff(want, roleRights(t, s, "DeliveryRole")); diff != "" {
		t.Error(diff)
	}
}

func TestDeliveryRole_JSON_ReadsNoSchema(t *testing.T) {
	if right, ok := roleRights(t, synthOther(t), "DeliveryRole")["Schema"]; ok {
		t.Errorf("nothing is converted, and Firehose may %v", right)
	}
}

func TestDeliveryRole_UseOfTheKey_IsThroughServicesOnly(t *testing.T) {
	policies := synth(t).properties(t, "DeliveryRole")["Policies"].([]any)
	bySid := statements(t, policies[0].(map[string]any)["PolicyDocument"])
	for sid, services := range map[string][]string{"Decrypt": {"kinesis", "s3"}, "Encrypt": {"s3"}} {
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

func TestDeliveryRole_Assumed_ByFirehoseForThisAccountAlone(t *testing.T) {
	trust := statements(t, synth(t).properties(t, "DeliveryRole")["AssumeRolePolicyDocument"])
	want := map[string]map[string]any{"": {
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"Service": "firehose.amazonaws.com"},
		"Condition": map[string]any{"StringEquals": map[string]any{"sts:ExternalId": reference("AWS::AccountId")}},
	}}
	if diff := cmp.Diff(want, trust); diff != "" {
		t.Error(diff)
	}
}

// Hot path and cold path meet in the stream alone: none can reach what is the other's.
func TestRoles_DataOfTheOtherPath_IsOutOfReach(t *testing.T) {
	s := synth(t)
	may := map[string][]string{} // services by role; logs, traces and the key aside
	for id, r := range s.Resources {
		if r.Type != "AWS::IAM::Role" {
			continue
		}
		may[id] = []string{}
		seen := map[string]bool{"logs": true, "xray": true, "kms": true}
		for _, service := range []string{"dynamodb", "glue", "kinesis", "lambda", "logs", "kms", "s3", "sqs", "xray"} {
			for _, right := range roleRights(t, s, id) {
				for _, action := range right.Actions {
					if name, _, _ := strings.Cut(action.(string), ":"); name == service && !seen[service] {
						seen[service] = true
						may[id] = append(may[id], service)
					}
				}
			}
		}
	}
	want := map[string][]string{
		"ProcessorRole": {"dynamodb", "kinesis", "sqs"},
		"TransformRole": {},
		"DeliveryRole":  {"glue", "kinesis", "lambda", "s3"},
	}
	if diff := cmp.Diff(want, may); diff != "" {
		t.Error(diff)
	}
}
