package stack

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// reference is one mention of a parameter or resource in a value.
type reference struct {
	target string
	call   *call
	path   string
}

// references finds all that a value refers to, in a fixed order, without resolving anything.
func references(v any, path string) []reference {
	var out []reference
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			out = append(out, references(item, path+"["+strconv.Itoa(i)+"]")...)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, references(v[key], path+"."+key)...)
		}
	case *call:
		for _, target := range v.targets() {
			out = append(out, reference{target, v, path})
		}
		if v.name != "Ref" && v.name != "Fn::GetAtt" {
			out = append(out, references(v.arg, path)...)
		}
	}
	return out
}

// targets are the names that the call itself mentions; a malformed one mentions none, and is refused when resolved.
func (c *call) targets() []string {
	switch c.name {
	case "Ref":
		if name, ok := c.arg.(string); ok {
			return []string{name}
		}
	case "Fn::GetAtt":
		if id, _, err := getAttTarget(c.arg); err == nil {
			return []string{id}
		}
	case "Fn::Sub":
		template, own, err := subArguments(c.arg)
		if err != nil {
			return nil
		}
		parts, _ := subParts(template)
		var out []string
		for _, p := range parts {
			if _, ok := own[p.text]; p.reference && !ok {
				id, _, _ := strings.Cut(p.text, ".")
				out = append(out, id)
			}
		}
		return out
	}
	return nil
}

// ordered gives the resources so that each stands after those that it refers to, and otherwise as in the template, but
// with the mappings last: one may name its function by a text that is no reference. It refuses references to nothing and
// circles.
func (t *Template) ordered(known map[string]any) ([]resource, error) {
	byID := map[string]resource{}
	for _, r := range t.resources {
		byID[r.id] = r
	}
	isKnown := func(name string) bool {
		_, parameter := known[name]
		_, resource := byID[name]
		return parameter || resource || name == "AWS::NoValue"
	}
	var errs []error
	needs := map[string][]string{}
	for _, r := range t.resources {
		refs := references(r.properties, r.id)
		errs = append(errs, unknowns(refs, isKnown))
		for _, ref := range refs {
			needs[r.id] = append(needs[r.id], ref.target)
		}
		for _, id := range r.dependsOn {
			if _, ok := byID[id]; !ok {
				errs = append(errs, fmt.Errorf("line %d: %s.DependsOn: there is no resource %s", r.line, r.id, id))
			}
			needs[r.id] = append(needs[r.id], id)
		}
	}
	for _, o := range t.outputs {
		errs = append(errs, unknowns(references(o.value, "Outputs."+o.key+".Value"), isKnown))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t.sorted(byID, needs)
}

func unknowns(refs []reference, known func(string) bool) error {
	var errs []error
	for _, r := range refs {
		if !known(r.target) {
			errs = append(errs, fmt.Errorf("line %d: %s: %s: %w", r.call.line, r.path, r.call.name, unknown(r.target)))
		}
	}
	return errors.Join(errs...)
}

// sorted is a depth-first walk that puts a resource behind what it needs.
func (t *Template) sorted(byID map[string]resource, needs map[string][]string) ([]resource, error) {
	var out []resource
	done := map[string]bool{}
	var way []string // from where the walk began
	var visit func(string) error
	visit = func(id string) error {
		r, ok := byID[id]
		if !ok || done[id] {
			return nil
		}
		if i := slices.Index(way, id); i >= 0 {
			circle := append(slices.Clone(way[i:]), id)
			return fmt.Errorf("line %d: %s needs itself: %s", r.line, id, strings.Join(circle, " -> "))
		}
		way = append(way, id)
		for _, need := range needs[id] {
			if err := visit(need); err != nil {
				return err
			}
		}
		way = way[:len(way)-1]
		done[id] = true
		out = append(out, r)
		return nil
	}
	for _, mappings := range []bool{false, true} {
		for _, r := range t.resources {
			if (r.kind == mappingType) != mappings {
				continue
			}
			if err := visit(r.id); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
