package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/client"
	"github.com/millrace/millrace/internal/config"
)

// text is what a run has written; several goroutines write it.
type text struct {
	mu      sync.Mutex
	written bytes.Buffer
	on      string        // a text to wait for
	seen    chan struct{} // closed when it is there
}

func (w *text) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written.Write(p)
	if w.on != "" && strings.Contains(w.written.String(), w.on) {
		close(w.seen)
		w.on = ""
	}
	return len(p), nil
}

func (w *text) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written.String()
}

// local runs the command.
func local(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err text
	code = cli.Execute(ctx, "local", run, args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

// result is the summary as who reads the JSON knows it.
type result struct {
	Equal           bool               `json:"equal"`
	Events          int                `json:"events"`
	Duplicates      int                `json:"duplicates"`
	Failed          int                `json:"failed"`
	EventsPerSecond float64            `json:"events_per_second"`
	P50             float64            `json:"p50_ms"`
	P99             float64            `json:"p99_ms"`
	WriteUnits      map[string]float64 `json:"write_units"`
	ColdStarts      int                `json:"cold_starts"`
	Seconds         float64            `json:"seconds"`
	Faults          []fault.Fired      `json:"faults"`
}

// runJSON runs the command with -json over a file of events, and reads the one object that it writes.
func runJSON(t *testing.T, file string, args ...string) result {
	t.Helper()
	code, stdout, stderr := local(t.Context(), append([]string{"-port", "0", "-json", "-events", file}, args...)...)
	d := json.NewDecoder(strings.NewReader(stdout))
	d.DisallowUnknownFields()
	var r result
	if err := d.Decode(&r); err != nil {
		t.Fatalf("exit %d: %v in %q\n%s", code, err, stdout, stderr)
	}
	if d.More() || strings.Count(stdout, "\n") != 1 {
		t.Errorf("stdout is not one object: %q", stdout)
	}
	if (code == cli.ExitDone) != r.Equal {
		t.Errorf("exit %d, equal %v", code, r.Equal)
	}
	if !r.Equal {
		t.Errorf("not equal\n%s", stderr)
	}
	return r
}

func TestRun_Plain_IsEqual(t *testing.T) {
	r := runJSON(t, fileOf(t, flights(t, 3000)...))
	if r.Events != 3000 || r.Duplicates != 0 || r.Failed != 0 || r.ColdStarts < 1 || r.ColdStarts > 2 || len(r.Faults) != 0 {
		t.Errorf("%+v", r)
	}
	if !(r.EventsPerSecond > 0 && r.P50 > 0 && r.P99 >= r.P50 && r.Seconds > 0) {
		t.Errorf("figures: %+v", r)
	}
	for _, kind := range []string{"ledger", "aggregates"} {
		if !(r.WriteUnits[kind] > 0) {
			t.Errorf("write units: %v", r.WriteUnits)
		}
	}
}

func TestRun_SpoiledAndCopied_IsEqualAndSaysSo(t *testing.T) {
	file := fileOf(t, flights(t, 3000)...)
	r := runJSON(t, file, "-duplicates", "0.05", "-corrupt", "0.02")
	l, err := readLoad(t.Context(), options{events: file, duplicates: 0.05, corrupt: 0.02}, meters(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Events != l.truth.events || r.Duplicates != l.copies || r.Failed != len(l.spoiled) || l.copies == 0 || len(l.spoiled) == 0 {
		t.Errorf("%+v, for %d events, %d copies, %d spoiled", r, l.truth.events, l.copies, len(l.spoiled))
	}
}

func TestRun_Chaos_IsEqualAndTellsWhatItDid(t *testing.T) {
	r := runJSON(t, fileOf(t, flights(t, 8000)...), "-chaos", "42", "-duplicates", "0.05", "-corrupt", "0.001")
	times := map[string]int{}
	for _, f := range r.Faults {
		times[f.Operation+" "+f.Kind] += f.Times
	}
	for _, rule := range chaos {
		if what := rule.Operation + " " + rule.Kind.String(); times[what] == 0 {
			t.Errorf("no %s was done to the run: %v", what, times)
		}
	}
}

func TestRun_EventsThatNoMeterCounts_AreEqual(t *testing.T) {
	event := flights(t, 1)[0]
	other := bytes.Replace(event, []byte("flight.departed"), []byte("flight.landed"), 1)
	bad := bytes.Replace(event, []byte(`"distance":`), []byte(`"distance":"far","was":`), 1)
	if r := runJSON(t, fileOf(t, other, bad, bad)); r.Events != 0 || r.Failed != 1 {
		t.Errorf("%+v", r)
	}
}

func TestRun_EventThatAMeterRefuses_IsShownWithItsReason(t *testing.T) {
	events := flights(t, 2)
	bad := bytes.Replace(events[1], []byte(`"distance":`), []byte(`"distance":"far","was":`), 1)
	var stdout, stderr text
	if code := cli.Execute(t.Context(), "local", run, []string{"-port", "0", "-events", "-"}, bytes.NewReader(bytes.Join([][]byte{events[0], bad}, []byte("\n"))), &stdout, &stderr); code != cli.ExitDone {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	for _, want := range []string{"0 spoiled, 1 of no use to a meter, 0 the handler's doing", "in the failure queue, beside what was spoiled\n  invalid: ", "data.distance"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout.String())
		}
	}
}

func TestWork_TruthIsAnother_IsNotEqual(t *testing.T) {
	events := flights(t, 4)
	l, err := readLoad(t.Context(), options{events: fileOf(t, events[:3]...)}, meters(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	l.spoiled = [][]byte{[]byte("never put")}
	if err := l.truth.add(events[3]); err != nil {
		t.Fatal(err)
	}
	stack, err := start(t.Context(), options{}, "../..", &text{})
	if err != nil {
		t.Fatal(err)
	}
	defer stack.close()
	sum, err := stack.work(t.Context(), l, meters(t), &text{})
	if err != nil {
		t.Fatal(err)
	}
	var out text
	if err := sum.write(&out, options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NOT EQUAL: 3 differences", "\n  departures 2001-01-01T00:00:00Z ", "\n  network 2001-01-01T00:00:00Z ", `lacks the spoiled record "never put"`, "  NO\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if sum.Equal {
		t.Error("equal")
	}
}

func TestRun_ForPeople_ShowsTheTruthBeside(t *testing.T) {
	code, stdout, stderr := local(t.Context(), "-port", "0", "-events", fileOf(t, flights(t, 2)...))
	for _, want := range []string{"meter  ", "truth  equal", "departures  distance  ", "network     count ", "\nequal: every window", "\nevents/s ", "\ncold starts "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if code != cli.ExitDone || strings.Contains(stdout, "NO") {
		t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	for _, want := range []string{"building functions/processor, functions/transform\n", "\nnot emulated: ", "KinesisFirehose delivery stream, "} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
}

func TestRun_Serve_StaysUpUntilInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	file := fileOf(t, flights(t, 1)...)
	stderr := &text{on: "ProcessorName", seen: make(chan struct{})}
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Execute(ctx, "local", run, []string{"-port", "0", "-json", "-serve", "-events", file}, nil, &text{}, stderr)
	}()
	select {
	case <-stderr.seen:
	case code := <-ended:
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	environment := map[string]string{}
	for _, m := range regexp.MustCompile(`(AWS_\w+)=(\S+)`).FindAllStringSubmatch(stderr.String(), -1) {
		environment[m[1]] = m[2]
	}
	cfg, err := client.FromEnvironment(func(name string) string { return environment[name] })
	if err != nil {
		t.Fatal(err, environment)
	}
	stacks, err := cloudformation.NewFromConfig(cfg).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{})
	if err != nil || len(stacks.Stacks) != 1 || environment["AWS_DEFAULT_REGION"] == "" {
		t.Errorf("%v: %+v, %v", environment, stacks, err)
	}
	interrupt()
	if code := <-ended; code != cli.ExitDone {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(environment["AWS_ENDPOINT_URL"], "http://")); err == nil {
		t.Error("the endpoint still listens")
	}
}

func TestRun_Interrupted_SaysSo(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if code, stdout, stderr := local(ctx, "-port", "0", "-events", fileOf(t, flights(t, 1)...)); code != cli.ExitFailed || stdout != "" || !strings.Contains(stderr, "local: interrupted") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
}

func TestRun_WrongUsage_DoesNothing(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-bogus", "-bogus"},
		{"file", `unexpected argument "file"`},
		{"-chaos x", "whole number"},
		{"-chaos 1x", "whole number"},
		{"-chaos -1", "whole number"},
		{"-duplicates 2", "shares from 0 to 1"},
		{"-duplicates -0.1", "shares from 0 to 1"},
		{"-duplicates 0.6 -corrupt 0.6", "together at most 1"},
		{"-corrupt NaN", "shares from 0 to 1"},
		{"-duplicates +Inf", "shares from 0 to 1"},
		{"-corrupt x", "-corrupt"},
		{"-port 65536", "0 to 65535"},
		{"-port -1", "0 to 65535"},
		{"-port x", "-port"},
		{"-listen 1.2.3.4:80", "without a port"},
		{"-listen nohost", "want an IP address"},
		{"-template t.yaml -events e.jsonl", "-events is for the sample run"},
		{"-template t.yaml -duplicates 0.1", "-duplicates is for the sample run"},
		{"-chaos 1 -template t.yaml", "-chaos is for the sample run"},
		{"-template t.yaml -json", "-json is for the sample run"},
		{"-template t.yaml -parameter a", "want NAME=VALUE"},
		{"-template t.yaml -parameter a=b -parameter a=c", "is there twice"},
		{"-parameter a=b", "want -template with it"},
		{"-events=", "-events is empty"},
	} {
		code, stdout, stderr := local(t.Context(), strings.Fields(c.args)...)
		if code != cli.ExitUsage || stdout != "" || !strings.Contains(stderr, c.want) || !strings.Contains(stderr, "go run ./scripts/local -h") {
			t.Errorf("%s: exit %d, %q, %q, want %q", c.args, code, stdout, stderr, c.want)
		}
	}
	if code, stdout, _ := local(t.Context(), "-h"); code != cli.ExitDone || !strings.Contains(stdout, "-chaos SEED") {
		t.Errorf("-h: exit %d, %q", code, stdout)
	}
}

func TestRun_BadEvents_StartNothing(t *testing.T) {
	good := flights(t, 1)[0]
	for name, c := range map[string]struct{ file, want string }{
		"missing":   {"none.jsonl", "local: read events: open none.jsonl: no such file or directory\n"},
		"malformed": {fileOf(t, good, []byte("{oops"), good), "events.jsonl:2: "},
	} {
		code, stdout, stderr := local(t.Context(), "-events", c.file)
		if code != cli.ExitFailed || stdout != "" || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "building") {
			t.Errorf("%s: exit %d, %q, %q, want %q", name, code, stdout, stderr, c.want)
		}
	}
}

func TestRun_PortTaken_SaysWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	code, _, stderr := local(t.Context(), "-port", port, "-events", fileOf(t, flights(t, 1)...))
	if code != cli.ExitFailed || !strings.Contains(stderr, port+" is taken") || !strings.Contains(stderr, "choose another port") || strings.Contains(stderr, "building") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

// checkout makes a folder that looks like a checkout, with a meters file of its own, and goes there.
func checkout(t *testing.T, meters string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module x\n", "template.yaml": "", config.MetersFile: meters, "functions/transform/main.go": "package main\n\nfunc main() {}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func TestRun_WrongMeters_StopsWithFilePathAndReason(t *testing.T) {
	for meters, want := range map[string]string{
		`{"meters":[{"name":"a","type":"t","window":"1x"}]}`: `/meters/0/window: "1x"`,
		`{"meters":[`:   "line 1: ",
		`{"meters":[]}`: "/meters: is empty",
	} {
		t.Run(want, func(t *testing.T) {
			checkout(t, meters)
			code, stdout, stderr := local(t.Context(), "-port", "0")
			if code != cli.ExitFailed || stdout != "" || !strings.HasPrefix(stderr, "local: "+config.MetersFile+": "+want) {
				t.Errorf("exit %d, %q, %q, want %q", code, stdout, stderr, want)
			}
		})
	}
}

func TestRun_CodeThatDoesNotCompile_ShowsTheCompilersWords(t *testing.T) {
	checkout(t, `{"meters":[{"name":"a","type":"t","window":"1d"}]}`)
	if err := os.WriteFile("functions/processor/main.go", []byte("package main\n\nfunc main() { oops }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := local(t.Context(), "-port", "0")
	if code != cli.ExitFailed || !strings.Contains(stderr, "main.go:3:15: undefined: oops") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestRun_FunctionThatNeverStarts_EndsWithItsWords(t *testing.T) {
	template, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := fileOf(t, flights(t, 10)...)
	checkout(t, `{"meters":[{"name":"a","type":"t","window":"1d"}]}`)
	for name, content := range map[string]string{"template.yaml": string(template), "functions/processor/main.go": "package main\n\nfunc main() { panic(\"no good\") }\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := local(t.Context(), "-port", "0", "-events", file)
	for _, want := range []string{"no meter counts the type of 10 events", "panic: no good", "local: the function has failed in all of its first "} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
	if code != cli.ExitFailed || stdout != "" {
		t.Errorf("exit %d, %q", code, stdout)
	}
}

func TestRun_OutsideTheRepository_SaysSo(t *testing.T) {
	t.Chdir(t.TempDir())
	if code, _, stderr := local(t.Context()); code != cli.ExitFailed || !strings.Contains(stderr, "run this inside the repository") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestRun_NoGo_SaysSo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if code, _, stderr := local(t.Context(), "-port", "0", "-events", fileOf(t, flights(t, 1)...)); code != cli.ExitFailed || !strings.Contains(stderr, "go command is not on PATH") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestFindRoot_InASubfolder_IsTheRepository(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root, err := findRoot()
	if diff := cmp.Diff(filepath.Dir(filepath.Dir(here)), root); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
