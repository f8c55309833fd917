package lambda

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Limits of a deployment package: AWS's quotas on its size (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html),
// and a number of files that no program of one bootstrap has.
const (
	MaxZip      = 50 << 20  // of the archive
	MaxUnzipped = 250 << 20 // of all files in it
	maxZipFiles = 10_000
)

// Unpack writes a deployment package's files into a folder, which it makes. Names that lead out of the folder, links and
// other things that are no files, and packages above the limits are refused; what was written by then stays. As on
// AWS, bootstrap has to be executable in the archive; one from a system without such a bit (Windows) is made so.
func Unpack(archive []byte, into string) error {
	if len(archive) > MaxZip {
		return fmt.Errorf("deployment package of %d bytes: want at most %d", len(archive), MaxZip)
	}
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return fmt.Errorf("read deployment package: %w", err)
	}
	if len(r.File) > maxZipFiles {
		return fmt.Errorf("deployment package has %d files: want at most %d", len(r.File), maxZipFiles)
	}
	if err := os.MkdirAll(into, 0o700); err != nil {
		return fmt.Errorf("unpack deployment package: %w", err)
	}
	root, err := os.OpenRoot(into) // the system itself keeps to the folder, whatever a name says
	if err != nil {
		return fmt.Errorf("unpack deployment package: %w", err)
	}
	defer root.Close()
	left := int64(MaxUnzipped)
	for _, f := range r.File {
		if left, err = unpackFile(root, f, left); err != nil {
			return fmt.Errorf("unpack %s of the deployment package: %w", f.Name, err)
		}
	}
	return nil
}

// unpackFile writes one entry and tells how many bytes may still follow.
func unpackFile(root *os.Root, f *zip.File, left int64) (int64, error) {
	name := strings.TrimSuffix(f.Name, "/")
	switch {
	case !filepath.IsLocal(filepath.FromSlash(name)) || strings.Contains(name, `\`):
		return 0, errors.New("the name leads out of the folder")
	case f.Mode().IsDir():
		return left, root.MkdirAll(name, 0o700)
	case !f.Mode().IsRegular():
		return 0, errors.New("want files and folders only")
	}
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return 0, err
		}
	}
	in, err := f.Open()
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, modeOf(f))
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, io.LimitReader(in, left+1)) // the header's size is anybody's claim
	if err == nil && n > left {
		err = fmt.Errorf("the package is more than %d bytes unpacked", MaxUnzipped)
	}
	return left - n, errors.Join(err, out.Close())
}

// The system that an archive was made on, in the upper byte of CreatorVersion (APPNOTE.TXT, 4.4.2.2).
const madeOnUnix, madeOnMac = 3, 19

// modeOf gives a file's permissions. An archive that knows none gets the program's.
func modeOf(f *zip.File) fs.FileMode {
	if system := f.CreatorVersion >> 8; system == madeOnUnix || system == madeOnMac {
		return f.Mode().Perm() | 0o600
	}
	return 0o700
}
