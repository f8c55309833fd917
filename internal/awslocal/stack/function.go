package stack

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/awslocal/lambda"
)

// Function is an AWS::Lambda::Function to create. Its code is in the folder CodeDir, or else in Zip, or else in S3.
type Function struct {
	lambda.Function
	Zip         string // path of a deployment package
	Bucket, Key string // of a deployment package
}

func (p *plan) function(in *properties, name string) (any, map[string]string) {
	f := Function{Function: lambda.Function{
		Name:         in.text("FunctionName", name),
		Handler:      in.text("Handler", ""),
		Timeout:      time.Duration(in.integer("Timeout", int(lambda.DefaultTimeout/time.Second))) * time.Second,
		MemoryMB:     in.integer("MemorySize", lambda.DefaultMemoryMB),
		RoleARN:      in.text("Role", ""),
		Architecture: "x86_64",
		Environment:  map[string]string{},
	}}
	p.code(&f, in)
	if runtime := in.text("Runtime", ""); !strings.HasPrefix(runtime, "provided") {
		in.fail("Runtime", "%q: want provided.al2023: the code is a compiled bootstrap", runtime)
	}
	if in.value("ReservedConcurrentExecutions") != nil {
		if f.ReservedConcurrency = in.integer("ReservedConcurrentExecutions", 1); f.ReservedConcurrency < 1 {
			in.fail("ReservedConcurrentExecutions", "%d: want 1 or more: a function that is switched off is not emulated", f.ReservedConcurrency)
		}
	}
	if all := in.texts("Architectures"); len(all) == 1 {
		f.Architecture = all[0]
	} else if len(all) > 1 {
		in.fail("Architectures", "want one")
	}
	environment := in.object("Environment").object("Variables")
	for variable := range environment.values {
		f.Environment[variable] = environment.text(variable, "")
	}
	p.roles[f.Name] = f.RoleARN
	return f, map[string]string{"": f.Name, "Arn": p.arn("lambda", "function:"+f.Name)}
}

// codeBase is the folder that code paths start from.
func (t *Template) codeBase(o Options) string {
	if o.BaseDir != "" {
		return o.BaseDir
	}
	return filepath.Dir(t.File)
}

// code says where the function's code is: in a folder or a zip on this machine, as sam local and aws cloudformation
// package have it, or in S3. The CDK names the file that is to be in S3 in the resource's metadata; that is taken.
func (p *plan) code(f *Function, in *properties) {
	path, isPath := in.value("Code").(string)
	if p.asset != "" {
		path, isPath = p.asset, true
	}
	if isPath {
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.base, path)
		}
		if strings.HasSuffix(path, ".zip") {
			f.Zip = path
		} else {
			f.CodeDir = path
		}
		return
	}
	code := in.object("Code")
	for name, reason := range map[string]string{
		"ZipFile":  "code in the template is source, and a compiled bootstrap is none",
		"ImageUri": "container images are not emulated",
	} {
		if code.value(name) != nil {
			code.fail(name, "%s: name a folder or a zip with the bootstrap", reason)
			return
		}
	}
	if f.Bucket, f.Key = code.text("S3Bucket", ""), code.text("S3Key", ""); f.Bucket == "" || f.Key == "" {
		in.fail("Code", "want a folder that holds the function's bootstrap, a zip with it, or its S3Bucket and S3Key")
	}
}
