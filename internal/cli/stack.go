package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/millrace/millrace/internal/client"
	"github.com/millrace/millrace/internal/config"
)

const (
	// localRegion and localKey are what a local endpoint gets that nobody told otherwise: it checks neither.
	localRegion = "us-east-1"
	localKey    = "local"

	startLocal = "`go run ./scripts/local -serve` starts one"
)

// Stack says which stack a command works on.
type Stack struct {
	Name     string
	Region   string // "" is that of the AWS environment and config
	Endpoint string // "" is AWS, or what the AWS environment and config say
}

// Stack adds -stack, -region and -endpoint.
func (f *Flags) Stack() *Stack {
	s := &Stack{}
	f.StringVar(&s.Name, "stack", config.DefaultStack, "`NAME` of the CloudFormation stack")
	f.StringVar(&s.Region, "region", "", "AWS `REGION`, else that of the AWS environment and config")
	f.StringVar(&s.Endpoint, "endpoint", "", "`URL` of another AWS endpoint, as in http://127.0.0.1:4566, else AWS_ENDPOINT_URL")
	return s
}

// Config makes the config for all clients of a command, and makes sure that there are a region and credentials (an
// endpoint on this machine needs neither), and that somebody listens at an endpoint. The errors say what to do.
func (s *Stack) Config(ctx context.Context) (aws.Config, error) {
	endpoint := cmp.Or(s.Endpoint, os.Getenv("AWS_ENDPOINT_URL"))
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(client.HTTP()),
		awsconfig.WithRegion(s.Region),
		awsconfig.WithLogger(logging.Nop{}), // what goes wrong is told by the error
	}
	if client.IsLoopback(endpoint) {
		options = append(options, awsconfig.WithDefaultRegion(localRegion))
		if os.Getenv("AWS_ACCESS_KEY_ID") == "" {
			options = append(options, awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(localKey, localKey, "")))
		}
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("read AWS config: %w", err)
	}
	if endpoint = cmp.Or(endpoint, aws.ToString(cfg.BaseEndpoint)); endpoint != "" {
		if cfg, err = client.WithEndpoint(cfg, endpoint); err != nil {
			return aws.Config{}, &UsageError{Err: err, Hint: startLocal}
		}
		if err := knock(ctx, endpoint); err != nil {
			return aws.Config{}, err
		}
	}
	if cfg.Region == "" {
		return aws.Config{}, Usagef("-region names one, and so does AWS_REGION; for a local stack give -endpoint, or set AWS_ENDPOINT_URL", "no AWS region")
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return aws.Config{}, fmt.Errorf("no AWS credentials: `aws configure` or `aws sso login` gives some, or use a local endpoint (-endpoint; %s): %w", startLocal, err)
	}
	return cfg, nil
}

// knockTimeout bounds how long a command looks whether its endpoint is there.
const knockTimeout = time.Second

// knock tells at once of an endpoint where nobody listens. Calls would be tried again for as long as what is only away may
// come back. Whatever else may be wrong is told by the first of them, and so is all of an endpoint behind a proxy.
func knock(ctx context.Context, endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); proxy != nil || err != nil {
		return nil
	}
	d := net.Dialer{Timeout: knockTimeout}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), u.Scheme)))
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no AWS endpoint answers at %s: %s", endpoint, startLocal)
	case err == nil:
		_ = conn.Close()
	}
	return nil
}

// Outputs are the outputs of a deployed stack.
type Outputs struct {
	stack  string
	values map[string]string
}

// Get gives one output, by its name in package config.
func (o Outputs) Get(name string) (string, error) {
	if v := o.values[name]; v != "" {
		return v, nil
	}
	return "", fmt.Errorf("stack %s has no output %s: it is not a Millrace stack, or was deployed by another version", o.stack, name)
}

// Output gives one output of the stack.
func (s *Stack) Output(ctx context.Context, cfg aws.Config, name string) (string, error) {
	outputs, err := s.Outputs(ctx, cfg)
	if err != nil {
		return "", err
	}
	return outputs.Get(name)
}

// DescribeStacksAPI is what Outputs needs of the CloudFormation client.
type DescribeStacksAPI interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
}

// Outputs finds the stack and reads its outputs. The errors say what to do.
func (s *Stack) Outputs(ctx context.Context, cfg aws.Config) (Outputs, error) {
	return s.outputs(ctx, cloudformation.NewFromConfig(cfg), cfg.Region, aws.ToString(cfg.BaseEndpoint))
}

func (s *Stack) outputs(ctx context.Context, api DescribeStacksAPI, region, endpoint string) (Outputs, error) {
	out, err := api.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &s.Name})
	switch {
	case isNoStack(err), err == nil && len(out.Stacks) == 0:
		return Outputs{}, s.notFound(region, endpoint)
	case err != nil:
		return Outputs{}, fmt.Errorf("find stack %s in %s: %w", s.Name, region, err)
	}
	o := Outputs{stack: s.Name, values: map[string]string{}}
	for _, v := range out.Stacks[0].Outputs {
		o.values[aws.ToString(v.OutputKey)] = aws.ToString(v.OutputValue)
	}
	return o, nil
}

func (s *Stack) notFound(region, endpoint string) error {
	if endpoint != "" {
		return fmt.Errorf("stack %s not found at %s: -stack names another one, and %s", s.Name, endpoint, startLocal)
	}
	return fmt.Errorf("stack %s not found in %s: `npx cdk deploy` creates it; -stack and -region name another one", s.Name, region)
}

// isNoStack recognises CloudFormation's answer for a stack that is not there: a ValidationError with the text "Stack
// with id NAME does not exist".
func isNoStack(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist")
}
