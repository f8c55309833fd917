package lambda

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/millrace/millrace/internal/awslocal/s3"
)

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
		{func(in *sdk.CreateFunctionInput) {
			in.Environment = &types.Environment{Variables: map[string]string{"GOOD_1": "x", "a-b": "y", "X": "z"}}
		}, "ValidationException", 400, "1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"},
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
		in.Code.ZipFile = zipOf(t, entry{"bootstrap", 0o755, nil}) // nobody comes to run it, and a real one takes time to send
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
		switch {
		case bucket != "b":
			return nil, fmt.Errorf("get: %w", s3.ErrNoBucket)
		case key != "k":
			return nil, fmt.Errorf("get: %w", s3.ErrNoObject)
		}
		return program(t, "plain"), nil
	}})
	in := creation(t, "plain")
	in.Code = &types.FunctionCode{S3Bucket: aws.String("b"), S3Key: aws.String("other")}
	_, err := c.CreateFunction(t.Context(), in)
	fails(t, err, "InvalidParameterValueException", 400, "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.")
	in.Code.S3Bucket = aws.String("nope")
	_, err = c.CreateFunction(t.Context(), in)
	fails(t, err, "InvalidParameterValueException", 400, "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist")
	in.Code.S3Bucket, in.Code.S3Key = aws.String("b"), aws.String("k")
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
