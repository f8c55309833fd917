// Tail prints what is on the stream, from any position on.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/stream"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a closed pipe ends the printing like any other end: a consumer is given back
	cli.Main("tail", run)
}

type options struct {
	stack    *cli.Stack
	stream   *cli.Stream
	from     stream.Position
	shards   []string
	follow   bool
	fanOut   bool
	consumer string
	filter   filter
	limit    int
	raw      bool
	json     *bool // nil: unless stdout is a terminal
}

func run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, time.Now())
	if err != nil {
		return err
	}
	cfg, err := o.stack.Config(ctx)
	if err != nil {
		return err
	}
	name, err := o.stream.Find(ctx, cfg)
	if err != nil {
		return err
	}
	t := newTail(o, stdout)
	err = o.read(ctx, kinesis.NewFromConfig(cfg), name, t)
	if err == nil && !t.closed || t.records > 0 && err != nil {
		fmt.Fprintln(stderr, t.summary(time.Now()))
	}
	if errors.Is(err, stream.ErrNotOfShard) {
		return fmt.Errorf("%w\nit may be another shard's (-shard), of a stream that had this name before, or trimmed: -from trim-horizon is the oldest", err)
	}
	return cli.ExplainStream(name, err)
}

func parseFlags(args []string, now time.Time) (options, error) {
	f := cli.NewFlags("tail", "Prints the events on the stream, a line each: the shards side by side, each after its parents. On a terminal for people,\n"+
		"elsewhere as JSON lines. It ends when it has caught up, or with -f at Ctrl-C.\n\n"+
		"Positions for -from: trim-horizon (the oldest record), latest, a time (2001-01-31T23:00:00Z, 2001-01-31), a while ago (15m),\n"+
		"and with one -shard at:SEQUENCE or after:SEQUENCE.", "-from 15m -type flight.departed -limit 10")
	o := options{stack: f.Stack()}
	o.stream = f.Stream(o.stack)
	from := f.String("from", "", "begin at `POSITION`, else at trim-horizon, or with -f at latest")
	f.BoolVar(&o.follow, "f", false, "follow: wait for more, through resharding, until Ctrl-C")
	shards := f.Shards()
	f.StringVar(&o.filter.key, "key", "", "only user records with this partition `KEY`")
	f.StringVar(&o.filter.typ, "type", "", "only events of this `TYPE`")
	f.IntVar(&o.limit, "limit", 0, "end after `N` lines")
	f.BoolVar(&o.raw, "raw", false, "print records as they are stored: not taken apart, inflated or decoded")
	f.BoolFunc("json", "JSON lines, also on a terminal; -json=false is for people, also elsewhere", func(s string) error {
		value, err := strconv.ParseBool(s)
		o.json = &value
		return err
	})
	f.BoolVar(&o.fanOut, "fanout", false, "read by enhanced fan-out, which takes no throughput from other readers and costs extra")
	f.StringVar(&o.consumer, "consumer", "", "`NAME` of the consumer for -fanout; without it, or when it is not there, one is registered for the while")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.shards = *shards
	return o, o.check(f, *from, now)
}

// check reads what depends on other flags.
func (o *options) check(f *cli.Flags, from string, now time.Time) (err error) {
	if from == "" {
		from = "trim-horizon"
		if o.follow {
			from = "latest"
		}
	}
	if o.from, err = cli.ParsePosition(from, now); err != nil {
		return f.Usagef("-from %s: %v", from, err)
	}
	switch {
	case o.from.Numbered() && len(o.shards) != 1:
		return f.Usagef("-from %s is a place in one shard: name it by -shard", from)
	case o.from == stream.Latest && !o.follow:
		return f.Usagef("-from latest without -f would print nothing")
	case o.limit < 0:
		return f.Usagef("-limit cannot be negative")
	case o.raw && o.filter.typ != "":
		return f.Usagef("-raw and -type: what is not decoded has no type")
	}
	o.fanOut = o.fanOut || o.consumer != ""
	return nil
}

// read reads the stream into t.
func (o options) read(ctx context.Context, api *kinesis.Client, name string, t *tail) (err error) {
	opt := stream.ReadOptions{From: o.from, Shards: o.shards, Follow: o.follow}
	if o.limit > 0 && o.filter == (filter{}) {
		opt.PageRecords = o.limit
	}
	if o.fanOut {
		c, unused := o.use(ctx, api, name)
		if c != nil {
			defer release(ctx, c, &err)
		}
		if unused != nil {
			return unused
		}
		opt.Open = func(shard string, from stream.Position) stream.Pages {
			return stream.NewFanOutReader(stream.Subscriber{Client: api}, c.ARN, shard, from)
		}
	}
	if err = stream.Read(ctx, api, name, opt, t.take); t.enough() || ctx.Err() != nil {
		return nil // as it was meant to end
	}
	return err
}

// use finds or makes the consumer.
func (o options) use(ctx context.Context, api *kinesis.Client, name string) (*stream.Consumer, error) {
	out, err := api.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name})
	if err != nil {
		return nil, fmt.Errorf("find stream %s: %w", name, err)
	}
	consumer := o.consumer
	if consumer == "" {
		consumer = "millrace-tail-" + strings.ToLower(rand.Text()[:8]) // two of one name would take the shards from each other
	}
	return stream.UseConsumer(ctx, api, aws.ToString(out.StreamDescriptionSummary.StreamARN), consumer)
}

// lastCall is how long giving the consumer back may take after Ctrl-C.
const lastCall = 10 * time.Second

func release(ctx context.Context, c *stream.Consumer, err *error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCall)
	defer cancel()
	if released := c.Release(ctx); released != nil {
		*err = errors.Join(*err, released)
	}
}
