// Redrive lists what is in the failure queue, and puts it back.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/handover"
	"github.com/millrace/millrace/internal/ledger"
)

func main() { cli.Main("redrive", run) }

type options struct {
	stack    *cli.Stack
	stream   *cli.Stream
	queue    string
	filter   filter
	show     bool
	dryRun   bool
	redrive  bool
	rate     float64
	patience time.Duration
	hold     time.Duration
	json     bool
}

func run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, time.Now())
	if err != nil {
		return err
	}
	d, err := o.open(ctx, stdout, stderr)
	if err != nil {
		return err
	}
	switch {
	case o.redrive && !o.dryRun:
		err = d.redrive(ctx)
	case o.dryRun:
		err = d.foresee(ctx)
	case o.show:
		err = d.show(ctx)
	default:
		err = d.list(ctx)
	}
	return explain(d.streamName, err)
}

func parseFlags(args []string, now time.Time) (options, error) {
	f := cli.NewFlags("redrive", "Lists what is in the failure queue, a row for each failure; with -go it hands the records to the processor function again, in\n"+
		"order, and deletes the messages of those that are settled. What has failed again stays, with its new reason. It can be repeated,\n"+
		"killed, or run while the stream goes on: no event counts twice. Two at once share the messages, and then keep the order of keys\n"+
		"each, but not between them. It exits with 1 when something of what was asked for is left in the queue.\n\n"+
		"To look at a message is to receive it: SQS's metric for the age of the oldest leaves out what was received three times.\n\n"+
		"An id is shard:record:place in its aggregate, or shard:first-last; the list has the last digits of sequence numbers, -json all.", "-class refused -show")
	o := options{stack: f.Stack()}
	o.stream = f.Stream(o.stack)
	f.StringVar(&o.queue, "queue", "", "`URL` of the failure queue, instead of the stack's")
	f.BoolVar(&o.redrive, "go", false, "redrive the failures")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what -go would do, and do nothing: pointers are read back, nothing is handed over")
	f.BoolVar(&o.show, "show", false, "print the records themselves, with why they failed")
	f.BoolVar(&o.json, "json", false, "write JSON")
	words := func(to *[]string) func(string) error {
		return func(s string) error {
			*to = append(*to, s)
			return nil
		}
	}
	f.Func("class", "only failures of this `CLASS`, or condition of the mapping; may be given more than once", words(&o.filter.classes))
	f.Func("id", "only the failure with this `ID`; may be given more than once", words(&o.filter.ids))
	shards := f.Shards()
	f.Func("since", "only failures that reached the queue at `TIME` or later: 2001-01-31, 2001-01-31T23:00:00Z, or a while ago as in 2h", func(s string) (err error) {
		o.filter.since, err = cli.ParseTime(s, now)
		return err
	})
	f.Float64Var(&o.rate, "rate", 0, "hand over at most `N` records a second")
	f.DurationVar(&o.patience, "patience", handover.DefaultPatience, "how long a record may stay unsettled before the run goes on without it, and without the later ones of its key")
	f.DurationVar(&o.hold, "hold", 2*time.Minute, "how soon messages appear again when this command is killed; Ctrl-C shows them at once")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.filter.shards = *shards
	return o, o.check(f)
}

// maxHold is SQS's longest visibility time-out.
const maxHold = 12 * time.Hour

func (o *options) check(f *cli.Flags) error {
	switch {
	case o.show && (o.redrive || o.dryRun):
		return f.Usagef("-show and %s: one after the other", map[bool]string{true: "-go", false: "-dry-run"}[o.redrive])
	case !(o.rate >= 0) || math.IsInf(o.rate, 0):
		return f.Usagef("-rate %v: want records a second, 0 for no bound", o.rate)
	case o.patience <= 0:
		return f.Usagef("-patience %s: want a time above 0", o.patience)
	case o.hold < time.Second || o.hold > maxHold:
		return f.Usagef("-hold %s: want 1s to %s", o.hold, maxHold)
	}
	return nil
}

// desk is where the command works: the doors it needs, and where it writes.
type desk struct {
	options
	sqs            *sqs.Client
	lambda         *lambda.Client
	source         *source
	function       string
	streamName     string
	streamARN      string
	retention      time.Duration
	stdout, stderr io.Writer
}

