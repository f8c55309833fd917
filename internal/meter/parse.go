package meter

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a meters file. They keep an event's effect within one transaction of 100 actions and 4 MB (an action for
// each meter and one for the ledger), and an aggregate well within an item of 400 KB.
const (
	MaxMetersPerType = 50
	MaxMeasures      = 20
	MaxBy            = 10
	MaxName          = 64
	maxFile          = 1 << 20
)

// declaration is a meter as the file writes it.
type declaration struct {
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	By       []string          `json:"by"`
	Measures map[string]string `json:"measures"`
	Window   string            `json:"window"`

	window time.Duration
}

func (d declaration) measureNames() []string { return slices.Sorted(maps.Keys(d.Measures)) }

// Set is a compiled meters file. It is immutable and safe for concurrent use.
type Set struct {
	Meters   []*Meter // in the file's order
	programs map[string]*program
}

// Find gives the meter of that name, nil when there is none.
func (s *Set) Find(name string) *Meter {
	for _, m := range s.Meters {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Parse reads a meters file: {"meters": [{"name", "type", "by", "measures", "window"}, ...]}. The error names the file,
// the JSON pointer of every place that is wrong, and the reason.
func Parse(file string, b []byte) (*Set, error) {
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s: is larger than %d bytes", file, maxFile)
	}
	var doc struct {
		Meters []declaration `json:"meters"`
	}
	if err := json.Unmarshal(b, &doc, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%s: %w", file, place(b, err))
	}
	p := parser{file: file}
	set := p.set(doc.Meters)
	if err := errors.Join(p.errs...); err != nil {
		return nil, err
	}
	set.compile()
	return set, nil
}

// place words an error of the JSON package as pointer and reason.
func place(b []byte, err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		line := 1 + bytes.Count(b[:min(int(syntax.ByteOffset), len(b))], []byte("\n"))
		return fmt.Errorf("line %d: %w", line, err)
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) && semantic.Err == json.ErrUnknownName {
		return fmt.Errorf("%s: no such member; a meter has name, type, by, measures and window", semantic.JSONPointer)
	}
	if errors.As(err, &semantic) {
		return fmt.Errorf("%s: want %s", cmp.Or(string(semantic.JSONPointer), "the file"), wanted(semantic.GoType))
	}
	return err
}

// wanted is what JSON a Go type is read from.
func wanted(t reflect.Type) string {
	switch {
	case t == nil:
		return "another JSON type"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.String:
		return "a string"
	}
	return "an object"
}

// countName is what tables and aggregates call the number of events.
const countName = "count"

type parser struct {
	file string
	errs []error
}

func (p *parser) bad(pointer, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s: %s: %s", p.file, pointer, fmt.Sprintf(format, args...)))
}

func (p *parser) set(ds []declaration) *Set {
	if len(ds) == 0 {
		p.bad("/meters", "is empty: declare at least one meter")
	}
	s := new(Set)
	perType := map[string]int{}
	for i, d := range ds {
		at := fmt.Sprintf("/meters/%d", i)
		if s.Find(d.Name) != nil {
			p.bad(at+"/name", "%q is declared twice", d.Name)
		}
		if perType[d.Type]++; perType[d.Type] == MaxMetersPerType+1 {
			p.bad(at, "is one more than the %d meters that one type may have", MaxMetersPerType)
		}
		s.Meters = append(s.Meters, p.meter(at, d))
		p.conflicts(at, s.Meters)
	}
	return s
}

// conflicts refuses paths of the newest meter that reach into what another one of its type takes for a value: no event
// could have both.
func (p *parser) conflicts(at string, ms []*Meter) {
	newest := ms[len(ms)-1]
	for _, m := range ms {
		if m.Type != newest.Type {
			continue
		}
		for _, a := range newest.paths() {
			for _, b := range m.paths() {
				if inside(a, b) || inside(b, a) {
					p.bad(at, "%s and %s of meter %s cannot both be values: one lies inside the other", a, b, m.Name)
					return
				}
			}
		}
	}
}

func (m *Meter) paths() []Path {
	paths := slices.Clone(m.By)
	for _, measure := range m.Measures {
		paths = append(paths, measure.Path)
	}
	return paths
}

// inside tells whether a lies deeper than b on the same way.
func inside(a, b Path) bool {
	return len(b.names) > 0 && len(a.names) > len(b.names) && slices.Equal(a.names[:len(b.names)], b.names)
}

var (
	meterName   = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	measureName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

func (p *parser) meter(at string, d declaration) *Meter {
	if !meterName.MatchString(d.Name) || len(d.Name) > MaxName {
		p.bad(at+"/name", "%q: want lower-case letters, digits, - and _, at most %d, a letter first", d.Name, MaxName)
	}
	if d.Type == "" {
		p.bad(at+"/type", "is missing: the CloudEvents type that the meter counts")
	}
	m := &Meter{Name: d.Name, Type: d.Type, Window: p.window(at+"/window", d.Window)}
	if len(d.By) > MaxBy {
		p.bad(at+"/by", "has %d paths, at most %d are allowed", len(d.By), MaxBy)
	}
	for i, text := range d.By {
		m.By = append(m.By, p.path(fmt.Sprintf("%s/by/%d", at, i), text))
	}
	if len(d.Measures) > MaxMeasures {
		p.bad(at+"/measures", "has %d members, at most %d are allowed", len(d.Measures), MaxMeasures)
	}
	for _, name := range d.measureNames() {
		here := at + "/measures/" + name
		if !measureName.MatchString(name) || len(name) > MaxName {
			p.bad(here, "want a name of lower-case letters, digits and _, at most %d, a letter first", MaxName)
		}
		if name == countName {
			p.bad(here, "is what the number of events is called: choose another name")
		}
		path := p.path(here, d.Measures[name])
		if len(path.names) == 1 {
			p.bad(here, "%q is no number: want a member of the data", path)
		}
		m.Measures = append(m.Measures, Measure{name, path})
	}
	d.window = m.Window
	m.id = declarationID(d)
	return m
}

func (p *parser) path(at, text string) Path {
	path, err := ParsePath(text)
	if err != nil {
		p.bad(at, "%v", err)
	}
	return path
}

const day = 24 * time.Hour

func (p *parser) window(at, text string) time.Duration {
	if text == "1d" {
		return day
	}
	if text == "" {
		p.bad(at, "is missing: 1d, or a length that divides a day, as in 15m or 1h")
		return day
	}
	w, err := time.ParseDuration(text)
	if err != nil || w < time.Second || w > day || day%w != 0 || w%time.Second != 0 {
		p.bad(at, "%q: want 1d, or whole seconds that divide a day, as in 15m or 1h", strings.ToValidUTF8(text, "?"))
		return day
	}
	return w
}
