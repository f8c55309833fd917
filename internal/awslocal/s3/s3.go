// Package s3 is the local AWS endpoint's S3: github.com/johannesboyne/gofakes3, in memory and addressed by path, behind
// what that lacks: the bodies and checksums that today's SDKs send, a refusal of what it would take for something else,
// and no leave for web pages to read it.
package s3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// MaxRequest bounds a request's body, and so an object that is put at once and a part of one: AWS takes 5 GiB, which
// would here be memory.
const MaxRequest = 128 << 20

// Get's errors, with S3's codes and texts, when the object or the bucket is not there.
var (
	ErrNoObject = &wire.Error{Code: "NoSuchKey", Message: "The specified key does not exist.", Status: http.StatusNotFound}
	ErrNoBucket = &wire.Error{Code: "NoSuchBucket", Message: "The specified bucket does not exist", Status: http.StatusNotFound}
)

// Service holds buckets. It is safe for concurrent use.
type Service struct {
	backend *s3mem.Backend
	handler http.Handler
}

// New makes a service without buckets.
func New() *Service {
	backend := s3mem.New()
	// No limit on the skew of clocks: signatures are not looked at either.
	return &Service{backend, gofakes3.New(backend, gofakes3.WithTimeSkewLimit(0)).Server()}
}

// CreateBucket makes a bucket. A name that is taken or not allowed is an error.
func (s *Service) CreateBucket(name string) error {
	if err := gofakes3.ValidateBucketName(name); err != nil {
		return fmt.Errorf("create bucket %s: %w", name, err)
	}
	if err := s.backend.CreateBucket(name); err != nil {
		return fmt.Errorf("create bucket %s: %w", name, err)
	}
	return nil
}

// arnPrefix is what a bucket's ARN has before its name.
const arnPrefix = "arn:aws:s3:::"

// Put writes an object into a bucket, named by its name or its ARN.
func (s *Service) Put(bucket, key string, body []byte, contentType string) error {
	bucket = strings.TrimPrefix(bucket, arnPrefix)
	meta := map[string]string{"Content-Type": contentType, "Last-Modified": time.Now().UTC().Format(http.TimeFormat)}
	if _, err := s.backend.PutObject(bucket, key, meta, bytes.NewReader(body), int64(len(body)), nil); err != nil {
		return fmt.Errorf("put %s into bucket %s: %w", key, bucket, err)
	}
	return nil
}

// Get reads an object of a bucket, named by its name or its ARN.
func (s *Service) Get(bucket, key string) ([]byte, error) {
	bucket = strings.TrimPrefix(bucket, arnPrefix)
	o, err := s.backend.GetObject(bucket, key, nil)
	switch {
	case gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey):
		err = ErrNoObject
	case gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchBucket):
		err = ErrNoBucket
	}
	if err != nil {
		return nil, fmt.Errorf("get %s of bucket %s: %w", key, bucket, err)
	}
	defer o.Contents.Close()
	return io.ReadAll(o.Contents)
}

// ServeHTTP answers one call.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := prepare(w, r); err != nil {
		wire.WriteRESTXML(w, err)
		return
	}
	s.handler.ServeHTTP(&answer{ResponseWriter: w, request: r}, r)
}

// parameters are the query parameters that gofakes3 understands, or may well ignore.
var parameters = []string{
	"uploads", "uploadId", "partNumber", "versioning", "versions", "versionId", "location", "delete", "list-type", "prefix", "delimiter",
	"marker", "max-keys", "max-parts", "max-uploads", "part-number-marker", "upload-id-marker", "key-marker", "version-id-marker",
	"continuation-token", "start-after", "encoding-type", "fetch-owner", "x-id",
}

// prepare makes a request one that gofakes3 understands, or refuses it. A subresource that it does not know has to be
// refused here: it would take the body of a PUT of an object's tags for the object.
func prepare(w http.ResponseWriter, r *http.Request) error {
	for name := range r.URL.Query() {
		if !slices.Contains(parameters, name) && !strings.HasPrefix(name, "X-Amz-") && !strings.HasPrefix(name, "response-") {
			return wire.Unimplemented("the S3 parameter " + strconv.Quote(name))
		}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		return nil
	case http.MethodPut, http.MethodPost:
	default:
		return wire.Unimplemented("S3 " + r.Method)
	}
	if r.ContentLength > MaxRequest {
		return errTooLarge
	}
	body, err := readBody(r.Header, http.MaxBytesReader(w, r.Body, MaxRequest))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return errTooLarge
	}
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", defaultType)
	}
	return nil
}

// defaultType is what S3 gives an object that comes without a type (API reference, "PutObject").
const defaultType = "binary/octet-stream"

var errTooLarge = wire.Errorf("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size: here %d bytes", MaxRequest)

// answer takes headers out of gofakes3's answers: its leave for any web page to read them, and checksums where AWS sends
// none (an object's is not that of a range, and comes on demand). The names of users' metadata it writes in lower case, as
// AWS does: boto3 shows them as they come.
type answer struct {
	http.ResponseWriter
	request *http.Request
	begun   bool
}

// WriteHeader begins the answer.
func (a *answer) WriteHeader(status int) {
	a.begun = true
	h := a.Header()
	for name, values := range h {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
		if strings.HasPrefix(name, "Access-Control-") || strings.HasPrefix(name, checksumPrefix) && !a.wantsChecksum() {
			h.Del(name)
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write continues the answer.
func (a *answer) Write(b []byte) (int, error) {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(b)
}

func (a *answer) wantsChecksum() bool {
	h := a.request.Header
	return h.Get("Range") == "" && strings.EqualFold(h.Get("X-Amz-Checksum-Mode"), "ENABLED")
}
