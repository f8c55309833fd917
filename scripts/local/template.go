package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/awslocal"
	"github.com/millrace/millrace/internal/awslocal/stack"
	"github.com/millrace/millrace/internal/cli"
)

// runTemplate runs somebody else's template until ctx ends: it builds nothing, and knows nothing of what is in it.
func runTemplate(ctx context.Context, o options, stdout, stderr io.Writer) error {
	template, err := readTemplate(o.template)
	if err != nil {
		return err
	}
	s := &localStack{logs: functionLog{out: stderr}}
	s.logs.showAll()
	opt := s.endpointOptions(o, stderr)
	opt.Stdout = s.logs.stderr // a stranger's metrics are lines like any other
	if s.endpoint, err = awslocal.Listen(ctx, opt); err != nil {
		return err
	}
	defer s.close()
	made, err := s.endpoint.Deploy(ctx, template, stack.Options{Name: nameOf(o.template), Parameters: o.parameters})
	if err != nil {
		return err
	}
	if err := writeStack(made, stdout, stderr); err != nil {
		return err
	}
	fmt.Fprint(stderr, environment(s.endpoint))
	<-ctx.Done()
	return nil
}

// readTemplate reads a template, or tells what is wrong with it.
func readTemplate(file string) (*stack.Template, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, stack.MaxSize+1)) // one byte too many is refused as such
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	return stack.Parse(file, text)
}

var notInName = regexp.MustCompile(`[^a-zA-Z0-9]+`)

// maxName leaves room for logical ids in a physical name, of which a function's has 64 characters at most.
const maxName = 20

// nameOf gives a stack its template's name, as far as a stack may have it.
func nameOf(file string) string {
	base := filepath.Base(file)
	name := strings.Trim(notInName.ReplaceAllString(strings.TrimSuffix(base, filepath.Ext(base)), "-"), "-")
	if name = strings.TrimRight(name[:min(len(name), maxName)], "-"); name == "" || name[0] <= '9' {
		return "local"
	}
	return name
}

// writeStack writes what there is now to stdout, and what there is not to stderr.
func writeStack(s *stack.Stack, stdout, stderr io.Writer) error {
	created := cli.NewTable("created", "type", "as")
	for _, r := range s.Resources {
		created.Add(r.LogicalID, r.Type, r.PhysicalID)
	}
	if err := created.Write(stdout, cli.Text); err != nil {
		return err
	}
	if len(s.Outputs) > 0 {
		outputs := cli.NewTable("output", "value")
		for _, name := range slices.Sorted(maps.Keys(s.Outputs)) {
			outputs.Add(name, s.Outputs[name])
		}
		fmt.Fprintln(stdout)
		if err := outputs.Write(stdout, cli.Text); err != nil {
			return err
		}
	}
	for _, r := range s.NotEmulated {
		fmt.Fprintf(stderr, "not emulated: %s (%s)\n", r.LogicalID, r.Type)
	}
	for _, property := range s.Ignored {
		fmt.Fprintf(stderr, "without effect here: %s\n", property)
	}
	return nil
}

// environment tells how other tools reach an endpoint.
func environment(e *awslocal.Endpoint) string {
	return fmt.Sprintf("\nThe stack stays up until Ctrl-C. For the aws CLI, any SDK and the commands beside this one:\n\n"+
		"  export AWS_ENDPOINT_URL=%[1]s AWS_REGION=%[2]s AWS_DEFAULT_REGION=%[2]s AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local\n\n", e.URL(), awslocal.Region)
}
