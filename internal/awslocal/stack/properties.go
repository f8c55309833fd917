package stack

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// properties reads the resolved properties of a resource. What is wrong is collected, and what nobody has read is left
// over: those properties have no effect.
type properties struct {
	path   string
	values map[string]any
	read   map[string]bool
	inner  []*properties
	errs   *[]error
}

func newProperties(path string, values map[string]any, errs *[]error) *properties {
	return &properties{path: path, values: values, read: map[string]bool{}, errs: errs}
}

func (p *properties) fail(name, format string, args ...any) {
	*p.errs = append(*p.errs, fmt.Errorf("%s.%s: %w", p.path, name, fmt.Errorf(format, args...)))
}

// value gives a property, nil if there is none.
func (p *properties) value(name string) any {
	p.read[name] = true
	return p.values[name]
}

// harmless marks properties that need no effect.
func (p *properties) harmless(names ...string) {
	for _, name := range names {
		p.read[name] = true
	}
}

func (p *properties) text(name, otherwise string) string {
	v := p.value(name)
	if v == nil {
		return otherwise
	}
	s, ok := v.(string)
	if !ok {
		p.fail(name, "want a string")
	}
	return s
}

func (p *properties) required(name string) string {
	if p.values[name] == nil {
		p.fail(name, "is required")
	}
	return p.text(name, "")
}

func (p *properties) integer(name string, otherwise int) int {
	text := p.text(name, strconv.Itoa(otherwise))
	n, err := strconv.Atoi(text)
	if err != nil && p.isText(name) {
		p.fail(name, "%q: want a whole number", text)
	}
	return n
}

func (p *properties) boolean(name string, otherwise bool) bool {
	text := p.text(name, strconv.FormatBool(otherwise))
	b, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil && p.isText(name) {
		p.fail(name, "%q: want true or false", text)
	}
	return b
}

// isText tells whether a property is what text wants; of any other text has said so.
func (p *properties) isText(name string) bool {
	_, ok := p.values[name].(string)
	return ok
}

func (p *properties) list(name string) []any {
	v := p.value(name)
	list, ok := v.([]any)
	if v != nil && !ok {
		p.fail(name, "want a list")
	}
	return list
}

func (p *properties) texts(name string) []string {
	list, ok := texts(p.list(name))
	if !ok {
		p.fail(name, "want a list of strings")
	}
	return list
}

// object gives the properties inside one, none if it is not there.
func (p *properties) object(name string) *properties {
	v := p.value(name)
	values, ok := v.(map[string]any)
	if v != nil && !ok {
		p.fail(name, "want an object")
	}
	return p.within(name, values)
}

func (p *properties) within(name string, values map[string]any) *properties {
	inner := newProperties(p.path+"."+name, values, p.errs)
	p.inner = append(p.inner, inner)
	return inner
}

// objects gives the properties inside each object of a list.
func (p *properties) objects(name string) []*properties {
	var out []*properties
	for i, item := range p.list(name) {
		place := name + "[" + strconv.Itoa(i) + "]"
		values, ok := item.(map[string]any)
		if !ok {
			p.fail(place, "want an object")
		}
		out = append(out, p.within(place, values))
	}
	return out
}

// left names the properties that nobody has read.
func (p *properties) left() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if !p.read[name] {
			out = append(out, p.path+"."+name)
		}
	}
	for _, inner := range p.inner {
		out = append(out, inner.left()...)
	}
	return out
}
