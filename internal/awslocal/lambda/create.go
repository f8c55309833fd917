package lambda

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

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
	if e := new(wire.Error); errors.As(err, &e) { // AWS's text, as in issue 13208 of serverless/serverless
		return nil, invalid("Error occurred while GetObject. S3 Error Code: " + e.Code + ". S3 Error Message: " + e.Message)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch code: %w", err)
	}
	return data, nil
}

// receive unpacks the code that a request brings, or names.
func (s *Service) receive(in codeInput) (*code, error) {
	zip, err := s.fetch(in)
	if err != nil {
		return nil, err
	}
	return s.upload(zip)
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
	v.reference(in.FunctionName, anyReference)
	if in.Role == nil {
		v.Null("role")
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
	text := "'[" + strings.Join(list, ", ") + "]'"
	if len(list) > 1 {
		v.TooLong(text, "architectures", 1)
	}
	for _, a := range list {
		if a != "x86_64" && a != "arm64" {
			v.Add(text, "architectures", "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]")
		}
	}
}

// createFunction answers CreateFunction. The bootstrap is looked at when the function is invoked, as on AWS.
func (s *Service) createFunction(r *http.Request) (int, any, error) {
	var in createInput
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	if err := cmp.Or(in.check(), s.reach(in.FunctionName)); err != nil {
		return 0, nil, err
	}
	name, _ := SplitName(in.FunctionName)
	f := in.apply(Function{Name: name})
	if len(in.Architectures) > 0 {
		f.Architecture = in.Architectures[0]
	}
	c, err := s.receive(in.Code)
	if err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer c.use().drop() // if nobody else uses it
	f.CodeDir = c.dir
	f, err = f.checked()
	if err != nil {
		return 0, nil, fmt.Errorf("create function %s: %w", f.Name, err)
	}
	fn, err := s.add(f, c)
	if err != nil {
		return 0, nil, err
	}
	fn.tags = in.Tags
	v := fn.latest
	if in.Publish {
		v = s.publish(fn, nil)
	}
	return http.StatusCreated, s.configuration(v, ""), nil
}

// deleteFunction answers DeleteFunction.
func (s *Service) deleteFunction(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, s.remove(target(r))
}
