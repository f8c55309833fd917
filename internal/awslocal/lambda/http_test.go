package lambda

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

func client(t *testing.T, s *Service) *sdk.Client {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), HTTPClient: server.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	})
}

func TestWire_Invoke_AnswersAsAWS(t *testing.T) {
	s, _ := service(t, "plain", nil)
	c := client(t, s)
	for _, ref := range []string{"f", "f:$LATEST", "arn:aws:lambda:us-east-1:000000000000:function:f"} {
		out, err := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: &ref, Payload: []byte(`{"x":1}`)})
		if err != nil {
			t.Fatal(err)
		}
		if string(out.Payload) != `{"x":1}` || out.StatusCode != 200 || out.FunctionError != nil || aws.ToString(out.ExecutedVersion) != "$LATEST" {
			t.Errorf("%s: %+v %s", ref, out, out.Payload)
		}
	}
	out, err := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f"), Payload: script("error", "why", 0)})
	if err != nil || aws.ToString(out.FunctionError) != "Unhandled" || string(out.Payload) != `{"errorType":"Sad","errorMessage":"why"}` {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f")}); err != nil || string(out.Payload) != "{}" {
		t.Errorf("no payload: %+v, %v", out, err)
	}
	if out, err := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeDryRun}); err != nil || out.StatusCode != 204 {
		t.Errorf("dry run: %+v, %v", out, err)
	}
}

func TestWire_Errors_HaveTheirTypes(t *testing.T) {
	s, _ := service(t, "plain", nil, fault.Rule{Operation: "Lambda.Invoke", Kind: fault.Throttle, Probability: 1, Count: 1})
	c := client(t, s)
	_, err := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f")})
	throttle := new(types.TooManyRequestsException)
	if !errors.As(err, &throttle) || throttle.Reason != types.ThrottleReasonConcurrentInvocationLimitExceeded {
		t.Errorf("throttle: %v", err)
	}
	for want, in := range map[string]*sdk.InvokeInput{
		"ResourceNotFoundException":      {FunctionName: aws.String("g")},
		"ValidationException":            {FunctionName: aws.String("f"), InvocationType: "Later"},
		"InvalidRequestContentException": {FunctionName: aws.String("f"), Payload: []byte("{")},
		"RequestEntityTooLargeException": {FunctionName: aws.String("f"), Payload: bytes.Repeat([]byte(" "), MaxRequest+1)},
	} {
		_, err := c.Invoke(t.Context(), in)
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	_, err = c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f"), Qualifier: aws.String("live")})
	if missing := new(types.ResourceNotFoundException); !errors.As(err, &missing) {
		t.Errorf("qualifier: %v", err)
	}
}

func TestWire_OtherOperation_IsNamed(t *testing.T) {
	s, _ := service(t, "plain", nil)
	_, err := client(t, s).ListLayers(t.Context(), &sdk.ListLayersInput{})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "NotImplemented" || !strings.Contains(e.ErrorMessage(), "Lambda GET /2018-10-31/layers") {
		t.Errorf("error %v", err)
	}
}

func TestWire_GetFunction_ShowsTheConfiguration(t *testing.T) {
	s, _ := service(t, "plain", func(f *Function) { f.ReservedConcurrency = 2; f.Environment = map[string]string{"AB": "c"} })
	out, err := client(t, s).GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String("f")})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Configuration
	if *c.FunctionArn != s.ARN("f") || *c.Timeout != 20 || *c.MemorySize != 128 || c.Environment.Variables["AB"] != "c" || *out.Concurrency.ReservedConcurrentExecutions != 2 {
		t.Errorf("%+v", c)
	}
}

func TestWire_DroppedAnswer_BreaksTheConnection(t *testing.T) {
	s, _ := service(t, "plain", nil, fault.Rule{Operation: "Lambda.Invoke", Kind: fault.DropAfter, Probability: 1, Count: 1})
	server := httptest.NewServer(s)
	defer server.Close()
	res, err := http.Post(server.URL+"/2015-03-31/functions/f/invocations", "", strings.NewReader("{}"))
	if err == nil {
		res.Body.Close()
		t.Errorf("answered %s", res.Status)
	}
	if st := s.Stats("f"); st.Invocations != 1 || st.Errors != 0 {
		t.Errorf("stats %+v", st)
	}
}
