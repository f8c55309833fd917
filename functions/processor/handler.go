package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/processor"
)

// handler is between Lambda and the engine. It implements lambda.Handler.
type handler struct {
	decoder *decoder
	engine  *processor.Processor
	stats   func() ledger.Stats
	metrics *metrics
}

// Invoke handles one batch and answers with what is not settled. It gives an error only for a payload that is no batch.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	stream, batch, err := h.decoder.decode(payload)
	if err != nil {
		return nil, err
	}
	ctx, cancel := beforeDeadline(context.WithValue(ctx, streamKey{}, stream))
	defer cancel()
	report := h.engine.Process(ctx, batch)
	if report.Err != nil {
		slog.Warn("records are left for another try", "shard", batch.Shard, "unsettled", report.Held,
			"first", report.Unsettled, "records", len(batch.Records), "error", report.Err.Error())
	}
	if err := h.metrics.write(batch, report, h.stats()); err != nil {
		slog.Error("write metrics", "error", err.Error())
	}
	return answer(batch, report.Unsettled), nil
}

// reserve is the time kept for the answer: an invocation that Lambda ends has answered nothing, and all of its batch
// comes again.
const reserve = time.Second

// beforeDeadline ends early enough before the invocation's deadline to answer.
func beforeDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-min(reserve, time.Until(deadline)/4)))
}

type streamKey struct{}

// sender takes the engine's failures to the failure queue.
type sender struct{ queue *failure.Queue }

// Send writes the failures with their payloads.
func (s sender) Send(ctx context.Context, failures []processor.Failure) error {
	stream, _ := ctx.Value(streamKey{}).(string)
	records := make([]failure.Record, len(failures))
	for i, f := range failures {
		records[i] = failure.Record{
			Stream: stream, Shard: f.Shard, Sequence: f.SequenceNumber, Sub: f.Sub, Key: f.PartitionKey, Arrival: f.Arrival,
			Class: failure.Class(f.Class), Text: f.Reason, Payload: f.Payload,
		}
	}
	return s.queue.Send(ctx, records)
}
