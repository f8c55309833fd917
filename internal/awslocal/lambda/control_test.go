package lambda

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/go-json-experiment/json"
)

const role = "arn:aws:iam::000000000000:role/r"

// entry is a file of a zip.
type entry struct {
	name string
	mode fs.FileMode
	data []byte
}

func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Store}
		h.SetMode(e.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var programs = map[string][]byte{}

// program is the zip of a test function.
func program(t testing.TB, name string) []byte {
	t.Helper()
	if z := programs[name]; z != nil {
		return z
	}
	b, err := os.ReadFile(filepath.Join(built, name, "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	programs[name] = zipOf(t, entry{"bootstrap", 0o755, b})
	return programs[name]
}

// empty is a service without functions.
func empty(t *testing.T, opt Options) (*Service, *sdk.Client) {
	t.Helper()
	opt.Region, opt.Account = "us-east-1", "000000000000"
	s := New(opt)
	t.Cleanup(s.Close)
	return s, client(t, s)
}

// creation asks for function f with a test program.
func creation(t *testing.T, name string) *sdk.CreateFunctionInput {
	return &sdk.CreateFunctionInput{
		FunctionName: aws.String("f"), Role: aws.String(role), Handler: aws.String("bootstrap"), Runtime: types.RuntimeProvidedal2023,
		Timeout: aws.Int32(20), Code: &types.FunctionCode{ZipFile: program(t, name)},
	}
}

func create(t *testing.T, c *sdk.Client, name string) *sdk.CreateFunctionOutput {
	t.Helper()
	out, err := c.CreateFunction(t.Context(), creation(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fails demands an error with a code, a status and a message.
func fails(t *testing.T, err error, code string, status int, message string) {
	t.Helper()
	var api smithy.APIError
	var res interface{ HTTPStatusCode() int }
	if !errors.As(err, &api) || !errors.As(err, &res) {
		t.Errorf("error %v, want %s: %s", err, code, message)
		return
	}
	if api.ErrorCode() != code || res.HTTPStatusCode() != status || api.ErrorMessage() != message {
		t.Errorf("error %d %s: %s\nwant %d %s: %s", res.HTTPStatusCode(), api.ErrorCode(), api.ErrorMessage(), status, code, message)
	}
}

// decoded is the answer of the function aws, which is JSON in base64.
func decoded(t *testing.T, out *sdk.InvokeOutput) string {
	t.Helper()
	var b []byte
	if err := json.Unmarshal(out.Payload, &b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func ask(t *testing.T, c *sdk.Client, name, qualifier string, payload []byte) *sdk.InvokeOutput {
	t.Helper()
	in := &sdk.InvokeInput{FunctionName: &name, Payload: payload}
	if qualifier != "" {
		in.Qualifier = &qualifier
	}
	out, err := c.Invoke(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCreateFunction_FromAZip_RunsAndIsDescribed(t *testing.T) {
	_, c := empty(t, Options{})
	in := creation(t, "plain")
	in.Environment = &types.Environment{Variables: map[string]string{"AB": "c"}}
	in.Description, in.MemorySize, in.Tags = aws.String("what"), aws.Int32(256), map[string]string{"team": "x"}
	in.TracingConfig = &types.TracingConfig{Mode: types.TracingModeActive}
	out, err := c.CreateFunction(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(in.Code.ZipFile)
	if out.State != types.StateActive || *out.FunctionArn != "arn:aws:lambda:us-east-1:000000000000:function:f" || *out.Version != Latest ||
		*out.CodeSha256 != base64.StdEncoding.EncodeToString(sum[:]) || out.CodeSize != int64(len(in.Code.ZipFile)) ||
		*out.Timeout != 20 || *out.MemorySize != 256 || *out.Description != "what" || out.Environment.Variables["AB"] != "c" ||
		out.TracingConfig.Mode != types.TracingModeActive || out.EphemeralStorage == nil || *out.Role != role || *out.RevisionId == "" {
		t.Errorf("%+v", out)
	}
	if at, err := time.Parse("2006-01-02T15:04:05.999-0700", *out.LastModified); err != nil || time.Since(at) > time.Minute {
		t.Errorf("last modified %s: %v", *out.LastModified, err)
	}
	if err := sdk.NewFunctionActiveV2Waiter(c).Wait(t.Context(), &sdk.GetFunctionInput{FunctionName: in.FunctionName}, time.Second); err != nil {
		t.Error(err)
	}
	if err := sdk.NewFunctionUpdatedV2Waiter(c).Wait(t.Context(), &sdk.GetFunctionInput{FunctionName: in.FunctionName}, time.Second); err != nil {
		t.Error(err)
	}
	if got := ask(t, c, "f", "", []byte(`{"x":1}`)); string(got.Payload) != `{"x":1}` || *got.ExecutedVersion != Latest {
		t.Errorf("%+v %s", got, got.Payload)
	}
	tags, err := c.ListTags(t.Context(), &sdk.ListTagsInput{Resource: out.FunctionArn})
	if err != nil || tags.Tags["team"] != "x" {
		t.Errorf("tags %+v, %v", tags, err)
	}
	_, err = c.CreateFunction(t.Context(), in)
	fails(t, err, "ResourceConflictException", 409, "Function already exist: f")
}

func TestUpdate_CodeAndConfiguration_TakeEffectAtTheNextInvocation(t *testing.T) {
	s, c := empty(t, Options{})
	first := create(t, c, "plain")
	ask(t, c, "f", "", []byte("{}"))
	conf, err := c.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("f"), Timeout: aws.Int32(7), RevisionId: first.RevisionId,
		Environment: &types.Environment{Variables: map[string]string{"NEW": "1"}},
	})
	if err != nil || *conf.Timeout != 7 || *conf.Handler != "bootstrap" || *conf.RevisionId == *first.RevisionId || conf.LastUpdateStatus != types.LastUpdateStatusSuccessful {
		t.Fatalf("%+v, %v", conf, err)
	}
	if got := ask(t, c, "f", "", script("environment", "", 0)); !strings.Contains(string(got.Payload), `"NEW=1"`) {
		t.Errorf("environment %s", got.Payload)
	}
	_, err = c.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: aws.String("f"), RevisionId: first.RevisionId})
	fails(t, err, "PreconditionFailedException", 412, "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
	dry, err := c.UpdateFunctionCode(t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"), ZipFile: program(t, "aws"), DryRun: true})
	if err != nil || *dry.CodeSha256 != *first.CodeSha256 {
		t.Errorf("dry run %+v, %v", dry, err)
	}
	code, err := c.UpdateFunctionCode(t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: aws.String("f"), ZipFile: program(t, "aws"), Publish: true})
	if err != nil || *code.CodeSha256 == *first.CodeSha256 || *code.Version != "1" || *code.FunctionArn != s.ARN("f:1") {
		t.Fatalf("%+v, %v", code, err)
	}
	if got := ask(t, c, "f", "", []byte("{}")); !strings.Contains(decoded(t, got), `"name":"f"`) {
		t.Errorf("the old code answered %s", got.Payload)
	}
	for running := 2; running > 1; { // the instance of the old code is being killed
		runtime.Gosched()
		s.count(func() { running = len(s.instances) })
	}
	if left, _ := filepath.Glob(filepath.Join(s.folder, "*")); len(left) != 1 {
		t.Errorf("code folders %v", left)
	}
}

// Verified on AWS by getmoto/moto (pull request 8379): what counts is that an update was called.
func TestPublishVersion_AfterAnyUpdate_Publishes(t *testing.T) {
	_, c := empty(t, Options{})
	create(t, c, "plain")
	name := aws.String("f")
	publish := func(description *string, want string) {
		t.Helper()
		out, err := c.PublishVersion(t.Context(), &sdk.PublishVersionInput{FunctionName: name, Description: description})
		if err != nil {
			t.Fatal(err)
		}
		if *out.Version != want {
			t.Errorf("published version %s, want %s", *out.Version, want)
		}
	}
	publish(nil, "1")
	publish(aws.String("another description"), "1")
	for _, version := range []string{"2", "3"} { // the second time nothing changes by it
		if _, err := c.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: name, Description: aws.String("new")}); err != nil {
			t.Fatal(err)
		}
		publish(nil, version)
		publish(nil, version)
	}
	if _, err := c.UpdateFunctionCode(t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: name, ZipFile: program(t, "plain")}); err != nil {
		t.Fatal(err)
	}
	publish(nil, "4")
}

func TestVersionsAndAliases_StayAsTheyWerePublished(t *testing.T) {
	s, c := empty(t, Options{})
	create(t, c, "aws")
	name := aws.String("f")
	publish := func() *sdk.PublishVersionOutput {
		t.Helper()
		out, err := c.PublishVersion(t.Context(), &sdk.PublishVersionInput{FunctionName: name})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if v := publish(); *v.Version != "1" || *v.FunctionArn != s.ARN("f:1") {
		t.Errorf("%+v", v)
	}
	if v := publish(); *v.Version != "1" {
		t.Errorf("published again without a change: %s", *v.Version)
	}
	alias, err := c.CreateAlias(t.Context(), &sdk.CreateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1")})
	if err != nil || *alias.AliasArn != s.ARN("f:live") {
		t.Fatalf("%+v, %v", alias, err)
	}
	if _, err := c.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: name, MemorySize: aws.Int32(512)}); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct{ ref, qualifier, arn, version, memory string }{
		{"f", "", "f", Latest, "512"},
		{"f", "$LATEST", "f:$LATEST", Latest, "512"},
		{"f:1", "", "f:1", "1", "128"},
		{"f", "live", "f:live", "1", "128"},
		{s.ARN("f:live"), "", "f:live", "1", "128"},
	} {
		out := ask(t, c, one.ref, one.qualifier, []byte("{}"))
		if got := decoded(t, out); *out.ExecutedVersion != one.version || !strings.Contains(got, `"arn":"`+s.ARN(one.arn)+`"`) || !strings.Contains(got, `"memory":`+one.memory) {
			t.Errorf("%+v: %s %s", one, *out.ExecutedVersion, got)
		}
	}
	if v := publish(); *v.Version != "2" {
		t.Errorf("published %s", *v.Version)
	}
	moved, err := c.UpdateAlias(t.Context(), &sdk.UpdateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("2")})
	if err != nil || *moved.FunctionVersion != "2" || *moved.RevisionId == *alias.RevisionId {
		t.Errorf("%+v, %v", moved, err)
	}
	if out := ask(t, c, "f", "live", []byte("{}")); *out.ExecutedVersion != "2" {
		t.Errorf("executed %s", *out.ExecutedVersion)
	}
	listed, err := c.ListVersionsByFunction(t.Context(), &sdk.ListVersionsByFunctionInput{FunctionName: name})
	if err != nil || len(listed.Versions) != 3 || *listed.Versions[0].FunctionArn != s.ARN("f:$LATEST") || *listed.Versions[2].Version != "2" {
		t.Errorf("%+v, %v", listed, err)
	}
	_, err = c.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("$LATEST")})
	fails(t, err, "InvalidParameterValueException", 400, "$LATEST version cannot be deleted without deleting the function.")
	if _, err = c.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("1")}); err != nil {
		t.Error(err)
	}
	_, err = c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: name, Qualifier: aws.String("1")})
	fails(t, err, "ResourceNotFoundException", 404, "Function not found: "+s.ARN("f:1"))
	_, err = c.GetAlias(t.Context(), &sdk.GetAliasInput{FunctionName: name, Name: aws.String("none")})
	fails(t, err, "ResourceNotFoundException", 404, "Cannot find alias arn: "+s.ARN("f:none"))
	_, err = c.UpdateAlias(t.Context(), &sdk.UpdateAliasInput{FunctionName: name, Name: aws.String("none")})
	fails(t, err, "ResourceNotFoundException", 404, "Alias not found: "+s.ARN("f:none"))
	_, err = c.CreateAlias(t.Context(), &sdk.CreateAliasInput{FunctionName: name, Name: aws.String("2024"), FunctionVersion: aws.String("2")})
	fails(t, err, "ValidationException", 400, "1 validation error detected: Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
	_, err = c.CreateAlias(t.Context(), &sdk.CreateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("2")})
	fails(t, err, "ResourceConflictException", 409, "Alias already exists: "+s.ARN("f:live"))
	_, err = c.CreateAlias(t.Context(), &sdk.CreateAliasInput{FunctionName: name, Name: aws.String("x"), FunctionVersion: aws.String("10")})
	fails(t, err, "ResourceNotFoundException", 404, "Function not found: "+s.ARN("f:10"))
	if _, err := c.DeleteAlias(t.Context(), &sdk.DeleteAliasInput{FunctionName: name, Name: aws.String("live")}); err != nil {
		t.Error(err)
	}
}

