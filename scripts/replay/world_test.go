package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/awslocal"
	"github.com/millrace/millrace/internal/awslocal/esm"
	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/stack"
	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/meter"
)

const template = `
Parameters:
  Endpoint: {Type: String}
  Horizon: {Type: String, Default: none}
Resources:
  Stream: {Type: "AWS::Kinesis::Stream", Properties: {ShardCount: 1}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: sk, AttributeType: S}]
      BillingMode: PAY_PER_REQUEST
      KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]
  Queue: {Type: "AWS::SQS::Queue"}
  Role: {Type: "AWS::IAM::Role"}
  Processor:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      Code: .
      Role: !GetAtt Role.Arn
      Timeout: 30
      Environment: {Variables: {MILLRACE_TABLE: !Ref Table, MILLRACE_FAILURE_QUEUE: !Ref Queue, MILLRACE_HORIZON: !Ref Horizon, AWS_ENDPOINT_URL: !Ref Endpoint}}
Outputs:
  StreamName: {Value: !Ref Stream}
  TableName: {Value: !Ref Table}
  ProcessorName: {Value: !Ref Processor}
`

// mapping is the rest of a stack that counts by itself.
const mapping = `
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Stream.Arn
      FunctionName: !Ref Processor
      StartingPosition: TRIM_HORIZON
      BatchSize: 1000
      FunctionResponseTypes: [ReportBatchItemFailures]
Outputs:`

const (
	shard0     = "shardId-000000000000"
	metersFile = "../../functions/processor/meters.json"
)

// otherMeters count the same events in other windows, and by another path.
const otherMeters = `{"meters": [
	{"name": "departures", "type": "flight.departed", "by": ["data.origin"], "window": "1h", "measures": {"delay": "data.delay"}},
	{"name": "arrivals", "type": "flight.departed", "by": ["data.destination"], "window": "1d"}
]}`

// bootstraps are the folders of the compiled processor: as it ships, and with other meters.
var bootstraps struct {
	shipped, other string
	build          func() error
}

// asCommand has this test binary be the command.
const asCommand = "MILLRACE_TEST_REPLAY"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		cli.Main("replay", run)
	}
	dir, err := os.MkdirTemp("", "millrace-replay-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bootstraps.shipped, bootstraps.other = filepath.Join(dir, "shipped"), filepath.Join(dir, "other")
	bootstraps.build = sync.OnceValue(func() error { return buildBoth(dir) })
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func buildBoth(dir string) error {
	meters := filepath.Join(dir, "meters.json")
	target, err := filepath.Abs(metersFile)
	if err != nil {
		return err
	}
	overlay, _ := json.Marshal(map[string]any{"Replace": map[string]string{target: meters}})
	for path, text := range map[string][]byte{meters: []byte(otherMeters), filepath.Join(dir, "overlay.json"): overlay} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	for out, extra := range map[string][]string{bootstraps.shipped: nil, bootstraps.other: {"-overlay", filepath.Join(dir, "overlay.json")}} {
		args := append([]string{"build", "-tags", "lambda.norpc", "-o", filepath.Join(out, "bootstrap")}, extra...)
		cmd := exec.Command("go", append(args, "../../functions/processor")...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", out, err, text)
		}
	}
	return nil
}

// world is an endpoint with the stack, and the compiled processor in it.
type world struct {
	*awslocal.Endpoint
	url           string // that the command is told
	api           *kinesis.Client
	stream, table string
	settled       chan int            // records that the mapping has settled, run by run
	put           map[string]int      // records by shard
	numbers       map[string][]string // their sequence numbers
}

// conditions are what differs from world to world.
type conditions struct {
	template string
	horizon  string
	faults   []fault.Rule
}

func start(t *testing.T, g conditions) *world {
	t.Helper()
	t.Parallel()
	if err := bootstraps.build(); err != nil {
		t.Fatal(err)
	}
	w := &world{settled: make(chan int, 1000), put: map[string]int{}, numbers: map[string][]string{}}
	w.Endpoint = awslocal.Start(t, awslocal.Options{
		Faults:  fault.New(1, g.faults...),
		Mapping: esm.Options{Settled: func(s esm.Settled) { w.settled <- len(s.Records) }},
	})
	if g.template == "" {
		g.template = template
	}
	parameters := map[string]string{"Endpoint": w.URL()}
	if g.horizon != "" {
		parameters["Horizon"] = g.horizon
	}
	outputs := awslocal.MakeStack(t, w.Endpoint, g.template, stack.Options{BaseDir: bootstraps.shipped, Parameters: parameters})
	w.url = w.URL()
	w.api, w.stream, w.table = kinesis.NewFromConfig(w.Config()), outputs[config.OutputStream], outputs[config.OutputTable]
	return w
}

// recompile has the function run with other meters from now on.
func (w *world) recompile(t *testing.T) {
	t.Helper()
	s, _ := w.Lambda.Function("Millrace-Processor")
	s.CodeDir = bootstraps.other
	if err := w.Lambda.Update(s); err != nil {
		t.Fatal(err)
	}
}

// record puts one record.
func (w *world) record(t *testing.T, key string, data []byte) (number string) {
	t.Helper()
	out, err := w.api.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: &w.stream, PartitionKey: &key, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	w.note(*out.ShardId, *out.SequenceNumber)
	return *out.SequenceNumber
}

var origins = []string{"ATL", "BOS", "CHO", "DEN", "EWR", "FLL", "GRR", "HNL", "IAD", "JFK"}

// flights puts flights with ids from a number on, a day apart and a minute.
func (w *world) flights(t *testing.T, from, n int) {
	t.Helper()
	for n > 0 {
		in := &kinesis.PutRecordsInput{StreamName: &w.stream}
		for ; n > 0 && len(in.Records) < 500; from, n = from+1, n-1 {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: &origins[from%len(origins)], Data: flight(from)})
		}
		out, err := w.api.PutRecords(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Records {
			w.note(*r.ShardId, *r.SequenceNumber)
		}
	}
}

