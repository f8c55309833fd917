package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/meter"
)

// Columns that are not the meter's own.
const (
	columnWindow = "window"
	columnSpark  = "by window"
)

func limit[T any](rows []T, n int) []T {
	if n > 0 && n < len(rows) {
		return rows[:n]
	}
	return rows
}

// sumOfGroup is a group merged over its windows, with its counts window by window.
type sumOfGroup struct {
	group string
	meter.Aggregate
	counts []float64
}

func total(m *meter.Meter, rows []ledger.Row, starts []time.Time, by int) []*sumOfGroup {
	place := map[int64]int{}
	for i, s := range starts {
		place[s.Unix()] = i
	}
	groups := map[string]*sumOfGroup{}
	var out []*sumOfGroup
	for _, r := range rows {
		g := groups[r.Group]
		if g == nil {
			g = &sumOfGroup{group: r.Group, counts: make([]float64, len(starts))}
			groups[r.Group] = g
			out = append(out, g)
		}
		g.Merge(r.Aggregate)
		g.counts[place[r.Start.Unix()]] = float64(r.Count)
	}
	slices.SortFunc(out, func(a, b *sumOfGroup) int {
		order := cmp.Compare(b.Count, a.Count)
		if by >= 0 {
			order = b.Stats[by].Sum.Compare(a.Stats[by].Sum)
		}
		return cmp.Or(order, strings.Compare(a.group, b.group))
	})
	return out
}

// inTotal is the table of groups. The line of counts is for people only.
func inTotal(m *meter.Meter, groups []*sumOfGroup, format cli.Format) *cli.Table {
	columns := columnsOf(m)
	if format == cli.Text {
		columns = append(columns, columnSpark)
	}
	t := cli.NewTable(columns...)
	for _, g := range groups {
		row := cells(m, g.group, g.Aggregate)
		if format == cli.Text {
			row = append(row, spark(g.counts))
		}
		t.Add(row...)
	}
	return t
}

// sparkWidth bounds the line of counts, in characters.
const sparkWidth = 48

// spark draws the counts, several windows to a character where they are many.
func spark(counts []float64) string {
	each := (len(counts) + sparkWidth - 1) / sparkWidth
	var sums []float64
	for chunk := range slices.Chunk(counts, max(1, each)) {
		sum := 0.0
		for _, c := range chunk {
			sum += c
		}
		sums = append(sums, sum)
	}
	return cli.Spark(sums)
}

// eachWindow is the table of groups and windows.
func eachWindow(m *meter.Meter, rows []ledger.Row) *cli.Table {
	t := cli.NewTable(append([]string{columnWindow}, columnsOf(m)...)...)
	for _, r := range rows {
		t.Add(append([]any{r.Start}, cells(m, r.Group, r.Aggregate)...)...)
	}
	return t
}

// columnsOf names a group-by path by its last name, or in whole where that names another column too.
func columnsOf(m *meter.Meter) []string {
	counted := []string{"count"}
	for _, measure := range m.Measures {
		counted = append(counted, measure.Name+".sum", measure.Name+".min", measure.Name+".max", measure.Name+".avg")
	}
	times := map[string]int{columnWindow: 1, columnSpark: 1}
	for _, name := range counted {
		times[name]++
	}
	for _, p := range m.By {
		times[lastName(p)]++
	}
	var columns []string
	for _, p := range m.By {
		name := lastName(p)
		if times[name] > 1 {
			name = p.String()
		}
		columns = append(columns, name)
	}
	return append(columns, counted...)
}

func lastName(p meter.Path) string {
	names := p.Names()
	return names[len(names)-1]
}

func cells(m *meter.Meter, group string, a meter.Aggregate) []any {
	var row []any
	for _, v := range values(m, group) {
		row = append(row, v)
	}
	row = append(row, a.Count)
	for i, s := range a.Stats {
		row = append(row, exact(s.Sum), exact(s.Min), exact(s.Max), a.Average(i))
	}
	return row
}

// values decodes a group; one that cannot be decoded is shown as it is stored, where there is a column for it.
func values(m *meter.Meter, group string) []string {
	values, err := m.Values(group)
	if err != nil && len(m.By) > 0 {
		values = make([]string, len(m.By))
		values[0] = group
	}
	return values
}

func exact(d meter.Decimal) jsontext.Value { return jsontext.Value(d.String()) }
