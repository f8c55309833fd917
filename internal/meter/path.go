package meter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth bounds how deep a path reaches into an event's data.
const MaxDepth = 16

// Path names a place in an event: one of the attributes source, type and subject, or a member of its data, as in
// data.passenger.class. A name that holds a dot or a quote is written as a JSON string: data."unit.price".
type Path struct {
	text  string
	names []string // as ParsePath split it: ["data", "passenger", "class"]
}

// String gives the text that the path was parsed from.
func (p Path) String() string { return p.text }

// ParsePath reads a path.
func ParsePath(s string) (Path, error) {
	names, err := splitPath(s)
	if err != nil {
		return Path{}, fmt.Errorf("path %q: %w", s, err)
	}
	switch {
	case names[0] == "data" && len(names) == 1:
		return Path{}, fmt.Errorf("path %q: names the whole data, want a member as in data.name", s)
	case names[0] == "data" && len(names) > MaxDepth:
		return Path{}, fmt.Errorf("path %q: is deeper than %d names", s, MaxDepth)
	case names[0] == "data":
	case len(names) == 1 && (names[0] == "source" || names[0] == "type" || names[0] == "subject"):
	default:
		return Path{}, fmt.Errorf("path %q: want source, type, subject, or data. and the names of members", s)
	}
	return Path{s, names}, nil
}

func splitPath(s string) ([]string, error) {
	if !utf8.ValidString(s) {
		return nil, errors.New("is not valid UTF-8: no member of a JSON object has such a name")
	}
	var names []string
	for {
		name, rest, err := firstName(s)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		if rest == "" {
			return names, nil
		}
		if rest[0] != '.' {
			return nil, errors.New("want a dot after a quoted name")
		}
		s = rest[1:]
	}
}

func firstName(s string) (name, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, '.')
		if end < 0 {
			end = len(s)
		}
		name, rest = s[:end], s[end:]
		if name == "" {
			return "", "", errors.New("a name is empty")
		}
		if strings.ContainsAny(name, `" []*$`) {
			return "", "", fmt.Errorf("name %q: quote it as a JSON string (arrays, wildcards and expressions are not supported)", name)
		}
		return name, rest, nil
	}
	end := 1
	for end < len(s) && s[end] != '"' {
		if s[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(s) {
		return "", "", errors.New("a quote is not closed")
	}
	b, err := jsontext.AppendUnquote(nil, s[:end+1])
	if err != nil {
		return "", "", fmt.Errorf("quoted name: %w", err)
	}
	return string(b), s[end+1:], nil
}

// Names gives the path's names from the event's top level down, as in data, passenger, class.
func (p Path) Names() []string { return slices.Clone(p.names) }
