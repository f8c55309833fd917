// Local runs the whole stack on this machine, puts a week of flights through it, and checks the result.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/cli"
)

func main() { cli.Main("local", run) }

// options are the command's flags.
type options struct {
	events     string
	duplicates float64
	corrupt    float64
	chaos      uint64
	port       int
	listen     string
	serve      bool
	json       bool
	isChaos    bool
}

func run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	opt, err := parseFlags(args)
	if err != nil {
		return err
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
	load, err := readLoad(opt, set)
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
		summary.writeDifferences(stderr)
	}
	if opt.serve {
		stack.serve(ctx, stderr)
	}
	if !summary.Equal {
		return fmt.Errorf("the meters differ from the truth")
	}
	return nil
}

func parseFlags(args []string) (options, error) {
	var o options
	f := cli.NewFlags("local", "Runs the whole stack on this machine, with nothing installed but Go: builds the functions, starts a local AWS endpoint,\n"+
		"creates the stack of template.yaml, puts a week of flights through it and compares the meters with the truth.\n"+
		"Everything is in memory, and ends with the command. It exits with 0 only when both are equal.", "-duplicates 0.05 -chaos 7")
	f.StringVar(&o.events, "events", "", "put the events of `FILE` (JSON lines of CloudEvents) instead of the flights")
	f.Float64Var(&o.duplicates, "duplicates", 0, "re-send this `SHARE` of the events, later and in other batches")
	f.Float64Var(&o.corrupt, "corrupt", 0, "spoil this `SHARE` of the records: broken JSON, an attribute missing or of another type, not UTF-8")
	f.Func("chaos", "with this `SEED` throttle calls, lose answers, fail puts in part, kill and time out the function", func(s string) error {
		o.isChaos = true
		var err error
		if o.chaos, err = strconv.ParseUint(s, 10, 64); err != nil {
			return errors.New("want a whole number, 0 or more")
		}
		return nil
	})
	f.IntVar(&o.port, "port", 4566, "`PORT` of the endpoint on loopback, 0 for any")
	f.StringVar(&o.listen, "listen", "", "listen on this `ADDRESS` instead of loopback, so that containers reach the endpoint; nothing is authenticated")
	f.BoolVar(&o.serve, "serve", false, "keep the stack up until Ctrl-C, for your own tools")
	f.BoolVar(&o.json, "json", false, "write the summary as one JSON object")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if !(o.duplicates >= 0 && o.corrupt >= 0 && o.duplicates+o.corrupt <= 1) { // refuses NaN too
		return o, f.Usagef("-duplicates %v and -corrupt %v: want shares from 0 to 1, together at most 1", o.duplicates, o.corrupt)
	}
	if o.port < 0 || o.port > 65535 {
		return o, f.Usagef("-port %d: want 0 to 65535", o.port)
	}
	if _, err := netip.ParseAddr(o.listen); err != nil && o.listen != "" {
		return o, f.Usagef("-listen %s: want an IP address without a port, as in 172.17.0.1", o.listen)
	}
	return o, nil
}
