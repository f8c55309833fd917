package main

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/cli"
)

// missingRange is a range of which records cannot be read any more. Its message is kept.
type missingRange struct {
	ID        string `json:"id"`
	Shard     string `json:"shard"`
	First     string `json:"firstSequenceNumber"`
	Last      string `json:"lastSequenceNumber"`
	Records   int    `json:"records"`            // that it had
	Missing   int    `json:"missing"`            // records; -1 is some
	Read      int    `json:"read"`               // records
	ReadFirst string `json:"readFirst,omitzero"` // sequence numbers
	ReadLast  string `json:"readLast,omitzero"`
}

// missingRanges are those of all failures that were read and are not whole.
func (p *plan) missingRanges() (out []missingRange) {
	for _, it := range p.items {
		if it.read && it.missing() != 0 {
			span := spanOf(it.Message)
			out = append(out, missingRange{it.ID(), span.Shard, span.First, span.Last, span.Records, it.missing(), it.seen, it.first, it.last})
		}
	}
	return out
}

func (m *missingRange) String() string {
	what := "some records"
	if m.Missing > 0 {
		what = fmt.Sprintf("%s of %s", cli.Thousands(int64(m.Missing)), cli.Count(int64(m.Records), "record"))
	}
	s := fmt.Sprintf("trimmed: shard %s, %s to %s: %s cannot be read any more; the message is kept", cli.ShortShard(m.Shard), m.First, m.Last, what)
	if m.Read > 0 {
		s += fmt.Sprintf("; what can be read is %s to %s", m.ReadFirst, m.ReadLast)
	}
	return s
}

// writeMissing writes a line for each range.
func writeMissing(w io.Writer, ranges []missingRange) error {
	for i := range ranges {
		if _, err := fmt.Fprintln(w, ranges[i].String()); err != nil {
			return err
		}
	}
	return nil
}

// writeObject writes one JSON object, indented.
func writeObject(w io.Writer, v any) error { return cli.WriteObject(w, v, jsontext.WithIndent("  ")) }
