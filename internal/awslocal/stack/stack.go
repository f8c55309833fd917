// Package stack is a small CloudFormation: it reads a template, resolves its parameters, references and functions, and
// has created what the local endpoint emulates, in the order of the references. The rest it lists: resources that are
// not emulated, and properties of emulated ones that have no effect here.
//
// Everything but the creation itself is a function of values: a template that cannot be understood creates nothing. It
// knows Ref, Fn::GetAtt, Fn::Join, Fn::Sub, Fn::Select, Fn::Split, Fn::Base64, Fn::If, Fn::FindInMap, conditions,
// mappings, parameters and pseudo-parameters, in the long form and as YAML tags; imports from other stacks, transforms
// and updates of a stack it does not.
package stack

import (
	"context"
	"fmt"
	"time"
)

// Options says for what a template is deployed. Name, Region, Account and Endpoint are required.
type Options struct {
	Name       string            // of the stack
	Parameters map[string]string // those that are not named have their default
	BaseDir    string            // code paths are relative to it; "" is the template's folder
	Region     string
	Account    string
	Endpoint   string // URL below which queues have theirs
}

// Creator creates resources. It gets them one at a time, each after those that it refers to, as a Stream, Consumer, Queue,
// Topic, Subscription, Bucket, Function, Mapping or dynamodb.Table.
type Creator interface {
	Create(ctx context.Context, resource any) error
}

// Stack is what became of a template. It is not changed once it is made.
type Stack struct {
	Name        string
	ID          string // ARN
	Description string
	Created     time.Time
	Parameters  map[string]string
	Outputs     map[string]string
	Resources   []Resource // created, in that order
	NotEmulated []Resource // which nothing has been done for; what refers to them gets invented values
	Ignored     []string   // properties without effect here, as in "Table.SSESpecification"

	outputs []output
}

// Resource is one resource of a stack.
type Resource struct {
	LogicalID  string
	Type       string // as in "AWS::Kinesis::Stream"
	PhysicalID string // what Ref gives
}

// Create deploys a template. The error names each logical id and property that is wrong; then nothing has been created.
// When a creation fails, what was created before it stays.
func Create(ctx context.Context, t *Template, o Options, c Creator) (*Stack, error) {
	p, err := t.plan(o)
	if err != nil {
		return nil, err
	}
	for i, step := range p.steps {
		if err := c.Create(ctx, step); err != nil {
			r := p.stack.Resources[i]
			return nil, fmt.Errorf("create %s (%s): %w", r.LogicalID, r.Type, err)
		}
	}
	p.stack.Created = time.Now()
	return p.stack, nil
}
