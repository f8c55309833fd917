package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/meter"
)

// findRoot gives the repository's folder.
func findRoot() (string, error) {
	dir, err := cli.FindUpwards("go.mod", "template.yaml")
	if err != nil {
		return "", fmt.Errorf("%w: run this inside the repository", err)
	}
	return dir, nil
}

// readMeters reads the meters that the function will have, to say what is wrong with them before anything starts, and to
// know what to compare.
func readMeters(root string) (*meter.Set, error) {
	b, err := os.ReadFile(filepath.Join(root, config.MetersFile))
	if err != nil {
		return nil, fmt.Errorf("read meters: %w", err)
	}
	return meter.Parse(config.MetersFile, b)
}

// functions are the folders of functions/, each a Lambda function of the stack.
var functions = []string{"processor", "transform"}

// buildAll says what it does, since the first time it takes a minute, and builds all functions.
func buildAll(ctx context.Context, root string, stderr io.Writer) error {
	fmt.Fprintln(stderr, "building functions/"+strings.Join(functions, ", functions/"))
	for _, function := range functions {
		if err := build(ctx, root, function); err != nil {
			return err
		}
	}
	return nil
}

// build compiles a function for this machine, where template.yaml has its code.
func build(ctx context.Context, root, function string) error {
	out := filepath.Join("dist", "local", function, "bootstrap")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags=-s -w",
		"-o", out, "./functions/"+function)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	text, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("build function %s: the go command is not on PATH: install Go 1.26 or later", function)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("build function %s: %w\n%s", function, err, text)
	}
	return nil
}
