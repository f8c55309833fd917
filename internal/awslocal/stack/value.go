package stack

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A value is nil, a string, a []any, a map[string]any or a *call. Numbers and booleans stay the strings that were
// written: CloudFormation takes either for the other, and what a property wants says its reader.

// call is an intrinsic function, or Ref.
type call struct {
	name string // "Ref", or as in "Fn::GetAtt"
	arg  any
	line int
}

// valueOf makes a value of a node. Aliases and merges are refused, as CloudFormation does.
func valueOf(n *yaml.Node, path string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, at(n, "%s: nested more than %d deep", path, maxDepth)
	}
	v, err := plainValue(n, path, depth)
	if err != nil || !strings.HasPrefix(n.Tag, "!") || strings.HasPrefix(n.Tag, "!!") {
		return v, err
	}
	name := strings.TrimPrefix(n.Tag, "!")
	if name != "Ref" {
		name = "Fn::" + name
	}
	return &call{name, v, n.Line}, nil
}

func plainValue(n *yaml.Node, path string, depth int) (any, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil, nil
		}
		return n.Value, nil
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			v, err := valueOf(c, path+"["+strconv.Itoa(i)+"]", depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case yaml.MappingNode:
		return mapping(n, path, depth)
	}
	return nil, at(n, "%s: YAML aliases are not part of a template", path)
}

// mapping is an object, or a call in its long form: one key that is Ref or begins with Fn::.
func mapping(n *yaml.Node, path string, depth int) (any, error) {
	object := map[string]any{}
	err := each(n, path, func(key string, c *yaml.Node) (err error) {
		object[key], err = valueOf(c, path+"."+key, depth+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	for key, arg := range object {
		if len(object) == 1 && (key == "Ref" || strings.HasPrefix(key, "Fn::")) {
			return &call{key, arg, n.Line}, nil
		}
	}
	return object, nil
}

// texts gives a string or a list of strings as a list.
func texts(v any) ([]string, bool) {
	if s, ok := v.(string); ok {
		return []string{s}, true
	}
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]string, len(list))
	for i, item := range list {
		if out[i], ok = item.(string); !ok {
			return nil, false
		}
	}
	return out, true
}
