package meter

import "github.com/go-json-experiment/json/jsontext"

// members goes through the members of a JSON object, in the order in which they are written. It is for text that is
// known to be JSON, as an event's data is: it checks nothing again, and so costs a fraction of what a decoder does. Of
// other text it gives pieces that mean nothing, and comes to an end all the same. It allocates nothing.
type members struct{ rest jsontext.Value }

// membersOf gives the members of an object, which has no space before it; none of any other value.
func membersOf(object jsontext.Value) members {
	if len(object) == 0 || object[0] != '{' {
		return members{}
	}
	return members{object[1:]}
}

// next gives the name of the next member, in its quotes and as it is escaped, and its value. Both are parts of the
// object's memory. It is false when there is none.
func (m *members) next() (name, value jsontext.Value, ok bool) {
	name, m.rest = cut(m.rest)
	if len(name) < 2 || name[0] != '"' { // behind the last one stands a brace
		return nil, nil, false
	}
	value, m.rest = cut(m.rest)
	return name, value, true
}

// cut takes the first value off, with what stands before it.
func cut(b jsontext.Value) (value, rest jsontext.Value) {
	b = b[lead(b):]
	n := length(b)
	return b[:n:n], b[n:]
}

// lead counts what separates values: whitespace, colons and commas.
func lead(b jsontext.Value) int {
	for i, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return i
		}
	}
	return len(b)
}

// length gives that of the value with which b begins; 0 where none does.
func length(b jsontext.Value) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"':
		return stringLength(b)
	case '{', '[':
		return nestLength(b)
	}
	for i, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n', ',', ':', '}', ']':
			return i
		}
	}
	return len(b)
}

func stringLength(b jsontext.Value) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// nestLength gives the length of an object or an array.
func nestLength(b jsontext.Value) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += stringLength(b[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}
