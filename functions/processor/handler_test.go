package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/millrace/millrace/internal/awslocal"
	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/stack"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/meter"
)

const template = `
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: sk, AttributeType: S}]
      BillingMode: PAY_PER_REQUEST
      KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]
  Queue:
    Type: AWS::SQS::Queue
Outputs:
  TableName: {Value: !Ref Table}
  FailureQueueUrl: {Value: !Ref Queue}
`

// world is the handler as main builds it, against an endpoint.
type world struct {
	*handler
	endpoint    *awslocal.Endpoint
	environment map[string]string
	metrics     *bytes.Buffer
}

func start(t *testing.T, rules ...fault.Rule) *world {
	t.Helper()
	e := awslocal.Start(t, awslocal.Options{Faults: fault.New(1, rules...)})
	outputs := awslocal.MakeStack(t, e, template, stack.Options{})
	w := &world{endpoint: e, environment: map[string]string{
		"AWS_ENDPOINT_URL": e.URL(), "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s",
		"AWS_LAMBDA_FUNCTION_NAME": "processor",
		config.EnvTable:            outputs[config.OutputTable], config.EnvFailureQueue: outputs[config.OutputFailureQueue],
		config.EnvHorizon: "none",
	}}
	w.cold(t)
	return w
}

// cold begins another instance.
func (w *world) cold(t *testing.T) {
	t.Helper()
	var err error
	if w.handler, err = build(func(name string) string { return w.environment[name] }); err != nil {
		t.Fatal(err)
	}
	w.metrics = new(bytes.Buffer)
	w.handler.metrics.out = w.metrics
}

