package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/client"
)

// stranger makes a folder with somebody's template and compiled function, and gives the template's path.
func stranger(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("../../internal/awslocal/testdata/copy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "their app.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-o", filepath.Join(dir, "copy", "bootstrap"), "../../internal/awslocal/testdata/copy")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

func TestRun_Template_StaysUpWithWhatItHas(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	file := stranger(t)
	stdout, stderr := &text{}, &text{on: "AWS_SECRET_ACCESS_KEY", seen: make(chan struct{})}
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Execute(ctx, "local", run, []string{"-port", "0", "-template", file, "-parameter", "Endpoint=http://x=y"}, nil, stdout, stderr)
	}()
	select {
	case <-stderr.seen:
	case code := <-ended:
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for _, want := range []string{
		"created  type                             as\n", "Copy     AWS::Lambda::Function            their-app-Copy\n",
		"output   value\n", "Stream   their-app-Stream\n",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	for _, want := range []string{"not emulated: Role (AWS::IAM::Role)\n", "without effect here: Copy.TracingConfig\n"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
	environment := map[string]string{}
	for _, m := range regexp.MustCompile(`(AWS_\w+)=(\S+)`).FindAllStringSubmatch(stderr.String(), -1) {
		environment[m[1]] = m[2]
	}
	cfg, err := client.FromEnvironment(func(name string) string { return environment[name] })
	if err != nil {
		t.Fatal(err)
	}
	out, err := cloudformation.NewFromConfig(cfg).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String("their-app")})
	if err != nil || *out.Stacks[0].Parameters[0].ParameterValue != "http://x=y" {
		t.Errorf("%+v, %v", out, err)
	}
	interrupt()
	if code := <-ended; code != cli.ExitDone {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

func TestRun_TemplateThatIsWrong_IsNamedByItsPlace(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other := map[string]string{"amd64": "\xb7", "arm64": "\x3e"}[runtime.GOARCH] // the machine in an ELF header
	write("other/bootstrap", "\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 9)+"\x02\x00"+other+"\x00\x01"+strings.Repeat("\x00", 31)+"\x40\x00"+strings.Repeat("\x00", 10))
	function := func(properties string) string {
		return "Resources:\n  F:\n    Type: AWS::Lambda::Function\n    Properties: {" + properties + "}\n"
	}
	for name, c := range map[string]struct{ template, want string }{
		"not yaml":     {"a: [", "not yaml.yaml: yaml: "},
		"no template":  {"[a]", "no template.yaml: line 1: the template: want a mapping"},
		"sam":          {"Transform: AWS::Serverless-2016-10-31", "sam.yaml: line 1: Transform: macros and AWS::Serverless are not emulated: give plain CloudFormation"},
		"runtime":      {function("Runtime: python3.12, Code: x"), `runtime.yaml: F.Runtime: "python3.12": want provided.al2023`},
		"no folder":    {function("Runtime: provided.al2023, Code: none"), "create F (AWS::Lambda::Function): create function no-folder-F: there is no " + filepath.Join(dir, "none", "bootstrap")},
		"no zip":       {function("Runtime: provided.al2023, Code: none.zip"), "create F (AWS::Lambda::Function): code of function no-zip-F: open " + filepath.Join(dir, "none.zip")},
		"architecture": {function("Runtime: provided.al2023, Code: other"), "is built for linux/"},
		"parameter":    {"Parameters: {P: {Type: String}}", "parameter P: has no default"},
	} {
		code, stdout, stderr := local(t.Context(), "-port", "0", "-template", write(name+".yaml", c.template))
		if code != cli.ExitFailed || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %q, %q, want %q", name, code, stdout, stderr, c.want)
		}
	}
	if code, _, stderr := local(t.Context(), "-template", filepath.Join(dir, "missing.yaml")); code != cli.ExitFailed || !strings.Contains(stderr, "missing.yaml: no such file or directory") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestNameOf_File_IsAStacksName(t *testing.T) {
	for file, want := range map[string]string{
		"template.yaml": "template", "a/b/My app_1.json": "My-app-1", "2026.yaml": "local", "": "local", ".yaml": "local", "ä.yaml": "local",
		"a-very-long-name-of-a-template.yaml": "a-very-long-name-of", "Thing.template.json": "Thing-template",
	} {
		if got := nameOf(file); got != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}
