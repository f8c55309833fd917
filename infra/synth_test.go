package main

//lint:file-ignore SA1019 cxapi's messages have no other name in Go: cloud-assembly-api is an npm package only

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/cxapi"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// synthesis is what the tests look at. That of the default settings is made once: the first takes seconds, and jsii is not
// safe for parallel tests. jsii.Close is left out: it has a data race.
type synthesis struct {
	text      []byte // the template as CDK writes it
	Resources map[string]resource
	Outputs   map[string]struct{ Value any }
	findings  []string // errors and warnings, of cdk-nag and of CDK itself
	infos     []string // what is only said
}

type resource struct {
	Type                string
	Properties          map[string]any
	DependsOn           any
	DeletionPolicy      string
	UpdateReplacePolicy string
}

// synth gives the shared synthesis of the default settings.
func synth(t *testing.T) synthesis { return shared(t, synthOnce) }

func shared(t *testing.T, once func() (synthesis, error)) synthesis {
	t.Helper()
	needNode(t)
	s, err := once()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var synthOnce = sync.OnceValues(func() (synthesis, error) { return synthesise(DefaultSettings()) })

// needNode skips a test where node is missing, which CDK needs; in CI that is a failure.
func needNode(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("node is missing: CDK needs it")
		}
		t.Skip("node is missing: CDK needs it")
	}
}

func synthesise(settings Settings) (s synthesis, err error) {
	folder, err := os.MkdirTemp("", "millrace-infra-")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(folder)
	context, err := readContext("../cdk.json")
	if err != nil {
		return s, err
	}
	app, stack, err := newLocalApp(folder, context, settings)
	if err != nil {
		return s, err
	}
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Reports: jsii.Bool(false)}), nil)
	defer func() { // an error of CDK, or a finding of cdk-nag that is one, comes as a panic of jsii
		if r := recover(); r != nil {
			err = fmt.Errorf("synthesise: %v", r)
		}
	}()
	app.Synth(nil)
	assertions.Template_FromStack(stack, nil) // it refuses resources that wait for each other, which CloudFormation does
	annotations, anything := assertions.Annotations_FromStack(stack), assertions.Match_AnyValue()
	s.findings = append(texts(annotations.FindError(jsii.String("*"), anything)), texts(annotations.FindWarning(jsii.String("*"), anything))...)
	s.infos = texts(annotations.FindInfo(jsii.String("*"), anything))
	if s.text, err = os.ReadFile(filepath.Join(*app.Outdir(), *stack.TemplateFile())); err != nil {
		return s, err
	}
	return s, json.Unmarshal(s.text, &s)
}

// texts gives messages with the path of what they are about.
func texts(messages *[]*cxapi.SynthesisMessage) (found []string) {
	for _, m := range *messages {
		text, _ := json.Marshal(m.Entry.Data)
		found = append(found, *m.Id+": "+string(text))
	}
	return found
}

// properties gives a resource's properties.
func (s synthesis) properties(t *testing.T, id string) map[string]any {
	t.Helper()
	r, ok := s.Resources[id]
	if !ok {
		t.Fatalf("no resource %s", id)
	}
	return r.Properties
}

// getAtt and reference are the intrinsic functions as decoded JSON.
func getAtt(id, attribute string) map[string]any {
	return map[string]any{"Fn::GetAtt": []any{id, attribute}}
}

func reference(id string) map[string]any { return map[string]any{"Ref": id} }
