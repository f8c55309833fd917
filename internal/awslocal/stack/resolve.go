package stack

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// scope is what a value may refer to.
type scope struct {
	parameters map[string]any               // values of parameters and pseudo-parameters: strings, or lists of them
	attributes map[string]map[string]string // of resources, by logical id; Ref is the attribute ""
	mappings   map[string]any
	conditions map[string]bool
}

// noValue is what Ref gives for AWS::NoValue: it takes the property away.
type noValue struct{}

// resolve replaces the calls in a value by what they give. Every error names its place.
func (s scope) resolve(v any, path string) (any, error) {
	switch v := v.(type) {
	case *call:
		return s.call(v, path)
	case []any:
		return s.list(v, path)
	case map[string]any:
		return s.object(v, path)
	}
	return v, nil
}

func (s scope) list(v []any, path string) ([]any, error) {
	var errs []error
	out := make([]any, 0, len(v))
	for i, item := range v {
		r, err := s.resolve(item, path+"["+strconv.Itoa(i)+"]")
		errs = append(errs, err)
		if _, none := r.(noValue); !none {
			out = append(out, r)
		}
	}
	return out, errors.Join(errs...)
}

func (s scope) object(v map[string]any, path string) (map[string]any, error) {
	var errs []error
	out := make(map[string]any, len(v))
	for _, key := range slices.Sorted(maps.Keys(v)) {
		r, err := s.resolve(v[key], path+"."+key)
		errs = append(errs, err)
		if _, none := r.(noValue); !none {
			out[key] = r
		}
	}
	return out, errors.Join(errs...)
}

// call gives what a function gives. Its arguments are resolved first, so that an error names the innermost place.
func (s scope) call(c *call, path string) (out any, err error) {
	arg := c.arg
	if c.name == "Fn::If" {
		if arg, err = s.choose(arg); err != nil {
			return nil, fmt.Errorf("line %d: %s: %s: %w", c.line, path, c.name, err)
		}
		return s.resolve(arg, path)
	}
	switch c.name {
	case "Fn::Sub", "Fn::Join", "Fn::Split", "Fn::Select", "Fn::Base64", "Fn::FindInMap":
		if arg, err = s.resolve(arg, path); err != nil {
			return nil, err
		}
	}
	switch c.name {
	case "Ref":
		out, err = s.ref(arg)
	case "Fn::GetAtt":
		out, err = s.getAtt(arg)
	case "Fn::Sub":
		out, err = s.sub(arg)
	case "Fn::Join":
		out, err = join(arg)
	case "Fn::Split":
		out, err = split(arg)
	case "Fn::Select":
		out, err = pick(arg)
	case "Fn::FindInMap":
		out, err = s.find(arg)
	case "Fn::Base64":
		text, ok := arg.(string)
		if out = base64.StdEncoding.EncodeToString([]byte(text)); !ok {
			err = errors.New("want a string")
		}
	default:
		err = errors.New("is not emulated")
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %s: %s: %w", c.line, path, c.name, err)
	}
	return out, nil
}

func (s scope) ref(arg any) (any, error) {
	name, ok := arg.(string)
	if !ok {
		return nil, errors.New("want a name")
	}
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	if v, ok := s.parameters[name]; ok {
		return v, nil
	}
	return s.attribute(name, "")
}

func (s scope) attribute(id, name string) (string, error) {
	all, ok := s.attributes[id]
	if !ok {
		return "", fmt.Errorf("%w, or its condition is false", unknown(id))
	}
	v, ok := all[name]
	if !ok {
		if invent, ok := all[anyAttribute]; ok {
			return invent + "." + name, nil
		}
		return "", fmt.Errorf("%s has no attribute %s here", id, name)
	}
	return v, nil
}

// holds tells whether what stands under a condition is there.
func (s scope) holds(condition string) (bool, error) {
	if condition == "" {
		return true, nil
	}
	truth, ok := s.conditions[condition]
	if !ok {
		return false, fmt.Errorf("there is no condition %s", condition)
	}
	return truth, nil
}

