package main

import (
	"errors"
	"flag"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/cli"
)

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
	template   string
	parameters map[string]string // of the template
}

func parseFlags(args []string) (options, error) {
	var o options
	f := cli.NewFlags("local", "Runs the whole stack on this machine, with nothing installed but Go: builds the functions, starts a local AWS endpoint,\n"+
		"creates the stack of template.yaml, puts a week of flights through it and compares the meters with the truth.\n"+
		"Everything is in memory, and ends with the command. It exits with 0 only when both are equal.", "-duplicates 0.05 -chaos 7")
	f.StringVar(&o.events, "events", "", "put the events of `FILE` (JSON lines of CloudEvents; - is the input) instead of the flights")
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
	f.StringVar(&o.template, "template", "", "run the CloudFormation template in `FILE` instead, with functions that somebody has built, and keep it up until Ctrl-C")
	f.Func("parameter", "give a parameter of -template its value, as in `NAME=VALUE`; may be repeated", o.parameter)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if err := o.checkTemplate(f); err != nil {
		return o, err
	}
	if o.events == "" && f.Given("events") {
		return o, f.Usagef("-events is empty: want a file, or - for the input")
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

// parameter reads one -parameter.
func (o *options) parameter(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return errors.New("want NAME=VALUE")
	}
	if _, twice := o.parameters[name]; twice {
		return errors.New("is there twice")
	}
	if o.parameters == nil {
		o.parameters = map[string]string{}
	}
	o.parameters[name] = value
	return nil
}

// withTemplate are the flags that go together with -template: the others are about the sample run.
var withTemplate = []string{"template", "parameter", "port", "listen", "serve"}

// checkTemplate refuses flags that are of no use with -template, or without it.
func (o *options) checkTemplate(f *cli.Flags) (err error) {
	if o.template == "" && o.parameters != nil {
		return f.Usagef("-parameter: want -template with it")
	}
	f.Visit(func(given *flag.Flag) {
		if o.template != "" && err == nil && !slices.Contains(withTemplate, given.Name) {
			err = f.Usagef("-%s is for the sample run, and -template runs another stack: leave one of them out", given.Name)
		}
	})
	return err
}
