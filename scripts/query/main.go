// Query reads what a meter holds.
package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/ledger"
)

func main() { cli.Main("query", run) }

type options struct {
	flags      *cli.Flags
	stack      *cli.Stack
	format     *cli.Format
	meter      string
	metersFile string
	set        string
	top        int
	from, to   time.Time
	each       bool
	group      []string // nil: all
	sort       string
}

func run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	m, err := findMeter(o)
	if err != nil {
		return err
	}
	if n := len(o.group); o.group != nil && n != len(m.By) {
		return o.flags.Usagef("-group has %s, and meter %s groups by %d", cli.Count(int64(n), "value"), m.Name, len(m.By))
	}
	by, err := sortColumn(m, o.sort)
	if err != nil {
		return o.flags.Usagef("%w", err)
	}
	rows, starts, err := read(ctx, o, m)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		fmt.Fprintf(stderr, "meter %s holds nothing%s\n", m.Name, o.whyNothing())
	}
	if o.each {
		return eachWindow(m, limit(rows, o.top)).Write(stdout, *o.format)
	}
	return inTotal(m, limit(total(m, rows, starts, by), o.top), *o.format).Write(stdout, *o.format)
}

// whyNothing tells why a meter may hold nothing. Under another declaration it is another meter, which starts from nothing.
func (o options) whyNothing() string {
	if o.group != nil || !o.from.IsZero() || !o.to.IsZero() {
		return " of what was asked for" + in(o.set)
	}
	return in(o.set) + ": nothing has been counted since it was declared as it is now"
}

// in words a set that is not the usual one.
func in(set string) string {
	if set == ledger.LiveSet {
		return ""
	}
	return " in set " + set
}

func parseFlags(args []string) (options, error) {
	f := cli.NewFlags("query", "Reads what a meter of the stack holds: a row for each group, merged over all windows, the largest first.", "departures -top 10")
	f.Arguments = "METER"
	o := options{flags: f, stack: f.Stack(), format: f.Format()}
	f.IntVar(&o.top, "top", 0, "the first `N` rows only")
	f.BoolVar(&o.each, "each", false, "a row for each group and window, oldest window first")
	f.Func("group", "only the group with these `VALUES`, commas between them, quoted as in CSV", func(s string) (err error) {
		o.group, err = splitValues(s)
		return err
	})
	f.StringVar(&o.sort, "sort", "count", "largest first by `COLUMN`: count, or a measure, for its sum")
	f.StringVar(&o.metersFile, "meters", "", "`FILE` that declares the meters, else "+config.MetersFile+" of this repository")
	f.StringVar(&o.set, "set", ledger.LiveSet, "read this `SET` of the table: what the stream has counted, or one that a replay has built")
	moment := func(to *time.Time) func(string) error {
		return func(s string) (err error) {
			for _, layout := range []string{time.RFC3339, time.DateOnly} {
				if *to, err = time.Parse(layout, s); err == nil {
					return nil
				}
			}
			return errors.New("want a time as in 2001-01-31 or 2001-01-31T23:00:00Z")
		}
	}
	f.Func("from", "windows that begin at `TIME` or later", moment(&o.from))
	f.Func("to", "windows that begin before `TIME`", moment(&o.to))
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if len(f.Args()) != 1 {
		return o, f.Usagef("want the name of one meter")
	}
	if o.top < 0 {
		return o, f.Usagef("-top cannot be negative")
	}
	if !o.from.IsZero() && !o.to.IsZero() && !o.from.Before(o.to) {
		return o, f.Usagef("-from %s -to %s: no window begins between them", o.from.Format(time.RFC3339), o.to.Format(time.RFC3339))
	}
	if err := ledger.CheckSet(o.set); err != nil {
		return o, f.Usagef("-set: %w", err)
	}
	if o.each && o.sort != "count" {
		return o, f.Usagef("-sort and -each: windows are in the order of time")
	}
	o.meter = f.Args()[0]
	return o, nil
}

// splitValues reads one line of CSV: a value that holds a comma stands in quotes.
func splitValues(s string) ([]string, error) {
	if s == "" {
		return []string{""}, nil // to CSV it is no line at all
	}
	r := csv.NewReader(strings.NewReader(s))
	r.LazyQuotes = true // within a value
	values, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("want values with commas between them: %w", err)
	}
	if _, err := r.Read(); !errors.Is(err, io.EOF) {
		return nil, errors.New("want one line of values with commas between them")
	}
	return values, nil
}
