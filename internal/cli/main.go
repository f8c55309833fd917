// Package cli is what every command has in common: how it starts, is told to stop and says that it failed; its flags
// and its help; how it finds the stack; progress, tables, and numbers for people.
//
// A command writes its data to stdout, and words and progress to stderr.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes of every command.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2 // wrong flags or arguments: nothing was done
)

// Run is a command without its process: everything it touches is handed to it. args has no program name.
type Run func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error

// Main runs a command with the process's own streams and exits with its code. The first SIGINT or SIGTERM ends ctx,
// and the command may tidy up; the second kills it. name is the folder under scripts.
func Main(name string, run Run) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // gives the signals their default back
	os.Exit(Execute(ctx, name, run, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Execute runs a command and gives its exit code. The error goes to stderr, with its hint if it has one; help that was
// asked for goes to stdout and is no failure.
func Execute(ctx context.Context, name string, run Run, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := run(ctx, args, stdin, stdout, stderr)
	var usage *UsageError
	var help *helpRequest
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &help):
		fmt.Fprint(stdout, help.text)
		return ExitDone
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: %v\n%s\n", name, err, usage.Hint)
		return ExitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintf(stderr, "%s: interrupted\n", name)
	default:
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	return ExitFailed
}

// UsageError says that a command was called wrongly. Nothing was done.
type UsageError struct {
	Err  error
	Hint string // what to do about it: a line of its own
}

// Usagef makes a UsageError from a hint and a message.
func Usagef(hint, format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...), Hint: hint}
}

// Error gives the message, without the hint.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *UsageError) Unwrap() error { return e.Err }
