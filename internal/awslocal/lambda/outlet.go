package lambda

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeSize is how much a pipe holds on Linux (pipe(7)), and so the most that a process has written and nobody has read.
const pipeSize = 64 << 10

// drainTime is how long output may still come when the process has ended but one that it started holds its pipes.
const drainTime = time.Second

// outlet is one of a process's outputs: a pipe, and what becomes of the lines that come out of it. It is safe for
// concurrent use.
type outlet struct {
	in    *os.File // for the process
	out   *os.File
	raw   syscall.RawConn // of out
	ended chan struct{}   // closed when all is handed on

	mu    sync.Mutex
	lines lines
	buf   []byte
}

// newOutlet opens a pipe, whose end the process gets as in. Let a goroutine follow it.
func newOutlet(emit func([]byte)) (*outlet, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open a pipe for output: %w", err)
	}
	raw, err := out.SyscallConn()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read a pipe of output: %w", err), in.Close(), out.Close())
	}
	return &outlet{in: in, out: out, raw: raw, ended: make(chan struct{}), lines: lines{emit: emit}, buf: make([]byte, pipeSize)}, nil
}

// follow hands on what is written, until nobody can write any more, or end.
func (o *outlet) follow() {
	defer close(o.ended)
	for more := true; more; { // each Read looks at the deadline anew: a writer may never let the pipe be empty
		err := o.raw.Read(func(fd uintptr) bool {
			err := o.take(fd)
			more = err == nil
			return !errors.Is(err, syscall.EAGAIN) // else it waits, until there is more or the deadline has passed
		})
		more = more && err == nil
	}
	o.mu.Lock()
	o.lines.flush()
	o.mu.Unlock()
	_ = o.out.Close() // of what was only read
}

// drain hands on all lines that had been written when it was called. It does not wait for follow, which may not have been
// woken yet: what a process writes and what it answers come by different ways.
func (o *outlet) drain() {
	_ = o.raw.Control(func(fd uintptr) { _ = o.take(fd) }) // an error is follow's, or the pipe is closed and all is handed on
}

// end waits until all is handed on. The process has ended; one that has left its group may still hold the pipe.
func (o *outlet) end() {
	_ = o.out.SetReadDeadline(time.Now().Add(drainTime)) // a pipe has deadlines
	<-o.ended
}

// take reads once, as much as a pipe can hold. The error is EAGAIN when there is nothing now, and io.EOF at the end.
func (o *outlet) take(fd uintptr) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := syscall.Read(int(fd), o.buf)
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.Read(int(fd), o.buf)
	}
	switch {
	case err != nil:
		return err
	case n == 0:
		return io.EOF
	}
	_, _ = o.lines.Write(o.buf[:n]) // never fails
	return nil
}
