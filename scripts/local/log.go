package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/go-json-experiment/json"
)

// functionLog takes what the function writes: its metrics count the copies, and what else it has to say is shown, up to
// a bound.
type functionLog struct {
	mu      sync.Mutex
	copies  int64
	batches int // lines of metrics: one an invocation that came to its end
	out     io.Writer
	left    int // lines that may still be shown
}

// shownLines of the function's log during the run: enough for a panic and its place.
const shownLines = 20

func (l *functionLog) stdout(function string, line []byte) {
	if !bytes.HasPrefix(line, []byte(`{"_aws"`)) {
		l.stderr(function, line)
		return
	}
	var metrics struct{ Copies float64 }
	if json.Unmarshal(line, &metrics) != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.copies += int64(metrics.Copies)
	l.batches++
}

// copiesSoFar tells how many copies the metrics have named.
func (l *functionLog) copiesSoFar() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.copies
}

// ended tells how many invocations have come to their end.
func (l *functionLog) ended() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.batches
}

func (l *functionLog) stderr(function string, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		return
	}
	fmt.Fprintf(l.out, "%s: %s\n", function, line)
	if l.left--; l.left == 0 {
		fmt.Fprintf(l.out, "%s: ... and more, which is not shown\n", function)
	}
}

func (l *functionLog) showAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = math.MaxInt
}