func TestDeleteFunction_TakesItsCodeAndProcesses(t *testing.T) {
	s, c := empty(t, Options{})
	create(t, c, "plain")
	ask(t, c, "f", "", []byte("{}"))
	if _, err := c.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String("f")}); err != nil {
		t.Fatal(err)
	}
	_, err := c.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: aws.String("f")})
	fails(t, err, "ResourceNotFoundException", 404, "Function not found: "+s.ARN("f"))
	_, err = c.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String("f")})
	fails(t, err, "ResourceNotFoundException", 404, "Function not found: "+s.ARN("f"))
	s.Close()
	if _, err := os.Stat(s.folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", s.folder, err)
	}
}

func TestListFunctions_InPages(t *testing.T) {
	s, c := empty(t, Options{})
	for i := range 7 {
		if err := s.Create(Function{Name: fmt.Sprint("f", i), CodeDir: filepath.Join(built, "plain")}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	pages := sdk.NewListFunctionsPaginator(c, &sdk.ListFunctionsInput{MaxItems: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Functions {
			names = append(names, *f.FunctionName)
		}
	}
	if got := strings.Join(names, " "); got != "f0 f1 f2 f3 f4 f5 f6" {
		t.Errorf("listed %s", got)
	}
}

func TestConcurrency_ReservedNone_ThrottlesEverything(t *testing.T) {
	_, c := empty(t, Options{})
	create(t, c, "plain")
	name := aws.String("f")
	put, err := c.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(0)})
	if err != nil || *put.ReservedConcurrentExecutions != 0 {
		t.Fatalf("%+v, %v", put, err)
	}
	once := func(o *sdk.Options) { o.RetryMaxAttempts = 1 }
	_, err = c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: name}, once)
	if throttle := new(types.TooManyRequestsException); !errors.As(err, &throttle) || throttle.Reason != types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded {
		t.Errorf("error %v", err)
	}
	if _, err := c.DeleteFunctionConcurrency(t.Context(), &sdk.DeleteFunctionConcurrencyInput{FunctionName: name}); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetFunctionConcurrency(t.Context(), &sdk.GetFunctionConcurrencyInput{FunctionName: name})
	if err != nil || got.ReservedConcurrentExecutions != nil {
		t.Errorf("%+v, %v", got, err)
	}
	ask(t, c, "f", "", []byte("{}"))
	_, err = c.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: aws.String("f:1"), ReservedConcurrentExecutions: aws.Int32(1)})
	fails(t, err, "InvalidParameterValueException", 400, "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
	_, err = c.GetFunctionConcurrency(t.Context(), &sdk.GetFunctionConcurrencyInput{FunctionName: aws.String("none")})
	fails(t, err, "ResourceNotFoundException", 404, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:none")
	_, err = c.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: aws.String("none"), ReservedConcurrentExecutions: aws.Int32(1)})
	fails(t, err, "ResourceNotFoundException", 404, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:none:$LATEST")
}

