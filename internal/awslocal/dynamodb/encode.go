package dynamodb

import (
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// members appends an object's members, with commas between them.
type members struct {
	dst   []byte
	comma bool
}

func newMembers(dst []byte) *members { return &members{dst: append(dst, '{')} }

// name begins a member; its value is appended to dst.
func (m *members) name(name string) {
	if m.comma {
		m.dst = append(m.dst, ',')
	}
	m.comma = true
	m.dst = append(m.dst, '"')
	m.dst = append(m.dst, name...)
	m.dst = append(m.dst, '"', ':')
}

func (m *members) end() []byte { return append(m.dst, '}') }

// appendDocument appends a document as the JSON of an item.
func appendDocument(dst []byte, d document) []byte {
	dst = append(dst, '{')
	for comma := false; len(d) > 0; comma = true {
		name, v, rest := d.cut()
		if comma {
			dst = append(dst, ',')
		}
		dst = appendText(dst, name)
		dst = append(dst, ':')
		dst = appendAttribute(dst, v)
		d = rest
	}
	return append(dst, '}')
}

// appendText appends a JSON string. All texts here were read from JSON, so they are valid UTF-8.
func appendText(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // the error is for invalid UTF-8 alone
	return dst
}

// appendAttribute appends a value with its type, {"S":"..."}.
func appendAttribute(dst []byte, v value) []byte {
	dst = append(dst, '{', '"')
	dst = append(dst, v.kind.String()...)
	dst = append(dst, '"', ':')
	switch v.kind {
	case kindString, kindNumber, kindBinary:
		dst = appendScalar(dst, v.kind, v.data)
	case kindBool:
		dst = append(dst, map[bool]string{true: "true", false: "false"}[v.data == "\x01"]...)
	case kindNull:
		dst = append(dst, "true"...)
	case kindMap:
		dst = appendDocument(dst, document(v.data))
	case kindList:
		dst = append(dst, '[')
		comma := ""
		for e := range v.elements {
			dst = append(dst, comma...)
			dst = appendAttribute(dst, e)
			comma = ","
		}
		dst = append(dst, ']')
	default:
		dst = appendSet(dst, v)
	}
	return append(dst, '}')
}

// appendList appends a JSON array.
func appendList[T any](dst []byte, all []T, each func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i, v := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = each(dst, v)
	}
	return append(dst, ']')
}

func appendSet(dst []byte, v value) []byte {
	of := map[kind]kind{kindStringSet: kindString, kindNumberSet: kindNumber, kindBinarySet: kindBinary}[v.kind]
	dst = append(dst, '[')
	comma := ""
	for m := range v.members {
		dst = append(dst, comma...)
		dst = appendScalar(dst, of, m)
		comma = ","
	}
	return append(dst, ']')
}

func appendScalar(dst []byte, k kind, s string) []byte {
	switch k {
	case kindNumber:
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	case kindBinary:
		return appendBase64(dst, s)
	}
	return appendText(dst, s)
}

// appendBase64 encodes piece by piece through the stack, so that the string need not be copied to the heap first.
func appendBase64(dst []byte, s string) []byte {
	var piece [3 << 10]byte // a multiple of 3: no padding inside
	dst = append(dst, '"')
	for len(s) > 0 {
		n := copy(piece[:], s)
		dst = base64.StdEncoding.AppendEncode(dst, piece[:n])
		s = s[n:]
	}
	return append(dst, '"')
}

// String gives the value as AWS's refusals print it.
func (v value) String() string {
	switch v.kind {
	case kindString, kindNumber, kindBinary:
		return v.data
	case kindStringSet, kindNumberSet, kindBinarySet:
		var all []string
		for m := range v.members {
			all = append(all, m)
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	return string(appendAttribute(nil, v))
}
