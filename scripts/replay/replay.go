package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/handover"
	"github.com/millrace/millrace/internal/ledger"
)

// replay hands the span over, and says what became of it, also when it could not go to its end.
func replay(ctx context.Context, o options, cfg aws.Config, stdout, stderr io.Writer) error {
	from, err := findSource(ctx, o, cfg)
	if err != nil {
		return err
	}
	function, err := o.stack.Output(ctx, cfg, config.OutputProcessor)
	if err != nil {
		return err
	}
	into, err := findTarget(ctx, o, cfg)
	if err != nil {
		return err
	}
	if err := into.announce(ctx, stderr); err != nil {
		return err
	}
	began := time.Now()
	p := &passage{progress: cli.NewProgress(stderr, "replayed", "record", 0), shards: map[string]bool{}, into: into}
	p.to = handover.New(lambda.NewFromConfig(cfg), handover.Options{
		Function: function, Set: o.set, StreamARN: from.arn, Rate: o.rate, Patience: o.patience,
	}, p.told)
	p.reading = newReading(from, &o, p.progress, func(shard string, records []types.Record, ended bool) error {
		return p.handOver(ctx, shard, records, ended)
	})
	err = p.run(ctx)
	p.progress.End()
	return o.report(reportOf(&o, p, time.Since(began), err), stdout, stderr)
}

// target is the set that is counted into.
type target struct {
	db    *dynamodb.Client
	table string
	set   string
	begun *ledger.Meters // its beginning, when that is known; the live set has none
}

func findTarget(ctx context.Context, o options, cfg aws.Config) (*target, error) {
	t := &target{db: dynamodb.NewFromConfig(cfg), set: o.set}
	var err error
	if o.set != ledger.LiveSet {
		t.table, err = o.stack.Output(ctx, cfg, config.OutputTable)
	}
	return t, err
}

// look finds out whether the set is there, and gives an error when it is being dropped. The live set always is.
func (t *target) look(ctx context.Context) (there bool, err error) {
	if t.set == ledger.LiveSet {
		return true, nil
	}
	t.begun, err = ledger.OpenMeters(ctx, t.db, t.table, t.set)
	if errors.Is(err, ledger.ErrNoSet) || errors.Is(err, ledger.ErrEmpty) {
		return false, nil
	}
	return err == nil, err
}

// announce says what happens to the set, and gives an error when it is being dropped.
func (t *target) announce(ctx context.Context, stderr io.Writer) error {
	there, err := t.look(ctx)
	switch {
	case err != nil || t.set == ledger.LiveSet:
	case there:
		fmt.Fprintf(stderr, "set %s is there already: what it has counted is a copy (-drop removes it)\n", t.set)
	default:
		fmt.Fprintf(stderr, "set %s begins\n", t.set)
	}
	return err
}

// errDropped is of a set that somebody has dropped while it was filled.
var errDropped = errors.New("it was dropped in the meantime, and does not have what was counted before: replay all of it again")

// check gives an error when the set has been dropped since it was first looked at: the function begins it anew, and what
// it had counted before is gone. The first look is at a set into which something was counted.
func (t *target) check(ctx context.Context) error {
	if t.set == ledger.LiveSet {
		return nil
	}
	now, err := ledger.OpenMeters(ctx, t.db, t.table, t.set)
	switch {
	case t.begun == nil && err == nil:
		t.begun = now
	case errors.Is(err, ledger.ErrNoSet), err == nil && !t.begun.SameSet(now):
		return fmt.Errorf("set %s: %w", t.set, errDropped)
	}
	return err
}

// passage is the way of the records from the stream to the function.
type passage struct {
	reading  *reading
	to       *handover.Handover
	shards   map[string]bool // of which records were read
	progress *cli.Progress
	tally    tally
	into     *target
}

func (p *passage) run(ctx context.Context) error {
	if err := p.reading.run(ctx); err != nil {
		return err
	}
	for _, shard := range slices.Sorted(maps.Keys(p.shards)) {
		if err := p.to.Flush(ctx, shard); err != nil {
			return err
		}
	}
	if p.tally.counted == 0 {
		return nil
	}
	return p.into.check(ctx)
}

// handOver hands records over, and all that is left of a shard before its children come.
func (p *passage) handOver(ctx context.Context, shard string, records []types.Record, ended bool) error {
	p.shards[shard] = true
	err := p.to.Add(ctx, shard, handover.Records(records)...)
	if err == nil && p.into.begun == nil && p.tally.counted > 0 {
		err = p.into.check(ctx)
	}
	if err == nil && ended {
		err = p.to.Flush(ctx, shard)
	}
	return err
}

func (p *passage) told(h handover.Handed) {
	p.tally.add(&h)
	p.progress.Add(1)
}
