package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestLocalTemplate_CommittedFile_IsCurrent(t *testing.T) {
	want, err := localTemplate(synth(t).text, DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("template.yaml is stale: run go generate ./infra\n%s", diff)
	}
}

const smallStack = `{
 "Description": "Small",
 "Resources": {
  "Processor": {
   "Type": "AWS::Lambda::Function",
   "Properties": {
    "Architectures": ["arm64"],
    "Code": {"S3Bucket": {"Fn::Sub": "assets-${AWS::Region}"}, "S3Key": "0.zip"},
    "Environment": {"Variables": {"MILLRACE_HORIZON": "21d"}},
    "Role": {"Fn::GetAtt": ["Role", "Arn"]}
   },
   "DependsOn": ["Role"],
   "Metadata": {"aws:asset:path": "asset.0"}
  },
  "Logs": {
   "Type": "AWS::Logs::LogGroup",
   "Properties": {
    "LogGroupName": {"Fn::Join": ["", ["/a/", {"Ref": "AWS::StackName"}, "/", {"Fn::GetAtt": ["Role", "Id"]}]]},
    "Tags": {"Fn::Join": ["-", ["a", "b"]]}
   },
   "DeletionPolicy": "Delete"
  }
 },
 "Outputs": {"Name": {"Value": {"Ref": "Processor"}}},
 "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>"}},
 "Rules": {"CheckBootstrapVersion": {}}
}`

const smallLocalStack = `
Resources:
  Processor:
    Type: AWS::Lambda::Function
    Properties:
      Architectures:
        - !Ref Architecture
      Code: dist/local/processor
      Environment:
        Variables:
          MILLRACE_HORIZON: !Ref Horizon
          AWS_ENDPOINT_URL: !Ref Endpoint
      Role: !GetAtt Role.Arn

  Logs:
    Type: AWS::Logs::LogGroup
    Properties:
      LogGroupName: !Sub /a/${AWS::StackName}/${Role.Id}
      Tags:
        Fn::Join:
          - '-'
          - - a
            - b
    DeletionPolicy: Delete

Outputs:
  Name:
    Value: !Ref Processor
`

func TestLocalTemplate_SynthesisedStack_BecomesLocal(t *testing.T) {
	got, err := localTemplate([]byte(smallStack), DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(got), "\nResources:")
	if diff := cmp.Diff(smallLocalStack, "\nResources:"+body); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(string(got), "Bootstrap") {
		t.Error("the deployment's parameter or rule is left")
	}
}

func TestLocalTemplate_FunctionWithoutVariables_GetsNone(t *testing.T) {
	var function yaml.Node
	if err := yaml.Unmarshal([]byte(`{"Architectures": ["arm64"], "Code": {"S3Key": "0.zip"}}`), &function); err != nil {
		t.Fatal(err)
	}
	localise("Transform", function.Content[0])
	got, err := yaml.Marshal(&function)
	if err != nil {
		t.Fatal(err)
	}
	if want := "{\"Architectures\": [!Ref Architecture], \"Code\": dist/local/transform}\n"; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLocalTemplate_Parameters_HaveDefaults(t *testing.T) {
	text, err := localTemplate([]byte(smallStack), DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Parameters map[string]struct {
			Default string `yaml:"Default"`
		} `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, p := range template.Parameters {
		got[name] = p.Default
	}
	want := map[string]string{"Architecture": "x86_64", "Endpoint": "", "Horizon": "21d"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLocalTemplate_NotATemplate_IsAnError(t *testing.T) {
	for _, text := range []string{"{", "{}", `{"Resources": {}}`} {
		if _, err := localTemplate([]byte(text), DefaultSettings()); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func TestShorten_JoinWithDollarBrace_StaysLiteral(t *testing.T) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(`{"Fn::Join": ["", ["${a} ", {"Ref": "B"}]]}`), &n); err != nil {
		t.Fatal(err)
	}
	shorten(n.Content[0])
	if got, want := n.Content[0].Value, "${!a} ${B}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
