package cli

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// WriteObject writes a command's answer as JSON: all of it or, on an error of the encoding, nothing. It is on one line
// unless an option indents it.
func WriteObject(w io.Writer, v any, options ...json.Options) error {
	b, err := json.Marshal(v, options...)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Compact is a JSON text, which must be valid, on one line.
func Compact(text []byte) jsontext.Value {
	v := jsontext.Value(text).Clone()
	_ = v.Compact() // the text is valid
	return v
}
