package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// deployFolder holds one folder for each function: what CDK uploads. It is relative to the project's root, where the CDK
// command line runs the app.
const deployFolder = "dist/deploy"

// functions are the folders of functions/, each a Lambda function of the stack.
var functions = []string{"processor", "transform"}

// build compiles functions/<function> for an architecture into deployFolder, as the bootstrap that provided.al2023 starts.
// The same sources give the same bytes, so an unchanged function is not uploaded again.
func build(ctx context.Context, function, architecture string) error {
	target := filepath.Join(deployFolder, function, "bootstrap")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-tags", "lambda.norpc", "-ldflags=-s -w", "-o", target, "./functions/"+function)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch(architecture))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build functions/%s for %s: %w\n%s", function, architecture, err, bytes.TrimSpace(out))
	}
	return nil
}

// goarch gives Go's name of Lambda's architecture.
func goarch(architecture string) string {
	if architecture == X86 {
		return "amd64"
	}
	return architecture
}
