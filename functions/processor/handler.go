package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace/internal/direct"
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

// Invoke handles one batch and answers with what is not settled, or in a direct call with each outcome. It gives an error
// only for a payload that is no batch.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	stream, batch, err := h.decoder.decode(payload)
	if err != nil {
		return nil, err
	}
	ctx, cancel := beforeDeadline(context.WithValue(ctx, streamKey{}, stream))
	defer cancel()
	report := h.engine.Process(ctx, batch)
	if batch.Direct {
		h.direct(batch, report)
		return direct.Answer(len(batch.Records), report.Results), nil
	}
	if report.Err != nil {
		slog.Warn("records are left for another try", "shard", batch.Shard, "unsettled", report.Held,
			"first", report.Unsettled, "records", len(batch.Records), "error", report.Err.Error())
	}
	if err := h.metrics.write(batch, report, h.stats()); err != nil {
		slog.Error("write metrics", "error", err.Error())
	}
	return answer(batch, report.Unsettled), nil
}

// direct logs a direct call. The metrics are of the stream, and their alarms too: a redrive's records are old, and what
// of them fails is in the queue already.
func (h *handler) direct(b processor.Batch, r processor.Report) {
	h.metrics.pass(h.stats())
	attributes := []any{
		"set", b.Set, "shard", b.Shard, "records", len(b.Records), "counted", r.Counted, "copies", r.Copies,
		"unmetered", r.Nothing, "failed", r.Failed, "unsettled", r.Held,
	}
	if r.Err != nil {
		attributes = append(attributes, "error", r.Err.Error())
	}
	slog.Info("direct call", attributes...)
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
