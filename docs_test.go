package millrace

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A claim that names a test must name one that exists.
func TestDocs_EveryTestTheyName_Exists(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "grep", "-rhoE", "^func (Test|Fuzz|Benchmark)[A-Za-z0-9_]+", "--include=*_test.go", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		have[strings.Fields(line)[1]] = true
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	name := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9_]+)`")
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "@@") {
			t.Errorf("%s has a place that was never filled in", page)
		}
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			if !have[m[1]] {
				t.Errorf("%s names %s, and there is no such test", page, m[1])
			}
		}
	}
}

// A link that leads nowhere is a page that nobody wrote.
func TestDocs_EveryLinkToAFile_Leads(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
}

// Whoever gets an alarm's mail finds it in the runbook, and the runbook has no alarm that cannot fire.
func TestRunbook_EachAlarmOfTheTemplate_HasItsSectionAndLink(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	named := func(pattern, text string) (names []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}
		slices.Sort(names)
		return names
	}
	alarms := named(`(?m)^  (\w+):\n    Type: AWS::CloudWatch::Alarm$`, read("template.yaml"))
	runbook := read("docs/runbook.md")
	if len(alarms) == 0 {
		t.Fatal("template.yaml has no alarms")
	}
	if sections := named(`(?m)^### (\w+)$`, runbook); !slices.Equal(alarms, sections) {
		t.Errorf("the template has the alarms %v\nthe runbook has %v", alarms, sections)
	}
	if links := named(`(?m)^\| \[(\w+)\]`, runbook); !slices.Equal(alarms, links) {
		t.Errorf("the template has the alarms %v\nthe runbook's table has %v", alarms, links)
	}
	for _, anchor := range named(`\]\(#([^)]*)\)`, runbook) {
		if !slices.ContainsFunc(alarms, func(alarm string) bool { return strings.ToLower(alarm) == anchor }) {
			t.Errorf("a link leads to #%s, and there is no such section", anchor)
		}
	}
}

// Who is refused is told by the command what it needs, and whoever grants it reads the runbook.
func TestRunbook_RightsOfACommand_AreThoseThatItsErrorNames(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	actions := func(text string) (names []string) {
		names = regexp.MustCompile(`\b(cloudformation|kinesis|dynamodb|sqs|lambda|kms):[A-Z]\w+`).FindAllString(text, -1)
		slices.Sort(names)
		return slices.Compact(names)
	}
	runbook := read("docs/runbook.md")
	all := regexp.MustCompile(`(?s)Who runs the commands needs.*?:\n`).FindString(runbook)
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (.*) \\|$").FindAllStringSubmatch(runbook, -1) {
		rows[m[1]] = m[2]
	}
	for _, command := range []string{"redrive", "replay"} {
		row := rows[command]
		for _, m := range regexp.MustCompile("those of `(\\w+)`").FindAllStringSubmatch(row, -1) {
			row += rows[m[1]]
		}
		if code, doc := actions(read("scripts/"+command+"/main.go")), actions(all+row); !slices.Equal(code, doc) {
			t.Errorf("%s names %v\nthe runbook has %v", command, code, doc)
		}
	}
}
