package lambda

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// maxEnvironment bounds a function's variables as JSON (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const maxEnvironment = 4 << 10

// runtimes are those in which a function is a compiled bootstrap.
var runtimes = []string{"provided.al2023", "provided.al2"}

// settings are the members that CreateFunction and UpdateFunctionConfiguration have in common. What is nil was not given.
type settings struct {
	Description *string
	Environment *struct{ Variables map[string]string }
	Handler     *string
	MemorySize  *int
	RevisionID  string `json:"RevisionId"`
	Role        *string
	Runtime     *string
	Timeout     *int

	// These have no effect here, and are shown as they were given.
	DeadLetterConfig, EphemeralStorage, FileSystemConfigs, KMSKeyArn, LoggingConfig, TracingConfig, VpcConfig jsontext.Value
}

// shown gives the members without effect by their names.
func (in *settings) shown() map[string]jsontext.Value {
	return map[string]jsontext.Value{
		"DeadLetterConfig": in.DeadLetterConfig, "EphemeralStorage": in.EphemeralStorage,
		"FileSystemConfigs": in.FileSystemConfigs, "KMSKeyArn": in.KMSKeyArn, "LoggingConfig": in.LoggingConfig,
		"TracingConfig": in.TracingConfig, "VpcConfig": in.VpcConfig,
	}
}

// check gives AWS's error for what breaks a constraint. A time-out or memory size of 0 is one too, though Function takes
// it for the default.
func (in *settings) check(v *violations) error {
	if in.Role != nil {
		v.match("role", *in.Role, validRole)
	}
	if in.Timeout != nil {
		v.within("timeout", *in.Timeout, 1, int(MaxTimeout/time.Second))
	}
	if in.MemorySize != nil {
		v.within("memorySize", *in.MemorySize, MinMemoryMB, MaxMemoryMB)
	}
	if err := v.err(); err != nil {
		return err
	}
	if in.Runtime != nil && !slices.Contains(runtimes, *in.Runtime) {
		return invalid(fmt.Sprintf("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN"+
			" (the local endpoint runs compiled bootstraps, and has no other runtimes)", *in.Runtime, strings.Join(runtimes, ", ")))
	}
	if in.Environment != nil {
		return checkVariables(in.Environment.Variables)
	}
	return nil
}

func checkVariables(vars map[string]string) error {
	var taken []string
	for name := range vars {
		if slices.Contains(reserved, name) {
			taken = append(taken, name)
		}
	}
	if len(taken) > 0 {
		slices.Sort(taken)
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided " +
			"contains reserved keys that are currently not supported for modification. Reserved keys used in this request: " + strings.Join(taken, ", "))
	}
	if measured := encode(vars); len(measured) > maxEnvironment {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided " +
			"exceeded the 4KB limit. String measured: " + string(measured))
	}
	return nil
}

// apply gives f with what was given.
func (in *settings) apply(f Function) Function {
	wire.Given(&f.Description, in.Description)
	wire.Given(&f.Handler, in.Handler)
	wire.Given(&f.RoleARN, in.Role)
	wire.Given(&f.Runtime, in.Runtime)
	wire.Given(&f.MemoryMB, in.MemorySize)
	if in.Timeout != nil {
		f.Timeout = time.Duration(*in.Timeout) * time.Second
	}
	if in.Environment != nil {
		f.Environment = in.Environment.Variables
	}
	f.Shown = maps.Clone(f.Shown)
	for name, value := range in.shown() {
		if value == nil {
			continue
		}
		if f.Shown == nil {
			f.Shown = map[string]jsontext.Value{}
		}
		f.Shown[name] = value
	}
	return f
}

// codeInput says where code is.
type codeInput struct {
	ZipFile         []byte
	S3Bucket, S3Key string
	S3ObjectVersion string
	ImageURI        string `json:"ImageUri"`
}

// fetch gives the zip.
func (s *Service) fetch(in codeInput) ([]byte, error) {
	switch {
	case in.ImageURI != "":
		return nil, wire.Unimplemented("Lambda functions of container images")
	case len(in.ZipFile) > MaxZip:
		return nil, errZipped
	case len(in.ZipFile) > 0:
		return in.ZipFile, nil
	case in.S3Bucket == "" || in.S3Key == "":
		return nil, invalid("Please provide a source for function code.")
	case s.opt.Objects == nil:
		return nil, wire.Unimplemented("Lambda code in S3: send it as ZipFile")
	case in.S3ObjectVersion != "":
		return nil, wire.Unimplemented("Lambda code in a version of an S3 object")
	}
	data, err := s.opt.Objects(in.S3Bucket, in.S3Key)
	if err != nil { // the text up to the cause was seen on AWS, for example in terraform-provider-aws's issues
		return nil, invalid("Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: " + err.Error())
	}
	return data, nil
}

type createInput struct {
	settings
	Architectures []string
	Code          codeInput
	FunctionName  string
	PackageType   string
	Publish       bool
	Tags          map[string]string
}

