package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/awslocal"
	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/stack"
	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/sample"
)

const template = `
Resources:
  Stream:
    Type: AWS::Kinesis::Stream
    Properties: {ShardCount: 1}
Outputs:
  StreamName: {Value: !Ref Stream}
`

// world is an endpoint with an empty stream of one shard.
type world struct {
	*awslocal.Endpoint
	stream string
}

func start(t *testing.T, rules ...fault.Rule) world {
	t.Helper()
	e := awslocal.Start(t, awslocal.Options{Faults: fault.New(1, rules...)})
	return world{e, awslocal.MakeStack(t, e, template, stack.Options{})["StreamName"]}
}

// produce runs the command against the endpoint.
func (w world) produce(ctx context.Context, stdin io.Reader, args ...string) (code int, stderr string) {
	var out, err bytes.Buffer
	code = cli.Execute(ctx, "produce", run, append([]string{"-endpoint", w.URL()}, args...), stdin, &out, &err)
	return code, out.String() + err.String()
}

// records gives what the stream holds, each as key, space, data.
func (w world) records(t *testing.T) (out []string) {
	t.Helper()
	api := kinesis.NewFromConfig(w.Config())
	it, err := api.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: &w.stream, ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	for next := it.ShardIterator; ; {
		page, err := api.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			out = append(out, *r.PartitionKey+" "+string(r.Data))
		}
		if len(page.Records) == 0 {
			return out
		}
		next = page.NextShardIterator
	}
}

func event(id int, key string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/s","type":"t","subject":"%s","time":"2001-01-01T00:00:00Z"}`, id, key)
}

// events gives n events as lines, of two keys by turns.
func events(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(event(i, []string{"a", "b"}[i%2]) + "\n")
	}
	return b.String()
}

