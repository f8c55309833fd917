package awslocal

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/millrace/millrace/internal/awslocal/dynamodb"
	"github.com/millrace/millrace/internal/awslocal/kinesis"
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
	case kinesis.Stream:
		_, err := c.e.Kinesis.Create(r)
		return err
	case dynamodb.Table:
		_, err := c.e.DynamoDB.CreateTable(r)
		return err
	case stack.Queue:
		return c.queue(r)
	case stack.Consumer:
		_, err := c.e.Kinesis.RegisterConsumer(r.Stream, r.Name, r.Created)
		return err
	case stack.Topic:
		return c.topic(r)
	case stack.Subscription:
		_, err := c.e.SNS.Subscribe(r.Topic, r.Queue, r.Raw)
		return err
	case stack.Bucket:
		return c.e.S3.CreateBucket(r.Name)
	case stack.Function:
		return c.function(r)
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

func (c creator) topic(t stack.Topic) error {
	if _, err := c.e.SNS.CreateTopic(t.Name, t.Attributes); err != nil {
		return err
	}
	for _, s := range t.Subscriptions {
		if _, err := c.e.SNS.Subscribe(s.Topic, s.Queue, s.Raw); err != nil {
			return err
		}
	}
	return nil
}

// function creates a function, with its code from wherever it is.
func (c creator) function(f stack.Function) error {
	var zip []byte
	var err error
	switch {
	case f.CodeDir != "":
		return c.e.Lambda.Create(f.Function)
	case f.Zip != "":
		zip, err = readPackage(f.Zip)
	default:
		zip, err = c.e.S3.Get(f.Bucket, f.Key)
	}
	if err != nil {
		return fmt.Errorf("code of function %s: %w", f.Name, err)
	}
	return c.e.Lambda.CreateFromZip(f.Function, zip)
}

// readPackage reads a deployment package, as far as it can be one.
func readPackage(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, lambda.MaxZip+1)) // one byte too many is refused there
}

// mapping starts an event source mapping, which ends with the endpoint.
func (c creator) mapping(m stack.Mapping) error {
	_, err := c.e.Mappings.Create(m.UUID, m.Config.FunctionARN, m.Config)
	return err
}
