package meter

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// membersByDecoder is what a decoder finds; false: the text is no JSON object.
func membersByDecoder(text []byte) (found [][2]string, ok bool) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if len(text) == 0 || text[0] != '{' {
		return nil, false
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, false
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadValue()
		if err != nil {
			return nil, false
		}
		pair := [2]string{string(name)}
		value, err := d.ReadValue()
		if err != nil {
			return nil, false
		}
		pair[1] = string(value)
		found = append(found, pair)
	}
	_, err := d.ReadToken()
	return found, err == nil
}

// FuzzMembers holds the members of an object against those that a decoder finds.
func FuzzMembers(f *testing.F) {
	for _, text := range []string{
		`{"origin":"LAS","destination":"PHL","distance":2176,"delay":33}`, `{}`, `{ } `, `{"":0}`, `{"a":"}\\","b":"\"","\u0063":[{"]":"["}]}`, "{\"a\" :\t-1.5e3\r\n, \"b\":null}",
		`[1]`, `"a"`, `1`, ``, `{`, `{"a`, `{"a":`, `{"a":"\`, `{"a":[}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want, ok := membersByDecoder(text)
		members, n := membersOf(text), 0
		for name, value, more := members.next(); more; name, value, more = members.next() {
			if ok && (n >= len(want) || want[n] != [2]string{string(name), string(value)}) {
				t.Fatalf("member %d is %s: %s, want all of %q", n, name, value, want)
			}
			if n++; n > len(text) {
				t.Fatal("there is no end to them")
			}
		}
		if ok && n != len(want) {
			t.Fatalf("%d members, want %d", n, len(want))
		}
	})
}
