package stack

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// plan is what a template comes to: what has to be created, in its order, and the stack that it then is.
type plan struct {
	Options
	scope   scope
	base    string            // folder of code paths
	roles   map[string]string // of functions, by their names
	asset   string            // of the resource that is being planned
	steps   []any
	created time.Time
	stack   *Stack
	errs    []error
}

// anyAttribute in a resource's attributes is what any other attribute is made up from.
const anyAttribute = "*"

// plan resolves the template. Nothing is created, and no error is of a service.
func (t *Template) plan(o Options) (*plan, error) {
	known, err := t.values(o)
	if err != nil {
		return nil, err
	}
	resources, err := t.ordered(known)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.File, err)
	}
	in := scope{parameters: known, mappings: t.mappings, attributes: map[string]map[string]string{}}
	if in.conditions, err = t.decide(in); err != nil {
		return nil, fmt.Errorf("%s: %w", t.File, err)
	}
	p := &plan{
		Options: o,
		scope:   in,
		created: time.Now(),
		base:    t.codeBase(o),
		roles:   map[string]string{},
		stack:   &Stack{Name: o.Name, ID: o.stackID(), Description: t.Description, Parameters: map[string]string{}, Outputs: map[string]string{}},
	}
	for _, r := range resources {
		if there, err := in.holds(r.condition); err != nil {
			p.errs = append(p.errs, fmt.Errorf("line %d: %s.Condition: %w", r.line, r.id, err))
		} else if there {
			p.add(r)
		}
	}
	p.describe(t)
	if err := errors.Join(p.errs...); err != nil {
		return nil, fmt.Errorf("%s: %w", t.File, err)
	}
	return p, nil
}

// add plans one resource. All that it refers to has been planned.
func (p *plan) add(r resource) {
	entry := Resource{LogicalID: r.id, Type: r.kind, PhysicalID: p.Name + "-" + r.id}
	kind, ok := kinds[r.kind]
	if !ok {
		if strings.HasPrefix(r.kind, "AWS::Serverless::") {
			p.errs = append(p.errs, fmt.Errorf("line %d: %s: %s is a macro, which is not emulated: %s", r.line, r.id, r.kind, plainHint))
		}
		p.stack.NotEmulated = append(p.stack.NotEmulated, entry)
		p.scope.attributes[r.id] = p.invented(entry)
		return
	}
	values, err := p.scope.object(r.properties, r.id)
	if err != nil {
		p.errs = append(p.errs, err)
	}
	in := newProperties(r.id, values, &p.errs)
	in.harmless("Tags", "Description")
	p.asset = r.asset
	step, attributes := kind(p, in, entry.PhysicalID)
	if step == nil {
		p.scope.attributes[r.id] = p.invented(entry)
		return
	}
	entry.PhysicalID = attributes[""]
	p.scope.attributes[r.id] = attributes
	p.steps = append(p.steps, step)
	p.stack.Resources = append(p.stack.Resources, entry)
	p.stack.Ignored = append(p.stack.Ignored, in.left()...)
}

// invented gives the attributes of a resource that is not there.
func (p *plan) invented(r Resource) map[string]string {
	parts := strings.Split(strings.ToLower(r.Type), "::")
	service, kind := "none", "none"
	if len(parts) == 3 {
		service, kind = parts[1], parts[2]
	}
	region := p.Region
	if service == "iam" {
		region = ""
	}
	return map[string]string{
		"":           r.PhysicalID,
		"Arn":        fmt.Sprintf("arn:aws:%s:%s:%s:%s/%s", service, region, p.Account, kind, r.PhysicalID),
		anyAttribute: r.PhysicalID,
	}
}

// describe fills in what DescribeStacks tells.
func (p *plan) describe(t *Template) {
	for _, q := range t.parameters {
		switch v := p.scope.parameters[q.name].(type) {
		case string:
			p.stack.Parameters[q.name] = v
		case []any:
			items, _ := texts(v)
			p.stack.Parameters[q.name] = strings.Join(items, ",")
		}
	}
	for _, o := range t.outputs {
		path := "Outputs." + o.key + ".Value"
		if there, err := p.scope.holds(o.condition); err != nil {
			p.errs = append(p.errs, fmt.Errorf("Outputs.%s.Condition: %w", o.key, err))
			continue
		} else if !there {
			continue
		}
		v, err := p.scope.resolve(o.value, path)
		text, ok := v.(string)
		switch {
		case err != nil:
			p.errs = append(p.errs, err)
		case !ok:
			p.errs = append(p.errs, fmt.Errorf("%s: want a string", path))
		}
		p.stack.Outputs[o.key] = text
		p.stack.outputs = append(p.stack.outputs, o)
	}
}

func (p *plan) arn(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, p.Region, p.Account, resource)
}

// stackID and the ids of mappings are random on AWS. Here they follow from the names: the same template gives the same.
func (o Options) stackID() string {
	return fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/%s", o.Region, o.Account, o.Name, wire.IDOf(o.Name))
}
