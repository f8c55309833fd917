package lambda

import (
	"fmt"
	"maps"
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
		v.Within(*in.Timeout, "timeout", 1, int(MaxTimeout/time.Second))
	}
	if in.MemorySize != nil {
		v.Within(*in.MemorySize, "memorySize", MinMemoryMB, MaxMemoryMB)
	}
	if in.Environment != nil {
		v.keys("environment.variables", in.Environment.Variables, validVariable)
	}
	if err := v.Err(); err != nil {
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
