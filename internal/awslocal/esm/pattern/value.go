package pattern

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Value is a JSON value to be matched. The zero Value is none: it matches only what asks for absence.
type Value struct {
	kind    jsontext.Kind // 0 for none
	text    string        // of a string its content, of a number its digits as they were written
	names   []string      // of an object
	members []Value       // of an object beside their names, of an array its elements
}

// The kinds of JSON values, as jsontext names them.
const (
	kindString = jsontext.Kind('"')
	kindNumber = jsontext.Kind('0')
	kindObject = jsontext.Kind('{')
	kindArray  = jsontext.Kind('[')
)

// String is a JSON string.
func String(s string) Value { return Value{kind: kindString, text: s} }

// Number is a JSON number by its literal.
func Number(literal string) Value { return Value{kind: kindNumber, text: literal} }

// Object is a JSON object without members. Set adds them.
func Object() Value { return Value{kind: kindObject} }

// Set adds a member to an object. Of two with the same name the later counts.
func (v *Value) Set(name string, member Value) {
	v.names, v.members = append(v.names, name), append(v.members, member)
}

// ParseValue reads one JSON value, nested at most 10,000 deep. It keeps nothing of data.
func ParseValue(data []byte) (Value, error) { return parse(data, nil) }

// ParseFor reads one JSON value for patterns: of members that none of them names it checks only that they are JSON.
func ParseFor(data []byte, patterns ...*Pattern) (Value, error) {
	return parse(data, func(name string) bool {
		return slices.ContainsFunc(patterns, func(p *Pattern) bool { return p.named[name] })
	})
}

func parse(data []byte, wanted func(string) bool) (Value, error) {
	r := reader{jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true)), wanted}
	v, err := r.value()
	if err != nil {
		return Value{}, fmt.Errorf("read JSON: %w", err)
	}
	if _, err := r.ReadToken(); !errors.Is(err, io.EOF) {
		return Value{}, errors.New("read JSON: more than one value")
	}
	return v, nil
}

type reader struct {
	*jsontext.Decoder
	wanted func(name string) bool // nil wants all
}

func (r *reader) value() (Value, error) {
	tok, err := r.ReadToken()
	if err != nil {
		return Value{}, err
	}
	v := Value{kind: tok.Kind()}
	switch v.kind {
	case kindString, kindNumber:
		v.text = tok.String()
	case kindObject, kindArray:
		err = r.members(&v)
	}
	return v, err
}

// members reads what is in an object or array, and its end.
func (r *reader) members(v *Value) error {
	for {
		if k := r.PeekKind(); k == '}' || k == ']' {
			_, err := r.ReadToken()
			return err
		}
		if v.kind == kindObject {
			tok, err := r.ReadToken()
			if err != nil {
				return err
			}
			name := tok.String()
			if r.wanted != nil && !r.wanted(name) {
				if err := r.SkipValue(); err != nil {
					return err
				}
				continue
			}
			v.names = append(v.names, name)
		}
		m, err := r.value()
		if err != nil {
			return err
		}
		v.members = append(v.members, m)
	}
}

// member gives an object's member, of several with one name the last; none if there is none.
func (v *Value) member(name string) *Value {
	for i := len(v.names) - 1; i >= 0; i-- {
		if v.names[i] == name {
			return &v.members[i]
		}
	}
	return &none
}

var none Value

// anyLeaf tells whether is holds for the value, or for any in it if it is an array. Objects are no leaves.
func (v *Value) anyLeaf(is func(*Value) bool) bool {
	switch v.kind {
	case 0, kindObject:
		return false
	case kindArray:
		for i := range v.members {
			if v.members[i].anyLeaf(is) {
				return true
			}
		}
		return false
	}
	return is(v)
}

// hasLeaf tells whether there is a leaf at the end of a path of names, through arrays as well.
func (v *Value) hasLeaf(path []string) bool {
	switch {
	case len(path) == 0:
		return v.anyLeaf(func(*Value) bool { return true })
	case v.kind == kindArray:
		for i := range v.members {
			if v.members[i].hasLeaf(path) {
				return true
			}
		}
		return false
	}
	return v.member(path[0]).hasLeaf(path[1:])
}
