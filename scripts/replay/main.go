// Replay counts a part of the stream's history again, by direct calls of the processor function.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/handover"
	"github.com/millrace/millrace/internal/ledger"
)

func main() { cli.Main("replay", run) }

type options struct {
	stack    *cli.Stack
	stream   *cli.Stream
	span     span
	set      string // that is counted into
	drop     string // set that is to be dropped
	list     bool   // the sets
	dryRun   bool
	rate     float64
	patience time.Duration
	json     bool
	others   string // the flags that were given and say nothing of the span, as they may be given again
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
	return explain(o.act(ctx, cfg, stdout, stderr))
}

// act does the one thing that was asked for.
func (o options) act(ctx context.Context, cfg aws.Config, stdout, stderr io.Writer) error {
	switch {
	case o.list:
		return listSets(ctx, o, cfg, stdout)
	case o.drop != "":
		return dropSet(ctx, o, cfg, stdout, stderr)
	case o.dryRun:
		return survey(ctx, o, cfg, stdout, stderr)
	}
	return replay(ctx, o, cfg, stdout, stderr)
}

// explain adds what is needed to an error that says that something is not allowed.
func explain(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) || !strings.Contains(api.ErrorCode(), "AccessDenied") {
		return err
	}
	return fmt.Errorf("%w\na replay needs cloudformation:DescribeStacks, kinesis:DescribeStreamSummary, kinesis:ListShards, kinesis:GetShardIterator, kinesis:GetRecords and lambda:InvokeFunction; "+
		"-into and -sets dynamodb:Query and dynamodb:BatchGetItem, -drop dynamodb:PutItem and dynamodb:DeleteItem beside; all of them kms:Decrypt with the stack's key", err)
}

const help = "Counts a part of the stream's history again: hands its records to the processor function by direct calls, each shard after\n" +
	"its parents, and tells what became of each. What the set has counted before is a copy, and counts no more: a replay may be\n" +
	"run again, broken off, and run beside live traffic. It exits with 0 only when every record of the range is done with.\n\n" +
	"-from and -to take a time (2001-01-31T23:00:00Z, 2001-01-31) or a while ago (15m). -from also takes trim-horizon (the oldest\n" +
	"record), and with one -shard at:SEQUENCE or after:SEQUENCE; -to then takes through:SEQUENCE.\n\n" +
	"Without -into it counts into " + ledger.LiveSet + ", where events beyond the horizon are late. A set of another name is built beside it, with a\n" +
	"memory of its own and no horizon, by the meters that the function has now; `query -set NAME` reads it. Your handler, if there is\n" +
	"one, is called for each event that the set has not counted."

func parseFlags(args []string, now time.Time) (options, error) {
	f := cli.NewFlags("replay", help, "-from 3h -into recount")
	o := options{stack: f.Stack()}
	o.stream = f.Stream(o.stack)
	from := f.String("from", "", "begin at `POSITION`")
	to := f.String("to", "", "end before `TIME`, or with through:SEQUENCE, else now")
	shards := f.Shards()
	f.Func("after", "of the shard of `SHARD:SEQUENCE` only what follows that record; may be given more than once", o.span.addAfter)
	f.StringVar(&o.set, "into", "", "count into the set `NAME`, which begins when it is not there")
	f.StringVar(&o.drop, "drop", "", "remove the set `NAME`, and replay nothing")
	f.BoolVar(&o.list, "sets", false, "list the sets, and replay nothing")
	f.BoolVar(&o.dryRun, "dry-run", false, "read and count the records, and hand over none; with -drop: see whether the set is there")
	f.Float64Var(&o.rate, "rate", 0, "hand over at most `N` records a second")
	f.DurationVar(&o.patience, "patience", handover.DefaultPatience, "how long an unsettled record is tried again")
	f.BoolVar(&o.json, "json", false, "write one JSON object")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.span.shards = *shards
	o.others = given(f.FlagSet, "from", "to", "shard", "after")
	return o, o.check(f, *from, *to, now)
}

// given writes the flags that were given, but for some.
func given(f *flag.FlagSet, except ...string) (text string) {
	skip := map[string]bool{}
	for _, name := range except {
		skip[name] = true
	}
	f.Visit(func(g *flag.Flag) {
		if !skip[g.Name] {
			text += " -" + g.Name + "=" + g.Value.String()
		}
	})
	return text
}

// check reads what depends on other flags.
func (o *options) check(f *cli.Flags, from, to string, now time.Time) error {
	replaying := from != "" || to != "" || o.set != "" || len(o.span.shards) > 0 || len(o.span.after) > 0
	switch {
	case o.drop != "" && o.list || (o.drop != "" || o.list) && replaying:
		return f.Usagef("-drop and -sets stand alone: they replay nothing")
	case o.list:
		return nil
	case o.drop == ledger.LiveSet:
		return f.Usagef("-drop %s: it cannot be dropped, for its marks are what keeps the stream from counting twice", o.drop)
	case o.drop != "":
		return usage(f, "-drop", ledger.CheckSet(o.drop))
	case o.set == ledger.LiveSet:
		return f.Usagef("-into %s: that is where a replay counts without -into", o.set)
	case !(o.rate >= 0): // refuses NaN too
		return f.Usagef("-rate cannot be negative")
	case o.patience <= 0:
		return f.Usagef("-patience must be more than nothing")
	case o.set == "":
		o.set = ledger.LiveSet
	}
	if err := ledger.CheckSet(o.set); err != nil {
		return usage(f, "-into", err)
	}
	return o.span.parse(f, from, to, now)
}

// usage makes a usage error of what is wrong with a flag, if anything is.
func usage(f *cli.Flags, flag string, err error) error {
	if err == nil {
		return nil
	}
	return f.Usagef("%s: %w", flag, err)
}
