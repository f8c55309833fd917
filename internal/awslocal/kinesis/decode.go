package kinesis

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// putRequest is a decoded PutRecords. Its memory is used again: what it holds is valid until reset.
type putRequest struct {
	target
	entries []putEntry
	given   bool // there are Records, if only an empty list

	in    bytes.Buffer
	dec   *jsontext.Decoder
	arena []byte // what keys and data are decoded into
}

func newPutRequest() *putRequest {
	return &putRequest{dec: jsontext.NewDecoder(bytes.NewReader(nil))}
}

// reset lets go of the request's memory, and of an arena that is larger than what is kept for the next request.
func (r *putRequest) reset() {
	clear(r.entries)
	*r = putRequest{entries: r.entries[:0], dec: r.dec, arena: r.arena[:0]}
	if cap(r.arena) > wire.MaxScratch {
		r.arena = nil
	}
	r.dec.Reset(&r.in)
}

// decode reads a request. It takes what encoding/json/v2 takes for a struct of these members, and skips others. Of more
// entries than AWS allows it keeps one too many.
func (r *putRequest) decode(request []byte) error {
	r.in = *bytes.NewBuffer(request) // a Decoder reads a bytes.Buffer in place
	r.dec.Reset(&r.in)
	r.arena = slices.Grow(r.arena, len(request)) // nothing grows by decoding: the arena never moves
	err := r.object(func(name []byte) (err error) {
		switch string(name) {
		case "Records":
			return r.records()
		case "StreamName":
			r.StreamName, err = r.name()
		case "StreamARN":
			r.StreamARN, err = r.name()
		default:
			err = r.dec.SkipValue()
		}
		return err
	})
	if err != nil {
		return err
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// object reads an object, or null for one without members. member reads the value of each.
func (r *putRequest) object(member func(name []byte) error) error {
	if null, err := r.open('{'); null || err != nil {
		return err
	}
	for r.dec.PeekKind() != '}' {
		quoted, err := r.dec.ReadValue()
		if err != nil {
			return err
		}
		name := quoted[1 : len(quoted)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			if name, err = jsontext.AppendUnquote(nil, quoted); err != nil {
				return err
			}
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

// open reads the start of an object or array, or null.
func (r *putRequest) open(kind jsontext.Kind) (null bool, err error) {
	tok, err := r.dec.ReadToken()
	if err != nil {
		return false, err
	}
	if k := tok.Kind(); k != kind && k != 'n' {
		return false, fmt.Errorf("%s found where %s was expected", k, kind)
	}
	return tok.Kind() == 'n', nil
}

func (r *putRequest) records() error {
	r.entries = r.entries[:0]
	r.given = false
	if null, err := r.open('['); null || err != nil {
		return err
	}
	r.given = true
	for r.dec.PeekKind() != ']' {
		if len(r.entries) > maxEntries {
			if err := r.dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		r.entries = append(r.entries, putEntry{})
		if err := r.entry(&r.entries[len(r.entries)-1]); err != nil {
			return fmt.Errorf("record %d: %w", len(r.entries), err)
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

func (r *putRequest) entry(e *putEntry) error {
	return r.object(func(name []byte) (err error) {
		switch string(name) {
		case "Data":
			e.data, e.hasData, err = r.bytes()
		case "PartitionKey":
			e.key, e.hasKey, err = r.text()
		case "ExplicitHashKey":
			e.explicit, e.hasHash, err = r.text()
		default:
			err = r.dec.SkipValue()
		}
		return err
	})
}

func (r *putRequest) name() (string, error) {
	text, _, err := r.text()
	return string(text), err
}

// text reads a string or null.
func (r *putRequest) text() (text []byte, ok bool, err error) {
	v, err := r.string()
	if v == nil || err != nil {
		return nil, false, err
	}
	at := len(r.arena)
	r.arena, err = jsontext.AppendUnquote(r.arena, v)
	return slices.Clip(r.arena[at:]), true, err
}

// bytes reads a string of base64 or null.
func (r *putRequest) bytes() (data []byte, ok bool, err error) {
	v, err := r.string()
	if v == nil || err != nil {
		return nil, false, err
	}
	text := []byte(v[1 : len(v)-1])
	if bytes.IndexByte(text, '\\') >= 0 {
		if text, err = jsontext.AppendUnquote(nil, v); err != nil {
			return nil, false, err
		}
		if bytes.ContainsAny(text, "\r\n") { // which the decoder would pass over
			return nil, false, errors.New("base64 with line breaks")
		}
	}
	at := len(r.arena)
	r.arena, err = base64.StdEncoding.AppendDecode(r.arena, text)
	return slices.Clip(r.arena[at:]), true, err
}

// string reads a quoted string; nil for null.
func (r *putRequest) string() (jsontext.Value, error) {
	v, err := r.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	switch v.Kind() {
	case '"':
		return v, nil
	case 'n':
		return nil, nil
	}
	return nil, fmt.Errorf("%s found where a string was expected", v.Kind())
}
