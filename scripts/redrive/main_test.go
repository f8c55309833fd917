package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/millrace/millrace/internal/awslocal"
	"github.com/millrace/millrace/internal/awslocal/esm"
	"github.com/millrace/millrace/internal/awslocal/stack"
	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/stream"
)

// root is the repository.
const root = "../.."

// built is a folder with the function, whose handler is testdata's, and the command.
var built string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "redrive")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	if err := buildAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func buildAll(dir string) error {
	abs := func(path string) string {
		a, _ := filepath.Abs(path)
		return a
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		abs(root + "/functions/processor/application.go"): abs("testdata/application.go"),
	}})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return err
	}
	processor := filepath.Join(dir, "dist/local/processor/bootstrap")
	for _, args := range [][]string{
		{"-overlay", file, "-tags", "lambda.norpc", "-o", processor, root + "/functions/processor"},
		{"-o", filepath.Join(dir, "redrive"), "."},
	} {
		cmd := exec.Command("go", append([]string{"build"}, args...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	transform := filepath.Join(dir, "dist/local/transform") // of the stack, and never called
	if err := os.MkdirAll(transform, 0o700); err != nil {
		return err
	}
	return os.Link(processor, filepath.Join(transform, "bootstrap"))
}

// world is the stack of template.yaml on an endpoint of its own, with the failing handler.
type world struct {
	*awslocal.Endpoint
	outputs map[string]string
	dir     string // of files by which the handler is told, and tells
	streams *kinesis.Client
	set     *meter.Set

	mu      sync.Mutex
	settled int64
	changed chan struct{}
}

// start starts a world, with some settings of the mapping other than the template's.
func start(t *testing.T, mapping map[string]string) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), changed: make(chan struct{}, 1)}
	t.Parallel()
	w.Endpoint = awslocal.Start(t, awslocal.Options{Mapping: esm.Options{Settled: w.note, MaxRest: 5 * time.Millisecond}})
	file := filepath.Join(root, "template.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range mapping {
		changed := regexp.MustCompile(name+": .*").ReplaceAll(text, []byte(name+": "+value))
		if bytes.Equal(changed, text) {
			t.Fatalf("the template does not set %s to anything but %s", name, value)
		}
		text = changed
	}
	w.outputs = awslocal.MakeStack(t, w.Endpoint, string(text), stack.Options{BaseDir: built, Parameters: map[string]string{
		"Architecture": map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH], "Endpoint": w.URL(), "Horizon": "none",
	}})
	w.streams = kinesis.NewFromConfig(w.Config())
	f, _ := w.Lambda.Function(w.outputs[config.OutputProcessor])
	f.Environment = maps.Clone(f.Environment)
	f.Environment[config.EnvPatience], f.Environment["HANDLER_DIR"] = "1ms", w.dir
	if err := w.Lambda.Update(f); err != nil {
		t.Fatal(err)
	}
	meters, err := os.ReadFile(root + "/functions/processor/meters.json")
	if err != nil {
		t.Fatal(err)
	}
	if w.set, err = meter.Parse("meters.json", meters); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) stream() string { return w.outputs[config.OutputStream] }

func (w *world) note(s esm.Settled) {
	w.mu.Lock()
	w.settled += int64(len(s.Records))
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// wait waits until the mapping has settled all that was put.
func (w *world) wait(t *testing.T) {
	t.Helper()
	for {
		n, err := w.Kinesis.Records(w.stream())
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		done := w.settled >= n
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-w.changed:
		case <-t.Context().Done():
			t.Fatal("the test ended before all was settled")
		}
	}
}

