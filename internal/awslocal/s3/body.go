package s3

import (
	"bufio"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// checksumPrefix is what the headers of checksums begin with, in Go's spelling.
const checksumPrefix = "X-Amz-Checksum-"

// nvme is the polynomial of CRC-64/NVME, reversed.
const nvme = 0x9a6c9329ac4bc9b5

// checksums are the algorithms by what their headers end with
// (docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).
var checksums = map[string]func() hash.Hash{
	"Crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"Crc32c":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"Crc64nvme": func() hash.Hash { return crc64.New(crc64.MakeTable(nvme)) },
	"Sha1":      sha1.New,
	"Sha256":    sha256.New,
}

// passing are the headers that concern a request's way here: gofakes3 would keep them with the object.
var passing = []string{
	"X-Amz-Content-Sha256", "X-Amz-Date", "X-Amz-Decoded-Content-Length", "X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Security-Token", "X-Amz-Trailer",
}

// readBody reads a body, takes it out of its chunks if it has come in some, and holds it against its checksums, which
// may come in the header or behind the body. What then stands in the header is what is kept with the object.
func readBody(h http.Header, in io.Reader) ([]byte, error) {
	body, err := []byte(nil), error(nil)
	if strings.HasPrefix(h.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		body, err = readChunks(h, bufio.NewReader(in))
	} else {
		body, err = io.ReadAll(in)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range passing {
		h.Del(name)
	}
	for name, values := range h {
		algorithm, ok := strings.CutPrefix(name, checksumPrefix)
		if sum := checksums[algorithm]; ok && sum != nil {
			if err := verify(sum(), body, values[0], algorithm); err != nil {
				return nil, err
			}
		}
	}
	return body, nil
}

func verify(sum hash.Hash, body []byte, want, algorithm string) error {
	sum.Write(body)
	if base64.StdEncoding.EncodeToString(sum.Sum(nil)) != want {
		return wire.Errorf("BadDigest", "The %s you specified did not match the calculated checksum.", strings.ToUpper(algorithm))
	}
	return nil
}

// maxLine bounds a line between chunks: a signature is 64 hexadecimal digits.
const maxLine = 1 << 10

// readChunks reads a body in the encoding aws-chunked, signed or not, and puts what comes behind it into the header.
//
//	body  = *chunk "0" [ ";" extension ] CRLF *( name ":" value CRLF ) [ CRLF ]
//	chunk = size in hexadecimal [ ";" extension ] CRLF data CRLF
//
// docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func readChunks(h http.Header, in *bufio.Reader) ([]byte, error) {
	var body []byte
	for {
		line, err := readLine(in)
		if err != nil {
			return nil, err
		}
		text, _, _ := strings.Cut(line, ";")
		size, err := strconv.ParseUint(text, 16, 32)
		if err != nil || size > MaxRequest {
			return nil, wire.Errorf("InvalidRequest", "chunk size %q", text)
		}
		if size == 0 {
			break
		}
		began := len(body)
		body = append(body, make([]byte, size)...)
		if _, err := io.ReadFull(in, body[began:]); err != nil {
			return nil, incomplete(err)
		}
		if line, err := readLine(in); err != nil || line != "" {
			return nil, errors.Join(wire.Errorf("InvalidRequest", "a chunk is longer than its size"), err)
		}
	}
	if err := readTrailers(h, in); err != nil {
		return nil, err
	}
	if want := h.Get("X-Amz-Decoded-Content-Length"); want != "" && want != strconv.Itoa(len(body)) {
		return nil, wire.Errorf("IncompleteBody", "the body is %d bytes, and X-Amz-Decoded-Content-Length is %s", len(body), want)
	}
	unwrap(h)
	return body, nil
}

// readTrailers reads the lines behind the last chunk up to an empty one, or to the end.
func readTrailers(h http.Header, in *bufio.Reader) error {
	for {
		line, err := readLine(in)
		if line == "" {
			return nil // also at the end: S3 does not ask for the last empty line
		}
		if err != nil {
			return err
		}
		name, value, ok := strings.Cut(line, ":")
		if key := http.CanonicalHeaderKey(name); ok && strings.HasPrefix(key, checksumPrefix) {
			h.Set(key, strings.TrimSpace(value))
		}
	}
}

// unwrap takes aws-chunked off the encodings.
func unwrap(h http.Header) {
	var left []string
	for _, encoding := range strings.Split(h.Get("Content-Encoding"), ",") {
		if encoding = strings.TrimSpace(encoding); encoding != "" && encoding != "aws-chunked" {
			left = append(left, encoding)
		}
	}
	h.Del("Content-Encoding")
	if left != nil {
		h.Set("Content-Encoding", strings.Join(left, ","))
	}
}

// readLine reads a line without its end.
func readLine(in *bufio.Reader) (string, error) {
	var line []byte
	for {
		c, err := in.ReadByte()
		if err != nil {
			return string(line), incomplete(err)
		}
		if c == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		if line = append(line, c); len(line) > maxLine {
			return "", wire.Errorf("InvalidRequest", "a line between chunks is longer than %d bytes", maxLine)
		}
	}
}

// incomplete words a body that ends too early; other errors stay.
func incomplete(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return wire.Errorf("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
	}
	return err
}
