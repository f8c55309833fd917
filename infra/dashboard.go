package main

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"
	"github.com/go-json-experiment/json"

	"github.com/millrace/millrace/internal/config"
)

// The dashboard is a table of rows: a header, and below it graphs side by side. It reads from top to bottom, as an event
// goes.
type (
	row struct {
		title, text string
		graphs      []graph
	}

	graph struct {
		title   string
		unit    string
		lines   []line
		marks   []mark
		stacked bool // its lines add up
	}

	// line is a metric, or a formula.
	line struct {
		label   string
		metric  metric
		formula formula
	}

	// mark is a value to compare with.
	mark struct {
		Label string  `json:"label"`
		Value float64 `json:"value"`
	}
)

func rows(s Settings, w watched) []row {
	return []row{inRow(w), lagRow(s, w), workRow(w), failuresRow(s, w), archiveRow(s, w), costRow(s, w)}
}

func inRow(w watched) row {
	return row{"In", "What producers put into the stream, and what it refused them.", []graph{
		{title: "Records", lines: []line{
			{label: "put", metric: w.ofStream("IncomingRecords", sum)},
		}},
		{title: "Bytes", lines: []line{
			{label: "put", metric: w.ofStream("IncomingBytes", sum)},
		}},
		{title: "Refused records", lines: []line{
			{label: "throttled, all calls", metric: w.ofStream("WriteProvisionedThroughputExceeded", sum)},
			{label: "throttled in PutRecords", metric: w.ofStream("PutRecords.ThrottledRecords", sum)},
			{label: "failed in PutRecords", metric: w.ofStream("PutRecords.FailedRecords", sum)},
		}},
	}}
}

// lagRow has no marks: beside hours, the second that is usual would look like nothing.
func lagRow(s Settings, w watched) row {
	text := fmt.Sprintf("How old a record is when it is handed over, read, and done with. Alarms fire at %v; Lambda gives a record up at %v.",
		config.Span(lagThreshold(s)), config.Span(s.RecordAge))
	return row{"Lag", text, []graph{
		{title: "Handed to the processor", unit: "ms", lines: []line{
			{label: "oldest", metric: w.ofProcessor("IteratorAge", highest)},
		}},
		{title: "Read by GetRecords: Firehose, and the mapping without fan-out", unit: "ms", lines: []line{
			{label: "oldest", metric: w.ofStream("GetRecords.IteratorAgeMilliseconds", highest)},
		}},
		{title: "Counted", unit: "ms", lines: []line{
			{label: "oldest", metric: w.counted("AgeAtCommit", highest)},
			{label: "median", metric: w.counted("AgeAtCommit", median)},
		}},
	}}
}

func workRow(w watched) row {
	return row{"Work", "What the processor does with them.", []graph{
		{title: "Calls", lines: []line{
			{label: "calls", metric: w.ofProcessor("Invocations", sum)},
			{label: "errors", metric: w.ofProcessor("Errors", sum)},
			{label: "throttled", metric: w.ofProcessor("Throttles", sum)},
			{label: "at once", metric: w.ofProcessor("ConcurrentExecutions", highest)},
		}},
		{title: "Duration", unit: "ms", lines: []line{
			{label: "median", metric: w.ofProcessor("Duration", median)},
			{label: "p99", metric: w.ofProcessor("Duration", slowest)},
		}},
		{title: "Events", lines: []line{
			{label: "counted", metric: w.counted("EventsCounted", sum)},
			{label: "copies", metric: w.counted("Copies", sum)},
			{label: "wanted by no meter", metric: w.counted("EventsUnmetered", sum)},
			{label: "left for another try", metric: w.counted("Unsettled", sum)},
		}},
		{title: "Table", lines: []line{
			{label: "transactions", metric: w.counted("Transactions", sum)},
			{label: "planned again: another writer was first", metric: w.counted("Conflicts", sum)},
			{label: "tried again: busy", metric: w.counted("BusyWrites", sum)},
			{label: "writes throttled", metric: w.ofTable("WriteThrottleEvents", sum)},
			{label: "reads throttled", metric: w.ofTable("ReadThrottleEvents", sum)},
		}},
	}}
}

