package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/cli"
)

// words says in a line what the queue has.
func (p *plan) words() string {
	ours := len(p.items) + len(p.others)
	what := "the queue has "
	if p.part {
		what = "the queue has more than is read at once (512 MiB of messages); of what was read: "
	}
	parts := []string{what + cli.Count(int64(ours), "failure")}
	switch {
	case len(p.others) == 0:
	case len(p.items) == 0: // perhaps something is misspelt
		parts = append(parts, "0 are meant, of those that there are: "+byClass(p.classes()))
	default:
		parts = append(parts, fmt.Sprintf("%s meant", are(len(p.items), "")))
	}
	if n := len(p.strange); n > 0 {
		parts = append(parts, fmt.Sprintf("%s of another stream, and left alone", cli.Count(int64(n), "failure")))
	}
	if n := len(p.foreign); n > 0 {
		parts = append(parts, fmt.Sprintf("%s not ours, and left alone", are(n, "message")))
	}
	return strings.Join(parts, "; ")
}

// classes counts the failures that the filter leaves out.
func (p *plan) classes() map[string]int {
	classes := map[string]int{}
	for _, it := range p.others {
		classes[it.Class()]++
	}
	return classes
}

// are says how many things are: 1 message is, 2 messages are.
func are(n int, noun string) string {
	s := cli.Thousands(int64(n))
	if noun != "" {
		s = cli.Count(int64(n), noun)
	}
	if n == 1 {
		return s + " is"
	}
	return s + " are"
}

// list is the command without flags.
func (d *desk) list(ctx context.Context) error {
	p, err := d.snapshot(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	if d.options.json {
		return d.jsonList(p, now).Write(d.stdout, cli.JSON)
	}
	if len(p.items)+len(p.strange)+len(p.foreign) == 0 {
		return nil
	}
	return d.textList(p, now).Write(d.stdout, cli.Text)
}

const maxText = 80 // bytes of a reason in the table

func (d *desk) textList(p *plan, now time.Time) *cli.Table {
	t := cli.NewTable("when", "id", "records", "class", "attempts", "age", "of retention", "readable", "reason")
	for _, it := range p.items {
		age, share := it.age(now), "-"
		if old, known := age.(time.Duration); known {
			share = fmt.Sprintf("%.0f %%", 100*d.share(old))
		}
		t.Add(it.when(), shortID(it.Message), it.size(), it.Class(), it.attempts(), age, share,
			string(readableAt(it.Message, now, d.retention)), beginning(reasonOf(it.Message)))
	}
	for _, it := range p.strange {
		t.Add(it.when(), shortID(it.Message), it.size(), it.Class(), it.attempts(), it.age(now), "-", "-", "of stream "+it.Stream())
	}
	for _, m := range p.foreign {
		t.Add(second(m.Sent), m.MessageID, nil, "not ours", nil, now.Sub(m.Sent), "-", "-", beginning(m.Err.Error()))
	}
	return t
}

func (it *item) when() string { return second(failedAt(&it.Failure)) }

func second(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// size is how many records a failure is of.
func (it *item) size() int { return spanOf(it.Message).Records }

// age is how old its records are, nil when no message tells when they arrived.
func (it *item) age(now time.Time) any {
	if arrival := arrivalOf(it.Message); !arrival.IsZero() {
		return now.Sub(arrival)
	}
	return nil
}

// share is how much of the stream's retention has passed at an age.
func (d *desk) share(age time.Duration) float64 { return age.Seconds() / d.retention.Seconds() }

// attempts is about how often the function was tried; of a single record its message does not tell.
func (it *item) attempts() any {
	if it.Batch != nil {
		return it.Batch.Invocations
	}
	return nil
}

func beginning(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText-len("…")], "") + "…"
}

// jsonList has a row for each failure, and for each message that is none of ours.
func (d *desk) jsonList(p *plan, now time.Time) *cli.Table {
	t := cli.NewTable("id", "kind", "stream", "shard", "sequenceNumber", "lastSequenceNumber", "sub", "partitionKey", "records", "class", "attempts",
		"failed", "arrival", "age", "ofRetention", "readable", "copies", "reason", "messageId")
	row := func(it *item, kind string) {
		span, age := spanOf(it.Message), it.age(now)
		var sub, key, arrival, share any
		if old, known := age.(time.Duration); known {
			arrival, share = arrivalOf(it.Message).UTC(), d.share(old)
		}
		if it.Record != nil {
			sub, key = it.Record.Sub, it.Record.Key
		}
		t.Add(it.ID(), kind, it.Stream(), span.Shard, span.First, span.Last, sub, key, it.size(), it.Class(), it.attempts(), failedAt(&it.Failure).UTC(), arrival,
			age, share, string(readableAt(it.Message, now, d.retention)), len(it.MessageIDs), reasonOf(it.Message), it.MessageIDs[0])
	}
	for _, it := range p.items {
		row(it, it.kind())
	}
	for _, it := range p.strange {
		row(it, "other stream")
	}
	for _, m := range p.foreign {
		t.Add(nil, "not ours", nil, nil, nil, nil, nil, nil, nil, nil, nil, m.Sent.UTC(), nil, now.Sub(m.Sent), nil, nil, 1, m.Err.Error(), m.MessageID)
	}
	return t
}

// The kinds of failures.
const (
	kindRange   = "range"   // a document of the mapping
	kindPointer = "pointer" // a message of ours that had no room for the payload
	kindRecord  = "record"  // a message of ours with payload
)

// kind says which message tells of a failure.
func (it *item) kind() string {
	switch {
	case it.Batch != nil:
		return kindRange
	case it.Record.Payload == nil:
		return kindPointer
	}
	return kindRecord
}
