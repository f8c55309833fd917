package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/ledger"
)

// report is what became of a replay.
type report struct {
	Set       string  `json:"set"`
	Stream    string  `json:"stream"`
	Complete  bool    `json:"complete"` // every record of the range is counted, now or before, or nobody wants it
	Shards    int     `json:"shards"`
	Records   int64   `json:"records"`
	Counted   int64   `json:"counted"` // these and what follows are user records
	Copies    int64   `json:"copies"`
	Nothing   int64   `json:"nothing"`
	Failed    []class `json:"failed"`
	Unsettled *class  `json:"unsettled,omitempty"`
	Trimmed   []gap   `json:"trimmed"`
	Seconds   float64 `json:"seconds"`
	GoOn      string  `json:"goOn,omitempty"` // command that does what is left
	Error     string  `json:"error,omitempty"`

	err    error
	failed int64
}

func reportOf(o *options, p *passage, took time.Duration, err error) *report {
	t := &p.tally
	r := &report{
		Set: o.set, Stream: p.reading.source.name, Shards: len(p.shards), Records: t.records,
		Counted: t.counted, Copies: t.copies, Nothing: t.nothing, Failed: t.classes(), Trimmed: p.reading.gaps,
		Seconds: took.Seconds(), err: err, failed: t.failures(),
	}
	if t.unsettled.Count > 0 {
		r.Unsettled = &t.unsettled
		r.Unsettled.Class = "unsettled"
	}
	if (err != nil || r.Unsettled != nil) && !errors.Is(err, errDropped) {
		r.GoOn = "go run ./scripts/replay" + o.others + " " + o.span.flags(t.last())
	}
	if err != nil {
		r.Error = err.Error()
	}
	r.Complete = err == nil && r.Unsettled == nil && r.failed == 0 && len(r.Trimmed) == 0
	return r
}

// report writes it, and gives the error that it comes to.
func (o *options) report(r *report, stdout, stderr io.Writer) error {
	if r.err != nil && r.Records == 0 {
		return r.err // which is all there is to tell
	}
	for _, g := range r.Trimmed {
		fmt.Fprintln(stderr, "trimmed: "+g.text())
	}
	write := r.writeText
	if o.json {
		write = func(w io.Writer) error { return cli.WriteObject(w, r) }
	}
	if err := write(stdout); err != nil {
		return errors.Join(r.err, err)
	}
	for _, hint := range r.hints() {
		fmt.Fprintln(stderr, hint)
	}
	return r.sentence()
}

func (g gap) text() string {
	if g.Shard == "" {
		return g.What
	}
	return "shard " + cli.ShortShard(g.Shard) + ": " + g.What
}

func (r *report) writeText(w io.Writer) error {
	outcomes := cli.NewTable("outcome", "user records", "is")
	outcomes.Add("counted", r.Counted, "now, in set "+r.Set)
	outcomes.Add("copies", r.Copies, "counted before")
	outcomes.Add("nothing", r.Nothing, "wanted by no meter")
	examples := cli.NewTable("outcome", "shard", "sequence number", "sub", "reason")
	for _, c := range r.classes() {
		outcomes.Add(c.Class, c.Count, c.meaning())
		for _, e := range c.Examples {
			examples.Add(c.Class, cli.ShortShard(e.Shard), e.SequenceNumber, e.Sub, e.Reason)
		}
	}
	if err := outcomes.Write(w, cli.Text); err != nil || len(r.classes()) == 0 {
		return err
	}
	fmt.Fprintln(w, "\nfor example")
	return examples.Write(w, cli.Text)
}

// classes are those of what is not done with.
func (r *report) classes() []class {
	if r.Unsettled == nil {
		return r.Failed
	}
	return append(r.Failed[:len(r.Failed):len(r.Failed)], *r.Unsettled)
}

func (c *class) meaning() string {
	if c.Class == "unsettled" {
		return "neither counted nor failed"
	}
	return "failed"
}

// late is the class of what lies beyond the horizon, as the processor names it.
const late = "late"

// hints say what to do about it.
func (r *report) hints() (lines []string) {
	for _, c := range r.Failed {
		if c.Class == late && r.Set == ledger.LiveSet {
			lines = append(lines, cli.Count(c.Count, "event")+" beyond the horizon of "+ledger.LiveSet+": -into NAME counts them in a set of its own, which has none")
		}
	}
	if r.GoOn != "" {
		lines = append(lines, "go on with:\n  "+r.GoOn)
	}
	return lines
}

// sentence is the error of a replay that is not complete.
func (r *report) sentence() error {
	if errors.Is(r.err, context.Canceled) {
		return r.err
	}
	var parts []string
	if r.failed > 0 {
		parts = append(parts, fmt.Sprintf("%s failed", cli.Count(r.failed, "user record")))
	}
	if r.Unsettled != nil {
		parts = append(parts, cli.Thousands(r.Unsettled.Count)+" unsettled")
	}
	if len(r.Trimmed) > 0 {
		parts = append(parts, "some is trimmed, or may be")
	}
	switch {
	case r.err != nil:
		return fmt.Errorf("not all of it was replayed: %w", r.err)
	case len(parts) > 0:
		return errors.New("set " + r.Set + " does not have all of the range: " + strings.Join(parts, ", "))
	}
	return nil
}
