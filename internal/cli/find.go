package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// FindUpwards gives the nearest folder, from the working directory upwards, that has all these files.
func FindUpwards(files ...string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find %s: %w", strings.Join(files, " and "), err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if hasAll(at, files) {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no folder from %s upwards has %s", dir, strings.Join(files, " and "))
		}
	}
}

func hasAll(dir string, files []string) bool {
	for _, file := range files {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}