// touch makes a file that the handler looks for.
func (w *world) touch(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Settings of the mapping: soon and few attempts, and for inRanges no search for the record that is to blame.
var (
	soon     = map[string]string{"MaximumBatchingWindowInSeconds": "0", "MaximumRetryAttempts": "8"}
	inRanges = map[string]string{"MaximumBatchingWindowInSeconds": "0", "MaximumRetryAttempts": "1", "BisectBatchOnFunctionError": "false"}
)

// sale is an event of the test: the n-th of its key.
type sale struct {
	key   string
	n     int
	fault string
}

func (s sale) id() string { return fmt.Sprintf("%s-%d", s.key, s.n) }

func (s sale) event() []byte {
	at := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC).Add(time.Duration(s.n) * time.Second)
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"%s","source":"/sales","type":"flight.departed","subject":"%s","time":"%s","data":{"origin":"%s","delay":1,"distance":%d,"fault":"%s"}}`,
		s.id(), s.key, at.Format(time.RFC3339), s.key, s.n, s.fault)
}

// put puts sales, in the order of each key, and waits until they are in the stream.
func (w *world) put(t *testing.T, sales []sale) {
	t.Helper()
	p := stream.NewProducer(w.streams, w.stream(), stream.Options{})
	defer p.Close()
	for _, s := range sales {
		if err := p.Put(t.Context(), stream.Record{Key: s.key, Data: s.event()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// redrive runs the command inside of the test.
func (w *world) redrive(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, words bytes.Buffer
	code = cli.Execute(ctx, "redrive", run, append([]string{"-endpoint", w.URL()}, args...), nil, &out, &words)
	return code, out.String(), words.String()
}

// leftOver is what -go says when it has come to its end and the queue still has something.
const leftOver = "left in the queue, for the reasons that the list gives"

// done runs the command, which must come to its end, and reads its JSON.
func (w *world) done(t *testing.T, into any, args ...string) (stderr string) {
	t.Helper()
	code, stdout, stderr := w.redrive(t.Context(), append(args, "-json")...)
	if code != cli.ExitDone && !strings.Contains(stderr, leftOver) {
		t.Fatalf("%v: exit %d\n%s%s", args, code, stdout, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), into); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	return stderr
}

func (w *world) queue() *failure.Queue {
	return failure.NewQueue(impatient{sqs.NewFromConfig(w.Config())}, w.outputs[config.OutputFailureQueue])
}

// impatient does not wait for messages: the local endpoint has them all at once.
type impatient struct{ *sqs.Client }

func (c impatient) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, opt ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	in.WaitTimeSeconds = 0
	return c.Client.ReceiveMessage(ctx, in, opt...)
}

// failures gives what the queue holds.
func (w *world) failures(t *testing.T) []failure.Failure {
	t.Helper()
	received, err := w.queue().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return failure.Fold(received)
}

// holding is what a meter holds of one key.
type holding struct {
	Count int64
	Sum   string // of distance
}

// totals reads the meter departures.
func (w *world) totals(t *testing.T) map[string]holding {
	t.Helper()
	m := w.set.Find("departures")
	meters, err := ledger.OpenMeters(t.Context(), dynamodb.NewFromConfig(w.Config()), w.outputs[config.OutputTable], ledger.LiveSet)
	if err != nil {
		t.Fatal(err)
	}
	starts, err := meters.Windows(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*meter.Aggregate{}
	for _, start := range starts {
		rows, err := meters.Window(t.Context(), m, start)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if all[r.Group] == nil {
				all[r.Group] = new(meter.Aggregate)
			}
			all[r.Group].Merge(r.Aggregate)
		}
	}
	out := map[string]holding{}
	for group, a := range all {
		values, err := m.Values(group)
		if err != nil {
			t.Fatal(err)
		}
		out[values[0]] = holding{a.Count, a.Stats[1].Sum.String()}
	}
	return out
}

// truth is what the meter must hold of those sales that pass.
func truth(sales []sale, passes func(sale) bool) map[string]holding {
	counts, sums := map[string]int64{}, map[string]int64{}
	for _, s := range sales {
		if passes(s) {
			counts[s.key]++
			sums[s.key] += int64(s.n)
		}
	}
	out := map[string]holding{}
	for key, n := range counts {
		out[key] = holding{n, fmt.Sprint(sums[key])}
	}
	return out
}

// handled reads the handler's log: for each key, the numbers in the order in which they were handled first.
func (w *world) handled(t *testing.T, log string) map[string][]int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, log))
	if err != nil {
		t.Fatal(err)
	}
	seen, out := map[string]bool{}, map[string][]int{}
	for line := range strings.Lines(string(b)) {
		if seen[line] {
			continue
		}
		seen[line] = true
		key, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		out[key] = append(out[key], n)
	}
	return out
}
