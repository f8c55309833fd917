package awslocal

import "context"

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
