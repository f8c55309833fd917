package failure

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a message.
const (
	// MaxMessage is the most that SQS takes in one message, and in one SendMessageBatch, in bytes of the body (1 MiB
	// since August 2025).
	MaxMessage = 1 << 20
	// MaxText bounds the text of a failure: enough for a reason with its place, small beside any payload.
	MaxText = 1 << 10
	// maxKey is the longest key that a pointer carries: 256 characters of up to four bytes, Kinesis's own limit. Only
	// the key of a user record in an aggregate can be longer, and reading the aggregate back gives it.
	maxKey = 4 * 256
)

// Version is the version of Millrace's own message that this package writes and reads.
const Version = 1

// document is Millrace's own message. Its first member tells it from the mapping's.
type document struct {
	Version  int       `json:"millrace"`
	ID       string    `json:"id"`
	Class    Class     `json:"class"`
	Text     string    `json:"text"`
	Stream   string    `json:"stream"`
	Shard    string    `json:"shardId"`
	Sequence string    `json:"sequenceNumber"`
	Sub      int       `json:"subSequenceNumber"`
	Key      string    `json:"partitionKey"`
	Arrival  time.Time `json:"arrival"`
	Payload  []byte    `json:"payload,omitzero"` // base64; absent from a pointer
}

// Body writes the record as a message. A payload for which the message has no room is left out, and so is a key that
// Kinesis itself would not take: the message is then a pointer.
func (r *Record) Body() (string, error) {
	if base64.StdEncoding.EncodedLen(len(r.Payload)) < MaxMessage {
		body, err := r.encode()
		if err != nil || len(body) <= MaxMessage {
			return body, err
		}
	}
	p := *r
	p.Payload = nil
	if len(p.Key) > maxKey {
		p.Key = ""
	}
	return p.encode()
}

// HasRoom tells whether the record's message has room for its payload.
func (r *Record) HasRoom() bool {
	if base64.StdEncoding.EncodedLen(len(r.Payload)) >= MaxMessage {
		return false
	}
	body, err := r.encode()
	return err == nil && len(body) <= MaxMessage
}

func (r *Record) encode() (string, error) {
	body, err := json.Marshal(document{
		Version:  Version,
		ID:       r.ID(),
		Class:    r.Class,
		Text:     cutText(r.Text),
		Stream:   r.Stream,
		Shard:    r.Shard,
		Sequence: r.Sequence,
		Sub:      r.Sub,
		Key:      r.Key,
		Arrival:  r.Arrival.UTC(),
		Payload:  r.Payload,
	}, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return "", fmt.Errorf("write message of record %s: %w", r.ID(), err)
	}
	return sendable(body), nil
}

// The two characters that JSON lets stand and SQS refuses. SQS takes #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to
// #xFFFD | #x10000 to #x10FFFF (API reference of SendMessage); JSON escapes what is below #x20.
var refusedCharacters = [...]struct{ raw, escaped []byte }{
	{[]byte("\uFFFE"), []byte(`\ufffe`)},
	{[]byte("\uFFFF"), []byte(`\uffff`)},
}

// sendable escapes what SQS would refuse. In a JSON text such characters stand only inside strings.
func sendable(body []byte) string {
	for _, c := range refusedCharacters {
		if bytes.Contains(body, c.raw) {
			body = bytes.ReplaceAll(body, c.raw, c.escaped)
		}
	}
	return string(body)
}

// cutText cuts a text to MaxText bytes, at the border of a character.
func cutText(s string) string {
	const more = "…"
	if len(s) <= MaxText {
		return s
	}
	n := MaxText - len(more)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + more
}

// parseRecord reads Millrace's own message.
func parseRecord(body string) (*Record, error) {
	var d document
	if err := unmarshal(body, &d); err != nil {
		return nil, fmt.Errorf("read Millrace's message: %w", err)
	}
	if !isShard(d.Shard) || d.Class == "" || d.Sub < 0 || !isSequence(d.Sequence) {
		return nil, fmt.Errorf("read Millrace's message: shard %q, sequence number %q, sub-sequence number %d, class %q name no failed record",
			d.Shard, d.Sequence, d.Sub, d.Class)
	}
	return &Record{
		Stream:   d.Stream,
		Shard:    d.Shard,
		Sequence: d.Sequence,
		Sub:      d.Sub,
		Key:      d.Key,
		Arrival:  d.Arrival,
		Class:    d.Class,
		Text:     d.Text,
		Payload:  d.Payload,
	}, nil
}

// isShard tells whether a shard id is one (API reference of GetShardIterator: [a-zA-Z0-9_.-]+, 128 at most). Kinesis
// refuses to look for others, and a redrive would end there.
func isShard(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-'
	})
}

// isSequence tells whether a sequence number is one: decimal digits, 56 as a rule, 129 at most (API reference of
// GetShardIterator: 0|([1-9]\d{0,128})).
func isSequence(s string) bool {
	return s != "" && len(s) <= 129 && strings.Trim(s, "0123456789") == ""
}
