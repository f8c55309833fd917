package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/config"
)

// board is a dashboard as CloudWatch reads it.
type board struct {
	Widgets []struct {
		Type                string
		X, Y, Width, Height int
		Properties          struct {
			Markdown, Title, Region string
			Alarms                  []string
			Metrics                 [][]any
		}
	}
}

func readBoard(t *testing.T, body string) (b board) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(body))
	if err := decoder.Decode(&b); err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	return b
}

func testBoard(t *testing.T) board {
	return readBoard(t, dashboardBody(rows(DefaultSettings(), standIns()), "us-east-1", []*string{jsii.String("arn:a"), jsii.String("arn:b")}))
}

func TestDashboard_Headers_ReadFromTopToBottom(t *testing.T) {
	var got []string
	y := -1
	for _, w := range testBoard(t).Widgets {
		if w.Type != "text" {
			continue
		}
		if w.Y <= y {
			t.Errorf("%q stands above its forerunner", w.Properties.Markdown)
		}
		y = w.Y
		title, _, _ := strings.Cut(strings.TrimPrefix(w.Properties.Markdown, "## "), "\n")
		got = append(got, title)
	}
	if diff := cmp.Diff([]string{"In", "Lag", "Work", "Failures", "Archive", "Cost"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDashboard_Lag_SaysItsTimesAsTheSettingsDo(t *testing.T) {
	s := DefaultSettings()
	s.RecordAge = 7 * 24 * time.Hour
	if got, want := lagRow(s, standIns()).text, "Alarms fire at 84h; Lambda gives a record up at 7d."; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want the end %q", got, want)
	}
}

func TestDashboard_Widgets_DoNotOverlapAndFillTheWidth(t *testing.T) {
	covered := map[[2]int]string{}
	bottom := 0
	for _, w := range testBoard(t).Widgets {
		name := w.Type + " " + w.Properties.Title + w.Properties.Markdown
		bottom = max(bottom, w.Y+w.Height)
		for x := w.X; x < w.X+w.Width; x++ {
			for y := w.Y; y < w.Y+w.Height; y++ {
				if other, taken := covered[[2]int{x, y}]; taken {
					t.Fatalf("%q lies on %q", name, other)
				}
				covered[[2]int{x, y}] = name
			}
		}
	}
	if len(covered) != 24*bottom {
		t.Errorf("%d of %d units are covered", len(covered), 24*bottom)
	}
}

func TestDashboard_Metrics_AreThoseThatArePublished(t *testing.T) {
	written := map[string][]string{"processor": writtenBy(t, "processor"), "transform": writtenBy(t, "transform")}
	for _, w := range testBoard(t).Widgets {
		for _, m := range w.Properties.Metrics {
			if len(m) == 1 {
				continue // an expression
			}
			namespace, name, dimension, value := m[0].(string), m[1].(string), m[2].(string), m[3].(string)
			if namespace == "Millrace" {
				if dimension != "FunctionName" || !slices.Contains(written[value], name) {
					t.Errorf("%q: no function writes %v", w.Properties.Title, m)
				}
			} else if source(namespace, dimension, name) == "" || value == "" {
				t.Errorf("%q: nobody publishes %v", w.Properties.Title, m)
			}
		}
	}
}

func TestDashboard_Failures_AreAllClassesThatTheProcessorKnows(t *testing.T) {
	var want, got []string
	for _, name := range writtenBy(t, "processor") {
		if strings.HasPrefix(name, "Failures") && name != "Failures" {
			want = append(want, name)
		}
	}
	for _, l := range failuresRow(DefaultSettings(), standIns()).graphs[0].lines {
		got = append(got, l.metric.name)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Error(diff)
	}
}

// writtenBy reads the names of a function's metrics from its source: infra may not import it.
func writtenBy(t *testing.T, function string) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../functions/" + function + "/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), `{Name: "`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		names = append(names, name)
	}
	return names
}

func TestDashboard_Formulas_KnowTheirMetrics(t *testing.T) {
	for _, w := range testBoard(t).Widgets {
		ids := map[string]bool{}
		for _, m := range w.Properties.Metrics {
			options := m[len(m)-1].(map[string]any)
			if id, ok := options["id"].(string); ok {
				if ids[id] || options["visible"] != false {
					t.Errorf("%q: id %s twice, or to be seen", w.Properties.Title, id)
				}
				ids[id] = true
				continue
			}
			expression, _ := options["expression"].(string)
			for _, part := range strings.FieldsFunc(expression, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') }) {
				if function := strings.ToUpper(part) == part; !function && !ids[part] {
					t.Errorf("%q: %s is nothing in %s", w.Properties.Title, part, expression)
				}
			}
		}
	}
}

func TestDashboard_Lines_AreBrokenAndNothingElse(t *testing.T) {
	body := dashboardBody(rows(DefaultSettings(), standIns()), "us-east-1", []*string{jsii.String("arn:a"), jsii.String("arn:b")})
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(body)); err != nil {
		t.Fatal(err)
	}
	if strings.ReplaceAll(strings.ReplaceAll(body, "\n  ", ""), "\n", "") != compact.String() {
		t.Error("more than line breaks between the tokens")
	}
	if n := strings.Count(body, "\n"); n < 80 {
		t.Errorf("%d lines", n)
	}
}

func TestDashboard_Template_HasItUnderTheStacksName(t *testing.T) {
	s := synth(t)
	got := s.properties(t, "Dashboard")
	if diff := cmp.Diff(reference("AWS::StackName"), got["DashboardName"]); diff != "" {
		t.Error(diff)
	}
	var body strings.Builder
	for _, part := range got["DashboardBody"].(map[string]any)["Fn::Join"].([]any)[1].([]any) {
		if text, ok := part.(string); ok {
			body.WriteString(text)
			continue
		}
		name, _ := json.Marshal(part) // a reference
		body.WriteString(strings.ReplaceAll(string(name), `"`, ""))
	}
	b := readBoard(t, body.String())
	var want []string
	for _, a := range alarms(DefaultSettings(), standIns()) {
		want = append(want, "arn:{Ref:AWS::Partition}:cloudwatch:{Ref:AWS::Region}:{Ref:AWS::AccountId}:alarm:{Ref:AWS::StackName}-"+a.id)
	}
	if diff := cmp.Diff(want, b.Widgets[0].Properties.Alarms); diff != "" {
		t.Error(diff)
	}
	for _, w := range b.Widgets {
		if w.Type == "metric" && w.Properties.Region != "{Ref:AWS::Region}" {
			t.Errorf("%q looks at region %q", w.Properties.Title, w.Properties.Region)
		}
	}
	if got := s.Outputs[config.OutputDashboard].Value; !cmp.Equal(got, any(reference("Dashboard"))) {
		t.Errorf("output is %v", got)
	}
}
