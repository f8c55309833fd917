package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// Flags is the flag set of a command, with a help text that says what the command does before it lists its flags.
type Flags struct {
	*flag.FlagSet
	// Arguments is what may follow the flags, as in "[FILE]". Empty, as it is at first, refuses arguments.
	Arguments string

	sentence  string
	example   string
	arguments []string
}

// NewFlags makes the flags of the command in the folder scripts/name. sentence says what it does; example is what comes
// behind the command's name in a call that makes sense as it stands.
func NewFlags(name, sentence, example string) *Flags {
	f := &Flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), sentence: sentence, example: example}
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// helpRequest is not a failure: -h was given.
type helpRequest struct{ text string }

func (*helpRequest) Error() string { return "help was asked for" }

// Parse reads the flags, which may stand before, between and behind the arguments; behind "--" everything is an
// argument. Return its error as it is: Execute turns -h into help, and the rest into a usage error with a hint.
func (f *Flags) Parse(args []string) error {
	for {
		err := f.parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			return &helpRequest{f.help()}
		case err != nil:
			return &UsageError{Err: err, Hint: f.hint()}
		case f.FlagSet.NArg() == 0:
			return nil
		case f.Arguments == "":
			return f.Usagef("unexpected argument %q", f.FlagSet.Arg(0))
		}
		if read := len(args) - f.FlagSet.NArg(); read > 0 && args[read-1] == "--" {
			f.arguments = append(f.arguments, f.FlagSet.Args()...)
			return nil
		}
		f.arguments = append(f.arguments, f.FlagSet.Arg(0))
		args = f.FlagSet.Args()[1:]
	}
}

// parse reads flags up to the first argument. Errors of numbers say what is wanted, where package flag says "parse error".
func (f *Flags) parse(args []string) error {
	f.VisitAll(func(fl *flag.Flag) {
		if g, ok := fl.Value.(flag.Getter); ok {
			switch g.Get().(type) {
			case int:
				fl.Value = wanting{fl.Value, "a whole number"}
			case float64:
				fl.Value = wanting{fl.Value, "a number"}
			case time.Duration:
				fl.Value = wanting{fl.Value, "a length of time, as in 90s or 15m"}
			}
		}
	})
	defer f.VisitAll(func(fl *flag.Flag) { // the help tells flags by their types
		if w, ok := fl.Value.(wanting); ok {
			fl.Value = w.Value
		}
	})
	return f.FlagSet.Parse(args)
}

// wanting is the value of a flag that knows what it wants.
type wanting struct {
	flag.Value
	what string
}

// Set reads the value.
func (w wanting) Set(s string) error {
	if w.Value.Set(s) != nil {
		return errors.New("want " + w.what)
	}
	return nil
}

// Args gives what stood among the flags and was none.
func (f *Flags) Args() []string { return f.arguments }

// Given tells whether a flag was given at all, be it with its default.
func (f *Flags) Given(name string) bool {
	given := false
	f.Visit(func(fl *flag.Flag) { given = given || fl.Name == name })
	return given
}

// Usagef makes a usage error whose hint names the command's help.
func (f *Flags) Usagef(format string, args ...any) error { return Usagef(f.hint(), format, args...) }

func (f *Flags) command() string { return "go run ./scripts/" + f.Name() }

func (f *Flags) hint() string { return f.command() + " -h tells more" }

func (f *Flags) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n  %s\n", f.sentence, strings.TrimSpace(f.command()+" [flags] "+f.Arguments))
	fmt.Fprintf(&b, "\nExample:\n\n  %s\n\nFlags:\n\n", strings.TrimSpace(f.command()+" "+f.example))
	var names, texts []string
	f.VisitAll(func(fl *flag.Flag) {
		value, text := flag.UnquoteUsage(fl)
		names = append(names, strings.TrimSpace("-"+fl.Name+" "+value))
		texts = append(texts, text+defaultOf(fl))
	})
	width := 0
	for _, n := range names {
		width = max(width, len(n))
	}
	for i, n := range names {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, n, texts[i])
	}
	return b.String()
}

// defaultOf names a flag's default, unless it goes without saying.
func defaultOf(f *flag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "0s":
		return ""
	}
	return " (default " + f.DefValue + ")"
}
