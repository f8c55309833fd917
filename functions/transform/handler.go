package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// handler is between Lambda and the transformer. It implements lambda.Handler.
type handler struct {
	decoder     *decoder
	transformer *transformer
	metrics     *metrics
}

// Invoke answers for each record of a Firehose event, in its order. It gives an error only for a payload that is no such
// event. The answer is valid until the next call: Lambda makes that only when it has taken the answer.
func (h *handler) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	records, err := h.decoder.decode(payload)
	if err != nil {
		return nil, err
	}
	t := h.transformer
	t.plan(records)
	answer := t.answer(records)
	if t.tally.failures > 0 {
		h.warn(records)
	}
	if err := h.metrics.write(t.tally, len(answer)); err != nil {
		slog.Error("write metrics", "error", err.Error())
	}
	return answer, nil
}

// warn logs how many records are failing, and why the first of them does. Firehose's own object under the error prefix
// has the bytes, but not the reason.
func (h *handler) warn(records []firehoseRecord) {
	t := &h.transformer.tally
	r := &records[t.first]
	attrs := []any{
		"failures", t.failures, "records", t.records, "first", strings.Trim(string(r.id), `"`), "shard", r.shard, "sequence", string(r.sequence),
		"reason", reason(t.reason),
	}
	for class, n := range t.byClass {
		if n > 0 {
			attrs = append(attrs, classNames[class], n)
		}
	}
	slog.Warn("records are marked ProcessingFailed", attrs...)
}

// reason gives an error's text without what it may quote of the payload: the path to a JSON syntax error is made of the
// payload's own names.
func reason(err error) string {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("not JSON at byte %d: %v", syntax.ByteOffset, syntax.Err)
	}
	return err.Error()
}