func failuresRow(s Settings, w watched) row {
	return row{"Failures", "What is not counted, and where it is.", []graph{
		{title: "Failed events, by class", stacked: true, lines: []line{
			{label: "undecodable", metric: w.counted("FailuresUndecodable", sum)},
			{label: "invalid", metric: w.counted("FailuresInvalid", sum)},
			{label: "late", metric: w.counted("FailuresLate", sum)},
			{label: "refused", metric: w.counted("FailuresRefused", sum)},
			{label: "panic", metric: w.counted("FailuresPanic", sum)},
			{label: "gave up", metric: w.counted("FailuresGaveUp", sum)},
			{label: "too large", metric: w.counted("FailuresTooLarge", sum)},
		}},
		{title: "Records given up by Lambda", lines: []line{
			{label: "reported", metric: w.ofMapping("OnFailureDestinationDeliveredEventCount", sum)},
			{label: "dropped", metric: w.ofMapping("DroppedEventCount", sum)},
			{label: "reports that failed", metric: w.ofProcessor("DestinationDeliveryFailures", sum)},
		}},
		{title: "Failure queue", lines: []line{
			{label: "messages", metric: w.ofQueue("ApproximateNumberOfMessagesVisible", highest)},
			{label: "in somebody's hands", metric: w.ofQueue("ApproximateNumberOfMessagesNotVisible", highest)},
		}},
		{title: "Oldest message of the failure queue", unit: "s", marks: []mark{{"alarm", failureAgeThreshold(s).Seconds()}}, lines: []line{
			{label: "age", metric: w.ofQueue("ApproximateAgeOfOldestMessage", highest)},
		}},
	}}
}

// archiveRow shows both halves of the archive's lag: Firehose's freshness begins when it has read a record.
func archiveRow(s Settings, w watched) row {
	return row{"Archive", "The cold path: the same records, through Firehose to S3.", []graph{
		{title: "Records", lines: []line{
			{label: "read from the stream", metric: w.ofDelivery("DataReadFromKinesisStream.Records", sum)},
			{label: "transformed", metric: w.ofDelivery("SucceedProcessing.Records", sum)},
			{label: "delivered", metric: w.ofDelivery("DeliveryToS3.Records", sum)},
			{label: "refused by the transform function", metric: w.transformed("Failures", sum)},
			{label: "not converted", metric: w.ofDelivery("FailedConversion.Records", sum)},
		}},
		{title: "Last read record, behind the stream's end", unit: "ms", lines: []line{
			{label: "behind", metric: w.ofDelivery("KinesisMillisBehindLatest", highest)},
		}},
		{title: "Oldest event in Firehose", unit: "s", marks: []mark{{"alarm", freshnessThreshold(s).Seconds()}}, lines: []line{
			{label: "age", metric: w.ofDelivery("DeliveryToS3.DataFreshness", highest)},
		}},
		{title: "Transform function", lines: []line{
			{label: "calls", metric: w.ofTransform("Invocations", sum)},
			{label: "errors", metric: w.ofTransform("Errors", sum)},
			{label: "throttled", metric: w.ofTransform("Throttles", sum)},
		}},
	}}
}

func costRow(s Settings, w watched) row {
	text := "An estimate from AWS's list prices in us-east-1, November 2026, without free tiers. " +
		"Left out: the transform function, fan-out, S3, KMS, logs, traces, metrics and alarms. Records are taken to be small: up to 5 KB."
	return row{"Cost", text, []graph{
		{title: "US dollars an hour", unit: "$", stacked: true, lines: costs(s, w)},
		{title: "Write and read units", lines: []line{
			{label: "write units", metric: w.ofTable("ConsumedWriteCapacityUnits", sum)},
			{label: "read units", metric: w.ofTable("ConsumedReadCapacityUnits", sum)},
		}},
	}}
}

// newDashboard declares the dashboard, named after the stack; alarms are the ARNs of those that it shows.
func newDashboard(stack awscdk.Stack, s Settings, w watched, alarms []*string) awscloudwatch.CfnDashboard {
	return awscloudwatch.NewCfnDashboard(stack, jsii.String("Dashboard"), &awscloudwatch.CfnDashboardProps{
		DashboardName: awscdk.Aws_STACK_NAME(),
		DashboardBody: jsii.String(dashboardBody(rows(s, w), *stack.Region(), alarms)),
	})
}

