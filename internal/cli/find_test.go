package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindUpwards_IsTheNearestFolderThatHasAll(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(filepath.Join(deep, "x.json"), 0o700); err != nil { // a folder is no file
		t.Fatal(err)
	}
	for _, name := range []string{"x.json", "y.json", "a/y.json"} {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(deep)
	if dir, err := FindUpwards("x.json", "y.json"); err != nil || dir != root {
		t.Errorf("both: %s, %v", dir, err)
	}
	if dir, err := FindUpwards("y.json"); err != nil || dir != filepath.Join(root, "a") {
		t.Errorf("one: %s, %v", dir, err)
	}
	if _, err := FindUpwards("x.json", "none.json"); err == nil || !strings.HasSuffix(err.Error(), "upwards has x.json and none.json") {
		t.Errorf("neither: %v", err)
	}
}
