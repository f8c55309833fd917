package esm

import (
	"context"
	"fmt"
	"testing"
	"time"
)

type noopFunction struct{}

func (noopFunction) Invoke(context.Context, Invocation) (Answer, error) {
	return Answer{Payload: []byte(`{"batchItemFailures":[]}`), ExecutedVersion: "$LATEST"}, nil
}

// BenchmarkMapping measures all that the mapping does for a record, with a function that does nothing.
func BenchmarkMapping(b *testing.B) {
	for _, lanes := range []int{1, 4} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			const n = 200_000
			s := newStream()
			s.shards[0].records = benchmarkRecords(n, 250)
			cfg := testConfig()
			cfg.BatchSize, cfg.ParallelizationFactor = 1000, lanes
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
	m, err := New(cfg, s, noopFunction{}, nil, Options{Settled: func(s Settled) {
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
