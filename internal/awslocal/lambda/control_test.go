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
	in.Environment = &types.Environment{Variables: map[string]string{"A": "b"}}
	in.Description, in.MemorySize, in.Tags = aws.String("what"), aws.Int32(256), map[string]string{"team": "x"}
	in.TracingConfig = &types.TracingConfig{Mode: types.TracingModeActive}
	out, err := c.CreateFunction(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(in.Code.ZipFile)
	if out.State != types.StateActive || *out.FunctionArn != "arn:aws:lambda:us-east-1:000000000000:function:f" || *out.Version != Latest ||
		*out.CodeSha256 != base64.StdEncoding.EncodeToString(sum[:]) || out.CodeSize != int64(len(in.Code.ZipFile)) ||
		*out.Timeout != 20 || *out.MemorySize != 256 || *out.Description != "what" || out.Environment.Variables["A"] != "b" ||
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

func TestCreateFunction_Refused_HasAWSsTexts(t *testing.T) {
	s, c := empty(t, Options{})
	for _, one := range []struct {
		change  func(*sdk.CreateFunctionInput)
		code    string
		status  int
		message string
	}{
		{func(in *sdk.CreateFunctionInput) { in.Timeout = aws.Int32(901) }, "ValidationException", 400, "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900"},
		{func(in *sdk.CreateFunctionInput) { in.Timeout = aws.Int32(0); in.MemorySize = aws.Int32(64) }, "ValidationException", 400, "2 validation errors detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1; Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"},
		{func(in *sdk.CreateFunctionInput) { in.Role = aws.String("r1") }, "ValidationException", 400, `1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`},
		{func(in *sdk.CreateFunctionInput) { in.Runtime = types.RuntimePython312 }, "InvalidParameterValueException", 400, "Value python3.12 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [provided.al2023, provided.al2] or be a valid ARN (the local endpoint runs compiled bootstraps, and has no other runtimes)"},
		{func(in *sdk.CreateFunctionInput) { in.Handler = nil }, "InvalidParameterValueException", 400, "Runtime and Handler are mandatory parameters for functions created with deployment packages."},
		{func(in *sdk.CreateFunctionInput) {
			in.Environment = &types.Environment{Variables: map[string]string{"AWS_REGION": "x"}}
		}, "InvalidParameterValueException", 400, "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION"},
		{func(in *sdk.CreateFunctionInput) { in.Code.ZipFile = []byte("no zip") }, "InvalidParameterValueException", 400, "Could not unzip uploaded file. Please check your file, then try to upload again."},
		{func(in *sdk.CreateFunctionInput) { in.Code.ZipFile = zipOf(t, entry{"../out", 0o644, nil}) }, "InvalidParameterValueException", 400, "Could not unzip uploaded file. Please check your file, then try to upload again."},
		{func(in *sdk.CreateFunctionInput) { in.Code.ZipFile = zipOf(t, entry{"/etc/passwd", 0o644, nil}) }, "InvalidParameterValueException", 400, "Could not unzip uploaded file. Please check your file, then try to upload again."},
		{func(in *sdk.CreateFunctionInput) {
			in.Code.ZipFile = zipOf(t, entry{"l", fs.ModeSymlink | 0o777, []byte("/etc")})
		}, "InvalidParameterValueException", 400, "the local endpoint takes zips of files and folders only, and l is neither"},
		{func(in *sdk.CreateFunctionInput) { in.Code.ZipFile = zipOf(t) }, "InvalidParameterValueException", 400, "Uploaded file must be a non-empty zip"},
		{func(in *sdk.CreateFunctionInput) { in.Code.ZipFile = make([]byte, MaxZip+1) }, "RequestEntityTooLargeException", 413, "Zipped size must be smaller than 52428800 bytes"},
		{func(in *sdk.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: aws.String("b"), S3Key: aws.String("k")}
		}, "NotImplemented", 501, "the local AWS endpoint does not implement Lambda code in S3: send it as ZipFile (docs/local.md lists what it does)"},
	} {
		in := creation(t, "plain")
		one.change(in)
		_, err := c.CreateFunction(t.Context(), in)
		fails(t, err, one.code, one.status, one.message)
	}
	if left, err := filepath.Glob(filepath.Join(s.folder, "*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCreateFunction_CodeInABucket_IsFetched(t *testing.T) {
	_, c := empty(t, Options{Objects: func(bucket, key string) ([]byte, error) {
		if bucket != "b" || key != "k" {
			return nil, errors.New("The specified key does not exist.")
		}
		return program(t, "plain"), nil
	}})
	in := creation(t, "plain")
	in.Code = &types.FunctionCode{S3Bucket: aws.String("b"), S3Key: aws.String("other")}
	_, err := c.CreateFunction(t.Context(), in)
	fails(t, err, "InvalidParameterValueException", 400, "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.")
	in.Code.S3Key = aws.String("k")
	if _, err := c.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	ask(t, c, "f", "", []byte("{}"))
}

func TestInvoke_BadBootstrap_IsToldThen(t *testing.T) {
	_, c := empty(t, Options{})
	for want, e := range map[string]entry{
		"there is no ":      {"other", 0o755, []byte("#!/bin/sh\n")},
		"is not executable": {"bootstrap", 0o644, []byte("#!/bin/sh\n")},
		"not a program":     {"bootstrap", 0o755, []byte("x")},
	} {
		in := creation(t, "plain")
		in.Code.ZipFile = zipOf(t, e)
		if _, err := c.CreateFunction(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		out := ask(t, c, "f", "", []byte("{}"))
		if out.FunctionError == nil || !strings.Contains(string(out.Payload), `"errorType":"Runtime.InvalidEntrypoint"`) || !strings.Contains(string(out.Payload), want) {
			t.Errorf("%s, want %q", out.Payload, want)
		}
		if _, err := c.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String("f")}); err != nil {
			t.Fatal(err)
		}
	}
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
	if left, _ := filepath.Glob(filepath.Join(s.folder, "*")); len(left) != 1 {
		t.Errorf("code folders %v", left)
	}
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
}

func TestInvoke_Event_RunsInTheBackground(t *testing.T) {
	s, c := empty(t, Options{})
	create(t, c, "plain")
	name, p := aws.String("f"), newPipe(t)
	if _, err := c.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	out, err := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: name, InvocationType: types.InvocationTypeEvent, Payload: script("hang", p.path, 0)})
	if err != nil || out.StatusCode != 202 || len(out.Payload) != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := c.DeleteFunctionConcurrency(t.Context(), &sdk.DeleteFunctionConcurrencyInput{FunctionName: name}); err != nil {
		t.Fatal(err)
	}
	p.up(t) // it waited for its concurrency, and runs
	s.Close()
	p.down(t)
	_, err = c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("g"), InvocationType: types.InvocationTypeEvent}, func(o *sdk.Options) { o.RetryMaxAttempts = 1 })
	if err == nil {
		t.Error("a closed service takes events")
	}
}

