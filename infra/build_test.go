package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBuild_SourceDoesNotCompile_ErrorShowsWhere(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "go.mod", "module example\n\ngo 1.26\n")
	write(t, "functions/processor/main.go", "package main\n\nfunc main() {\n\tdiverted(\n}\n")

	err := build(t.Context(), "processor", ARM64)

	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"build functions/processor for arm64: ", "main.go:5"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err.Error())
		}
	}
	if _, err := os.Stat("dist/deploy/processor/bootstrap"); err == nil {
		t.Error("a bootstrap is left")
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
