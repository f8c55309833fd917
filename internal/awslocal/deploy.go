package awslocal

import (
	"cmp"
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/awslocal/dynamodb"
	"github.com/millrace/millrace/internal/awslocal/lambda"
	"github.com/millrace/millrace/internal/awslocal/stack"
	"github.com/millrace/millrace/internal/config"
)

// Deploy creates what a template asks for; its mappings start at once. Of o only Name (default config.DefaultStack),
// Parameters and BaseDir count. What has no effect here the Stack lists, and the log. A stack is deployed once.
func (e *Endpoint) Deploy(ctx context.Context, t *stack.Template, o stack.Options) (*stack.Stack, error) {
	o.Name = cmp.Or(o.Name, config.DefaultStack)
	o.Region, o.Account, o.Endpoint = Region, Account, e.url
	if e.Stacks.Find(o.Name) != nil {
		return nil, fmt.Errorf("deploy %s: Stack [%s] already exists; start another endpoint to begin anew", t.File, o.Name)
	}
	s, err := stack.Create(ctx, t, o, creator{e})
	if err != nil {
		return nil, fmt.Errorf("deploy stack %s: %w", o.Name, err)
	}
	e.Stacks.Add(s)
	for _, r := range s.NotEmulated {
		e.opt.Log.Debug("resource is not emulated", "stack", s.Name, "resource", r.LogicalID, "type", r.Type)
	}
	for _, property := range s.Ignored {
		e.opt.Log.Debug("property has no effect", "stack", s.Name, "property", property)
	}
	return s, nil
}

// creator creates a stack's resources on an endpoint.
type creator struct{ e *Endpoint }

// Create creates one resource.
func (c creator) Create(_ context.Context, resource any) error {
	switch r := resource.(type) {
	case stack.Stream:
		_, err := c.e.Kinesis.CreateStream(r.Name, r.Shards, r.OnDemand, r.Retention)
		return err
	case dynamodb.Table:
		_, err := c.e.DynamoDB.CreateTable(r)
		return err
	case stack.Queue:
		return c.queue(r)
	case lambda.Function:
		return c.e.Lambda.Create(r)
	case stack.Mapping:
		return c.mapping(r)
	}
	return fmt.Errorf("the local endpoint cannot create a %T", resource)
}

func (c creator) queue(q stack.Queue) error {
	url, _, err := c.e.SQS.CreateQueue(q.Name, q.Attributes)
	if err == nil && url != q.URL {
		err = fmt.Errorf("its URL is %s, and %s is what others were told", url, q.URL)
	}
	return err
}

// mapping starts an event source mapping, which ends with the endpoint.
func (c creator) mapping(m stack.Mapping) error {
	_, err := c.e.Mappings.Create(m.UUID, m.Config.FunctionARN, m.Config)
	return err
}
