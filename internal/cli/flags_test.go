package cli

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func produceFlags() *Flags {
	f := NewFlags("produce", "Puts events on the stream: those of a file, or of the sample.", "-sample -rate 500")
	f.Stack()
	f.Format()
	f.Bool("dry-run", false, "say what would be put, and put nothing")
	f.Int("rate", 0, "at most `N` records a second")
	f.Duration("patience", time.Minute, "how long to wait for the stream")
	return f
}

func TestParse_Help_IsASentenceAnExampleAndAlignedFlags(t *testing.T) {
	f := produceFlags()
	f.Arguments = "[FILE]"
	const want = `Puts events on the stream: those of a file, or of the sample.

  go run ./scripts/produce [flags] [FILE]

Example:

  go run ./scripts/produce -sample -rate 500

Flags:

  -csv                write CSV with a header
  -dry-run            say what would be put, and put nothing
  -endpoint URL       URL of another AWS endpoint, as in http://127.0.0.1:4566, else AWS_ENDPOINT_URL
  -json               write a JSON array, an object a line
  -patience duration  how long to wait for the stream (default 1m0s)
  -rate N             at most N records a second
  -region REGION      AWS REGION, else that of the AWS environment and config
  -stack NAME         NAME of the CloudFormation stack (default Millrace)
`
	for _, flag := range []string{"-h", "--help"} {
		var help *helpRequest
		if err := f.Parse([]string{"-rate", "1", flag}); !errors.As(err, &help) {
			t.Fatalf("%s: %v", flag, err)
		}
		if diff := cmp.Diff(want, help.text); diff != "" {
			t.Errorf("%s: %s", flag, diff)
		}
	}
}

func TestParse_WrongUse_IsAUsageErrorWithAHint(t *testing.T) {
	for _, c := range []struct {
		arguments string
		args      []string
		want      string
	}{
		{"", []string{"-rates", "1"}, "flag provided but not defined: -rates"},
		{"", []string{"-rate", "x"}, `invalid value "x" for flag -rate: want a whole number`},
		{"", []string{"-rate"}, "flag needs an argument: -rate"},
		{"", []string{"file"}, `unexpected argument "file"`},
		{"FILE", []string{"file", "-dry"}, "flag provided but not defined: -dry"},
	} {
		f := produceFlags()
		f.Arguments = c.arguments
		var usage *UsageError
		if err := f.Parse(c.args); !errors.As(err, &usage) || err.Error() != c.want || usage.Hint != "go run ./scripts/produce -h tells more" {
			t.Errorf("%v: %v, %+v", c.args, err, usage)
		}
	}
}

func TestParse_ReadsFlagsAndArguments(t *testing.T) {
	f := NewFlags("produce", "", "")
	f.Arguments = "FILE..."
	stack, format := f.Stack(), f.Format()
	if err := f.Parse([]string{"-stack", "S", "-region=r", "a", "-endpoint", "http://x", "-csv", "-"}); err != nil {
		t.Fatal(err)
	}
	if *stack != (Stack{"S", "r", "http://x"}) || *format != CSV || len(f.Args()) != 2 {
		t.Errorf("%+v, %s, %v", stack, *format, f.Args())
	}
}

func TestParse_BehindTwoDashes_EverythingIsAnArgument(t *testing.T) {
	for _, c := range []struct{ args, want []string }{
		{[]string{"--", "-rate"}, []string{"-rate"}},
		{[]string{"-rate", "1", "--", "-h", "--", "-dry-run"}, []string{"-h", "--", "-dry-run"}},
		{[]string{"a", "-dry-run", "--", "-b"}, []string{"a", "-b"}},
		{[]string{"a", "--"}, []string{"a"}},
	} {
		f := produceFlags()
		f.Arguments = "FILE..."
		if err := f.Parse(c.args); err != nil {
			t.Errorf("%q: %v", c.args, err)
		}
		if diff := cmp.Diff(c.want, f.Args()); diff != "" {
			t.Errorf("%q: %s", c.args, diff)
		}
	}
}
