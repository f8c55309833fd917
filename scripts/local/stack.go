package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/millrace/millrace/internal/awslocal"
	"github.com/millrace/millrace/internal/awslocal/esm"
	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/stack"
	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/stream"
)

// localStack is the stack, running.
type localStack struct {
	endpoint *awslocal.Endpoint
	outputs  map[string]string
	isChaos  bool
	settled  settled
	logs     functionLog
}

// start starts the endpoint, which is where most goes wrong, builds the functions and creates the stack.
func start(ctx context.Context, o options, root string, stderr io.Writer) (*localStack, error) {
	s := &localStack{isChaos: o.isChaos, logs: functionLog{out: stderr, left: shownLines}}
	if o.isChaos {
		s.logs.left = 0 // a function that is made to fail has much to say
	}
	var err error
	opt := s.endpointOptions(o, stderr)
	if !o.serve {
		opt.Mapping.MaxWindow = longestWindow
	}
	if s.endpoint, err = awslocal.Listen(ctx, opt); err != nil {
		return nil, err
	}
	made, err := s.create(ctx, root, stderr)
	if err != nil {
		s.close()
		return nil, err
	}
	fmt.Fprintf(stderr, "stack %s is up at %s\n", config.DefaultStack, s.endpoint.URL())
	if !o.json {
		fmt.Fprintln(stderr, "not emulated: "+strings.Join(kinds(made.NotEmulated), ", "))
	}
	return s, nil
}

// create builds the functions, creates the stack, and arms the faults that it is to bear.
func (s *localStack) create(ctx context.Context, root string, stderr io.Writer) (*stack.Stack, error) {
	if err := buildAll(ctx, root, stderr); err != nil {
		return nil, err
	}
	made, err := s.deploy(ctx, root)
	if err == nil && s.isChaos {
		err = s.endpoint.Faults.Add(unleashed()...)
	}
	return made, err
}

func (s *localStack) endpointOptions(o options, stderr io.Writer) awslocal.Options {
	host := "127.0.0.1"
	if o.listen != "" {
		host = o.listen
	}
	return awslocal.Options{
		Addr:   net.JoinHostPort(host, strconv.Itoa(o.port)),
		Public: o.listen != "",
		Faults: fault.New(o.chaos),
		Log:    slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Mapping: esm.Options{
			Settled: s.settled.add,
			MaxRest: longestRest,
		},
		Stdout: s.logs.stdout,
		Stderr: s.logs.stderr,
	}
}

// longestRest between two attempts at a batch: on AWS it grows to a minute, which nobody waits for here.
const longestRest = time.Second

// longestWindow that a batch of a run is gathered for: on AWS it is the template's second, for which the last batch of
// each shard would wait here with nothing more to come. What -serve keeps up has the template's.
const longestWindow = 100 * time.Millisecond

func (s *localStack) deploy(ctx context.Context, root string) (*stack.Stack, error) {
	template, err := readTemplate(filepath.Join(root, "template.yaml"))
	if err != nil {
		return nil, err
	}
	architecture := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	made, err := s.endpoint.Deploy(ctx, template, stack.Options{BaseDir: root, Parameters: map[string]string{
		"Architecture": architecture,
		"Endpoint":     s.endpoint.URL(),
		"Horizon":      config.None.String(), // the sample is history
	}})
	if err != nil {
		return nil, err
	}
	s.outputs = made.Outputs
	return made, s.hurry()
}

// localPatience is how long the processor bears an event on which a handler fails: on AWS ten minutes, which nobody waits
// for here.
const localPatience = 5 * time.Second

// hurry shortens what nobody waits for on this machine: the processor's patience and, when it is made to fail, its
// time-out. No instance runs yet.
func (s *localStack) hurry() error {
	f, ok := s.endpoint.Lambda.Function(s.outputs[config.OutputProcessor])
	if !ok {
		return errors.New("the stack has no processor function")
	}
	f.Environment = maps.Clone(f.Environment)
	f.Environment[config.EnvPatience] = config.Span(localPatience).String()
	if s.isChaos {
		f.Timeout = chaosTimeout
	}
	return s.endpoint.Lambda.Update(f)
}

