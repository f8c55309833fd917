package dynamodb

import (
	"bytes"
	"io"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// reader decodes a request from its JSON in one pass. A value that is well formed but not allowed does not stop it: the
// first such refusal is kept in invalid, for AWS checks the request's other constraints first.
type reader struct {
	dec     jsontext.Decoder
	buf     []byte // where documents grow
	escaped []byte // where texts with escapes are unquoted
	invalid string
}

var readers = sync.Pool{New: func() any { return new(reader) }}

// maxScratch is the largest buffer that a pooled reader keeps: an item of the largest size, and then some.
const maxScratch = 1 << 20

// decode reads a request by a function that consumes its one JSON value. More than one is refused.
func decode(request []byte, consume func(*reader) error) error {
	r := readers.Get().(*reader)
	defer r.release()
	r.dec.Reset(bytes.NewBuffer(request))
	r.buf, r.invalid = r.buf[:0], ""
	if err := consume(r); err != nil {
		return serialization(err)
	}
	if _, err := r.dec.ReadToken(); err != io.EOF {
		return wire.Errorf("SerializationException", "there is more than one value")
	}
	return nil
}

func (r *reader) release() {
	r.dec.Reset(new(bytes.Buffer)) // the request's memory is not ours to keep
	if cap(r.buf) <= maxScratch && cap(r.escaped) <= maxScratch {
		readers.Put(r)
	}
}

// serialization makes the error of a request that does not have the form of its operation. AWS words the cause in Java.
func serialization(err error) error {
	if e, ok := err.(*wire.Error); ok {
		return e
	}
	return wire.Unreadable(err)
}

// reject keeps the first refusal of a value.
func (r *reader) reject(text string) {
	if r.invalid == "" {
		r.invalid = text
	}
}

// text reads a JSON string, or null as nil. The bytes are good until the next read.
func (r *reader) text(want string) ([]byte, error) {
	v, err := r.dec.ReadValue()
	switch {
	case err != nil:
		return nil, err
	case v[0] == 'n':
		return nil, nil
	case v[0] != '"':
		return nil, mismatch(v, want)
	}
	if inner := v[1 : len(v)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	r.escaped, err = jsontext.AppendUnquote(r.escaped[:0], v)
	return r.escaped, err
}

// mismatch words a JSON value of another kind than the member wants.
func mismatch(v jsontext.Value, want string) error {
	switch v.Kind() {
	case '"':
		return wire.Errorf("SerializationException", "STRING_VALUE cannot be converted to %s", want)
	case '0':
		name := "NUMBER_VALUE"
		if bytes.ContainsAny(v, ".eE") {
			name = "DECIMAL_VALUE"
		}
		return wire.Errorf("SerializationException", "%s cannot be converted to %s", name, want)
	case 't', 'f':
		return wire.Errorf("SerializationException", "%s_VALUE cannot be converted to %s", bytes.ToUpper(v), want)
	case '[':
		return wire.Errorf("SerializationException", "Unrecognized collection type class java.lang.%s", want)
	}
	return wire.Errorf("SerializationException", "Start of structure or map found where not expected")
}

// members reads an object; each reads one member's value. null in place of the object is nothing.
func (r *reader) members(each func(name []byte) error) error {
	if found, err := r.begin('{'); !found {
		return err
	}
	for r.dec.PeekKind() != '}' {
		name, err := r.text("String")
		if err != nil {
			return err
		}
		if err := each(name); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

// elements reads an array; each reads one element. null in place of the array is nothing.
func (r *reader) elements(each func() error) error {
	if found, err := r.begin('['); !found {
		return err
	}
	for r.dec.PeekKind() != ']' {
		if err := each(); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

// begin reads the start of an object or array, or skips a null.
func (r *reader) begin(k jsontext.Kind) (bool, error) {
	switch r.dec.PeekKind() {
	case k:
		_, err := r.dec.ReadToken()
		return err == nil, err
	case 'n':
		return false, r.dec.SkipValue()
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return false, err
	}
	if k == '{' {
		return false, wire.Errorf("SerializationException", "Unexpected value type in payload")
	}
	return false, wire.Errorf("SerializationException", "Unexpected field type")
}

// null skips a null, and tells whether there was one.
func (r *reader) null() (bool, error) {
	if r.dec.PeekKind() != 'n' {
		return false, nil
	}
	return true, r.dec.SkipValue()
}

// optional is a text that a request may leave out.
type optional struct {
	text string
	set  bool
}

func (r *reader) string(to *optional) error {
	s, err := r.text("String")
	if s != nil && err == nil {
		*to = optional{string(s), true}
	}
	return err
}

func (r *reader) bool(to *bool) error {
	if null, err := r.null(); null || err != nil {
		return err
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		return err
	}
	if k := v.Kind(); k != 't' && k != 'f' {
		return mismatch(v, "Boolean")
	}
	*to = v.Kind() == 't'
	return nil
}

func (r *reader) integer(to **int) error {
	if null, err := r.null(); null || err != nil {
		return err
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		return err
	}
	if v.Kind() != '0' {
		return mismatch(v, "Integer")
	}
	n, err := strconv.Atoi(string(v))
	*to = &n
	return err
}
