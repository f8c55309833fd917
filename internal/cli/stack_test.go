package cli

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/config"
)

// bareEnvironment hides the AWS settings of whoever runs the tests.
func bareEnvironment(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// cloudFormation answers DescribeStacks for one stack, in the Query protocol, and notes who asked.
func cloudFormation(t *testing.T) (endpoint string, authorization *string) {
	authorization = new(string)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*authorization = r.Header.Get("Authorization")
		if name := r.FormValue("StackName"); name != "Millrace" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id %s does not exist</Message></Error></ErrorResponse>`, name)
			return
		}
		_, _ = fmt.Fprint(w, `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>`+
			`<StackName>Millrace</StackName><CreationTime>2026-11-23T12:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>`+
			`<Outputs><member><OutputKey>StreamName</OutputKey><OutputValue>events</OutputValue></member></Outputs>`+
			`</member></Stacks></DescribeStacksResult></DescribeStacksResponse>`)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, authorization
}

func outputs(t *testing.T, s Stack) (Outputs, error) {
	t.Helper()
	cfg, err := s.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Outputs(t.Context(), cfg)
}

func TestOutputs_LocalEndpoint_NeedsNoAccount(t *testing.T) {
	bareEnvironment(t)
	endpoint, authorization := cloudFormation(t)
	for name, s := range map[string]Stack{"flag": {Name: "Millrace", Endpoint: endpoint}, "environment": {Name: "Millrace"}} {
		if name == "environment" {
			t.Setenv("AWS_ENDPOINT_URL", endpoint)
		}
		out, err := outputs(t, s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if stream, err := out.Get(config.OutputStream); err != nil || stream != "events" {
			t.Errorf("%s: %q, %v", name, stream, err)
		}
		if _, err := out.Get(config.OutputTable); err == nil || !strings.Contains(err.Error(), "stack Millrace has no output TableName: ") {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(*authorization, "Credential=local/") || !strings.Contains(*authorization, "/us-east-1/cloudformation/") {
			t.Errorf("%s: signed as %s", name, *authorization)
		}
	}
}

func TestConfig_LocalEndpoint_KeepsWhatTheEnvironmentSays(t *testing.T) {
	bareEnvironment(t)
	endpoint, authorization := cloudFormation(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "mine")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", "eu-west-1")
	if _, err := outputs(t, Stack{Name: "Millrace", Endpoint: endpoint}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(*authorization, "Credential=mine/") || !strings.Contains(*authorization, "/eu-west-1/") {
		t.Errorf("signed as %s", *authorization)
	}
	if cfg, err := (&Stack{Region: "us-west-2", Endpoint: endpoint}).Config(t.Context()); err != nil || cfg.Region != "us-west-2" {
		t.Errorf("-region: %s, %v", cfg.Region, err)
	}
}

func TestOutputs_NoSuchStack_SaysWhereAndWhatToDo(t *testing.T) {
	bareEnvironment(t)
	endpoint, _ := cloudFormation(t)
	_, err := outputs(t, Stack{Name: "Other", Endpoint: endpoint})
	if want := "stack Other not found at " + endpoint + ": -stack names another one, and `go run ./scripts/local -serve` starts one"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	want := "stack Other not found in eu-west-1: `npx cdk deploy` creates it; -stack and -region name another one"
	if got := (&Stack{Name: "Other"}).notFound("eu-west-1", "").Error(); got != want {
		t.Errorf("error %s, want %s", got, want)
	}
}

func TestConfig_NobodyListens_SaysHowToStartOne(t *testing.T) {
	bareEnvironment(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "http://" + l.Addr().String()
	l.Close()
	_, err = (&Stack{Name: "Millrace", Endpoint: endpoint}).Config(t.Context())
	if want := "no AWS endpoint answers at " + endpoint + ": `go run ./scripts/local -serve` starts one"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestOutputs_AnotherError_IsPassedOn(t *testing.T) {
	bareEnvironment(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`)
	}))
	defer srv.Close()
	if _, err := outputs(t, Stack{Name: "Millrace", Endpoint: srv.URL}); err == nil || !strings.HasPrefix(err.Error(), "find stack Millrace in us-east-1: ") || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("error %v", err)
	}
}

func TestConfig_Incomplete_SaysWhatToDo(t *testing.T) {
	for want, set := range map[string]func() Stack{
		"no AWS region":         func() Stack { return Stack{} },
		"no AWS credentials: `": func() Stack { return Stack{Region: "us-east-1"} },
		"want a URL, as in":     func() Stack { return Stack{Endpoint: "127.0.0.1:4566"} },
		"read AWS config: ":     func() Stack { t.Setenv("AWS_PROFILE", "nobody"); return Stack{Region: "us-east-1"} },
	} {
		bareEnvironment(t)
		s := set()
		if _, err := s.Config(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: error %v", want, err)
		}
	}
	bareEnvironment(t)
	var usage *UsageError
	if _, err := (&Stack{Endpoint: "nonsense"}).Config(t.Context()); !errors.As(err, &usage) {
		t.Errorf("a wrong endpoint is no usage error: %v", err)
	}
}