func TestInvoke_Tail_GivesTheEndOfTheLog(t *testing.T) {
	_, c := empty(t, Options{})
	create(t, c, "plain")
	for _, text := range []string{"one", "two"} {
		out, err := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f"), LogType: types.LogTypeTail, Payload: script("print", text, 0)})
		if err != nil {
			t.Fatal(err)
		}
		b, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
		log := string(b)
		mustContain(t, log, "START RequestId: ", "Version: $LATEST\n", text+"\n", strings.ToUpper(text)+"\n", "END RequestId: ", "REPORT RequestId: ")
		if err != nil || text == "two" && strings.Contains(log, "one") {
			t.Errorf("log %q, %v", log, err)
		}
	}
	if out := ask(t, c, "f", "", []byte("{}")); out.LogResult != nil {
		t.Errorf("log %s", *out.LogResult)
	}
}

func TestTail_LongLog_IsCut(t *testing.T) {
	l, e := new(tail), &event{id: "id", began: time.Now()}
	l.begin(e, "1")
	for range 100 {
		l.add(bytes.Repeat([]byte("x"), 1000))
	}
	if got := l.end(e, 128); len(got) != MaxLog || !bytes.HasSuffix(got, []byte("Memory Size: 128 MB\n")) {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestUnpack_Bomb_IsStopped(t *testing.T) {
	dir := t.TempDir()
	data := zipOf(t, entry{"a", 0o644, make([]byte, 600)}, entry{"b", 0o644, make([]byte, 500)})
	if err := unpack(data, dir, 1000); !errors.Is(err, errUnzipped) || err.Error() != "InvalidParameterValueException: Unzipped size must be smaller than 262144000 bytes" {
		t.Errorf("error %v", err)
	}
	if err := unpack(data, dir, 1100); err != nil {
		t.Error(err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(zipOf(f, entry{"a/b", 0o755, []byte("x")}, entry{"c/", fs.ModeDir | 0o755, nil}))
	f.Add(zipOf(f, entry{"../a", 0o644, []byte("x")}))
	f.Add([]byte("PK"))
	f.Fuzz(func(t *testing.T, data []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "code")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = unpack(data, dir, 1<<20)
		if all, err := os.ReadDir(parent); err != nil || len(all) != 1 {
			t.Errorf("beside the folder: %v, %v", all, err)
		}
	})
}
