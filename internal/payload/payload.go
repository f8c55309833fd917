// Package payload reads the JSON that an AWS service hands to a function: as far as the function needs it, in one pass.
// (aws-lambda-go's types are decoded with encoding/json, which takes five times the time.)
package payload

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// Reader reads one payload after another and uses its memory again. The zero value needs a Reset. It is not safe for
// concurrent use.
type Reader struct {
	json    *jsontext.Decoder
	buf     bytes.Buffer
	scratch []byte
}

// Reset begins a payload.
func (r *Reader) Reset(payload []byte) {
	if r.json == nil {
		r.json = jsontext.NewDecoder(&r.buf)
	}
	r.buf = *bytes.NewBuffer(payload)
	// Lambda writes no name twice, and checking costs a third of the time.
	r.json.Reset(&r.buf, jsontext.AllowDuplicateNames(true))
}

// Value reads a value of any kind. It is valid until the next read.
func (r *Reader) Value() (jsontext.Value, error) { return r.json.ReadValue() }

// Skip passes over a value.
func (r *Reader) Skip() error { return r.json.SkipValue() }

// Text reads a string. It is valid until the next read.
func (r *Reader) Text() ([]byte, error) {
	v, err := r.json.ReadValue()
	if err != nil {
		return nil, err
	}
	if v.Kind() != '"' {
		return nil, errors.New("is not a string")
	}
	return r.Unquote(v), nil
}

// Unquote gives the characters of a string that Value has read. They are valid until the next read.
func (r *Reader) Unquote(v jsontext.Value) []byte {
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	r.scratch, _ = jsontext.AppendUnquote(r.scratch[:0], v) // the decoder has checked it
	return r.scratch
}

// Object reads an object, each member's value by f. The name is valid until the next read.
func (r *Reader) Object(f func(name []byte) error) error {
	if k := r.json.PeekKind(); k != '{' && k != 0 {
		return errors.New("is not an object")
	}
	if _, err := r.json.ReadToken(); err != nil {
		return err
	}
	for r.json.PeekKind() == '"' {
		name, err := r.Text()
		if err != nil {
			return err
		}
		if err := f(name); err != nil {
			return err
		}
	}
	_, err := r.json.ReadToken()
	return err
}

// Array reads an array, each element by f.
func (r *Reader) Array(f func() error) error {
	if k := r.json.PeekKind(); k != '[' && k != 0 {
		return errors.New("is not an array")
	}
	if _, err := r.json.ReadToken(); err != nil {
		return err
	}
	for k := r.json.PeekKind(); k != ']' && k != 0; k = r.json.PeekKind() {
		if err := f(); err != nil {
			return err
		}
	}
	_, err := r.json.ReadToken()
	return err
}
