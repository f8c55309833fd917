package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/meter"
)

// checkFailures demands that the failure queue holds each spoiled record and each event that a meter cannot count, with
// its payload and a reason, and nothing else but what a handler has refused. That it takes out of the truth, which
// cannot know what a handler thinks, unless the table has counted it all the same.
func (s *localStack) checkFailures(ctx context.Context, l *load, sum *summary) error {
	queue := failure.NewQueue(sqs.NewFromConfig(s.endpoint.Config()), s.outputs[config.OutputFailureQueue])
	received, err := queue.List(ctx)
	if err != nil {
		return fmt.Errorf("read the failure queue: %w", err)
	}
	// A put whose answer was lost may be in the stream, and so in the queue, twice: payloads count once.
	payloads := map[string]string{} // and the reason
	byHandler := map[string]bool{}
	for _, f := range failure.Fold(received) {
		if f.Record == nil {
			sum.differences = append(sum.differences, "failure queue: the mapping gave up "+f.ID()+": "+f.Class())
			continue
		}
		if f.Record.Text == "" {
			sum.differences = append(sum.differences, "failure queue: no reason is given for "+f.ID())
		}
		payload, reason := string(f.Record.Payload), f.Class()+": "+f.Record.Text
		if isHandlers(f.Record) {
			byHandler[payload] = true
			sum.reasons = append(sum.reasons, reasonFor(reason, payload))
			continue
		}
		if _, ok := l.truth.refused[payload]; ok {
			sum.reasons = append(sum.reasons, reasonFor(reason, payload))
		}
		payloads[payload] = reason
	}
	sum.Failed, sum.handled, sum.uncountable = len(payloads)+len(byHandler), len(byHandler), len(l.truth.refused)
	out, err := s.notCounted(ctx, byHandler)
	if err != nil {
		return err
	}
	if err := l.leaveOut(out); err != nil {
		return err
	}
	sum.differences = append(sum.differences, failureDifferences(l, payloads)...)
	return nil
}

// shownPayload is enough of an event to know it by.
const shownPayload = 100

// reasonFor is a line about an event that nobody spoiled and that failed all the same.
func reasonFor(reason, payload string) string {
	if len(payload) > shownPayload {
		payload = strings.ToValidUTF8(payload[:shownPayload], "") + "..."
	}
	return reason + ": " + payload
}

// isHandlers tells whether a failure was the handler's doing. A value that DynamoDB refuses has the same class as what
// a handler refuses; the processor marks its reason.
func isHandlers(r *failure.Record) bool {
	switch r.Class {
	case failure.Refused:
		return !strings.HasPrefix(r.Text, "refused by the table: ")
	case failure.Panic, failure.GaveUp:
		return true
	}
	return false
}

// notCounted gives those of the events whose identity the table's ledger does not hold. What a handler has refused once
// it may have let pass in another copy, or in another attempt: only the ledger tells. Of two events of one identity that
// are not alike it cannot tell which one was counted; then both stay in the truth.
func (s *localStack) notCounted(ctx context.Context, events map[string]bool) (map[string]bool, error) {
	if len(events) == 0 {
		return nil, nil
	}
	var d cloudevent.Decoder
	var ids []cloudevent.Identity
	var texts []string
	for text := range events {
		var e cloudevent.Event
		if err := d.Decode(&e, []byte(text)); err != nil {
			return nil, fmt.Errorf("read what the handler refused: %w", err)
		}
		ids, texts = append(ids, e.Identity()), append(texts, text)
	}
	table := ledger.New(dynamodb.NewFromConfig(s.endpoint.Config()), s.outputs[config.OutputTable], ledger.Options{Log: slog.New(slog.DiscardHandler)})
	outcomes, err := table.Seen(ctx, ledger.LiveSet, ids)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for i, o := range outcomes {
		if o != meter.Copy {
			out[texts[i]] = true
		}
	}
	return out, nil
}

// failureDifferences compares the payloads in the queue, each with its reason, with those that must be there.
func failureDifferences(l *load, got map[string]string) []string {
	want := map[string]string{}
	for payload := range l.truth.refused {
		want[payload] = "record that no meter can count"
	}
	for _, payload := range l.spoiled {
		want[string(payload)] = "spoiled record"
	}
	var out []string
	for payload, what := range want {
		if _, there := got[payload]; !there {
			out = append(out, fmt.Sprintf("failure queue: lacks the %s %.60q", what, payload))
		}
	}
	for payload, reason := range got {
		if want[payload] == "" {
			out = append(out, fmt.Sprintf("failure queue: %.60q is there as %s", payload, reason))
		}
	}
	slices.Sort(out)
	return out
}
