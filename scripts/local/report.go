package main

import (
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/internal/cli"
)

// write writes the summary: JSON, or tables for people.
func (s *summary) write(w io.Writer, o options) error {
	if o.json {
		return cli.WriteObject(w, s)
	}
	if err := s.meters.Write(w, cli.Text); err != nil {
		return err
	}
	fmt.Fprintln(w)
	verdict := "equal: every window, group and measure is the truth"
	if !s.Equal {
		verdict = "NOT EQUAL: " + cli.Count(int64(len(s.differences)), "difference")
	}
	fmt.Fprintln(w, verdict)
	writeFirst(w, s.differences)
	if len(s.reasons) > 0 {
		fmt.Fprintln(w, "\nin the failure queue, beside what was spoiled")
		writeFirst(w, s.reasons)
	}
	fmt.Fprintln(w)
	if err := s.figures().Write(w, cli.Text); err != nil {
		return err
	}
	if o.isChaos {
		fmt.Fprintln(w, "\nwhat was done to the run")
		return s.faults().Write(w, cli.Text)
	}
	return nil
}

// shownFirst lines are enough to see what is wrong.
const shownFirst = 20

// writeFirst writes the first lines of a list.
func writeFirst(w io.Writer, lines []string) {
	for i, line := range lines {
		if i == shownFirst {
			fmt.Fprintf(w, "  ... and %s more\n", cli.Thousands(int64(len(lines)-i)))
			return
		}
		fmt.Fprintln(w, "  "+line)
	}
}

func (s *summary) figures() *cli.Table {
	t := cli.NewTable("figure", "", "")
	add := func(name, value, note string) { t.Add(name, value, note) }
	add("events", cli.Thousands(int64(s.Events)), "distinct")
	add("duplicates", cli.Thousands(s.Duplicates), "copies that the ledger recognised, redelivered ones included")
	add("failed", cli.Thousands(int64(s.Failed)), fmt.Sprintf("in the failure queue; %s spoiled, %s of no use to a meter, %s the handler's doing",
		cli.Thousands(int64(s.spoiled)), cli.Thousands(int64(s.uncountable)), cli.Thousands(int64(s.handled))))
	add("events/s", cli.Thousands(int64(s.EventsPerSecond)), "from the first put to the last commit")
	add("latency p50", cli.Duration(time.Duration(s.P50*float64(time.Millisecond))), "from arrival in the stream to committed, with the stream as full as it gets")
	add("latency p99", cli.Duration(time.Duration(s.P99*float64(time.Millisecond))), "")
	add("write units", cli.Decimal(s.WriteUnits.Ledger), "ledger, for 1,000 events")
	add("", cli.Decimal(s.WriteUnits.Aggregates), "aggregates")
	add("", cli.Decimal(s.WriteUnits.Index), "list of windows")
	add("cold starts", cli.Thousands(int64(s.ColdStarts)), "median start to first next "+cli.Duration(s.first))
	add("seconds", fmt.Sprintf("%.1f", s.Seconds), "the whole command")
	return t
}

// faults tells what was done. A fault that has several rules is one line.
func (s *summary) faults() *cli.Table {
	type what struct{ operation, kind string }
	times := map[what]int{}
	var order []what
	for _, f := range s.Faults {
		w := what{f.Operation, f.Kind}
		if _, ok := times[w]; !ok {
			order = append(order, w)
		}
		times[w] += f.Times
	}
	t := cli.NewTable("operation", "fault", "times")
	for _, w := range order {
		t.Add(w.operation, w.kind, times[w])
	}
	return t
}
