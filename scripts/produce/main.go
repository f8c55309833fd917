// Produce puts events on the stream: those of a file, of its input, or the sample week of flights.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"golang.org/x/time/rate"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/sample"
	"github.com/millrace/millrace/internal/stream"
)

func main() { cli.Main("produce", run) }

type options struct {
	stack     *cli.Stack
	file      string // "-" is the input; "" the sample
	stream    *cli.Stream
	limit     int
	rate      float64
	unordered bool
	dryRun    bool
}

func run(ctx context.Context, args []string, stdin io.Reader, _, stderr io.Writer) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	lines, total, done, err := open(ctx, o, stdin)
	if err != nil {
		return err
	}
	defer done()
	if o.dryRun {
		return count(lines, o, stderr)
	}
	cfg, err := o.stack.Config(ctx)
	if err != nil {
		return err
	}
	name, err := o.stream.Find(ctx, cfg)
	if err != nil {
		return err
	}
	return o.put(ctx, kinesis.NewFromConfig(cfg), name, lines, total, stderr)
}

func parseFlags(args []string) (options, error) {
	f := cli.NewFlags("produce", "Puts events on the stream: JSON lines of CloudEvents from FILE or, with -, from the input; or the sample week of flights.\n"+
		"The order of each key is kept, and what the stream did not take is sent again.", "-sample -limit 1000")
	f.Arguments = "[FILE | -]"
	o := options{stack: f.Stack()}
	week := f.Bool("sample", false, "put the sample: 113,493 flights of the first week of 2001")
	o.stream = f.Stream(o.stack)
	f.IntVar(&o.limit, "limit", 0, "put the first `N` events only")
	f.Float64Var(&o.rate, "rate", 0, "put at most `N` events a second")
	f.BoolVar(&o.unordered, "unordered", false, "do not keep the order of a key when a request fails in part: faster where keys are few")
	f.BoolVar(&o.dryRun, "dry-run", false, "read and check the events, and put none")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if n := len(f.Args()); n > 1 || *week == (n == 1) {
		return o, f.Usagef("want FILE, - for the input, or -sample: one of them")
	}
	if o.limit < 0 || !(o.rate >= 0) { // refuses NaN too
		return o, f.Usagef("-limit and -rate cannot be negative")
	}
	if !*week {
		o.file = f.Args()[0]
	}
	return o, nil
}

// source names where the events come from, as errors do.
func (o options) source() string {
	switch o.file {
	case "":
		return "sample"
	case "-":
		return "input"
	}
	return o.file
}

type lines = iter.Seq2[cloudevent.Line, error]

// open gives the events, and how many there are when that is known.
func open(ctx context.Context, o options, stdin io.Reader) (events lines, total int, done func(), err error) {
	done = func() {}
	switch o.file {
	case "":
		events, total = sampleLines, sample.Flights
	case "-":
		events = cloudevent.Lines(o.source(), until(ctx, stdin))
	default:
		f, err := os.Open(o.file)
		if err != nil {
			return nil, 0, nil, fmt.Errorf("read events: %w", err)
		}
		events, done = cloudevent.Lines(o.file, f), func() { f.Close() }
	}
	if o.limit > 0 {
		events, total = first(events, o.limit), min(total, o.limit)
	}
	return events, total, done, nil
}

// until reads r until ctx ends, even while a read hangs, as one from a terminal does.
func until(ctx context.Context, r io.Reader) io.Reader {
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(in, r)
		in.CloseWithError(err)
	}()
	return out
}

func sampleLines(yield func(cloudevent.Line, error) bool) {
	for f, err := range sample.All() {
		if !yield(cloudevent.Line{Number: f.Row, Key: f.Origin, Data: f.Event(nil)}, err) {
			return
		}
	}
}

func first(events lines, n int) lines {
	return func(yield func(cloudevent.Line, error) bool) {
		left := n
		for l, err := range events {
			if !yield(l, err) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

func count(events lines, o options, stderr io.Writer) error {
	n, bytes, keys := int64(0), int64(0), map[string]bool{}
	for l, err := range events {
		if err == nil {
			err = o.refusal(l, stream.Record{Key: l.Key, Data: l.Data}.Refusal())
		}
		if err != nil {
			return fmt.Errorf("%w; %s before it can be put", err, cli.Count(n, "event"))
		}
		n++
		bytes += int64(len(l.Data))
		keys[l.Key] = true
	}
	fmt.Fprintf(stderr, "would put %s (%s) under %s to %s\n", cli.Count(n, "event"), cli.Bytes(bytes), cli.Count(int64(len(keys)), "key"), o.stream)
	return nil
}

// refusal is the error of a line whose event no stream takes, for a reason; nil when there is none.
func (o options) refusal(l cloudevent.Line, reason string) error {
	if reason == "" {
		return nil
	}
	return fmt.Errorf("%s:%d: cannot be put: %s", o.source(), l.Number, reason)
}

// put puts the events. Whatever ends it, it tells how many are in the stream.
func (o options) put(ctx context.Context, api stream.PutRecordsAPI, name string, events lines, total int, stderr io.Writer) error {
	began := time.Now()
	progress := cli.NewProgress(stderr, "read", "event", int64(total))
	p := stream.NewProducer(api, name, stream.Options{Unordered: o.unordered})
	defer p.Close()
	limiter := rate.NewLimiter(rate.Inf, 1)
	if o.rate > 0 {
		limiter = rate.NewLimiter(rate.Limit(o.rate), max(1, int(o.rate/10)))
	}
	err := o.send(ctx, p, limiter, events, progress)
	if err == nil {
		err = p.Flush(ctx)
	}
	progress.End()
	if err != nil {
		err = cli.ExplainStream(name, errors.Join(err, finish(ctx, p, err, stderr)))
	}
	s := p.Stats()
	are := "are"
	if s.Acknowledged == 1 {
		are = "is"
	}
	fmt.Fprintf(stderr, "%s %s in stream %s (%s in %s, %s, %s sent again)\n", cli.Count(s.Acknowledged, "event"), are, name,
		cli.Bytes(s.Bytes), cli.Duration(time.Since(began)), cli.Count(s.Requests, "request"), cli.Thousands(s.Retried))
	return err
}

// lastFlush is how long the last records may take after a bad line, or Ctrl-C.
const lastFlush = 30 * time.Second

// finish brings to its end what was taken before a bad line or Ctrl-C. The error is another than the one that there was.
func finish(ctx context.Context, p *stream.Producer, was error, stderr io.Writer) error {
	if s := p.Stats(); ctx.Err() != nil && s.Acknowledged < s.Put {
		fmt.Fprintf(stderr, "%s on the way: waiting %s at most; Ctrl-C again ends at once\n", cli.Count(s.Put-s.Acknowledged, "event"), cli.Duration(lastFlush))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
	defer cancel()
	if err := p.Flush(ctx); !errors.Is(was, err) {
		return err
	}
	return nil
}

func (o options) send(ctx context.Context, p *stream.Producer, limiter *rate.Limiter, events lines, progress *cli.Progress) error {
	for l, err := range events {
		if err != nil {
			return err
		}
		if err := limiter.Wait(ctx); err != nil {
			return err
		}
		if err := p.Put(ctx, stream.Record{Key: l.Key, Data: l.Data}); err != nil {
			var refused *stream.RefusedError
			if errors.As(err, &refused) {
				return o.refusal(l, refused.Reason)
			}
			return fmt.Errorf("put event %d: %w", l.Number, err)
		}
		progress.Add(1)
	}
	return nil
}
