package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/handover"
	"github.com/millrace/millrace/internal/stream"
)

// source is the stream that is read.
type source struct {
	api     *kinesis.Client
	name    string
	arn     string
	keeps   time.Duration
	created time.Time
}

func findSource(ctx context.Context, o options, cfg aws.Config) (*source, error) {
	name, err := o.stream.Find(ctx, cfg)
	if err != nil {
		return nil, err
	}
	api := kinesis.NewFromConfig(cfg)
	out, err := api.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name})
	if err != nil {
		return nil, cli.ExplainStream(name, fmt.Errorf("find stream %s: %w", name, err))
	}
	d := out.StreamDescriptionSummary
	return &source{
		api: api, name: name, arn: aws.ToString(d.StreamARN),
		keeps: time.Duration(aws.ToInt32(d.RetentionPeriodHours)) * time.Hour, created: aws.ToTime(d.StreamCreationTimestamp),
	}, nil
}

// gap is a part of the range that is not in the stream any more, or perhaps not.
type gap struct {
	Shard string `json:"shard,omitempty"` // "": of all shards
	What  string `json:"what"`
}

// reading reads a span, and finds what is missing of it.
type reading struct {
	source   *source
	span     *span
	each     func(shard string, records []types.Record, ended bool) error
	begun    map[string]bool // shards of which a record was read
	front    front
	progress *cli.Progress

	mu   sync.Mutex // shards are read side by side
	gaps []gap
}

func newReading(s *source, o *options, progress *cli.Progress, each func(string, []types.Record, bool) error) *reading {
	return &reading{source: s, span: &o.span, progress: progress, each: each, begun: map[string]bool{}}
}

// errReached ends the reading when the last record that was asked for is there.
var errReached = errors.New("the last record that was asked for has been read")

// run reads all of it: each is called as stream.Read calls, without what was not asked for.
func (r *reading) run(ctx context.Context) error {
	if what := r.span.trimmed(r.source.keeps, r.source.created, time.Now()); what != "" {
		r.miss("", what)
	}
	opt := stream.ReadOptions{From: r.span.from, Until: r.span.until, Shards: r.span.shards, Open: r.open}
	err := stream.Read(ctx, r.source.api, r.source.name, opt, r.take)
	switch {
	case errors.Is(err, errReached):
		err = nil
	case err == nil && r.span.through != "":
		r.missEnd(r.span.shards[0])
	case errors.Is(err, stream.ErrNotOfShard):
		err = fmt.Errorf("%w\nit may be another shard's (-shard), or of a stream that had this name before: -from trim-horizon is the oldest", err)
	}
	if err == nil {
		r.missUnseen()
	}
	return cli.ExplainStream(r.source.name, err)
}

// open reads a shard of which a record is known from that very record on: when it is not there any more, what followed
// may be gone as well.
func (r *reading) open(shard string, from stream.Position) stream.Pages {
	r.front.begin(shard)
	if number, _ := r.span.known(shard); number != "" {
		from = stream.AtSequence(number)
	}
	return &watched{Pages: stream.NewShardReader(r.source.api, r.source.name, shard, from, 0), shard: shard, reading: r}
}

// take hands a page on.
func (r *reading) take(shard string, p stream.Page) error {
	records, reached, found := r.span.end(p.Records)
	records = r.begin(shard, records)
	for len(records) > handover.MaxBatch { // that it can be seen how far it is
		if err := r.hand(shard, records[:handover.MaxBatch], false); err != nil {
			return err
		}
		records = records[handover.MaxBatch:]
	}
	if err := r.hand(shard, records, p.End); err != nil {
		return err
	}
	if p.CaughtUp() || p.Cut {
		r.front.end(shard)
	}
	if reached && !found {
		r.missEnd(shard)
	}
	if reached {
		return errReached
	}
	return nil
}

// hand hands records on, and tells how far the reading is.
func (r *reading) hand(shard string, records []types.Record, ended bool) error {
	if err := r.each(shard, records, ended); err != nil || len(records) == 0 {
		return err
	}
	r.front.move(shard, aws.ToTime(records[0].ApproximateArrivalTimestamp), aws.ToTime(records[len(records)-1].ApproximateArrivalTimestamp))
	r.progress.Reach(r.front.share(r.span.until))
	return nil
}

func (r *reading) missEnd(shard string) {
	r.miss(shard, fmt.Sprintf("record %s, with which it ends: it is not in the shard, or did not arrive before %s", r.span.through, seconds(r.span.until)))
}

// begin compares the first record of a shard with the one that a flag names.
func (r *reading) begin(shard string, records []types.Record) []types.Record {
	if r.begun[shard] || len(records) == 0 {
		return records
	}
	r.begun[shard] = true
	number, behind := r.span.known(shard)
	first := aws.ToString(records[0].SequenceNumber)
	switch {
	case number == "":
	case stream.CompareSequence(first, number) != 0 && behind:
		r.miss(shard, fmt.Sprintf("what stood behind record %s and before record %s, if anything did", number, first))
	case stream.CompareSequence(first, number) != 0:
		r.miss(shard, fmt.Sprintf("record %s, and what stood between it and record %s", number, first))
	case behind:
		return records[1:]
	}
	return records
}

// missUnseen finds shards that a flag names and of which nothing was read.
func (r *reading) missUnseen() {
	shards := slices.Collect(maps.Keys(r.span.after))
	if r.span.first != "" {
		shards = append(shards, r.span.shards...)
	}
	slices.Sort(shards)
	for _, shard := range slices.Compact(shards) {
		if number, _ := r.span.known(shard); !r.begun[shard] && r.wanted(shard) {
			r.miss(shard, fmt.Sprintf("record %s and all behind it, unless that arrived no earlier than %s", number, seconds(r.span.until)))
		}
	}
}

func (r *reading) wanted(shard string) bool {
	return len(r.span.shards) == 0 || slices.Contains(r.span.shards, shard)
}

func (r *reading) miss(shard, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps = append(r.gaps, gap{shard, what})
}

// watched is a shard's pages, watched for the end of the stream's memory, which may overtake a slow reader without a word.
type watched struct {
	stream.Pages
	shard   string
	reading *reading
	last    types.Record // of the pages so far
}

// Next reads the next page.
func (w *watched) Next(ctx context.Context) (stream.Page, error) {
	page, err := w.Pages.Next(ctx)
	if n := len(page.Records); n > 0 {
		if w.last.SequenceNumber != nil && time.Since(aws.ToTime(w.last.ApproximateArrivalTimestamp)) > w.reading.source.keeps {
			w.reading.miss(w.shard, fmt.Sprintf("perhaps what stood between records %s and %s: it was read more slowly than the stream forgets",
				*w.last.SequenceNumber, aws.ToString(page.Records[0].SequenceNumber)))
		}
		w.last = types.Record{SequenceNumber: page.Records[n-1].SequenceNumber, ApproximateArrivalTimestamp: page.Records[n-1].ApproximateArrivalTimestamp}
	}
	return page, err
}
