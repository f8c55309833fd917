package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/millrace/millrace/internal/awslocal"
	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/stack"
	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/kpl/kpltest"
)

const template = `
Resources:
  Stream:
    Type: AWS::Kinesis::Stream
    Properties: {ShardCount: 1}
Outputs:
  StreamName: {Value: !Ref Stream}
`

const shard0 = "shardId-000000000000"

// world is an endpoint with an empty stream of one shard.
type world struct {
	*awslocal.Endpoint
	api    *kinesis.Client
	stream string
}

func start(t *testing.T, rules ...fault.Rule) world {
	t.Helper()
	t.Parallel()
	e := awslocal.Start(t, awslocal.Options{Faults: fault.New(1, rules...)})
	return world{e, kinesis.NewFromConfig(e.Config()), awslocal.MakeStack(t, e, template, stack.Options{})["StreamName"]}
}

// put puts a record and gives its sequence number.
func (w world) put(t *testing.T, key string, data []byte) string {
	t.Helper()
	out, err := w.api.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: &w.stream, PartitionKey: &key, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return *out.SequenceNumber
}

// putEvents puts events with ids from a number on, and gives their sequence numbers.
func (w world) putEvents(t *testing.T, from, n int) (numbers []string) {
	t.Helper()
	for i := from; i < from+n; i++ {
		numbers = append(numbers, w.put(t, fmt.Sprint("key", i%5), event(i, "sale")))
	}
	return numbers
}

// putAll puts one record of each sort.
func (w world) putAll(t *testing.T) {
	t.Helper()
	w.put(t, "plain", event(1, "sale"))
	w.put(t, "zipped", zip(event(2, "sale")))
	w.put(t, "aggregate", kpltest.OneKey("inner", event(3, "sale"), zip(event(4, "refund")), []byte("nonsense")))
	w.put(t, "text", []byte("\x1b[2Jnot JSON"))
	broken := kpltest.OneKey("inner", event(5, "sale"))
	broken[len(broken)-1]++
	w.put(t, "broken", broken)
}

func event(id int, typ string) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","source":"/s","type":"%s","time":"2001-01-01T00:00:00Z","data":{ "n":%d }}`, id, typ, id)
}

func zip(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

// tail runs the command against the endpoint.
func (w world) tail(ctx context.Context, stdout io.Writer, args ...string) (code int, stderr string) {
	var words bytes.Buffer
	code = cli.Execute(ctx, "tail", run, append([]string{"-endpoint", w.URL()}, args...), nil, stdout, &words)
	return code, words.String()
}

// row is an object as the command writes it.
type row struct {
	Shard, SequenceNumber, PartitionKey string
	Sub                                 *int
	Arrival                             time.Time
	Event                               *struct{ ID, Type string }
	Data                                *[]byte
	Error                               string
}

// rows runs the command and reads what it wrote.
func (w world) rows(t *testing.T, args ...string) (rows []row, stderr string) {
	t.Helper()
	var out bytes.Buffer
	code, stderr := w.tail(t.Context(), &out, args...)
	if code != cli.ExitDone {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for line := range strings.Lines(out.String()) {
		rows = append(rows, parse(t, line))
	}
	return rows, stderr
}

func parse(t *testing.T, line string) (r row) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return r
}

// idsOf gives the ids of the rows' events.
func idsOf(rows []row) (ids []string) {
	for _, r := range rows {
		if r.Event != nil {
			ids = append(ids, r.Event.ID)
		}
	}
	return ids
}

func upTo(from, to int) (ids []string) {
	for i := from; i <= to; i++ {
		ids = append(ids, fmt.Sprint(i))
	}
	return ids
}

func (w world) spent() bool {
	for _, fired := range w.Faults.Report() {
		if fired.Times == 0 {
			return false
		}
	}
	return true
}

// following runs the command until the test has read what it waits for.
type following struct {
	lines *bufio.Scanner
	stop  context.CancelFunc
	done  chan string // stderr, with the exit code before it
}

func (w world) follow(t *testing.T, args ...string) *following {
	ctx, stop := context.WithCancel(t.Context())
	in, out := io.Pipe()
	f := &following{bufio.NewScanner(in), stop, make(chan string, 1)}
	go func() {
		code, stderr := w.tail(ctx, out, append(args, "-f")...)
		out.Close()
		f.done <- fmt.Sprint(code, " ", stderr)
	}()
	return f
}

// next gives the ids of the next n events.
func (f *following) next(t *testing.T, n int) (ids []string) {
	t.Helper()
	for range n {
		if !f.lines.Scan() {
			t.Fatalf("ended after %v: %s", ids, <-f.done)
		}
		ids = append(ids, parse(t, f.lines.Text()).Event.ID)
	}
	return ids
}

// end is Ctrl-C.
func (f *following) end() string {
	f.stop()
	for f.lines.Scan() { // so that it can write its last
	}
	return <-f.done
}

// consumers tells how many consumers the stream has.
func (w world) consumers(t *testing.T) int {
	t.Helper()
	s, err := w.api.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &w.stream})
	if err != nil {
		t.Fatal(err)
	}
	return int(*s.StreamDescriptionSummary.ConsumerCount)
}

// closed is a pipe whose reader has gone.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, fmt.Errorf("write: %w", syscall.EPIPE) }
