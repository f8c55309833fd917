package meter

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/cloudevent"
)

// program is what the meters of one event type need: one pass over the data finds the values of all paths.
type program struct {
	meters []compiled
	root   node // of the data's members
	slots  int
}

// compiled is a meter whose paths are slots.
type compiled struct {
	*Meter
	by, measures []int
}

// node is a place in the data: one with members, or one whose value is wanted under a slot; Parse sees that none is both.
type node struct {
	slot    int
	members map[string]*node
}

// The slots of the attributes; those of the data follow.
const (
	slotSource = iota
	slotType
	slotSubject
	firstDataSlot
)

func (s *Set) compile() {
	s.programs = map[string]*program{}
	for _, m := range s.Meters {
		p := s.programs[m.Type]
		if p == nil {
			p = &program{root: node{slot: -1}, slots: firstDataSlot}
			s.programs[m.Type] = p
		}
		c := compiled{Meter: m}
		for _, path := range m.By {
			c.by = append(c.by, p.slot(path))
		}
		for _, measure := range m.Measures {
			c.measures = append(c.measures, p.slot(measure.Path))
		}
		p.meters = append(p.meters, c)
	}
}

func (p *program) slot(path Path) int {
	switch path.names[0] {
	case "source":
		return slotSource
	case "type":
		return slotType
	case "subject":
		return slotSubject
	}
	n := &p.root
	for _, name := range path.names[1:] {
		if n.members == nil {
			n.members = map[string]*node{}
		}
		next := n.members[name]
		if next == nil {
			next = &node{slot: -1}
			n.members[name] = next
		}
		n = next
	}
	if n.slot < 0 {
		n.slot = p.slots
		p.slots++
	}
	return n.slot
}

// Evaluator applies meters to events, one after another, and uses its memory again. It is not safe for concurrent use.
type Evaluator struct {
	set     *Set
	slots   []jsontext.Value
	scratch []byte
	groups  cloudevent.Strings
	deltas  []Delta
	values  []Decimal
}

// NewEvaluator makes an evaluator of the set's meters.
func (s *Set) NewEvaluator() *Evaluator {
	return &Evaluator{set: s, groups: cloudevent.Strings{Max: maxGroups}}
}

// maxGroups bounds the groups that an Evaluator remembers, so that one that recurs costs no allocation.
const maxGroups = 1 << 14

// Reset takes back the memory of all deltas that Evaluate has given out.
func (v *Evaluator) Reset() {
	v.deltas, v.values = v.deltas[:0], v.values[:0]
}

// Evaluate gives the event's part in each meter that counts its type: none when no meter does. A path that the event
// does not have, a measure that is not a number or has too many digits, a group of another type or over MaxGroup is an
// error that names the meter and the path: then the event counts in no meter at all. The deltas are valid until Reset.
func (v *Evaluator) Evaluate(e *cloudevent.Event) ([]Delta, error) {
	p := v.set.programs[e.Type]
	if p == nil {
		return nil, nil
	}
	v.find(p, e)
	first, firstValue := len(v.deltas), len(v.values)
	for i := range p.meters {
		d, err := v.delta(&p.meters[i], e)
		if err != nil {
			v.deltas, v.values = v.deltas[:first], v.values[:firstValue]
			return nil, fmt.Errorf("meter %s: %w", p.meters[i].Name, err)
		}
		v.deltas = append(v.deltas, d)
	}
	return v.deltas[first:len(v.deltas):len(v.deltas)], nil
}

func (v *Evaluator) delta(m *compiled, e *cloudevent.Event) (Delta, error) {
	v.scratch = v.scratch[:0]
	for i, slot := range m.by {
		if i > 0 {
			v.scratch = append(v.scratch, '/')
		}
		if err := v.group(slot, e); err != nil {
			return Delta{}, fmt.Errorf("%s %w", m.By[i], err)
		}
	}
	if len(v.scratch) > MaxGroup {
		return Delta{}, fmt.Errorf("the group has %d bytes, at most %d are allowed", len(v.scratch), MaxGroup)
	}
	first := len(v.values)
	for i, slot := range m.measures {
		value, err := v.measure(slot)
		if err != nil {
			return Delta{}, fmt.Errorf("%s %w", m.Measures[i].Path, err)
		}
		v.values = append(v.values, value)
	}
	return Delta{m.Meter, m.start(e.Time), v.groups.Of(v.scratch), v.values[first:len(v.values):len(v.values)]}, nil
}

var errMissing = errors.New("is missing")

func (v *Evaluator) group(slot int, e *cloudevent.Event) error {
	if slot < firstDataSlot {
		text := attribute(slot, e)
		if text == "" {
			return errMissing
		}
		v.scratch = escape(v.scratch, text)
		return nil
	}
	value := v.slots[slot]
	if value == nil {
		return errMissing
	}
	var err error
	v.scratch, err = appendValue(v.scratch, value)
	return err
}

func (v *Evaluator) measure(slot int) (Decimal, error) {
	value := v.slots[slot]
	if value == nil {
		return Decimal{}, errMissing
	}
	return ParseDecimal(value)
}

func attribute(slot int, e *cloudevent.Event) string {
	switch slot {
	case slotSource:
		return e.Source
	case slotType:
		return e.Type
	}
	return e.Subject
}

// find goes through the data once and fills the slots. What is wanted of data that is absent or no object is missing.
func (v *Evaluator) find(p *program, e *cloudevent.Event) {
	v.slots = append(v.slots[:0], make([]jsontext.Value, p.slots)...)
	if p.slots > firstDataSlot {
		v.walk(&p.root, e.Data)
	}
}

func (v *Evaluator) walk(n *node, object jsontext.Value) {
	all := membersOf(object)
	for name, value, ok := all.next(); ok; name, value, ok = all.next() {
		switch m := n.members[string(v.name(name))]; {
		case m == nil:
		case len(m.members) > 0:
			v.walk(m, value)
		default:
			v.slots[m.slot] = value
		}
	}
}

func (v *Evaluator) name(quoted jsontext.Value) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	v.scratch, _ = jsontext.AppendUnquote(v.scratch[:0], quoted) // checked by the event's decoder
	return v.scratch
}