func fileOf(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// expect demands an exit code and texts in what was said.
func expect(t *testing.T, wantCode int, want []string, code int, stderr string) {
	t.Helper()
	if code != wantCode {
		t.Errorf("exit %d, want %d\n%s", code, wantCode, stderr)
	}
	for _, text := range want {
		if !strings.Contains(stderr, text) {
			t.Errorf("no %q in\n%s", text, stderr)
		}
	}
}

func TestProduce_FromFile_PutsItAsItIsUnderTheEventsKeys(t *testing.T) {
	w := start(t)
	code, stderr := w.produce(t.Context(), nil, fileOf(t, "\n  "+event(0, "a")+"  \n\n"+event(1, "b")))
	expect(t, cli.ExitDone, []string{"\n2 events are in stream " + w.stream + " ("}, code, stderr)
	got := w.records(t)
	want := map[string]bool{"a " + event(0, "a"): true, "b " + event(1, "b"): true}
	if len(got) != 2 || !want[got[0]] || !want[got[1]] || got[0] == got[1] {
		t.Errorf("%q", got)
	}
}

func TestProduce_FromInput_KeepsTheOrderOfEachKeyThroughFailures(t *testing.T) {
	w := start(t, fault.Rule{Operation: "Kinesis.PutRecords", Kind: fault.Partial, Probability: 0.3})
	code, stderr := w.produce(t.Context(), strings.NewReader(events(60)), "-")
	expect(t, cli.ExitDone, []string{"\n60 events are in stream"}, code, stderr)
	got, next := w.records(t), map[string]int{"a": 0, "b": 1}
	if len(got) != 60 || strings.Contains(stderr, " 0 sent again") {
		t.Errorf("%d records\n%s", len(got), stderr)
	}
	for i, r := range got {
		key := r[:1]
		if r[2:] != event(next[key], key) {
			t.Fatalf("record %d is %s, want event %d", i, r, next[key])
		}
		next[key] += 2
	}
}

func TestProduce_Limit_PutsTheFirst(t *testing.T) {
	w := start(t)
	code, stderr := w.produce(t.Context(), strings.NewReader(events(5)), "-limit", "3", "-unordered", "-")
	expect(t, cli.ExitDone, []string{"\n3 events are in stream"}, code, stderr)
	code, stderr = w.produce(t.Context(), nil, "-sample", "-limit", "7")
	expect(t, cli.ExitDone, []string{"\n7 events are in stream"}, code, stderr)
	if got := w.records(t); len(got) != 10 {
		t.Errorf("%d records", len(got))
	}
}

func TestProduce_MalformedLine_TellsWhatWasPut(t *testing.T) {
	w := start(t)
	code, stderr := w.produce(t.Context(), nil, fileOf(t, events(4)+"{oops\n"+events(1)))
	expect(t, cli.ExitFailed, []string{"\n4 events are in stream " + w.stream, "events.jsonl:5: "}, code, stderr)
	if got := w.records(t); len(got) != 4 {
		t.Errorf("%d records", len(got))
	}
	code, stderr = w.produce(t.Context(), strings.NewReader(`{"specversion":"1.0"}`), "-")
	expect(t, cli.ExitFailed, []string{"\n0 events are in stream", "input:1: not a valid CloudEvent: id is missing"}, code, stderr)
}

func TestProduce_EventThatNoRecordHolds_TellsWhatWasPut(t *testing.T) {
	w := start(t)
	code, stderr := w.produce(t.Context(), strings.NewReader(event(0, "a")+"\n"+event(1, strings.Repeat("k", 300))), "-")
	expect(t, cli.ExitFailed, []string{"\n1 event is in stream", " 1 request, ", "input:2: cannot be put: partition key of 300 characters"}, code, stderr)
}

func TestProduce_DryRun_PutsNothing(t *testing.T) {
	w := start(t)
	code, stderr := w.produce(t.Context(), nil, "-dry-run", fileOf(t, events(3)))
	expect(t, cli.ExitDone, []string{"would put 3 events", "under 2 keys"}, code, stderr)
	code, stderr = w.produce(t.Context(), nil, "-dry-run", "-sample")
	expect(t, cli.ExitDone, []string{"would put " + cli.Thousands(sample.Flights) + " events"}, code, stderr)
	code, stderr = w.produce(t.Context(), strings.NewReader(events(3)+"oops"), "-dry-run", "-")
	expect(t, cli.ExitFailed, []string{"input:4: ", "; 3 events before it can be put"}, code, stderr)
	if got := w.records(t); len(got) != 0 {
		t.Errorf("%d records", len(got))
	}
}

func TestProduce_DryRun_RefusesWhatTheStreamRefuses(t *testing.T) {
	w := start(t)
	long := event(1, strings.Repeat("k", 257))
	code, stderr := w.produce(t.Context(), nil, "-dry-run", fileOf(t, event(0, "a")+"\n\n"+long))
	expect(t, cli.ExitFailed, []string{"events.jsonl:3: cannot be put: partition key of 257 characters", "; 1 event before it can be put"}, code, stderr)
	large := event(0, "key")
	large = strings.Replace(large, `"type"`, `"x":"`+strings.Repeat("x", 1<<20-len(large)-len(`"x":"",`))+`","type"`, 1)
	code, stderr = w.produce(t.Context(), strings.NewReader(large), "-dry-run", "-")
	expect(t, cli.ExitFailed, []string{"input:1: cannot be put: 1048579 bytes with its key", "; 0 events before it"}, code, stderr)
}

func TestProduce_DryRun_NamesWhereItWouldPut(t *testing.T) {
	w := start(t)
	code, stderr := w.produce(t.Context(), nil, "-dry-run", fileOf(t, events(1)))
	expect(t, cli.ExitDone, []string{"would put 1 event (", ") under 1 key to stack Millrace\n"}, code, stderr)
	code, stderr = w.produce(t.Context(), nil, "-dry-run", "-stream", "other", fileOf(t, events(1)))
	expect(t, cli.ExitDone, []string{"under 1 key to stream other\n"}, code, stderr)
}

func TestProduce_StreamMissing_SaysSoOnce(t *testing.T) {
	w := start(t)
	code, stderr := w.produce(t.Context(), nil, "-stream", "nosuch", "-sample")
	expect(t, cli.ExitFailed, []string{"\n0 events are in stream nosuch", "there is no stream nosuch: -stream or -stack names another one"}, code, stderr)
	if n := strings.Count(stderr, "ResourceNotFoundException"); n != 1 {
		t.Errorf("the reason is given %d times\n%s", n, stderr)
	}
}

func TestProduce_NoStackOrEndpoint_SaysWhatToDo(t *testing.T) {
	w := start(t)
	code, stderr := w.produce(t.Context(), nil, "-stack", "nosuch", "-sample")
	expect(t, cli.ExitFailed, []string{"stack nosuch not found", "-stack names another one"}, code, stderr)
	code, stderr = w.produce(t.Context(), nil, "-endpoint", "http://"+closedPort(t), "-sample")
	expect(t, cli.ExitFailed, []string{"no AWS endpoint answers", "go run ./scripts/local -serve"}, code, stderr)
	code, stderr = w.produce(t.Context(), nil, "-endpoint", "ftp://x", "-sample")
	expect(t, cli.ExitUsage, []string{"want a URL"}, code, stderr)
}

// closedPort gives an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestProduce_WrongUsage_DoesNothing(t *testing.T) {
	w := world{Endpoint: awslocal.Start(t, awslocal.Options{})}
	for _, c := range []struct{ args, want string }{
		{"", "one of them"},
		{"a b", "one of them"},
		{"-sample -", "one of them"},
		{"-limit -1 -sample", "cannot be negative"},
		{"-rate -1 -sample", "cannot be negative"},
		{"-rate NaN -sample", "cannot be negative"},
		{"-bogus", "-bogus"},
	} {
		code, stderr := w.produce(t.Context(), nil, strings.Fields(c.args)...)
		expect(t, cli.ExitUsage, []string{c.want, "go run ./scripts/produce -h tells more"}, code, stderr)
	}
	code, stderr := w.produce(t.Context(), nil, "none.jsonl")
	expect(t, cli.ExitFailed, []string{"read events: open none.jsonl: no such file"}, code, stderr)
}

