package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/record"
)

// seen is what the range holds in one shard.
type seen struct {
	Shard       string    `json:"shard"`
	Records     int64     `json:"records"`
	UserRecords int64     `json:"userRecords"`
	Undecodable int64     `json:"undecodable"` // user records that are no events
	Bytes       int64     `json:"bytes"`
	First       time.Time `json:"first"` // arrival
	Last        time.Time `json:"last"`
}

// counter counts what would be handed over.
type counter struct {
	shards   map[string]*seen
	decoder  record.Decoder
	event    cloudevent.Event
	progress *cli.Progress
}

// survey reads the span, and hands over nothing. It makes sure that the function could be called, and that the set is not
// being dropped.
func survey(ctx context.Context, o options, cfg aws.Config, stdout, stderr io.Writer) error {
	from, err := findSource(ctx, o, cfg)
	if err != nil {
		return err
	}
	function, err := o.stack.Output(ctx, cfg, config.OutputProcessor)
	if err != nil {
		return err
	}
	if err := mayInvoke(ctx, lambda.NewFromConfig(cfg), function); err != nil {
		return err
	}
	into, err := findTarget(ctx, o, cfg)
	if err != nil {
		return err
	}
	there, err := into.look(ctx)
	if err != nil {
		return err
	}
	c := &counter{shards: map[string]*seen{}, progress: cli.NewProgress(stderr, "read", "record", 0)}
	c.decoder.Reuse = true
	r := newReading(from, &o, c.progress, c.take)
	err = r.run(ctx)
	c.progress.End()
	for _, g := range r.gaps {
		fmt.Fprintln(stderr, "trimmed: "+g.text())
	}
	if err := errors.Join(err, c.write(o, r.gaps, stdout)); err != nil {
		return err
	}
	begins := ""
	if !there {
		begins = ", which would begin"
	}
	fmt.Fprintf(stderr, "that would go to function %s, into set %s%s\n", function, o.set, begins)
	if len(r.gaps) > 0 {
		return errors.New("the stream does not have all of the range any more")
	}
	return nil
}

// mayInvoke asks Lambda whether the function could be called, without a call.
func mayInvoke(ctx context.Context, api *lambda.Client, function string) error {
	if _, err := api.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, InvocationType: lambdatypes.InvocationTypeDryRun}); err != nil {
		return fmt.Errorf("invoke function %s: %w", function, err)
	}
	return nil
}

func (c *counter) take(shard string, records []types.Record, _ bool) error {
	s := c.shards[shard]
	if s == nil {
		s = &seen{Shard: shard}
		c.shards[shard] = s
	}
	for i := range records {
		c.add(s, &records[i])
	}
	c.progress.Add(int64(len(records)))
	return nil
}

func (c *counter) add(s *seen, r *types.Record) {
	s.Last = aws.ToTime(r.ApproximateArrivalTimestamp).UTC()
	if s.Records == 0 {
		s.First = s.Last
	}
	s.Records++
	s.Bytes += int64(len(r.Data))
	c.decoder.Begin()
	users, err := c.decoder.Users(aws.ToString(r.PartitionKey), r.Data)
	if err != nil { // the whole of it fails as one
		s.UserRecords++
		s.Undecodable++
	}
	for i := range users {
		s.UserRecords++
		if _, err := c.decoder.Event(&c.event, users[i].Data); err != nil {
			s.Undecodable++
		}
	}
}

func (c *counter) write(o options, gaps []gap, w io.Writer) error {
	var all []seen
	for _, s := range c.shards {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b seen) int { return cmp.Compare(a.Shard, b.Shard) })
	if o.json {
		return cli.WriteObject(w, struct {
			Set     string `json:"set"`
			Shards  []seen `json:"shards"`
			Trimmed []gap  `json:"trimmed"`
		}{o.set, all, gaps})
	}
	t := cli.NewTable("shard", "records", "user records", "undecodable", "size", "first arrival", "last arrival")
	for _, s := range all {
		first, last := any(s.First), any(s.Last)
		if s.Records == 0 {
			first, last = nil, nil
		}
		t.Add(cli.ShortShard(s.Shard), s.Records, s.UserRecords, s.Undecodable, cli.Bytes(s.Bytes), first, last)
	}
	return t.Write(w, cli.Text)
}