// invoke hands over a batch of records, and gives the answer and the numbers of the metrics line.
func (w *world) invoke(ctx context.Context, t *testing.T, data ...string) (answer string, line map[string]any) {
	t.Helper()
	out, err := w.Invoke(ctx, batchOf(data...))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(w.metrics.Bytes(), []byte("\n")); n != 1 {
		t.Fatalf("%d lines of metrics: %s", n, w.metrics)
	}
	if err := json.Unmarshal(w.metrics.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	w.metrics.Reset()
	return string(out), line
}

func sequence(i int) string {
	return fmt.Sprintf("4967848248591499264712848673846055973597999399947154%04d", i)
}

// batchOf makes an invocation's payload, the first of one record after another.
func batchOf(data ...string) []byte {
	var records []string
	for i, d := range data {
		one := string(kinesisEvent(1, "X"))
		one = strings.ReplaceAll(one, sequence(0), sequence(i))
		one = strings.Replace(one, `"data":"WA=="`, `"data":"`+base64.StdEncoding.EncodeToString([]byte(d))+`"`, 1)
		records = append(records, strings.TrimSuffix(strings.TrimPrefix(one, `{"Records":[`), `]}`))
	}
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

func departure(id int, origin string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/s","type":"flight.departed","subject":%[2]q,"time":"2001-01-01T00:00:00Z","data":{"origin":%[2]q,"delay":%d,"distance":100}}`, id, origin, id)
}

// departures gives the count and the sum of delay by origin, of the day of departure.
func (w *world) departures(t *testing.T) map[string]string {
	t.Helper()
	return w.departuresOn(t, time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))
}

func (w *world) departuresOn(t *testing.T, day time.Time) map[string]string {
	t.Helper()
	set, err := meter.Parse("meters.json", meters)
	if err != nil {
		t.Fatal(err)
	}
	m := set.Find("departures")
	r, err := ledger.OpenMeters(t.Context(), dynamodb.NewFromConfig(w.endpoint.Config()), w.environment[config.EnvTable], ledger.LiveSet)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := r.Window(t.Context(), m, day)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, row := range rows {
		out[row.Group] = fmt.Sprint(row.Count, " ", row.Stats[0].Sum)
	}
	return out
}

func (w *world) failures(t *testing.T) []failure.Failure {
	t.Helper()
	received, err := failure.NewQueue(sqs.NewFromConfig(w.endpoint.Config()), w.environment[config.EnvFailureQueue]).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return failure.Fold(received)
}

// numbers leaves of a metrics line what is the same in every run.
func numbers(line map[string]any) map[string]any {
	out := maps.Clone(line)
	delete(out, "_aws")
	delete(out, age.Name)
	return out
}

func TestInvoke_SamePayloadAgain_CountsNothing(t *testing.T) {
	w := start(t)
	data := []string{departure(1, "ORD"), departure(2, "ORD"), departure(3, "LAX"), strings.ReplaceAll(departure(4, "LAX"), "flight.departed", "other")}
	want := map[string]string{"ORD": "2 3", "LAX": "1 3"}
	answer, line := w.invoke(t.Context(), t, data...)
	if answer != allSettled {
		t.Errorf("answer %s", answer)
	}
	first := map[string]any{
		"FunctionName": "processor", "Shard": "shardId-000000000000", "Records": 4.0, "EventsCounted": 3.0, "Copies": 0.0, "EventsUnmetered": 1.0,
		"Unsettled": 0.0, "Failures": 0.0, "Transactions": 1.0, "Conflicts": 0.0, "BusyWrites": 0.0, "LogReads": line["LogReads"],
	}
	if diff := cmp.Diff(first, numbers(line)); diff != "" {
		t.Error(diff)
	}
	if _, ok := line[age.Name].(float64); !ok {
		t.Errorf("no age in %v", line)
	}
	for _, instance := range []string{"warm", "cold"} {
		if instance == "cold" {
			w.cold(t)
		}
		answer, line := w.invoke(t.Context(), t, data...)
		if answer != allSettled || line["EventsCounted"] != 0.0 || line["Copies"] != 3.0 || line["Transactions"] != 0.0 {
			t.Errorf("%s: answer %s, %v", instance, answer, line)
		}
		if diff := cmp.Diff(want, w.departures(t)); diff != "" {
			t.Errorf("%s: %s", instance, diff)
		}
	}
	if f := w.failures(t); len(f) != 0 {
		t.Errorf("failures %v", f)
	}
}

func TestInvoke_BadRecords_LeaveWithPayloadAndReason(t *testing.T) {
	w := start(t)
	bad := []string{"garbage", `{"specversion":"1.0"}`, strings.Replace(departure(2, "ORD"), `"distance":100`, `"distance":"far"`, 1)}
	answer, line := w.invoke(t.Context(), t, bad[0], departure(1, "ORD"), bad[1], bad[2])
	if answer != allSettled || line["EventsCounted"] != 1.0 || line["Failures"] != 3.0 || line["FailuresUndecodable"] != 1.0 || line["FailuresInvalid"] != 2.0 {
		t.Errorf("answer %s, %v", answer, line)
	}
	got := map[string]string{}
	for _, f := range w.failures(t) {
		got[string(f.Record.Payload)] = fmt.Sprint(f.Class(), " ", f.Record.Stream, " ", f.Record.Shard, " ", f.Record.Sequence, " ", f.Record.Key, " ", f.Record.Text != "")
	}
	want := map[string]string{
		bad[0]: "undecodable flights shardId-000000000000 " + sequence(0) + " ORD true",
		bad[1]: "invalid flights shardId-000000000000 " + sequence(2) + " ORD true",
		bad[2]: "invalid flights shardId-000000000000 " + sequence(3) + " ORD true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"ORD": "1 1"}, w.departures(t)); diff != "" {
		t.Error(diff)
	}
}

func TestInvoke_QueueAway_AnswersInPart(t *testing.T) {
	w := start(t, fault.Rule{Operation: "SQS.SendMessageBatch", Kind: fault.Error, Probability: 1})
	quiet(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // of which a second is kept for the answer
	defer cancel()
	answer, line := w.invoke(ctx, t, departure(1, "ORD"), "garbage", departure(2, "ORD"))
	if want := `{"batchItemFailures":[{"itemIdentifier":"` + sequence(1) + `"}]}`; answer != want || line["Unsettled"] == 0.0 || line["Failures"] != 0.0 {
		t.Errorf("answer %s, %v", answer, line)
	}
	w.endpoint.Faults.Clear()
	if answer, _ := w.invoke(t.Context(), t, "garbage", departure(2, "ORD")); answer != allSettled {
		t.Errorf("answer %s", answer)
	}
	if diff := cmp.Diff(map[string]string{"ORD": "2 3"}, w.departures(t)); diff != "" || len(w.failures(t)) != 1 {
		t.Errorf("%d failures\n%s", len(w.failures(t)), diff)
	}
}

// quiet keeps expected warnings out of the test's output.
func quiet(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(before) })
}

func TestInvoke_TableAway_LeavesTheWholeBatch(t *testing.T) {
	w := start(t)
	quiet(t)
	w.endpoint.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	answer, line := w.invoke(ctx, t, departure(1, "ORD"), departure(2, "LAX"))
	if want := `{"batchItemFailures":[{"itemIdentifier":"` + sequence(0) + `"}]}`; answer != want || line["Unsettled"] != 2.0 || line["EventsCounted"] != 0.0 {
		t.Errorf("answer %s, %v", answer, line)
	}
	if _, ok := line[age.Name]; ok {
		t.Errorf("an age of nothing: %v", line)
	}
}