// interrupting gives one line and then interrupts, as an input that has no more to say for now.
type interrupting struct {
	line      string
	given     atomic.Bool
	interrupt func()
}

func (r *interrupting) Read(p []byte) (int, error) {
	if !r.given.Swap(true) {
		return copy(p, r.line), nil
	}
	r.interrupt()
	select {}
}

// telling runs a function when a text is written.
type telling struct {
	bytes.Buffer
	text string
	do   func()
}

func (w *telling) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.do()
	}
	return w.Buffer.Write(p)
}

func TestProduce_InterruptedWhileTheStreamTakesNothing_SaysForWhatItWaits(t *testing.T) {
	w := start(t, fault.Rule{Operation: "Kinesis.PutRecords", Kind: fault.Throttle, Probability: 1})
	ctx, cancel := context.WithCancel(t.Context())
	input := &interrupting{line: event(0, "a") + "\n", interrupt: func() {
		for w.Faults.Report()[0].Times == 0 { // the event is on its way
			runtime.Gosched()
		}
		cancel()
	}}
	stderr := &telling{text: "1 event on the way", do: w.Faults.Clear}
	code := cli.Execute(ctx, "produce", run, []string{"-endpoint", w.URL(), "-"}, input, io.Discard, stderr)
	expect(t, cli.ExitFailed, []string{"Ctrl-C again ends at once", "\n1 event is in stream " + w.stream, "produce: interrupted"}, code, stderr.String())
}

func TestProduce_InterruptedWhileTheInputIsSilent_TellsWhatWasPut(t *testing.T) {
	w := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	code, stderr := w.produce(ctx, &interrupting{line: event(0, "a") + "\n", interrupt: cancel}, "-")
	expect(t, cli.ExitFailed, []string{" in stream " + w.stream, "produce: interrupted"}, code, stderr) // 0 or 1: the line races with Ctrl-C
}
