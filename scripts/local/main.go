// Local runs the whole stack on this machine, puts a week of flights through it, and checks the result.
package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/cli"
)

func main() { cli.Main("local", run) }

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
		return fmt.Errorf("the meters differ from the truth")
	}
	return nil
}
