// Local runs the whole stack on this machine, puts a week of flights through it, and checks the result.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/cli"
)

// garbagePercent lets the heap grow to five times what is alive before it is collected, unless GOGC says otherwise: all
// state is in memory, little of it for long, and a tenth of the processor's time went into collecting.
const garbagePercent = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	cli.Main("local", run)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	opt, err := parseFlags(args)
	if err != nil {
		return err
	}
	if opt.template != "" {
		return runTemplate(ctx, opt, stdout, stderr)
	}
	began := time.Now()
	root, err := findRoot()
	if err != nil {
		return err
	}
	set, err := readMeters(root)
	if err != nil {
		return err
	}
	load, err := readLoad(ctx, opt, set, stdin)
	if err != nil {
		return err
	}
	if n := load.truth.unwanted; n > 0 {
		fmt.Fprintf(stderr, "no meter counts the type of %s: such events are put, and nothing more is expected of them\n", cli.Count(int64(n), "event"))
	}
	stack, err := start(ctx, opt, root, stderr)
	if err != nil {
		return err
	}
	defer stack.close()
	summary, err := stack.work(ctx, load, set, stderr)
	if err != nil {
		return err
	}
	summary.Seconds = time.Since(began).Seconds()
	if err := summary.write(stdout, opt); err != nil {
		return err
	}
	if opt.json {
		writeFirst(stderr, slices.Concat(summary.differences, summary.reasons))
	}
	if opt.serve {
		stack.serve(ctx, stderr)
	}
	if !summary.Equal {
		return errors.New("the meters differ from the truth")
	}
	return nil
}
