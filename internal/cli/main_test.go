package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this test binary be a command: one that waits for its end, and tidies up as long as it may.
func TestMain(m *testing.M) {
	if os.Getenv("MILLRACE_TEST_COMMAND") == "" {
		os.Exit(m.Run())
	}
	Main("waiter", func(ctx context.Context, _ []string, _ io.Reader, stdout, _ io.Writer) error {
		fmt.Fprintln(stdout, "ready")
		<-ctx.Done()
		fmt.Fprintln(stdout, "tidying")
		if os.Getenv("MILLRACE_TEST_COMMAND") == "stubborn" {
			select {}
		}
		return ctx.Err()
	})
}

// start runs this binary as a command and waits until it is ready.
func start(t *testing.T, mode string) (*exec.Cmd, *bufio.Reader, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "MILLRACE_TEST_COMMAND="+mode)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	expect(t, lines, "ready\n")
	return cmd, lines, &stderr
}

func expect(t *testing.T, lines *bufio.Reader, want string) {
	t.Helper()
	if got, err := lines.ReadString('\n'); got != want {
		t.Fatalf("the command said %q, %v", got, err)
	}
}

func TestMain_FirstSignal_CancelsAndExitsFailed(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, lines, stderr := start(t, "polite")
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		expect(t, lines, "tidying\n")
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != ExitFailed || stderr.String() != "waiter: interrupted\n" {
			t.Errorf("%s: %v, stderr %q", sig, err, stderr)
		}
	}
}

func TestMain_SecondSignal_Kills(t *testing.T) {
	cmd, lines, _ := start(t, "stubborn")
	_ = cmd.Process.Signal(syscall.SIGINT)
	expect(t, lines, "tidying\n")
	// The signal's default comes back at about the time at which the command hears of the first: send until it is dead.
	// One that meets Go's runtime while it dies of another may end it as a segmentation fault, which is a signal too.
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
				t.Errorf("ended by %v", err)
			}
			return
		case <-again.C:
			_ = cmd.Process.Signal(syscall.SIGINT)
		}
	}
}

func TestExecute_ExitCodesAndMessages(t *testing.T) {
	cause := errors.New("it broke")
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx            context.Context
		err            error
		code           int
		stdout, stderr string
	}{
		"done":                   {t.Context(), nil, ExitDone, "", ""},
		"failed":                 {t.Context(), cause, ExitFailed, "", "x: it broke\n"},
		"usage":                  {t.Context(), fmt.Errorf("parse: %w", Usagef("do this", "bad %s", "flag")), ExitUsage, "", "x: parse: bad flag\ndo this\n"},
		"help":                   {t.Context(), &helpRequest{"help\n"}, ExitDone, "help\n", ""},
		"interrupted":            {canceled, fmt.Errorf("put: %w", context.Canceled), ExitFailed, "", "x: interrupted\n"},
		"failed, then cancelled": {canceled, cause, ExitFailed, "", "x: it broke\n"},
		"cancelled, but done":    {canceled, nil, ExitDone, "", ""},
		"not by a signal":        {t.Context(), context.Canceled, ExitFailed, "", "x: context canceled\n"},
	} {
		var stdout, stderr bytes.Buffer
		code := Execute(c.ctx, "x", func(context.Context, []string, io.Reader, io.Writer, io.Writer) error { return c.err }, nil, nil, &stdout, &stderr)
		if code != c.code || stdout.String() != c.stdout || stderr.String() != c.stderr {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", name, code, &stdout, &stderr)
		}
	}
}

func TestUsageError_KeepsItsCause(t *testing.T) {
	if err := Usagef("hint", "read: %w", io.EOF); !errors.Is(err, io.EOF) || err.Error() != "read: EOF" {
		t.Error(err)
	}
}
