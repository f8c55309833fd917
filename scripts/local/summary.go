package main

import (
	"context"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/meter"
)

// summary is the result of a run. Its JSON names are the command's interface.
type summary struct {
	Equal           bool          `json:"equal"`
	Events          int           `json:"events"`     // distinct events that the meters must hold
	Duplicates      int64         `json:"duplicates"` // copies that the ledger recognised
	Failed          int           `json:"failed"`     // in the failure queue, each once
	EventsPerSecond float64       `json:"events_per_second"`
	P50             float64       `json:"p50_ms"` // from the stream to committed
	P99             float64       `json:"p99_ms"`
	WriteUnits      units         `json:"write_units"`
	ColdStarts      int           `json:"cold_starts"`
	Seconds         float64       `json:"seconds"` // of the whole command
	Faults          []fault.Fired `json:"faults,omitempty"`

	differences []string
	meters      *cli.Table
	reasons     []string // why events failed that were not spoiled
	spoiled     int
	handled     int           // refused by the handler, or given up on it
	uncountable int           // by a meter
	first       time.Duration // median time from a process's start to its first next
}

// units are write units for 1,000 events.
type units struct {
	Ledger     float64 `json:"ledger"`
	Aggregates float64 `json:"aggregates"`
	Index      float64 `json:"index"` // layout and list of windows
}

// sumUp reads what the stack holds and compares it with the truth.
func (s *localStack) sumUp(ctx context.Context, l *load, set *meter.Set) (*summary, error) {
	sum := &summary{spoiled: len(l.spoiled), Faults: s.endpoint.Faults.Report()}
	s.endpoint.Faults.Clear() // what is read now is to be true
	latencies := s.settled.end()
	sum.P50, sum.P99 = percentile(latencies, 0.50), percentile(latencies, 0.99)
	stats := s.endpoint.Lambda.Stats(s.outputs[config.OutputProcessor])
	sum.Duplicates = s.logs.copiesSoFar() // a batch is settled by its answer, and its metrics come before that
	sum.ColdStarts, sum.first = stats.ColdStarts, median(stats.Inits)
	for prefix, u := range s.endpoint.DynamoDB.Units(s.outputs[config.OutputTable]) {
		per1000 := u.Write * 1000 / float64(max(1, l.truth.events))
		switch prefix {
		case "ledger":
			sum.WriteUnits.Ledger += per1000
		case "meter":
			sum.WriteUnits.Aggregates += per1000
		default:
			sum.WriteUnits.Index += per1000
		}
	}
	got, err := s.readMeters(ctx, set)
	if err != nil {
		return nil, err
	}
	if err := s.checkFailures(ctx, l, sum); err != nil {
		return nil, err
	}
	sum.Events = l.truth.events
	sum.differences = append(sum.differences, differences(l.truth.cells, got)...)
	sum.meters = compare(set, l.truth.cells, got)
	sum.Equal = len(sum.differences) == 0
	return sum, nil
}

// readMeters reads all that the table holds.
func (s *localStack) readMeters(ctx context.Context, set *meter.Set) (map[cell]*amounts, error) {
	got := map[cell]*amounts{}
	r, err := ledger.OpenMeters(ctx, dynamodb.NewFromConfig(s.endpoint.Config()), s.outputs[config.OutputTable], ledger.LiveSet)
	if errors.Is(err, ledger.ErrEmpty) {
		return got, nil
	}
	if err != nil {
		return nil, err
	}
	for _, m := range set.Meters {
		starts, err := r.Windows(ctx, m)
		if err != nil {
			return nil, err
		}
		for _, start := range starts {
			rows, err := r.Window(ctx, m, start)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				got[cell{m.Name, start.Unix(), row.Group}] = amountsOf(row.Aggregate)
			}
		}
	}
	return got, nil
}

func amountsOf(a meter.Aggregate) *amounts {
	out := &amounts{count: a.Count}
	for _, s := range a.Stats {
		out.stats = append(out.stats, &stat{rat(s.Sum), rat(s.Min), rat(s.Max)})
	}
	return out
}

func rat(d meter.Decimal) *big.Rat {
	r, _ := new(big.Rat).SetString(d.String()) // a Decimal is a number
	return r
}

// compare puts the meters beside the truth, in total over each meter's windows and groups.
func compare(set *meter.Set, want, got map[cell]*amounts) *cli.Table {
	t := cli.NewTable("meter", "of", "windows", "groups", "value", "truth", "equal")
	for _, m := range set.Meters {
		w, g := totalsOf(m, want), totalsOf(m, got)
		for i, name := range append([]string{"count"}, measureNames(m)...) {
			t.Add(m.Name, name, g.windows, g.groups, number(g.values[i]), number(w.values[i]), mark(w.values[i].Cmp(g.values[i]) == 0))
		}
	}
	return t
}

func mark(equal bool) string {
	if equal {
		return "yes"
	}
	return "NO"
}

func measureNames(m *meter.Meter) []string {
	var names []string
	for _, measure := range m.Measures {
		names = append(names, measure.Name)
	}
	return names
}

type totals struct {
	windows, groups int
	values          []*big.Rat // the count, then each measure's sum
}

func totalsOf(m *meter.Meter, cells map[cell]*amounts) totals {
	t := totals{values: make([]*big.Rat, 1+len(m.Measures))}
	for i := range t.values {
		t.values[i] = new(big.Rat)
	}
	windows, groups := map[int64]bool{}, map[string]bool{}
	for c, a := range cells {
		if c.meter != m.Name {
			continue
		}
		windows[c.start], groups[c.group] = true, true
		t.values[0].Add(t.values[0], big.NewRat(a.count, 1))
		for i, s := range a.stats {
			t.values[i+1].Add(t.values[i+1], s.sum)
		}
	}
	t.windows, t.groups = len(windows), len(groups)
	return t
}

func number(r *big.Rat) jsontext.Value {
	text := r.FloatString(9)
	return jsontext.Value(strings.TrimSuffix(strings.TrimRight(text, "0"), "."))
}

// percentile gives one of sorted times, in milliseconds.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(p*float64(len(sorted)-1))]) / float64(time.Millisecond)
}

func median(ds []time.Duration) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(ds))
	return sorted[len(sorted)/2]
}