func unknown(id string) error {
	return fmt.Errorf("there is no resource or parameter %s", id)
}

// getAttTarget reads the two forms: a list, and "Id.Attribute", where the attribute may have dots of its own.
func getAttTarget(arg any) (id, attribute string, err error) {
	if s, ok := arg.(string); ok {
		id, attribute, _ = strings.Cut(s, ".")
	} else if list, ok := texts(arg); ok && len(list) == 2 {
		id, attribute = list[0], list[1]
	}
	if id == "" || attribute == "" {
		return "", "", errors.New("want a resource and its attribute")
	}
	return id, attribute, nil
}

func (s scope) getAtt(arg any) (any, error) {
	id, name, err := getAttTarget(arg)
	if err != nil {
		return nil, err
	}
	return s.attribute(id, name)
}

func (s scope) sub(arg any) (any, error) {
	template, own, err := subArguments(arg)
	if err != nil {
		return nil, err
	}
	parts, err := subParts(template)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	for _, p := range parts {
		text := p.text
		if p.reference {
			if text, err = s.substitute(p.text, own); err != nil {
				return nil, err
			}
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

func (s scope) substitute(name string, own map[string]any) (string, error) {
	v, ok := own[name]
	var err error
	switch id, attribute, dotted := strings.Cut(name, "."); {
	case ok:
	case dotted:
		v, err = s.attribute(id, attribute)
	default:
		v, err = s.ref(name)
	}
	if err != nil {
		return "", err
	}
	text, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("${%s} is no string", name)
	}
	return text, nil
}

func subArguments(arg any) (template string, own map[string]any, err error) {
	list, ok := arg.([]any)
	if !ok {
		list = []any{arg, map[string]any{}}
	}
	if len(list) == 2 {
		template, ok = list[0].(string)
		if own, isObject := list[1].(map[string]any); ok && isObject {
			return template, own, nil
		}
	}
	return "", nil, errors.New("want a string, or a list of a string and its variables")
}

// part is a piece of what Fn::Sub gets: text as it is, or the name in ${...}.
type part struct {
	text      string
	reference bool
}

// subParts cuts at ${name}; ${!name} is the text ${name}.
func subParts(s string) ([]part, error) {
	var out []part
	for {
		before, rest, found := strings.Cut(s, "${")
		if before != "" {
			out = append(out, part{text: before})
		}
		if !found {
			return out, nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("${%s has no end", rest)
		}
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			out = append(out, part{text: "${" + literal + "}"})
		} else {
			out = append(out, part{strings.TrimSpace(name), true})
		}
		s = after
	}
}

func join(arg any) (any, error) {
	delimiter, rest := pair(arg)
	list, isList := rest.([]any)
	items, ok := texts(list)
	if delimiter == nil || !isList || !ok {
		return nil, errors.New("want a delimiter and a list of strings")
	}
	return strings.Join(items, *delimiter), nil
}

func split(arg any) (any, error) {
	delimiter, rest := pair(arg)
	text, ok := rest.(string)
	if delimiter == nil || *delimiter == "" || !ok {
		return nil, errors.New("want a delimiter and a string")
	}
	var out []any
	for _, item := range strings.Split(text, *delimiter) {
		out = append(out, item)
	}
	return out, nil
}

func pick(arg any) (any, error) {
	index, rest := pair(arg)
	list, ok := rest.([]any)
	if index == nil || !ok {
		return nil, errors.New("want an index and a list")
	}
	i, err := strconv.Atoi(*index)
	if err != nil || i < 0 || i >= len(list) {
		return nil, fmt.Errorf("there is no element %s in a list of %d", *index, len(list))
	}
	return list[i], nil
}

// pair gives the two arguments of Join, Split and Select. Without a string as the first of two, first is nil.
func pair(arg any) (first *string, second any) {
	list, ok := arg.([]any)
	if !ok || len(list) != 2 {
		return nil, nil
	}
	if s, ok := list[0].(string); ok {
		first = &s
	}
	return first, list[1]
}