func TestInvoke_NoBatch_IsAnError(t *testing.T) {
	w := start(t)
	if out, err := w.Invoke(t.Context(), []byte(`{}`)); err == nil || out != nil || w.metrics.Len() != 0 {
		t.Errorf("%s, %v, %s", out, err, w.metrics)
	}
}

func TestMetrics_Line_NamesWhatCloudWatchKeeps(t *testing.T) {
	_, line := start(t).invoke(t.Context(), t, departure(1, "ORD"))
	b, err := json.Marshal(line["_aws"])
	if err != nil {
		t.Fatal(err)
	}
	var head struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	if err := json.Unmarshal(b, &head); err != nil || len(head.CloudWatchMetrics) != 1 || head.Timestamp == 0 {
		t.Fatalf("%v: %s", err, b)
	}
	d, names := head.CloudWatchMetrics[0], map[string]string{}
	for _, m := range d.Metrics {
		names[m.Name] = m.Unit
	}
	want := map[string]string{
		"Records": "Count", "EventsCounted": "Count", "Copies": "Count", "EventsUnmetered": "Count", "Unsettled": "Count", "Failures": "Count",
		"AgeAtCommit": "Milliseconds", "Transactions": "Count", "Conflicts": "Count", "BusyWrites": "Count", "LogReads": "Count",
	}
	if diff := cmp.Diff(want, names); diff != "" || d.Namespace != "Millrace" || cmp.Diff([][]string{{"FunctionName"}}, d.Dimensions) != "" {
		t.Errorf("%s %v\n%s", d.Namespace, d.Dimensions, diff)
	}
}

func TestBeforeDeadline_KeepsTimeForTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for limit, kept := range map[time.Duration]time.Duration{
			time.Minute: reserve, 4 * time.Second: time.Second, 2 * time.Second: time.Second / 2, time.Millisecond: time.Millisecond / 4,
		} {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			early, done := beforeDeadline(ctx)
			if at, ok := early.Deadline(); !ok || time.Until(at) != limit-kept {
				t.Errorf("of %v: %v are left to work", limit, time.Until(at))
			}
			<-early.Done()
			if ctx.Err() != nil {
				t.Errorf("of %v: nothing is left for the answer", limit)
			}
			done()
			cancel()
		}
	})
	ctx, done := beforeDeadline(t.Context())
	defer done()
	if _, ok := ctx.Deadline(); ok {
		t.Error("a deadline out of nothing")
	}
}

func TestBuild_EnvironmentWrong_NamesWhatIs(t *testing.T) {
	good := map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", config.EnvTable: "t", config.EnvFailureQueue: "http://q",
	}
	if _, err := build(func(name string) string { return good[name] }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, value, want string }{
		{config.EnvTable, "", config.EnvTable},
		{config.EnvFailureQueue, "", config.EnvFailureQueue},
		{"AWS_REGION", "", "AWS_REGION is not set"},
		{"AWS_ACCESS_KEY_ID", "", "AWS_ACCESS_KEY_ID"},
		{config.EnvHorizon, "soon", config.EnvHorizon},
		{config.EnvBits, "99", "bits is 99"},
		{"AWS_ENDPOINT_URL", "nonsense", `endpoint "nonsense"`},
	} {
		env := maps.Clone(good)
		env[c.name] = c.value
		if _, err := build(func(name string) string { return env[name] }); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: %v, want %s", c.name, c.value, err, c.want)
		}
	}
}

func TestMeters_TheFileThatShips_IsGood(t *testing.T) {
	set, err := meter.Parse("meters.json", meters)
	if err != nil || len(set.Meters) == 0 {
		t.Fatal(err)
	}
	if onDisk, err := os.ReadFile("meters.json"); err != nil || !bytes.Equal(onDisk, meters) {
		t.Errorf("%v: the file is not what was embedded", err)
	}
}

func TestFailuresByClass_HasAMetricForEachClass(t *testing.T) {
	var names []string
	for class, m := range failuresByClass {
		if !strings.EqualFold(m.Name, "Failures"+strings.ReplaceAll(string(class), "-", "")) {
			t.Errorf("class %s is metric %s", class, m.Name)
		}
		names = append(names, string(class))
	}
	want := []string{"gave-up", "invalid", "late", "panic", "refused", "too-large", "undecodable"}
	if diff := cmp.Diff(want, names, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Error(diff)
	}
}
