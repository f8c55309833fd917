// Package pattern is the language of EventBridge's event patterns, by which an event source mapping filters records: a
// JSON object whose leaves are lists of values and comparisons.
//
// All fields of a pattern must match, and of a field's list one entry. What is compared is exact: case counts, and so
// does how a number is written (300 is not 3.0e2). A list in the document matches when one of its elements does. Sources:
// EventBridge's user guide ("comparison operators") and, where that is silent, what github.com/aws/event-ruler does.
//
// Nothing here has state or does I/O.
package pattern

import (
	"errors"
	"fmt"
	"slices"
)

// Pattern is a parsed pattern. It is safe for concurrent use.
type Pattern struct {
	root   object
	fields []string
	named  map[string]bool // the names of all fields, at any depth
}

// Parse reads a pattern, or says what is wrong with it. Of two fields with the same name the later counts.
func Parse(text string) (*Pattern, error) {
	v, err := ParseValue([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	root, err := parseObject(&v, nil)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	p := &Pattern{root: *root, named: map[string]bool{}}
	root.eachField(func(f *field) {
		if !slices.Contains(p.fields, f.name) {
			p.fields = append(p.fields, f.name)
		}
		f.collect(p.named)
	})
	return p, nil
}

// Fields gives the names of the pattern's outermost fields, those of alternatives as well. It must not be changed.
func (p *Pattern) Fields() []string { return p.fields }

// Match tells whether a document, an object, is as the pattern says.
func (p *Pattern) Match(doc Value) bool { return p.root.match(&doc, &doc) }

// object is a pattern for an object: each field matches, and of each list of alternatives one does.
type object struct {
	fields []field
	either [][]*object
}

// field is a pattern for one member: an object's, or a leaf's list of tests.
type field struct {
	name  string
	path  []string // from the document to the field
	child *object
	leaf  []test
}

// or introduces alternatives: objects of which one must match.
const or = "$or"

func parseObject(v *Value, path []string) (*object, error) {
	if v.kind != kindObject {
		return nil, errors.New("not an object")
	}
	if len(v.names) == 0 {
		return nil, errors.New("an empty object")
	}
	o := new(object)
	for i, name := range v.names {
		m := &v.members[i]
		if m != v.member(name) {
			continue // one of the same name follows
		}
		if name == or && isAlternatives(m) {
			alternatives, err := parseAlternatives(m, path)
			if err != nil {
				return nil, err
			}
			o.either = append(o.either, alternatives)
			continue
		}
		f, err := parseField(name, m, path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		o.fields = append(o.fields, f)
	}
	return o, nil
}

// isAlternatives tells a list of alternatives from a field that happens to be named $or. As in event-ruler: there are at
// least two, all of them objects, and none has a field with the name of a comparison.
func isAlternatives(v *Value) bool {
	if v.kind != kindArray || len(v.members) < 2 {
		return false
	}
	for i := range v.members {
		m := &v.members[i]
		if m.kind != kindObject || len(m.names) == 0 || slices.ContainsFunc(m.names, isComparison) {
			return false
		}
	}
	return true
}

func parseAlternatives(v *Value, path []string) ([]*object, error) {
	var out []*object
	for i := range v.members {
		o, err := parseObject(&v.members[i], path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", or, err)
		}
		out = append(out, o)
	}
	return out, nil
}

func parseField(name string, v *Value, path []string) (f field, err error) {
	f = field{name: name, path: append(slices.Clip(path), name)}
	switch v.kind {
	case kindObject:
		f.child, err = parseObject(v, f.path)
	case kindArray:
		f.leaf, err = parseLeaf(v)
	default:
		err = errors.New("neither an object nor a list")
	}
	return f, err
}

// eachField visits the object's own fields, those of alternatives as well.
func (o *object) eachField(visit func(*field)) {
	for i := range o.fields {
		visit(&o.fields[i])
	}
	for _, alternatives := range o.either {
		for _, a := range alternatives {
			a.eachField(visit)
		}
	}
}

// collect gathers the names of the field and of all below it.
func (f *field) collect(names map[string]bool) {
	names[f.name] = true
	if f.child != nil {
		f.child.eachField(func(inner *field) { inner.collect(names) })
	}
}

// match compares an object, or none.
func (o *object) match(v, doc *Value) bool {
	for i := range o.fields {
		f := &o.fields[i]
		if !f.match(v.member(f.name), doc) {
			return false
		}
	}
	for _, alternatives := range o.either {
		if !slices.ContainsFunc(alternatives, func(a *object) bool { return a.match(v, doc) }) {
			return false
		}
	}
	return true
}

// matchAny compares whatever is at the object's place. Of a list one element must match by itself. Where no object is,
// the object's fields are absent.
func (o *object) matchAny(v, doc *Value) bool {
	switch {
	case v.kind == kindObject:
		return o.match(v, doc)
	case v.kind == kindArray && len(v.members) > 0:
		for i := range v.members {
			if o.matchAny(&v.members[i], doc) {
				return true
			}
		}
		return false
	}
	return o.match(&none, doc)
}

func (f *field) match(v, doc *Value) bool {
	if f.child != nil {
		return f.child.matchAny(v, doc)
	}
	for _, t := range f.leaf {
		if t.absent && !doc.hasLeaf(f.path) || !t.absent && v.anyLeaf(t.is) {
			return true
		}
	}
	return false
}
