package meter

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxGroup bounds an encoded group, in bytes. DynamoDB allows a sort key 1,024; the rest holds the separator and the
// shard's name (20 bytes on AWS).
const MaxGroup = 1000

// A group is the values of a meter's group-by paths as one text: each value escaped, with "/" between them. A string
// is itself; a number or a boolean is its canonical text after "=". Escaped as %XX are the separators "/" and "#", the
// escape "%", a leading "=", and control characters. So different values have different texts, groups sort by their
// first value, and a reader still recognises them.

func appendValue(b []byte, v jsontext.Value) ([]byte, error) {
	switch v.Kind() {
	case '"':
		return appendString(b, v)
	case '0':
		d, err := ParseDecimal(v)
		if err != nil {
			return b, err
		}
		return d.AppendText(append(b, '=')), nil
	case 't', 'f':
		return append(append(b, '='), v...), nil
	}
	return b, errors.New("is not a string, a number or a boolean")
}

func appendString(b []byte, quoted jsontext.Value) ([]byte, error) {
	from := len(b)
	b, err := jsontext.AppendUnquote(b, quoted)
	if err != nil {
		return b, err
	}
	for i, c := range b[from:] {
		if reserved(i, c) {
			text := string(b[from:])
			return escape(b[:from], text), nil
		}
	}
	return b, nil
}

func reserved(i int, c byte) bool {
	return c < 0x20 || c == 0x7f || c == '/' || c == '#' || c == '%' || c == '=' && i == 0
}

func escape(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; reserved(i, c) {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}

// Values decodes a group into the text of its values, one for each of the meter's group-by paths.
func (m *Meter) Values(group string) ([]string, error) {
	if len(m.By) == 0 {
		if group != "" {
			return nil, fmt.Errorf("group %q: meter %s groups by nothing", group, m.Name)
		}
		return nil, nil
	}
	values := strings.Split(group, "/")
	if len(values) != len(m.By) {
		return nil, fmt.Errorf("group %q: %d values, meter %s groups by %d", group, len(values), m.Name, len(m.By))
	}
	for i, v := range values {
		var err error
		if values[i], err = unescape(v); err != nil {
			return nil, fmt.Errorf("group %q: %w", group, err)
		}
	}
	return values, nil
}

func unescape(s string) (string, error) {
	if bare, ok := strings.CutPrefix(s, "="); ok {
		return bare, nil
	}
	if !strings.Contains(s, "%") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if len(s) < i+3 {
			return "", errors.New("an escape is cut off")
		}
		c, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil {
			return "", fmt.Errorf("escape %q: %w", s[i:i+3], err)
		}
		b.Write(c)
		i += 2
	}
	return b.String(), nil
}

// Groups gives every group whose values read so, as Values gives them: a text may be a string's, and a number's or a
// boolean's as well. There is none when the values are not as many as the meter's group-by paths, or too long.
func (m *Meter) Groups(values []string) []string {
	if len(values) != len(m.By) {
		return nil
	}
	groups := []string{""}
	for i, text := range values {
		var longer []string
		for _, value := range m.By[i].encodings(text) {
			for _, g := range groups {
				if i > 0 {
					g += "/"
				}
				if len(g)+len(value) <= MaxGroup {
					longer = append(longer, g+value)
				}
			}
		}
		groups = longer
	}
	return groups
}

// encodings gives the encoded values of a path that read as text. Attributes are strings that are not empty.
func (p Path) encodings(text string) []string {
	encoded := string(escape(nil, text))
	if len(p.names) == 1 {
		if text == "" {
			return nil
		}
		return []string{encoded}
	}
	if d, err := ParseDecimal(text); err == nil && d.String() == text || text == "true" || text == "false" {
		return []string{encoded, "=" + text}
	}
	return []string{encoded}
}
