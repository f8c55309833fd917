package stack

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"
)

func client(t *testing.T, d *Directory) *cloudformation.Client {
	t.Helper()
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	return cloudformation.New(cloudformation.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), HTTPClient: server.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	})
}

func TestDescribeStacks_ByNameOrID_GivesTheOutputs(t *testing.T) {
	s, _ := mustCreate(t, everything, nil)
	d := new(Directory)
	c := client(t, d)
	d.Add(s)
	for _, name := range []*string{&s.Name, &s.ID, nil} {
		out, err := c.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: name})
		if err != nil {
			t.Fatal(err)
		}
		got := out.Stacks[0]
		if *got.StackName != "S" || *got.StackId != s.ID || got.StackStatus != "CREATE_COMPLETE" || *got.Description != "all kinds" || got.CreationTime.IsZero() {
			t.Errorf("stack %+v", got)
		}
		if o := got.Outputs[0]; *o.OutputKey != "Url" || *o.OutputValue != s.Outputs["Url"] || *o.Description != "of the queue" || len(got.Outputs) != 4 {
			t.Errorf("outputs %v", got.Outputs)
		}
		if p := got.Parameters[0]; *p.ParameterKey != "Architecture" || *p.ParameterValue != "x86_64" {
			t.Errorf("parameters %v", got.Parameters)
		}
	}
}

func TestDescribeStacks_UnknownStack_DoesNotExist(t *testing.T) {
	_, err := client(t, new(Directory)).DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("X")})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "ValidationError" || e.ErrorMessage() != "Stack with id X does not exist" {
		t.Errorf("error %v", err)
	}
}

func TestDirectory_OtherAction_IsNamed(t *testing.T) {
	_, err := client(t, new(Directory)).ListStacks(t.Context(), &cloudformation.ListStacksInput{})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "NotImplemented" || !strings.Contains(e.ErrorMessage(), `"ListStacks"`) {
		t.Errorf("error %v", err)
	}
}
