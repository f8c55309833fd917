// Package millrace holds only the test of its architecture: who may import whom.
package millrace

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/millrace/millrace/"

// rule is what one package, or all below a folder (name/...), may import: of ours, and outside the standard library.
// A name that ends in /... stands for all below it.
type rule struct {
	name    string
	ours    []string
	outside []string
}

const (
	jsonModule = "github.com/go-json-experiment/json/..."
	sdk        = "github.com/aws/aws-sdk-go-v2/..."
	smithy     = "github.com/aws/smithy-go/..."
	service    = "github.com/aws/aws-sdk-go-v2/service/"
	sync       = "golang.org/x/sync/..."
)

// rules are docs/architecture.md's table. The first that fits a package counts.
var rules = []rule{
	{"internal/cloudevent", nil, []string{jsonModule}},
	{"internal/kpl", nil, nil},
	{"internal/kpl/kpltest", []string{"internal/kpl"}, nil},
	{"internal/meter", []string{"internal/cloudevent"}, []string{jsonModule}},
	{"internal/emf", nil, []string{jsonModule}},
	{"internal/config", nil, nil},
	{"internal/sample", nil, []string{jsonModule}},
	{"internal/payload", nil, []string{jsonModule}},
	{"internal/direct", nil, []string{jsonModule}},
	{"internal/record", []string{"internal/cloudevent", "internal/kpl"}, nil},
	{"internal/processor", []string{"internal/cloudevent", "internal/direct", "internal/meter", "internal/record"}, nil},
	{"internal/ledger", []string{"internal/meter", "internal/cloudevent"}, []string{service + "dynamodb/...", "github.com/aws/aws-sdk-go-v2/aws", smithy, sync}},
	{"internal/failure", nil, []string{service + "sqs/...", "github.com/aws/aws-sdk-go-v2/aws", jsonModule, sync}},
	{"internal/stream", nil, []string{service + "kinesis/...", "github.com/aws/aws-sdk-go-v2/aws/...", smithy}},
	{"internal/handover", []string{"internal/direct", "internal/kpl"}, []string{service + "lambda/...", service + "kinesis/types", "github.com/aws/aws-sdk-go-v2/aws/...", smithy, jsonModule, "golang.org/x/time/rate"}},
	{"internal/client", nil, []string{"github.com/aws/aws-sdk-go-v2/aws/...", "github.com/aws/aws-sdk-go-v2/credentials"}},
	{"internal/cli", []string{"internal/client", "internal/config", "internal/stream"}, []string{sdk, smithy, jsonModule, "github.com/jedib0t/go-pretty/v6/...", "github.com/schollz/progressbar/v3", "golang.org/x/term"}},
	// The endpoint reads nothing of ours but words, names, and how a client is made.
	{"internal/awslocal/...", []string{"internal/awslocal/...", "internal/client", "internal/config", "internal/kpl"}, []string{sdk, jsonModule, "go.yaml.in/yaml/v3", sync, "github.com/johannesboyne/gofakes3/..."}},
	// The transform function calls nobody: it has no client.
	{
		"functions/transform",
		[]string{"internal/cloudevent", "internal/config", "internal/emf", "internal/kpl", "internal/payload", "internal/record"},
		[]string{"github.com/aws/aws-lambda-go/...", jsonModule},
	},
	{
		"functions/...",
		[]string{"internal/cloudevent", "internal/direct", "internal/kpl", "internal/meter", "internal/payload", "internal/processor", "internal/ledger", "internal/failure", "internal/emf", "internal/config", "internal/client"},
		[]string{"github.com/aws/aws-lambda-go/...", sdk, jsonModule},
	},
	{"infra", []string{"internal/config"}, []string{"github.com/aws/aws-cdk-go/...", "github.com/aws/constructs-go/...", "github.com/aws/jsii-runtime-go/...", "github.com/cdklabs/cdk-nag-go/...", "go.yaml.in/yaml/v3", jsonModule}},
	{"scripts/local", []string{"internal/..."}, []string{sdk, jsonModule}},
	{"scripts/...", []string{"internal/cli", "internal/cloudevent", "internal/config", "internal/direct", "internal/handover", "internal/ledger", "internal/meter", "internal/sample", "internal/stream", "internal/failure", "internal/kpl", "internal/record"}, []string{sdk, smithy, jsonModule, sync, "golang.org/x/time/rate"}},
}

func fits(pattern, path string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	}
	return pattern == path
}

func anyFits(patterns []string, path string) bool {
	for _, p := range patterns {
		if fits(p, path) {
			return true
		}
	}
	return false
}

func ruleOf(name string) *rule {
	for i := range rules {
		if fits(rules[i].name, name) {
			return &rules[i]
		}
	}
	return nil
}

// list runs go list, a line a package: its path and, behind it, imports.
func list(t *testing.T, format string, args ...string) [][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-f", format}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var lines [][]string
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 0 {
			lines = append(lines, fields)
		}
	}
	return lines
}

func TestImports_EachPackage_KeepsToItsRule(t *testing.T) {
	for _, line := range list(t, "{{.ImportPath}} {{join .Imports \" \"}}", "./...") {
		name, found := strings.CutPrefix(line[0], module)
		if !found {
			continue // this package
		}
		r := ruleOf(name)
		if r == nil {
			t.Errorf("%s has no rule: give it one here and in docs/architecture.md", name)
			continue
		}
		for _, imported := range line[1:] {
			if ours, ok := strings.CutPrefix(imported, module); ok {
				if !anyFits(r.ours, ours) {
					t.Errorf("%s imports %s", name, ours)
				}
			} else if host, _, _ := strings.Cut(imported, "/"); strings.Contains(host, ".") && !anyFits(r.outside, imported) {
				t.Errorf("%s imports %s", name, imported)
			}
		}
	}
}

// The command lines of the CDK and of sam bring Go files that do not compile, into dist (.ci) or node_modules.
func TestModule_WhatToolsBring_IsNoPackageOfOurs(t *testing.T) {
	text, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatalf("go mod edit: %v", err)
	}
	var mod struct{ Ignore []struct{ Path string } }
	if err := json.Unmarshal(text, &mod); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"./dist", "node_modules"} {
		if !slices.Contains(mod.Ignore, struct{ Path string }{folder}) {
			t.Errorf("go.mod does not ignore %s: it has %v", folder, mod.Ignore)
		}
	}
}

func TestImports_FunctionBinaries_HoldNothingOfTheRest(t *testing.T) {
	for _, line := range list(t, "{{.ImportPath}} {{join .Deps \" \"}}", "./functions/...") {
		for _, dep := range line[1:] {
			for _, forbidden := range []string{"testing", "awscdk", "jsii", "service/lambda", module + "internal/awslocal", module + "infra", module + "scripts", module + "internal/sample"} {
				if dep == forbidden || len(forbidden) > len("testing") && strings.Contains(dep, forbidden) || strings.Contains(dep, "/awscdk/") {
					t.Errorf("%s holds %s", line[0], dep)
				}
			}
		}
	}
}