// kinds gives the resources' types in words, each once and in order: of AWS::KinesisFirehose::DeliveryStream
// "KinesisFirehose delivery stream".
func kinds(resources []stack.Resource) []string {
	seen := map[string]bool{}
	for _, r := range resources {
		service, kind, _ := strings.Cut(strings.TrimPrefix(r.Type, "AWS::"), "::")
		seen[service+strings.ToLower(capital.ReplaceAllString(kind, " $0"))] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

var capital = regexp.MustCompile(`[A-Z]`)

func (s *localStack) close() { s.endpoint.Close() }

// work puts the load, waits until all of it is settled, and sums up.
func (s *localStack) work(ctx context.Context, l *load, set *meter.Set, stderr io.Writer) (*summary, error) {
	began := time.Now()
	if err := s.put(ctx, l, stderr); err != nil {
		return nil, err
	}
	fmt.Fprintln(stderr, "reading the meters and the failure queue")
	took := s.settled.last().Sub(began)
	sum, err := s.sumUp(ctx, l, set)
	if err != nil {
		return nil, err
	}
	sum.EventsPerSecond = float64(len(l.puts)) / took.Seconds()
	return sum, nil
}

// put puts the load and waits until the mapping has settled all that the stream has.
func (s *localStack) put(ctx context.Context, l *load, stderr io.Writer) error {
	progress := cli.NewProgress(stderr, "settled", "record", int64(len(l.puts)))
	defer progress.End()
	s.settled.tell(progress.Add)
	p := stream.NewProducer(kinesis.NewFromConfig(s.endpoint.Config()), s.outputs[config.OutputStream], stream.Options{Unordered: true})
	defer p.Close()
	for i, r := range l.puts {
		if err := p.Put(ctx, stream.Record{Key: r.key, Data: r.data}); err != nil {
			return fmt.Errorf("put record %d of %d: %w", i+1, len(l.puts), err)
		}
	}
	if err := p.Flush(ctx); err != nil {
		return fmt.Errorf("put records (%d of %d are in the stream): %w", p.Stats().Acknowledged, len(l.puts), err)
	}
	return s.settled.wait(ctx, func() (int64, error) { return s.endpoint.Kinesis.Records(s.outputs[config.OutputStream]) }, s.stuck)
}

// stuckAfter is how many failed invocations are enough, when none has come to its end, to know that none will.
const stuckAfter = 5

// stuck gives an error when the function has done nothing but fail from its start, unless it is made to.
func (s *localStack) stuck() error {
	failed := s.endpoint.Lambda.Stats(s.outputs[config.OutputProcessor]).Errors
	if s.isChaos || failed < stuckAfter || s.logs.ended() > 0 || !s.settled.last().IsZero() {
		return nil
	}
	return fmt.Errorf("the function has failed in all of its first %d invocations: its own words, if it had any, are above", failed)
}

// unleashed gives the standard mix with each fault first once for certain: a run with any seed has been through all.
func unleashed() []fault.Rule {
	var rules []fault.Rule
	for _, r := range chaos {
		r.Probability, r.Count = 1, 1
		rules = append(rules, r)
	}
	return append(rules, chaos...)
}

const chaosTimeout = 3 * time.Second

// chaos is the standard mix of faults.
var chaos = []fault.Rule{
	{Operation: "Kinesis.PutRecords", Kind: fault.Throttle, Probability: 0.01},
	{Operation: "Kinesis.PutRecords", Kind: fault.Partial, Probability: 0.03},
	{Operation: "Kinesis.PutRecords", Kind: fault.DropAfter, Probability: 0.01},
	{Operation: "Lambda.Invoke", Kind: fault.Throttle, Probability: 0.03},
	{Operation: "Lambda.Invoke", Kind: fault.Timeout, Probability: 0.03, Count: 2},
	{Operation: "DynamoDB.TransactWriteItems", Kind: fault.Throttle, Probability: 0.03},
	{Operation: "DynamoDB.TransactWriteItems", Kind: fault.Partial, Probability: 0.03},
	{Operation: "DynamoDB.TransactWriteItems", Kind: fault.DropAfter, Probability: 0.04},
	{Operation: "DynamoDB.TransactWriteItems", Kind: fault.Error, Probability: 0.02},
	{Operation: "DynamoDB.TransactWriteItems", Kind: fault.KillBefore, Probability: 0.03, Count: 4},
	{Operation: "DynamoDB.TransactWriteItems", Kind: fault.KillAfter, Probability: 0.04, Count: 4},
	{Operation: "DynamoDB.Query", Kind: fault.Throttle, Probability: 0.01},
	{Operation: "DynamoDB.Query", Kind: fault.DropAfter, Probability: 0.005},
	{Operation: "DynamoDB.BatchGetItem", Kind: fault.Partial, Probability: 0.05},
	{Operation: "SQS.SendMessageBatch", Kind: fault.Partial, Probability: 0.2},
	{Operation: "SQS.SendMessageBatch", Kind: fault.DropAfter, Probability: 0.1},
}

// serve keeps the stack up until ctx ends.
func (s *localStack) serve(ctx context.Context, stderr io.Writer) {
	s.logs.showAll()
	fmt.Fprint(stderr, environment(s.endpoint))
	for _, name := range []string{config.OutputStream, config.OutputTable, config.OutputFailureQueue, config.OutputProcessor} {
		fmt.Fprintf(stderr, "  %-16s %s\n", name, s.outputs[name])
	}
	<-ctx.Done()
}
