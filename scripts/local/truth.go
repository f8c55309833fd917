package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/meter"
)

// truth is what the meters must hold, reckoned straight from the events: in a map, with big.Rat and encoding/json, so
// that it shares no code with what it checks but the declarations themselves.
type truth struct {
	set      *meter.Set
	seen     map[[2]string]bool
	events   int             // distinct events that the meters must hold
	unwanted int             // events of types that no meter counts
	refused  map[string]bool // events that a meter cannot count, as they stand
	cells    map[cell]*amounts
}

// cell is one group in one window of one meter.
type cell struct {
	meter string
	start int64  // Unix seconds
	group string // its values, encoded as the table has them
}

type amounts struct {
	count int64
	stats []*stat // in the order of the meter's measures
}

type stat struct{ sum, min, max *big.Rat }

func newTruth(set *meter.Set) *truth {
	return &truth{set: set, seen: map[[2]string]bool{}, cells: map[cell]*amounts{}, refused: map[string]bool{}}
}

// add counts one event, unless it was counted before.
func (t *truth) add(data []byte) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	var e map[string]any
	if err := d.Decode(&e); err != nil {
		return err
	}
	id := [2]string{fmt.Sprint(e["source"]), fmt.Sprint(e["id"])}
	if t.seen[id] {
		return nil
	}
	at, err := time.Parse(time.RFC3339, fmt.Sprint(e["time"]))
	if err != nil {
		return err
	}
	cells, values, ok := t.locate(e, at)
	if !ok {
		t.refused[string(data)] = true
		return nil
	}
	if len(cells) == 0 {
		t.unwanted++
		return nil // nothing marks it as counted
	}
	t.seen[id] = true
	t.events++
	for i, c := range cells {
		t.observe(c, values[i])
	}
	return nil
}

// locate finds the cells that an event counts in, and what it adds there.
func (t *truth) locate(e map[string]any, at time.Time) (cells []cell, values [][]*big.Rat, ok bool) {
	for _, m := range t.set.Meters {
		if m.Type != e["type"] {
			continue
		}
		group, ok := groupOf(m, e)
		if !ok {
			return nil, nil, false
		}
		var row []*big.Rat
		for _, measure := range m.Measures {
			v, _ := lookUp(e, measure.Path.Names())
			r, ok := exact(v)
			if !ok {
				return nil, nil, false
			}
			row = append(row, r)
		}
		into := at.UTC().Sub(at.UTC().Truncate(24*time.Hour)) % m.Window
		cells = append(cells, cell{m.Name, at.UTC().Add(-into).Unix(), group})
		values = append(values, row)
	}
	return cells, values, true
}

// groupOf gives the event's group, if the meter can have it: each value is there and of a simple type, and all together
// are not too long.
func groupOf(m *meter.Meter, e map[string]any) (string, bool) {
	var group []string
	for _, p := range m.By {
		v, _ := lookUp(e, p.Names())
		text, ok := encode(v)
		if !ok || text == "" && len(p.Names()) == 1 { // an attribute that is empty is missing
			return "", false
		}
		group = append(group, text)
	}
	text := strings.Join(group, "/")
	return text, len(text) <= meter.MaxGroup
}

// encode writes a value as a group has it: a string is itself but for what is reserved, anything else follows "=".
func encode(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return reserved.ReplaceAllStringFunc(v, func(c string) string { return fmt.Sprintf("%%%02X", c) }), true
	case bool:
		return fmt.Sprint("=", v), true
	case json.Number:
		r, ok := exact(v)
		if !ok {
			return "", false
		}
		return "=" + string(number(r)), true
	}
	return "", false
}

var reserved = regexp.MustCompile("^=|[/#%\x00-\x1f\x7f]")

var (
	tooLarge = new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(meter.MaxIntegerDigits), nil))
	finest   = new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(meter.MaxFractionDigits), nil))
)

// exact reads a number that has no more digits than a value may have.
func exact(v any) (*big.Rat, bool) {
	n, _ := v.(json.Number)
	r, ok := new(big.Rat).SetString(string(n)) // refuses exponents over a million, and what is no number
	if !ok || new(big.Rat).Abs(r).Cmp(tooLarge) >= 0 || !new(big.Rat).Mul(r, finest).IsInt() {
		return nil, false
	}
	return r, true
}

func lookUp(e map[string]any, names []string) (any, bool) {
	var v any = e
	for _, name := range names {
		object, _ := v.(map[string]any)
		var ok bool
		if v, ok = object[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

func (t *truth) observe(c cell, values []*big.Rat) {
	a := t.cells[c]
	if a == nil {
		a = &amounts{}
		for range values {
			a.stats = append(a.stats, &stat{sum: new(big.Rat)})
		}
		t.cells[c] = a
	}
	a.count++
	for i, v := range values {
		s := a.stats[i]
		s.sum.Add(s.sum, v)
		if s.min == nil || v.Cmp(s.min) < 0 {
			s.min = v
		}
		if s.max == nil || v.Cmp(s.max) > 0 {
			s.max = v
		}
	}
}

// String is comparable text of what a cell holds.
func (a *amounts) String() string {
	if a == nil {
		return "nothing"
	}
	texts := []string{fmt.Sprint(a.count)}
	for _, s := range a.stats {
		texts = append(texts, s.sum.RatString()+" "+s.min.RatString()+" "+s.max.RatString())
	}
	return strings.Join(texts, ", ")
}

// differences lists the cells in which two sides differ, in order.
func differences(want, got map[cell]*amounts) []string {
	var out []string
	line := func(c cell) {
		if w, g := want[c].String(), got[c].String(); w != g {
			out = append(out, fmt.Sprintf("%s %s %q: %s, truth %s", c.meter, time.Unix(c.start, 0).UTC().Format(time.RFC3339), c.group, g, w))
		}
	}
	for c := range want {
		line(c)
	}
	for c := range got {
		if want[c] == nil {
			line(c)
		}
	}
	sort.Strings(out)
	return out
}
