package esm

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"
)

type noopFunction struct{}

func (noopFunction) Invoke(context.Context, Invocation) (Answer, error) {
	return Answer{Payload: []byte(`{"batchItemFailures":[]}`), ExecutedVersion: "$LATEST"}, nil
}

// benchmarkEvent is a record's data, of usual size.
const benchmarkEvent = `{"specversion":"1.0","id":"AA-20080103-1234-OSL","source":"/airlines/AA","type":"flight.departed",` +
	`"time":"2008-01-03T08:00:00Z","subject":"OSL","datacontenttype":"application/json",` +
	`"data":{"origin":"OSL","destination":"BGO","carrier":"AA","delay":3,"distance":100}}`

// BenchmarkMapping measures all that the mapping does for a record, with a function that does nothing.
func BenchmarkMapping(b *testing.B) {
	for _, c := range []struct {
		shards, lanes int
		filters       []string
	}{
		{1, 1, nil},
		{1, 4, nil},
		{2, 1, nil},
		{8, 1, nil},
		{8, 4, nil},
		{1, 1, []string{`{"partitionKey":[{"anything-but":"none"}]}`}},
		{1, 1, []string{`{"data":{"data":{"origin":["OSL",{"anything-but":"BGO"}]}}}`}},
	} {
		b.Run(fmt.Sprintf("shards=%d/lanes=%d/filters=%d", c.shards, c.lanes, len(c.filters)), func(b *testing.B) {
			const n = 200_000
			s := newStream()
			for i := range c.shards {
				if i > 0 {
					s.add(fmt.Sprintf("shardId-%012d", i), "", "")
				}
				s.shards[i].records = benchmarkRecords(n/c.shards, 250)
				for j := range s.shards[i].records {
					s.shards[i].records[j].Data = []byte(benchmarkEvent)
				}
			}
			cfg := testConfig()
			cfg.BatchSize, cfg.ParallelizationFactor, cfg.Filters = 1000, c.lanes, c.filters
			cfg.FunctionResponseTypes = []string{ReportBatchItemFailures}
			cfg.MaximumRecordAgeInSeconds = unlimited
			s.retention = 0 // the records are old
			for b.Loop() {
				runToTheEnd(b, cfg, s, n)
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func runToTheEnd(b *testing.B, cfg Config, s *stream, n int) {
	ctx, stop := context.WithTimeout(b.Context(), time.Minute)
	defer stop()
	left := make(chan int, 1)
	left <- n
	m, err := New(cfg, s, noopFunction{}, nil, Options{Log: slog.New(slog.DiscardHandler), Settled: func(s Settled) {
		k := <-left - len(s.Records)
		if k == 0 {
			stop()
		}
		left <- k
	}})
	if err != nil {
		b.Fatal(err)
	}
	if err := m.Run(ctx); err != nil {
		b.Fatal(err)
	}
	if k := <-left; k != 0 {
		b.Fatalf("%d records left", k)
	}
}
