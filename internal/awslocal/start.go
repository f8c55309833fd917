package awslocal

import (
	"context"

	"github.com/millrace/millrace/internal/awslocal/stack"
)

// TB is what Start needs of a testing.TB. (The package testing itself would come into the commands' binaries.)
type TB interface {
	Helper()
	Cleanup(func())
	Fatal(args ...any)
}

// Start starts an endpoint for one test, on a port of its own unless opt names one, and closes it when the test ends.
func Start(t TB, opt Options) *Endpoint {
	t.Helper()
	if opt.Addr == "" {
		opt.Addr = "127.0.0.1:0"
	}
	e, err := Listen(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// MakeStack makes the stack of a template's text for one test, and gives its outputs.
func MakeStack(t TB, e *Endpoint, template string, opt stack.Options) (outputs map[string]string) {
	t.Helper()
	parsed, err := stack.Parse("template.yaml", []byte(template))
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Deploy(context.Background(), parsed, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s.Outputs
}
