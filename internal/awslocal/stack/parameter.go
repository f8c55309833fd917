package stack

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parameter is a parameter as it stands in the template.
type parameter struct {
	name, kind string
	line       int
	value      *string // default
	allowed    []string
	pattern    *regexp.Regexp     // of the whole value
	source     string             // of the pattern
	bounds     map[string]float64 // MinValue, MaxValue, MinLength, MaxLength, as far as given
}

func (t *Template) readParameter(name string, n *yaml.Node) error {
	p := parameter{name: name, line: n.Line, bounds: map[string]float64{}}
	path := "Parameters." + name
	err := each(n, path, func(key string, n *yaml.Node) (err error) {
		switch key {
		case "Type":
			p.kind = n.Value
		case "Default":
			p.value = &n.Value
		case "AllowedValues":
			v, err := valueOf(n, path, 0)
			if err != nil {
				return err
			}
			var ok bool
			if p.allowed, ok = texts(v); !ok {
				return at(n, "%s.AllowedValues: want a list of values", path)
			}
		case "AllowedPattern":
			p.source = n.Value
			if p.pattern, err = regexp.Compile(`\A(?:` + n.Value + `)\z`); err != nil {
				return at(n, "%s.AllowedPattern: %w", path, err)
			}
		case "MinValue", "MaxValue", "MinLength", "MaxLength":
			if p.bounds[key], err = strconv.ParseFloat(n.Value, 64); err != nil {
				return at(n, "%s.%s: want a number", path, key)
			}
		case "Description", "ConstraintDescription", "NoEcho":
		default:
			return at(n, "%s.%s: a parameter has no such attribute", path, key)
		}
		return nil
	})
	if err == nil && p.kind == "" {
		err = at(n, "%s: has no Type", path)
	}
	t.parameters = append(t.parameters, p)
	return err
}

// values gives each parameter its value, and the pseudo-parameters theirs.
func (t *Template) values(o Options) (map[string]any, error) {
	out := pseudo(o)
	var errs []error
	left := maps.Clone(o.Parameters)
	for _, p := range t.parameters {
		text, given := left[p.name]
		delete(left, p.name)
		if !given {
			if p.value == nil {
				errs = append(errs, fmt.Errorf("parameter %s: has no default: give it a value", p.name))
				continue
			}
			text = *p.value
		}
		errs = append(errs, p.check(text))
		out[p.name] = text
		if strings.Contains(p.kind, "List") {
			out[p.name] = commaList(text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		errs = append(errs, fmt.Errorf("parameter %s: %s has none of this name; it has: %s", name, t.File, strings.Join(t.parameterNames(), ", ")))
	}
	return out, errors.Join(errs...)
}

func (t *Template) parameterNames() []string {
	var out []string
	for _, p := range t.parameters {
		out = append(out, p.name)
	}
	return out
}

func commaList(text string) []any {
	var out []any
	for _, item := range strings.Split(text, ",") {
		out = append(out, strings.TrimSpace(item))
	}
	return out
}

// check holds a value against what the parameter says of its values.
func (p parameter) check(text string) error {
	if len(p.allowed) > 0 && !slices.Contains(p.allowed, text) {
		return fmt.Errorf("parameter %s: %q is not allowed: want one of %s", p.name, text, strings.Join(p.allowed, ", "))
	}
	if p.pattern != nil && !p.pattern.MatchString(text) {
		return fmt.Errorf("parameter %s: %q does not match %s", p.name, text, p.source)
	}
	size, low, high := float64(len(text)), "MinLength", "MaxLength"
	if p.kind == "Number" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("parameter %s: %q is no number", p.name, text)
		}
		size, low, high = n, "MinValue", "MaxValue"
	}
	if bound, ok := p.bounds[low]; ok && size < bound {
		return fmt.Errorf("parameter %s: %q is below %s %g", p.name, text, low, bound)
	}
	if bound, ok := p.bounds[high]; ok && size > bound {
		return fmt.Errorf("parameter %s: %q is above %s %g", p.name, text, high, bound)
	}
	return nil
}

func pseudo(o Options) map[string]any {
	return map[string]any{
		"AWS::AccountId":        o.Account,
		"AWS::Region":           o.Region,
		"AWS::Partition":        "aws",
		"AWS::URLSuffix":        "amazonaws.com",
		"AWS::StackName":        o.Name,
		"AWS::StackId":          o.stackID(),
		"AWS::NotificationARNs": []any{},
	}
}
