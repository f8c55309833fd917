// Package cloudevent reads CloudEvents 1.0 in the JSON format, and tells what makes two of them the same event.
package cloudevent

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Event is one CloudEvent, with the attributes that Millrace uses. Other extension attributes are allowed and skipped.
type Event struct {
	ID          string
	Source      string
	Type        string
	Subject     string    // "" when absent
	Time        time.Time // UTC; required here, though optional in CloudEvents: windows and the ledger hang on it
	Partition   string    // the partitionkey extension; "" when absent
	TraceParent string    // the traceparent extension (W3C trace context); "" when absent
	// Data is the data attribute as it was written: valid JSON, without names that occur twice. It is nil when absent,
	// and shares the memory that was decoded.
	Data jsontext.Value
}

// Key is the event's natural partition key: its partitionkey extension, else its subject, else its id. It is part of
// the event, so that every copy of it has the same, whatever key its producer put on the record.
func (e *Event) Key() string {
	switch {
	case e.Partition != "":
		return e.Partition
	case e.Subject != "":
		return e.Subject
	}
	return e.ID
}

// ErrInvalid marks the errors of JSON documents that are not the CloudEvents that we take; other errors of Decode are
// of documents that are not JSON (RFC 8259, UTF-8, no name twice in an object).
var ErrInvalid = errors.New("not a valid CloudEvent")

func invalid(attribute, reason string) error {
	return fmt.Errorf("%w: %s %s", ErrInvalid, attribute, reason)
}

// A Decoder remembers at most maxStrings strings of at most maxString bytes: sources, types and subjects are few and
// short in most streams; in others remembering them is of no use.
const (
	maxStrings = 4096
	maxString  = 256
)

// Decoder decodes one event after another and uses its memory again. The zero value is ready. It is not safe for
// concurrent use.
type Decoder struct {
	json    *jsontext.Decoder
	buf     bytes.Buffer
	scratch []byte
	strings Strings
	last    struct{ version, source, typ string } // mostly the same from event to event
}

// Decode reads one event from b, which must hold nothing else. On an error e is undefined.
func (d *Decoder) Decode(e *Event, b []byte) error {
	if d.json == nil {
		d.json = jsontext.NewDecoder(&d.buf)
		d.strings.Max = maxStrings
	}
	d.buf = *bytes.NewBuffer(b)
	d.json.Reset(&d.buf)
	*e = Event{}
	if len(b) == 0 {
		return errors.New("the record is empty")
	}
	var version string
	if err := d.object(e, &version); err != nil {
		return plain(err)
	}
	if rest := bytes.TrimLeft(d.json.UnreadBuffer(), " \t\r\n"); len(rest) > 0 {
		return fmt.Errorf("goes on after the JSON object, which ends at byte %d", d.json.InputOffset())
	}
	return check(e, version)
}

// plain says of what is not JSON why and where, for people who know no library of ours.
func plain(err error) error {
	if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("is not JSON: %w at byte %d", syntax.Err, syntax.ByteOffset)
	}
	return err
}

func (d *Decoder) object(e *Event, version *string) error {
	if k := d.json.PeekKind(); k != '{' {
		if err := d.json.SkipValue(); err != nil {
			return err
		}
		return invalid("document", "is a JSON "+kindName(k)+", want an object")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	var bad error // the first wrong attribute; reading goes on, for what is not JSON at all is the graver fault
	for d.json.PeekKind() == '"' {
		name, err := d.json.ReadValue()
		if err != nil {
			return err
		}
		if err := d.attribute(e, version, d.unescape(name)); err != nil {
			if !errors.Is(err, ErrInvalid) {
				return err
			}
			bad = errors.Join(bad, err)
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	return bad
}

func (d *Decoder) attribute(e *Event, version *string, name []byte) error {
	var err error
	switch string(name) {
	case "specversion":
		*version, err = d.again("specversion", &d.last.version)
	case "id":
		e.ID, err = d.text("id", false)
	case "source":
		e.Source, err = d.again("source", &d.last.source)
	case "type":
		e.Type, err = d.again("type", &d.last.typ)
	case "subject":
		e.Subject, err = d.text("subject", true)
	case "partitionkey":
		e.Partition, err = d.text("partitionkey", true)
	case "traceparent":
		e.TraceParent, err = d.text("traceparent", false)
	case "time":
		err = d.time(e)
	case "data":
		e.Data, err = d.json.ReadValue()
	default:
		err = d.json.SkipValue()
	}
	return err
}

// value reads a string attribute in its quotes. null counts as absent (CloudEvents JSON format 1.0, section 2.2).
func (d *Decoder) value(name string) (quoted jsontext.Value, err error) {
	v, err := d.json.ReadValue()
	if err != nil {
		return nil, err
	}
	switch v.Kind() {
	case '"':
		return v, nil
	case 'n':
		return nil, nil
	}
	return nil, invalid(name, "is a JSON "+kindName(v.Kind())+", want a string")
}

// text reads a string attribute. What recurs from event to event is remembered, and then costs no allocation.
func (d *Decoder) text(name string, recurs bool) (string, error) {
	v, err := d.value(name)
	if err != nil || v == nil {
		return "", err
	}
	if recurs && len(v) <= maxString {
		return d.strings.Of(d.unescape(v)), nil
	}
	return string(d.unescape(v)), nil
}

// again reads a string attribute that is mostly the last event's.
func (d *Decoder) again(name string, last *string) (string, error) {
	v, err := d.value(name)
	if err != nil || v == nil {
		return "", err
	}
	if b := d.unescape(v); string(b) != *last {
		*last = string(b)
	}
	return *last, nil
}

func (d *Decoder) time(e *Event) error {
	v, err := d.value("time")
	if err != nil || v == nil {
		return err
	}
	text := d.unescape(v)
	// The standard library takes a comma before the fraction, and offsets that lead out of the four-digit years.
	err = e.Time.UnmarshalText(text)
	e.Time = e.Time.UTC()
	if err != nil || bytes.IndexByte(text, ',') >= 0 || e.Time.Year() < 1 || e.Time.Year() > 9999 {
		return invalid("time", "is not an RFC 3339 time such as 2026-01-31T23:59:59Z")
	}
	return nil
}

// unescape gives the characters of a quoted string; they are valid until the next call.
func (d *Decoder) unescape(quoted jsontext.Value) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	d.scratch, _ = jsontext.AppendUnquote(d.scratch[:0], quoted) // the decoder has checked it
	return d.scratch
}

func check(e *Event, version string) error {
	for _, a := range [...]struct{ name, value string }{{"specversion", version}, {"id", e.ID}, {"source", e.Source}, {"type", e.Type}} {
		if a.value == "" {
			return invalid(a.name, "is missing or empty")
		}
	}
	if version != "1.0" {
		return invalid("specversion", "is not 1.0")
	}
	if e.Time.IsZero() {
		return invalid("time", "is missing")
	}
	return nil
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "boolean"
	case '0':
		return "number"
	case '"':
		return "string"
	case '[':
		return "array"
	case '{':
		return "object"
	}
	return "value"
}
