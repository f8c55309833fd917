package lambda

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// entry is a file to put into an archive.
type entry struct {
	name string
	mode fs.FileMode
	data io.Reader
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.mode != 0 {
			h.SetMode(e.mode)
		}
		f, err := w.CreateHeader(h)
		if err == nil && e.data != nil {
			_, err = io.Copy(f, e.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpack_Package_IsAFolder(t *testing.T) {
	into := filepath.Join(t.TempDir(), "new", "folder")
	err := Unpack(archive(t,
		entry{"bootstrap", 0o755, strings.NewReader("#!/bin/sh")}, entry{"data/", fs.ModeDir | 0o755, nil},
		entry{"data/a.json", 0o644, strings.NewReader("{}")}, entry{"deep/er/b", 0o644, strings.NewReader("b")},
		entry{"windows", 0, strings.NewReader("w")}), into)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"bootstrap": "#!/bin/sh", "data/a.json": "{}", "deep/er/b": "b"} {
		if got, err := os.ReadFile(filepath.Join(into, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, executable := range map[string]bool{"bootstrap": true, "data/a.json": false, "windows": true} {
		info, err := os.Stat(filepath.Join(into, name))
		if err != nil || (info.Mode()&0o100 != 0) != executable {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// zeros is a bomb: a gigabyte that compresses to nothing.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestUnpack_HostilePackage_IsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		zip  []byte
		want string
	}{
		"parent":    {archive(t, entry{"../evil", 0o644, nil}), "leads out of the folder"},
		"within":    {archive(t, entry{"a/../../evil", 0o644, nil}), "leads out of the folder"},
		"absolute":  {archive(t, entry{"/evil", 0o644, nil}), "leads out of the folder"},
		"backslash": {archive(t, entry{`..\evil`, 0o644, nil}), "leads out of the folder"},
		"link":      {archive(t, entry{"link", fs.ModeSymlink | 0o777, strings.NewReader("/etc")}), "want files and folders only"},
		"twice":     {archive(t, entry{"a", 0o644, nil}, entry{"a", 0o644, nil}), "file exists"},
		"bomb":      {archive(t, entry{"bootstrap", 0o755, io.LimitReader(zeros{}, MaxUnzipped+1)}), "bytes unpacked"},
		"large":     {make([]byte, MaxZip+1), "want at most"},
		"no zip":    {[]byte("PK"), "not a valid zip file"},
	} {
		dir := t.TempDir()
		if err := Unpack(c.zip, filepath.Join(dir, "in")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "evil")); err == nil {
			t.Errorf("%s: it wrote outside", name)
		}
	}
}