// note keeps where a record went.
func (w *world) note(shard, number string) {
	w.put[shard]++
	w.numbers[shard] = append(w.numbers[shard], number)
}

func flight(i int) []byte {
	return flightAt(i, time.Date(2001, 1, 1+i%3, i/60%24, i%60, 0, 0, time.UTC))
}

func flightAt(i int, at time.Time) []byte {
	origin := origins[i%len(origins)]
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"f-%d","source":"/s","type":"flight.departed","subject":%q,"time":%q,"data":{"origin":%q,"destination":%q,"distance":%d,"delay":%d}}`,
		i, origin, at.Format(time.RFC3339), origin, origins[i%7], 100+i, i%11-3)
}

// content is all that a set holds, a line each.
func (w *world) content(t *testing.T, set, declared string) (lines []string) {
	t.Helper()
	text := []byte(declared)
	if declared == metersFile {
		text = read(t, metersFile)
	}
	all, err := meter.Parse("meters.json", text)
	if err != nil {
		t.Fatal(err)
	}
	held, err := ledger.OpenMeters(t.Context(), dynamodb.NewFromConfig(w.Config()), w.table, set)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all.Meters {
		starts, err := held.Windows(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		for _, start := range starts {
			rows, err := held.Window(t.Context(), m, start)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				lines = append(lines, fmt.Sprintf("%s %s %s %v", m.Name, start.Format(time.RFC3339), r.Group, r.Aggregate))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// calls has each call of the function, the first being 1, pass by here before it is made: from false on it is refused.
func (w *world) calls(t *testing.T, each func(n int, payload []byte) bool) {
	t.Helper()
	to, err := url.Parse(w.Endpoint.URL())
	if err != nil {
		t.Fatal(err)
	}
	behind, n := httputil.NewSingleHostReverseProxy(to), 0
	behind.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {} // who has gone
	front := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if strings.HasSuffix(in.URL.Path, "/invocations") { // one at a time
			n++
			payload, _ := io.ReadAll(in.Body)
			in.Body = io.NopCloser(bytes.NewReader(payload))
			if !each(n, payload) {
				out.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
				out.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(out, `{"Message":"User: me is not authorized to perform: lambda:InvokeFunction"}`)
				return
			}
		}
		behind.ServeHTTP(out, in)
	}))
	t.Cleanup(front.Close)
	w.url = front.URL
}

// replay runs the command against the endpoint.
func (w *world) replay(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	return execute(ctx, append([]string{"-endpoint", w.url}, args...)...)
}

func execute(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, words bytes.Buffer
	code = cli.Execute(ctx, "replay", run, args, nil, &out, &words)
	return code, out.String(), words.String()
}

// outcome runs the command with -json and gives what it says in short, with its exit code.
func (w *world) outcome(t *testing.T, args string) (short string, r report) {
	t.Helper()
	code, stdout, stderr := w.replay(t.Context(), append(strings.Fields(args), "-json")...)
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%s: exit %d, %q\n%s", args, code, stdout, stderr)
	}
	if r.Complete != (code == cli.ExitDone) {
		t.Errorf("%s: exit %d, complete %t\n%s", args, code, r.Complete, stderr)
	}
	short = fmt.Sprintf("exit %d: %d records, %d counted, %d copies, %d nothing", code, r.Records, r.Counted, r.Copies, r.Nothing)
	for _, c := range r.Failed {
		short += fmt.Sprintf(", %d %s", c.Count, c.Class)
	}
	if r.Unsettled != nil {
		short += fmt.Sprintf(", %d unsettled", r.Unsettled.Count)
	}
	return short, r
}

func zip(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}
