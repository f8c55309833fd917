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
	"github.com/millrace/millrace/internal/direct"
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
	if err := announce(ctx, o, cfg, stderr); err != nil {
		return err
	}
	began := time.Now()
	p := &passage{progress: cli.NewProgress(stderr, "replayed", "record", 0), shards: map[string]bool{}}
	p.to = handover.New(lambda.NewFromConfig(cfg), handover.Options{
		Function: function, Set: o.set, StreamARN: from.arn, Rate: o.rate, Patience: o.patience,
	}, p.told)
	p.reading = newReading(from, &o, func(shard string, records []types.Record, ended bool) error {
		return p.handOver(ctx, shard, records, ended)
	})
	err = p.run(ctx)
	p.progress.End()
	return o.report(reportOf(&o, p, time.Since(began), err), stdout, stderr)
}

// announce says what happens to the set, and gives an error when it is being dropped.
func announce(ctx context.Context, o options, cfg aws.Config, stderr io.Writer) error {
	if o.set == ledger.LiveSet {
		return nil
	}
	table, err := o.stack.Output(ctx, cfg, config.OutputTable)
	if err != nil {
		return err
	}
	_, err = ledger.OpenMeters(ctx, dynamodb.NewFromConfig(cfg), table, o.set)
	switch {
	case err == nil:
		fmt.Fprintf(stderr, "set %s is there already: what it has counted is a copy (-drop removes it)\n", o.set)
	case errors.Is(err, ledger.ErrNoSet), errors.Is(err, ledger.ErrEmpty):
		fmt.Fprintf(stderr, "set %s begins\n", o.set)
		err = nil
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
	return nil
}

// handOver hands records over, and all that is left of a shard before its children come.
func (p *passage) handOver(ctx context.Context, shard string, records []types.Record, ended bool) error {
	p.shards[shard] = true
	batch := make([]direct.Record, len(records))
	for i := range records {
		r := &records[i]
		batch[i] = direct.Record{
			SequenceNumber: aws.ToString(r.SequenceNumber), PartitionKey: aws.ToString(r.PartitionKey),
			Arrival: aws.ToTime(r.ApproximateArrivalTimestamp), Data: r.Data,
		}
	}
	err := p.to.Add(ctx, shard, batch...)
	if err == nil && ended {
		err = p.to.Flush(ctx, shard)
	}
	return err
}

func (p *passage) told(h handover.Handed) {
	p.tally.add(&h)
	p.progress.Add(1)
}