// open finds what the command works on.
func (o options) open(ctx context.Context, stdout, stderr io.Writer) (*desk, error) {
	cfg, err := o.stack.Config(ctx)
	if err != nil {
		return nil, err
	}
	d := &desk{options: o, stdout: stdout, stderr: stderr, sqs: sqs.NewFromConfig(cfg), lambda: lambda.NewFromConfig(cfg)}
	outputs, err := o.stack.Outputs(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if d.queue == "" {
		if d.queue, err = outputs.Get(config.OutputFailureQueue); err != nil {
			return nil, err
		}
	}
	if d.function, err = outputs.Get(config.OutputProcessor); err != nil {
		return nil, err
	}
	if d.streamName, err = o.stream.Find(ctx, cfg); err != nil {
		return nil, err
	}
	streams := kinesis.NewFromConfig(cfg)
	d.source = &source{api: streams, stream: d.streamName}
	out, err := streams.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &d.streamName})
	if err != nil {
		return nil, explain(d.streamName, fmt.Errorf("find stream %s: %w", d.streamName, err))
	}
	d.streamARN = aws.ToString(out.StreamDescriptionSummary.StreamARN)
	d.retention = time.Duration(aws.ToInt32(out.StreamDescriptionSummary.RetentionPeriodHours)) * time.Hour
	return d, nil
}

// explain adds what to do to errors that the user can do something about.
func explain(streamName string, err error) error {
	var api smithy.APIError
	switch {
	case !errors.As(err, &api):
		return err
	case strings.Contains(api.ErrorCode(), "AccessDenied"):
		return fmt.Errorf("%w\nlisting needs cloudformation:DescribeStacks, kinesis:DescribeStreamSummary, sqs:GetQueueAttributes, sqs:ReceiveMessage and sqs:ChangeMessageVisibility; -show and -dry-run kinesis:GetShardIterator and kinesis:GetRecords; "+
			"-go lambda:InvokeFunction, sqs:SendMessage and sqs:DeleteMessage; all of them kms:Decrypt with the stack's key, and -go kms:GenerateDataKey", err)
	case strings.HasSuffix(api.ErrorCode(), "NonExistentQueue") || strings.HasSuffix(api.ErrorCode(), "QueueDoesNotExist"):
		return fmt.Errorf("there is no such queue: -queue or -stack names another one: %w", err)
	}
	return cli.ExplainStream(streamName, err)
}

// tellHidden says how many messages nobody can see now.
func (d *desk) tellHidden(ctx context.Context) (n int, err error) {
	n, err = failure.InFlight(ctx, d.sqs, d.queue)
	if err == nil && n > 0 {
		fmt.Fprintf(d.stderr, "about %s hidden in the queue: another redrive holds them, or somebody has just looked, and they appear again soon\n", are(n, "message"))
	}
	return n, err
}

// snapshot lists the queue without holding anything.
func (d *desk) snapshot(ctx context.Context) (*plan, error) {
	if _, err := d.tellHidden(ctx); err != nil {
		return nil, err
	}
	messages, err := failure.NewQueue(d.sqs, d.queue).List(ctx)
	return d.plan(messages, err)
}

// plan says what was found in the queue, by a read that gave an error or not.
func (d *desk) plan(messages []failure.Received, err error) (*plan, error) {
	part := errors.Is(err, failure.ErrPart)
	if err != nil && !part {
		return nil, err
	}
	p := newPlan(messages, d.streamName, d.filter)
	p.part = part
	fmt.Fprintln(d.stderr, p.words())
	return p, nil
}

// redrive is -go.
func (d *desk) redrive(ctx context.Context) (err error) {
	hidden, err := d.tellHidden(ctx)
	if err != nil {
		return err
	}
	hold := failure.NewHold(d.sqs, d.queue, d.hold)
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCall)
		defer cancel()
		err = errors.Join(err, hold.Release(ctx))
	}()
	p, err := d.plan(hold.Take(ctx))
	if err != nil {
		return err
	}
	if err := hold.Show(ctx, p.left()...); err != nil {
		return err
	}
	if len(p.items) == 0 && !d.options.json {
		return p.unseen(hidden)
	}
	began := time.Now()
	bar := cli.NewProgress(d.stderr, "redriven", "record", int64(p.records()))
	r := newRedrive(p, d.source, heldQueue{failure.NewQueue(d.sqs, d.queue), hold}, func(each func(handover.Handed)) *handover.Handover {
		return handover.New(d.lambda, handover.Options{
			Function: d.function, Set: ledger.LiveSet, StreamARN: d.streamARN, Rate: d.rate, Patience: d.patience,
		}, each)
	})
	r.progress = bar.Add
	stopped := r.run(ctx)
	bar.End()
	s := newSummary(p, &r.tally, time.Since(began), stopped)
	if err := s.write(d.stdout, d.options.json); err != nil {
		return err
	}
	return errors.Join(stopped, s.verdict(), p.unseen(hidden))
}
