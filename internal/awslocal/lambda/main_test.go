package lambda

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

// built holds the test functions' folders: built/plain and built/aws.
var built string

func TestMain(m *testing.M) {
	if dir := os.Getenv("LAMBDA_TEST_PARENT"); dir != "" {
		beParent(dir)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "lambda")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	for _, name := range []string{"plain", "aws"} {
		cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags=-s -w", "-o", filepath.Join(dir, name, "bootstrap"), "./testdata/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", name, err, out)
			return 1
		}
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// output collects the lines that a service hands on.
type output struct {
	mu    sync.Mutex
	lines []string
}

func (o *output) add(stream string) func(string, []byte) {
	return func(function string, line []byte) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.lines = append(o.lines, function+" "+stream+" "+string(line))
	}
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines, "\n")
}

// service starts one with a function of the given program; change may be nil.
func service(t *testing.T, program string, change func(*Function), rules ...fault.Rule) (*Service, *output) {
	t.Helper()
	out := new(output)
	s := New(Options{
		Region: "us-east-1", Account: "000000000000", Endpoint: "http://127.0.0.1:1",
		Faults: fault.New(1, rules...), Log: slog.New(slog.DiscardHandler),
		Stdout: out.add("out"), Stderr: out.add("err"),
	})
	t.Cleanup(s.Close)
	f := Function{Name: "f", CodeDir: filepath.Join(built, program), Timeout: 20 * time.Second}
	if change != nil {
		change(&f)
	}
	if err := s.Create(f); err != nil {
		t.Fatal(err)
	}
	return s, out
}

// script is an event that tells the test functions what to do.
func script(do, text string, n int) []byte {
	b, err := json.Marshal(map[string]any{"Do": do, "Text": text, "N": n}, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return b
}

func invoke(t *testing.T, s *Service, payload []byte) Answer {
	t.Helper()
	a, err := s.Invoke(t.Context(), "f", Invocation{RequestID: "id-1", Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// start invokes without waiting.
func start(t *testing.T, s *Service, payload []byte) <-chan Answer {
	t.Helper()
	out := make(chan Answer, 1)
	go func() {
		a, err := s.Invoke(context.WithoutCancel(t.Context()), "f", Invocation{RequestID: "id-1", Payload: payload})
		if err != nil {
			a.Payload = []byte(err.Error())
		}
		out <- a
	}()
	return out
}

// pipe is a named pipe, on which a process shows that it lives.
type pipe struct {
	path string
	file *os.File
}

func newPipe(t *testing.T) *pipe {
	t.Helper()
	p := &pipe{path: filepath.Join(t.TempDir(), "pipe")}
	if err := syscall.Mkfifo(p.path, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// up returns what the process wrote when it has opened the pipe.
func (p *pipe) up(t *testing.T) string {
	t.Helper()
	f, err := os.Open(p.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	p.file = f
	b := make([]byte, 64)
	n, err := f.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// down returns when the last process that held the pipe has ended.
func (p *pipe) down(t *testing.T) {
	t.Helper()
	if _, err := io.Copy(io.Discard, p.file); err != nil {
		t.Fatal(err)
	}
}

// environment asks an instance for its environment.
func environment(t *testing.T, s *Service) map[string]string {
	t.Helper()
	var list []string
	if err := json.Unmarshal(invoke(t, s, script("environment", "", 0)).Payload, &list); err != nil {
		t.Fatal(err)
	}
	return maps.Collect(func(yield func(string, string) bool) {
		for _, v := range list {
			name, value, _ := strings.Cut(v, "=")
			if !yield(name, value) {
				return
			}
		}
	})
}

// failureOf reads the error document of an answer.
func failureOf(t *testing.T, a Answer) failure {
	t.Helper()
	var f failure
	if err := json.Unmarshal(a.Payload, &f); err != nil {
		t.Fatalf("error document %q: %v", a.Payload, err)
	}
	if a.FunctionError != "Unhandled" {
		t.Errorf("FunctionError is %q with %s", a.FunctionError, a.Payload)
	}
	return f
}

func mustContain(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %q", part, text)
		}
	}
}

// beParent is the process that TestParentKilled kills: it starts an instance and waits for its end.
func beParent(dir string) {
	s := New(Options{Region: "us-east-1", Account: "000000000000"})
	if err := s.Create(Function{Name: "f", CodeDir: dir, Timeout: time.Minute}); err != nil {
		panic(err)
	}
	payload, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	a, err := s.Invoke(context.Background(), "f", Invocation{Payload: bytes.TrimSpace(payload)})
	fmt.Println(string(a.Payload), err)
	select {}
}
