package payload

import (
	"fmt"
	"strings"
	"testing"
)

// read gives what is in a payload: {"list":[{"text":"..."}]}.
func read(r *Reader, in string) (texts []string, err error) {
	r.Reset([]byte(in))
	err = r.Object(func(name []byte) error {
		if string(name) != "list" {
			return r.Skip()
		}
		return r.Array(func() error {
			return r.Object(func([]byte) error {
				text, err := r.Text()
				texts = append(texts, string(text))
				return err
			})
		})
	})
	return texts, err
}

func TestReader_PayloadsOneAfterAnother_AreRead(t *testing.T) {
	var r Reader
	for in, want := range map[string]string{
		`{"other":{"list":[1]},"list":[{"text":"a"},{"text":"b\u0063\n"}]}`: "[a bc\n]",
		`{"list":[]}`: "[]",
		`{}`:          "[]",
		` { "list" : [ { "\u0074ext" : "" , "t" : "x" } ] } `: "[ x]",
	} {
		if got, err := read(&r, in); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}

func TestReader_OtherKinds_AreErrors(t *testing.T) {
	var r Reader
	for in, want := range map[string]string{
		"": "EOF", "[]": "is not an object", "null": "is not an object", `{"list":{}}`: "is not an array", `{"list":[1]}`: "is not an object",
		`{"list":[{"text":1}]}`: "is not a string", `{"list":[{"text":"a"`: "EOF", `{"list":[{"text":"a"}`: "EOF", `{"list"`: "EOF", `{"list":[}`: "is not an object",
	} {
		if got, err := read(&r, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want %s", in, got, err, want)
		}
	}
}
