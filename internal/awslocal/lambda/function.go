package lambda

import (
	"cmp"
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a function's configuration, from CreateFunction in AWS's API reference.
const (
	DefaultTimeout  = 3 * time.Second
	MaxTimeout      = 900 * time.Second
	DefaultMemoryMB = 128
	MinMemoryMB     = 128
	MaxMemoryMB     = 10240
)

// Function is the configuration of one function.
type Function struct {
	Name                string
	CodeDir             string            // folder that holds bootstrap; the process's working directory
	Handler             string            // _HANDLER; a compiled bootstrap seldom reads it
	Environment         map[string]string // must not be changed after Create
	Timeout             time.Duration     // 0 is DefaultTimeout
	MemoryMB            int               // 0 is DefaultMemoryMB; told to the function, not enforced
	RoleARN             string            // shown, without effect
	ReservedConcurrency int               // how many instances at most; 0 reserves nothing and means MaxConcurrency
	Architecture        string            // "x86_64" or "arm64", shown; the bootstrap must fit this machine
	Description         string            // shown
	Runtime             string            // shown; "" is DefaultRuntime
	// Shown are further settings, which are shown as they were given and have no effect, by their names in the API.
	Shown map[string]jsontext.Value
}

// DefaultRuntime is the runtime of functions that name none.
const DefaultRuntime = "provided.al2023"

var validName = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`)

// onDisk checks a function whose code is a folder on this machine.
func (f Function) onDisk() (Function, *code, error) {
	f, err := f.checked()
	if err != nil {
		return f, nil, err
	}
	if err := checkBootstrap(f.bootstrap()); err != nil {
		return f, nil, err
	}
	c, err := codeOf(f.CodeDir)
	return f, c, err
}

// checked gives the function with its defaults and an absolute path, or says what is wrong with it.
func (f Function) checked() (Function, error) {
	if f.Timeout == 0 {
		f.Timeout = DefaultTimeout
	}
	if f.MemoryMB == 0 {
		f.MemoryMB = DefaultMemoryMB
	}
	f.Architecture = cmp.Or(f.Architecture, "x86_64")
	f.Runtime = cmp.Or(f.Runtime, DefaultRuntime)
	if err := f.validate(); err != nil {
		return f, err
	}
	dir, err := filepath.Abs(f.CodeDir)
	if err != nil {
		return f, fmt.Errorf("code folder %s: %w", f.CodeDir, err)
	}
	f.CodeDir = dir
	return f, nil
}

func (f Function) validate() error {
	switch {
	case !validName.MatchString(f.Name):
		return fmt.Errorf("name %q: want 1 to 64 letters, digits, hyphens, underscores", f.Name)
	case f.Timeout < 0 || f.Timeout > MaxTimeout:
		return fmt.Errorf("timeout %v: want up to %v", f.Timeout, MaxTimeout)
	case f.MemoryMB < MinMemoryMB || f.MemoryMB > MaxMemoryMB:
		return fmt.Errorf("memory %d MB: want %d to %d", f.MemoryMB, MinMemoryMB, MaxMemoryMB)
	case f.ReservedConcurrency < 0:
		return fmt.Errorf("reserved concurrency %d: want 0 (none) or more", f.ReservedConcurrency)
	case f.Architecture != "x86_64" && f.Architecture != "arm64":
		return fmt.Errorf("architecture %q: want x86_64 or arm64", f.Architecture)
	}
	for name := range f.Environment {
		if slices.Contains(reserved, name) {
			return fmt.Errorf("environment variable %s is reserved: Lambda sets it itself", name)
		}
		if !validVariable.MatchString(name) {
			return fmt.Errorf("environment variable %q: want a letter, and then at least one letter, digit or underscore", name)
		}
	}
	return nil
}

func (f Function) bootstrap() string { return filepath.Join(f.CodeDir, "bootstrap") }

func (f *function) concurrency() int {
	if f.reserved == nil {
		return MaxConcurrency
	}
	return *f.reserved
}

// checkBootstrap says why this machine cannot run the file at path, if it cannot.
func checkBootstrap(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no %s: build the function there first (%s -o %s)", path, buildLine, path)
	case err != nil:
		return fmt.Errorf("look for the function's program: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file: it must be the function's program", path)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable: chmod +x it, or build it again", path)
	}
	system, arch, err := builtFor(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if system != "" && (system != runtime.GOOS || arch != runtime.GOARCH) {
		return fmt.Errorf("%s is built for %s/%s and this machine is %s/%s: build it again for this machine (%s -o %s)",
			path, system, arch, runtime.GOOS, runtime.GOARCH, buildLine, path)
	}
	return nil
}

const buildLine = "CGO_ENABLED=0 GOOS=" + runtime.GOOS + " GOARCH=" + runtime.GOARCH + " go build -tags lambda.norpc"

// builtFor reads system and architecture, in Go's words, out of an executable's header; a script has none.
func builtFor(path string) (system, arch string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", "", err
	}
	defer file.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(file, magic); err != nil {
		return "", "", fmt.Errorf("not a program: %w", err)
	}
	if strings.HasPrefix(string(magic), "#!") {
		return "", "", nil
	}
	if string(magic) == elf.ELFMAG {
		f, err := elf.NewFile(file)
		if err != nil {
			return "", "", err
		}
		return "linux", name(elfArchitectures[f.Machine], f.Machine), nil
	}
	f, err := macho.NewFile(file)
	if err != nil {
		return "", "", fmt.Errorf("neither an ELF nor a Mach-O program nor a script: %w", err)
	}
	return "darwin", name(machoArchitectures[f.Cpu], f.Cpu), nil
}

var (
	elfArchitectures   = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}
	machoArchitectures = map[macho.Cpu]string{macho.CpuAmd64: "amd64", macho.CpuArm64: "arm64"}
)

func name(known string, header fmt.Stringer) string {
	if known == "" {
		return header.String()
	}
	return known
}

// reserved are the variables that AWS lets nobody set, of those that matter here
// (docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
var reserved = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT",
}

// inherited is all that an instance gets of this process's environment. HOME is not in it: ~/.aws would leak in.
var inherited = []string{"PATH", "TMPDIR"}

// environment gives what an instance runs with. What Lambda sets wins over the function's own; that holds for the
// endpoint too, which a template may declare empty for AWS. AWS_EXECUTION_ENV is not defined for provided.al2023.
func (f Function) environment(opt Options, number, key, api string) []string {
	var env []string
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for name, v := range f.Environment {
		env = append(env, name+"="+v)
	}
	env = append(env,
		"AWS_LAMBDA_RUNTIME_API="+api,
		"AWS_ACCESS_KEY_ID="+key,
		"AWS_SECRET_ACCESS_KEY=local",
		"AWS_REGION="+opt.Region,
		"AWS_DEFAULT_REGION="+opt.Region,
		"AWS_LAMBDA_FUNCTION_NAME="+f.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE="+strconv.Itoa(f.MemoryMB),
		"AWS_LAMBDA_FUNCTION_VERSION="+number,
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/"+f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME="+key,
		"LAMBDA_TASK_ROOT="+f.CodeDir,
		"_HANDLER="+f.Handler,
		"TZ=:UTC",
	)
	if opt.Endpoint != "" {
		env = append(env, "AWS_ENDPOINT_URL="+opt.Endpoint)
	}
	return env
}