// The texts were recorded by LocalStack: test_get_function_wrong_region, test_function_arns, test_invalid_invoke,
// test_invoke_exceptions.
func TestReference_NotOfThisPlace_IsRefusedByAWSsTexts(t *testing.T) {
	_, c := empty(t, Options{})
	create(t, c, "plain")
	calls := func(ref string) map[string]error {
		_, invoke := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: &ref})
		_, event := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: &ref, InvocationType: types.InvocationTypeEvent})
		_, get := c.GetFunction(t.Context(), &sdk.GetFunctionInput{FunctionName: &ref})
		_, remove := c.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: &ref})
		in := creation(t, "plain")
		in.FunctionName = &ref
		_, make := c.CreateFunction(t.Context(), in)
		return map[string]error{"Invoke": invoke, "Event": event, "GetFunction": get, "DeleteFunction": remove, "CreateFunction": make}
	}
	for name, err := range calls("arn:aws:lambda:eu-west-1:000000000000:function:f") {
		t.Log(name)
		fails(t, err, "ResourceNotFoundException", 404, "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')")
	}
	for _, ref := range []string{"arn:aws:lambda:us-east-1:111111111111:function:f", "111111111111:function:f"} {
		for name, err := range calls(ref) {
			if denied := smithy.APIError(nil); !errors.As(err, &denied) || denied.ErrorCode() != "AccessDeniedException" {
				t.Errorf("%s of %s: %v", name, ref, err)
			}
		}
	}
	const before, after = "1 validation error detected: Value 'no:function:name' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " +
		`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?`, `(:(\$LATEST|[a-zA-Z0-9-_]+))?`
	all := calls("no:function:name")
	fails(t, all["CreateFunction"], "ValidationException", 400, before+"([a-zA-Z0-9-_]+)"+after)
	fails(t, all["Invoke"], "ValidationException", 400, before+`([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`)
	long := "arn:aws:lambda:us-east-1:000000000000:function:" + strings.Repeat("a", 94)
	fails(t, calls(long)["CreateFunction"], "ValidationException", 400, "1 validation error detected: Value '"+long+"' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 140")
	fails(t, calls("none")["Invoke"], "ResourceNotFoundException", 404, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:none:$LATEST")
	ask(t, c, "000000000000:function:f", "", []byte("{}"))
}
