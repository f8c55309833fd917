package lambda

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Limits of a deployment package (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const (
	// MaxZip bounds a zip that comes in a request.
	MaxZip = 50 << 20
	// MaxUnzipped bounds what is in it.
	MaxUnzipped = 250 << 20
	// MaxFiles bounds how many files and folders are in it. AWS has no such limit: it is there against bombs.
	MaxFiles = 20_000
)

var (
	errNoZip    = invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
	errUnzipped = invalid(fmt.Sprintf("Unzipped size must be smaller than %d bytes", MaxUnzipped))
	errZipped   = &wire.Error{
		Code: "RequestEntityTooLargeException", Message: fmt.Sprintf("Zipped size must be smaller than %d bytes", MaxZip),
		Status: http.StatusRequestEntityTooLarge,
	}
)

// code is a folder with a function's program. Versions and instances share it.
type code struct {
	dir    string
	sha256 string // in base64, of the zip or of a folder's bootstrap
	size   int64  // of the same, in bytes
	owned  bool   // unpacked here, and removed after its last use
	uses   int    // under Service.mu
}

// use counts one who needs the code; mu is held.
func (c *code) use() *code {
	c.uses++
	return c
}

// drop takes one off; mu is held. What cannot be removed now goes with the folder of all code, in Close.
func (c *code) drop() {
	if c.uses--; c.uses == 0 && c.owned {
		_ = os.RemoveAll(c.dir)
	}
}

// codeOf describes a folder that somebody else keeps.
func codeOf(dir string) (*code, error) {
	f, err := os.Open(filepath.Join(dir, "bootstrap"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return &code{dir: dir, sha256: base64.StdEncoding.EncodeToString(h.Sum(nil)), size: n}, err
}

// upload unpacks a zip into a folder of its own. The error is one of AWS's, unless this machine is at fault.
func (s *Service) upload(data []byte) (*code, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	defer s.running.Done()
	dir, err := os.MkdirTemp(s.folder, "code")
	if err != nil {
		return nil, fmt.Errorf("keep the code: %w", err)
	}
	if err := unpack(data, dir, MaxUnzipped); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	sum := sha256.Sum256(data)
	return &code{dir: dir, sha256: base64.StdEncoding.EncodeToString(sum[:]), size: int64(len(data)), owned: true}, nil
}

// open makes the folder for uploads, and counts one as running.
func (s *Service) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if s.folder == "" {
		dir, err := os.MkdirTemp("", "millrace-lambda")
		if err != nil {
			return fmt.Errorf("keep the code: %w", err)
		}
		s.folder = dir
	}
	s.running.Add(1)
	return nil
}

// removeUploads is the end of Close: nothing runs any more.
func (s *Service) removeUploads() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folder == "" {
		return
	}
	if err := os.RemoveAll(s.folder); err != nil {
		s.opt.Log.Warn("code of functions is left", "folder", s.folder, "error", err)
	}
}

// unpack writes a zip's files below dir, left bytes at most, and nothing beside it. Files can be executed if their mode in
// the zip says so: AWS wants it of bootstrap.
func unpack(data []byte, dir string, left int64) error {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return errNoZip
	}
	switch n := len(z.File); {
	case n == 0:
		return invalid("Uploaded file must be a non-empty zip")
	case n > MaxFiles:
		return invalid(fmt.Sprintf("the local endpoint takes zips of up to %d files, and this one has %d", MaxFiles, n))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("keep the code: %w", err)
	}
	defer root.Close()
	for _, f := range z.File {
		n, err := unpackFile(root, f, left)
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// unpackFile writes one file of at most left bytes, and gives its size. Nothing but files and folders is taken: a link
// could lead out of the folder.
func unpackFile(root *os.Root, f *zip.File, left int64) (int64, error) {
	mode := f.Mode()
	name := filepath.Clean(filepath.FromSlash(f.Name))
	if !filepath.IsLocal(name) {
		return 0, errNoZip
	}
	if !mode.IsDir() && !mode.IsRegular() {
		return 0, invalid("the local endpoint takes zips of files and folders only, and " + f.Name + " is neither")
	}
	folder := name
	if !mode.IsDir() {
		folder = filepath.Dir(name)
	}
	if err := root.MkdirAll(folder, 0o755); err != nil {
		return 0, errNoZip // a file stands where a folder should
	}
	if mode.IsDir() {
		return 0, nil
	}
	in, err := f.Open()
	if err != nil {
		return 0, errNoZip
	}
	defer in.Close()
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644|mode.Perm()&0o111)
	if err != nil {
		return 0, errNoZip
	}
	n, err := io.Copy(out, io.LimitReader(in, left+1))
	disk := new(fs.PathError) // from writing: what is wrong in the zip is no such error
	switch closed := out.Close(); {
	case errors.As(err, &disk), err == nil && closed != nil:
		return n, fmt.Errorf("keep the code: %w", errors.Join(err, closed))
	case n > left:
		return n, errUnzipped
	case err != nil:
		return n, errNoZip
	}
	return n, nil
}