// widget is one thing on a dashboard (CloudWatch API reference, "Dashboard Body Structure and Syntax").
type widget struct {
	Type       string     `json:"type"`
	X          int        `json:"x"`
	Y          int        `json:"y"`
	Width      int        `json:"width"`
	Height     int        `json:"height"`
	Properties properties `json:"properties"`
}

type properties struct {
	Markdown    string       `json:"markdown,omitzero"`
	Title       string       `json:"title,omitzero"`
	Region      string       `json:"region,omitzero"`
	View        string       `json:"view,omitzero"`
	Stacked     bool         `json:"stacked,omitzero"`
	YAxis       *yAxis       `json:"yAxis,omitzero"`
	Annotations *annotations `json:"annotations,omitzero"`
	Alarms      []*string    `json:"alarms,omitzero"`
	Metrics     [][]any      `json:"metrics,omitzero"`
}

type yAxis struct {
	Left axis `json:"left"`
}

type axis struct {
	Min       int    `json:"min"`
	Label     string `json:"label,omitzero"`
	ShowUnits bool   `json:"showUnits"`
}

type annotations struct {
	Horizontal []mark `json:"horizontal"`
}

// shown is how a metric, or an expression, appears in a graph.
type shown struct {
	Expression string `json:"expression,omitzero"`
	ID         string `json:"id,omitzero"`
	Label      string `json:"label,omitzero"`
	Stat       string `json:"stat,omitzero"`
	Visible    *bool  `json:"visible,omitzero"` // nil: it is
}

// A dashboard is 24 units wide.
const (
	fullWidth    = 24
	headerHeight = 2
	alarmsHeight = 3
	graphHeight  = 6
)

// dashboardBody gives the dashboard of the rows as JSON, with the states of the alarms above them. Names may be tokens.
func dashboardBody(rows []row, region string, alarms []*string) string {
	widgets := []widget{{"alarm", 0, 0, fullWidth, alarmsHeight, properties{Title: "Alarms", Alarms: alarms}}}
	y := alarmsHeight
	for _, r := range rows {
		widgets = append(widgets, widget{"text", 0, y, fullWidth, headerHeight, properties{Markdown: "## " + r.title + "\n" + r.text}})
		y += headerHeight
		width := fullWidth / len(r.graphs)
		for i, g := range r.graphs {
			widgets = append(widgets, widget{"metric", i * width, y, width, graphHeight, g.properties(region)})
		}
		y += graphHeight
	}
	body, err := json.Marshal(map[string][]widget{"widgets": widgets})
	if err != nil {
		panic(err) // structs of text and finite numbers: cannot happen
	}
	return breakLines.Replace(string(body))
}

// breakLines puts each widget, alarm and metric on a line of its own: template.yaml is for people, too.
var breakLines = strings.NewReplacer(
	`{"type":`, "\n{\"type\":",
	`"alarms":[`, "\"alarms\":[\n  ",
	`,"arn:`, ",\n  \"arn:",
	`"metrics":[[`, "\"metrics\":[\n  [",
	`],[`, "],\n  [",
)

func (g graph) properties(region string) properties {
	p := properties{
		Title: g.title, Region: region, View: "timeSeries", Stacked: g.stacked,
		YAxis: &yAxis{axis{Label: g.unit}},
	}
	if len(g.marks) > 0 {
		p.Annotations = &annotations{g.marks}
	}
	for _, l := range g.lines {
		p.Metrics = append(p.Metrics, l.metrics()...)
	}
	return p
}

// metrics gives what the line adds to its graph: its metric, or those of its formula, unseen, and the formula.
func (l line) metrics() (all [][]any) {
	if l.formula.text == "" {
		return [][]any{l.metric.shown(shown{Label: l.label, Stat: l.metric.statistic})}
	}
	for _, id := range l.formula.ids() {
		m := l.formula.of[id]
		all = append(all, m.shown(shown{ID: id, Stat: m.statistic, Visible: new(bool)}))
	}
	return append(all, []any{shown{Expression: l.formula.text, Label: l.label}})
}

func (m metric) shown(how shown) []any { return []any{m.namespace, m.name, m.dimension, m.of, how} }
