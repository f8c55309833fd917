package stack

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// readCondition reads a condition, which may name others.
func (t *Template) readCondition(name string, n *yaml.Node) (err error) {
	if t.conditions == nil {
		t.conditions = map[string]any{}
	}
	t.conditions[name], err = valueOf(n, "Conditions."+name, 0)
	return err
}

// readMapping reads one of the template's mappings: values under two keys.
func (t *Template) readMapping(name string, n *yaml.Node) error {
	v, err := valueOf(n, "Mappings."+name, 0)
	if err != nil {
		return err
	}
	if t.mappings == nil {
		t.mappings = map[string]any{}
	}
	t.mappings[name] = v
	return nil
}

// decision evaluates a template's conditions, each once.
type decision struct {
	scope scope
	all   map[string]any
	known map[string]bool
	way   []string // the conditions that are being evaluated
}

// decide gives the truth of all conditions. Parameters and mappings are all that they may look at.
func (t *Template) decide(s scope) (map[string]bool, error) {
	d := &decision{scope: s, all: t.conditions, known: map[string]bool{}}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(t.conditions)) {
		_, err := d.named(name)
		errs = append(errs, err)
	}
	return d.known, errors.Join(errs...)
}

func (d *decision) named(name string) (bool, error) {
	if truth, ok := d.known[name]; ok {
		return truth, nil
	}
	v, ok := d.all[name]
	switch {
	case !ok:
		return false, fmt.Errorf("there is no condition %s", name)
	case slices.Contains(d.way, name):
		return false, fmt.Errorf("condition %s needs itself", name)
	}
	d.way = append(d.way, name)
	truth, err := d.truth(v, "Conditions."+name)
	d.way = d.way[:len(d.way)-1]
	d.known[name] = truth
	return truth, err
}

// truth evaluates a condition function, or another condition's name as !Condition or {Condition: name} has it.
func (d *decision) truth(v any, path string) (bool, error) {
	if object, ok := v.(map[string]any); ok && len(object) == 1 {
		if name, ok := object["Condition"].(string); ok {
			return d.named(name)
		}
	}
	c, ok := v.(*call)
	if !ok {
		return false, fmt.Errorf("%s: want a condition function", path)
	}
	truth, err := d.call(c, path)
	if err != nil {
		return false, fmt.Errorf("line %d: %s: %s: %w", c.line, path, c.name, err)
	}
	return truth, nil
}

func (d *decision) call(c *call, path string) (bool, error) {
	if name, ok := c.arg.(string); ok && c.name == "Fn::Condition" {
		return d.named(name)
	}
	args, _ := c.arg.([]any)
	switch {
	case c.name == "Fn::Equals" && len(args) == 2:
		return d.equal(args[0], args[1], path)
	case c.name == "Fn::Not" && len(args) == 1:
		truth, err := d.truth(args[0], path)
		return !truth, err
	case c.name == "Fn::And" && len(args) > 1:
		return d.each(args, path, false)
	case c.name == "Fn::Or" && len(args) > 1:
		return d.each(args, path, true)
	}
	return false, errors.New("want Fn::Equals of two values, Fn::Not of one condition, Fn::And or Fn::Or of several, or Condition")
}

// each looks for a condition of the given truth; without one the result is the opposite.
func (d *decision) each(args []any, path string, wanted bool) (bool, error) {
	result := !wanted
	for _, a := range args {
		truth, err := d.truth(a, path)
		if err != nil {
			return false, err
		}
		if truth == wanted {
			result = wanted
		}
	}
	return result, nil
}

func (d *decision) equal(a, b any, path string) (bool, error) {
	x, err := d.scope.resolve(a, path)
	if err != nil {
		return false, err
	}
	y, err := d.scope.resolve(b, path)
	if err != nil {
		return false, err
	}
	one, ok := texts(x)
	two, also := texts(y)
	if !ok || !also {
		return false, errors.New("want strings, or lists of them")
	}
	return slices.Equal(one, two), nil
}

// choose gives the argument of Fn::If that its condition selects; the other may refer to what is not there.
func (s scope) choose(arg any) (any, error) {
	list, ok := arg.([]any)
	if !ok || len(list) != 3 {
		return nil, errors.New("want a condition's name and two values")
	}
	name, ok := list[0].(string)
	truth, known := s.conditions[name]
	switch {
	case !ok:
		return nil, errors.New("want a condition's name and two values")
	case !known:
		return nil, fmt.Errorf("there is no condition %s", name)
	case truth:
		return list[1], nil
	}
	return list[2], nil
}

// find looks a value up in the template's mappings.
func (s scope) find(arg any) (any, error) {
	list, ok := arg.([]any)
	if !ok || len(list) < 3 {
		return nil, errors.New("want a mapping's name and two keys")
	}
	keys, ok := texts(list[:3])
	if !ok {
		return nil, errors.New("want a mapping's name and two keys")
	}
	at := any(s.mappings)
	for _, key := range keys {
		object, _ := at.(map[string]any)
		if at, ok = object[key]; !ok {
			if otherwise, found := defaultOf(list[3:]); found {
				return otherwise, nil
			}
			return nil, fmt.Errorf("there is no %s in the mappings at %v", key, keys)
		}
	}
	return at, nil
}

// defaultOf gives the DefaultValue behind Fn::FindInMap's keys.
func defaultOf(rest []any) (any, bool) {
	if len(rest) != 1 {
		return nil, false
	}
	object, _ := rest[0].(map[string]any)
	v, ok := object["DefaultValue"]
	return v, ok
}