func (in *createInput) check() error {
	var v violations
	v.match("functionName", in.FunctionName, validRef)
	if in.Role == nil {
		v.null("role")
	}
	v.architectures(in.Architectures)
	if err := in.settings.check(&v); err != nil {
		return err
	}
	name, qualifier := SplitName(in.FunctionName)
	switch {
	case in.PackageType == "Image":
		return wire.Unimplemented("Lambda functions of container images")
	case qualifier != "" || !validName.MatchString(name):
		return invalid("1 validation error detected: Value '" + in.FunctionName + "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64")
	case in.Runtime == nil || in.Handler == nil:
		return invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	return nil
}

func (v *violations) architectures(list []string) {
	text := "[" + strings.Join(list, ", ") + "]"
	if len(list) > 1 {
		v.add(text, "architectures", "have length less than or equal to 1")
	}
	for _, a := range list {
		if a != "x86_64" && a != "arm64" {
			v.add(text, "architectures", "satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]")
		}
	}
}

// createFunction answers CreateFunction. The bootstrap is looked at when the function is invoked, as on AWS.
func (s *Service) createFunction(r *http.Request) (int, any, error) {
	var in createInput
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	if err := in.check(); err != nil {
		return 0, nil, err
	}
	name, _ := SplitName(in.FunctionName)
	f := in.apply(Function{Name: name})
	if len(in.Architectures) > 0 {
		f.Architecture = in.Architectures[0]
	}
	zip, err := s.fetch(in.Code)
	if err != nil {
		return 0, nil, err
	}
	c, err := s.upload(zip)
	if err != nil {
		return 0, nil, err
	}
	f.CodeDir = c.dir
	f, err = f.checked()
	if err != nil {
		return 0, nil, fmt.Errorf("create function %s: %w", f.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer c.use().drop() // if nobody else uses it
	fn, err := s.add(f, c)
	if err != nil {
		return 0, nil, err
	}
	fn.tags = in.Tags
	v := fn.latest
	if in.Publish {
		v = s.publish(fn, nil)
	}
	doc := s.configuration(v, "")
	return http.StatusCreated, doc, nil
}

// codeUpdate is UpdateFunctionCode's document.
type codeUpdate struct {
	codeInput
	Architectures []string
	DryRun        bool
	Publish       bool
	RevisionID    string `json:"RevisionId"`
}

// updateCode answers UpdateFunctionCode.
func (s *Service) updateCode(r *http.Request) (int, any, error) {
	var in codeUpdate
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	var v violations
	v.architectures(in.Architectures)
	if err := v.err(); err != nil {
		return 0, nil, err
	}
	name, _ := target(r)
	if _, ok := s.Function(name); !ok { // before what may be long
		return 0, nil, s.notFound(name)
	}
	zip, err := s.fetch(in.codeInput)
	if err != nil {
		return 0, nil, err
	}
	c, err := s.upload(zip)
	if err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer c.use().drop()
	return s.change(name, in.RevisionID, func(fn *function) *version {
		f := fn.latest.Function
		if len(in.Architectures) > 0 {
			f.Architecture = in.Architectures[0]
		}
		if in.DryRun {
			return fn.latest
		}
		s.replace(fn.latest, f, c)
		if in.Publish {
			return s.publish(fn, nil)
		}
		return fn.latest
	})
}

// updateConfiguration answers UpdateFunctionConfiguration.
func (s *Service) updateConfiguration(r *http.Request) (int, any, error) {
	var in settings
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	if err := in.check(new(violations)); err != nil {
		return 0, nil, err
	}
	name, _ := target(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change(name, in.RevisionID, func(fn *function) *version {
		s.replace(fn.latest, in.apply(fn.latest.Function), fn.latest.code)
		return fn.latest
	})
}

// change does what a request asks of a function whose latest revision it may name. It is called with mu held.
func (s *Service) change(name, revision string, do func(*function) *version) (int, any, error) {
	fn := s.functions[name]
	switch {
	case s.closed:
		return 0, nil, errClosed
	case fn == nil:
		return 0, nil, s.notFound(name)
	case revision != "" && revision != fn.latest.revision:
		return 0, nil, errRevision
	}
	return http.StatusOK, s.configuration(do(fn), ""), nil
}

type publishInput struct {
	CodeSha256  string
	Description *string
	RevisionID  string `json:"RevisionId"`
}

// publishVersion answers PublishVersion.
func (s *Service) publishVersion(r *http.Request) (int, any, error) {
	var in publishInput
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	name, _ := target(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if fn := s.functions[name]; fn != nil && in.CodeSha256 != "" && in.CodeSha256 != fn.latest.code.sha256 {
		return 0, nil, invalid(fmt.Sprintf("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.",
			in.CodeSha256, fn.latest.code.sha256))
	}
	_, doc, err := s.change(name, in.RevisionID, func(fn *function) *version { return s.publish(fn, in.Description) })
	return http.StatusCreated, doc, err
}

// deleteFunction answers DeleteFunction.
func (s *Service) deleteFunction(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, s.remove(target(r))
}
