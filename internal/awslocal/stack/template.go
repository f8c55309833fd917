package stack

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Limits of a template: CloudFormation's quotas on size and numbers
// (docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html), and a depth that no template has.
const (
	MaxSize      = 1 << 20
	maxResources = 500
	maxDepth     = 100
)

// Template is a template that has been read. It is not changed by its use.
type Template struct {
	File        string
	Description string
	parameters  []parameter
	resources   []resource
	outputs     []output
	conditions  map[string]any
	mappings    map[string]any
}

// resource is a resource as it stands in the template.
type resource struct {
	id, kind   string
	line       int
	properties map[string]any
	dependsOn  []string
	condition  string // under which it is created, "" for none
	asset      string // path of its code, which the CDK notes in the metadata
}

type output struct {
	key, description string
	value            any
	condition        string // under which it is there, "" for none
}

// Parse reads a template in YAML or JSON. file is what errors call it, and code paths are relative to its folder.
func Parse(file string, b []byte) (*Template, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%s: %d bytes: a template has at most %d", file, len(b), MaxSize)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s: is empty", file)
	}
	t := &Template{File: file}
	if err := t.read(doc.Content[0]); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

func (t *Template) read(root *yaml.Node) error {
	return each(root, "", func(section string, n *yaml.Node) error {
		switch section {
		case "Description":
			t.Description = n.Value
		case "Parameters":
			return each(n, section, t.readParameter)
		case "Resources":
			return each(n, section, t.readResource)
		case "Outputs":
			return each(n, section, t.readOutput)
		case "Conditions":
			return each(n, section, t.readCondition)
		case "Mappings":
			return each(n, section, t.readMapping)
		case "AWSTemplateFormatVersion", "Metadata", "Rules":
		case "Transform":
			return at(n, "Transform: macros and AWS::Serverless are not emulated: %s", plainHint)
		default:
			return at(n, "%s: there is no such section in a template", section)
		}
		return nil
	})
}

// plainHint says where plain CloudFormation comes from.
const plainHint = "give plain CloudFormation, such as cdk synth writes, or of a deployed stack aws cloudformation get-template --template-stage Processed"

func (t *Template) readResource(id string, n *yaml.Node) error {
	if len(t.resources) == maxResources {
		return at(n, "Resources: more than %d", maxResources)
	}
	r := resource{id: id, line: n.Line}
	err := each(n, id, func(name string, n *yaml.Node) error {
		path := id + "." + name
		switch name {
		case "Type":
			r.kind = n.Value
		case "Properties":
			v, err := valueOf(n, id, 0)
			if err != nil {
				return err
			}
			var ok bool
			if r.properties, ok = v.(map[string]any); !ok {
				return at(n, "%s: want properties", path)
			}
		case "DependsOn":
			v, err := valueOf(n, path, 0)
			if err != nil {
				return err
			}
			ids, ok := texts(v)
			if !ok {
				return at(n, "%s: want a logical id or a list of them", path)
			}
			r.dependsOn = ids
		case "Condition":
			r.condition = n.Value
		case "Metadata":
			r.asset = assetOf(n)
		case "DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy", "CreationPolicy":
		default:
			return at(n, "%s: a resource has no such attribute", path)
		}
		return nil
	})
	if err == nil && r.kind == "" {
		err = at(n, "%s: has no Type", id)
	}
	t.resources = append(t.resources, r)
	return err
}

// assetOf reads where the CDK has put a function's code (aws:asset:path, as sam local reads it); "" for nowhere.
func assetOf(metadata *yaml.Node) string {
	for i := 0; i+1 < len(metadata.Content); i += 2 {
		if metadata.Content[i].Value == "aws:asset:path" {
			return metadata.Content[i+1].Value
		}
	}
	return ""
}

func (t *Template) readOutput(key string, n *yaml.Node) error {
	path := "Outputs." + key
	o := output{key: key}
	found := false
	err := each(n, path, func(name string, n *yaml.Node) (err error) {
		switch name {
		case "Description":
			o.description = n.Value
		case "Value":
			found = true
			o.value, err = valueOf(n, path+".Value", 0)
		case "Condition":
			o.condition = n.Value
		case "Export":
		default:
			err = at(n, "%s.%s: an output has no such attribute", path, name)
		}
		return err
	})
	if err == nil && !found {
		err = at(n, "%s: has no Value", path)
	}
	t.outputs = append(t.outputs, o)
	return err
}

// each calls f with the entries of a mapping in their order, and joins what it finds wrong.
func each(n *yaml.Node, path string, f func(string, *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return at(n, "%s: want a mapping", orRoot(path))
	}
	var errs []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			errs = append(errs, at(key, "%s: %s is there twice", orRoot(path), key.Value))
			continue
		}
		seen[key.Value] = true
		errs = append(errs, f(key.Value, n.Content[i+1]))
	}
	return errors.Join(errs...)
}

func orRoot(path string) string {
	if path == "" {
		return "the template"
	}
	return path
}

func at(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: %w", n.Line, fmt.Errorf(format, args...))
}
