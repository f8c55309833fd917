package sqs

import (
	"container/list"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// maxAttributes is how many message attributes a message may have.
const maxAttributes = 10

// message is one message. All but its state is fixed when it is made.
type message struct {
	id      string
	body    string
	md5     string // of the body
	attrs   map[string]attribute
	system  map[string]attribute // AWSTraceHeader, which is not counted in size
	size    int                  // bytes of body and attributes, as limits count them
	sent    time.Time
	source  string // ARN of the queue that it was redriven from
	order   uint64 // of its sending
	receipt        // of the last receive

	// Where it is; see queue.
	element  *list.Element
	index    int
	visible  time.Time
	inFlight bool
}

// receipt is what is known of a message's receives.
type receipt struct {
	receives int
	first    time.Time
}

// attribute is a message attribute on the wire.
type attribute struct {
	DataType    string
	StringValue *string `json:",omitzero"`
	BinaryValue []byte  `json:",omitzero"`
}

func newMessage(body string, attrs, system map[string]attribute) (*message, error) {
	if body == "" {
		return nil, missing("MessageBody")
	}
	if !allowedText(body) {
		return nil, wire.Errorf("InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
	}
	if len(attrs) > maxAttributes {
		return nil, wire.Errorf(codeParameter, "Number of message attributes [%d] exceeds the allowed maximum [%d].", len(attrs), maxAttributes)
	}
	m := &message{id: wire.NewID(), body: body, md5: sum(body), attrs: attrs, system: system, size: len(body)}
	for name, a := range attrs {
		if err := a.check(name); err != nil {
			return nil, err
		}
		m.size += len(name) + len(a.DataType) + len(a.value())
	}
	for name, a := range system {
		if name != "AWSTraceHeader" || a.DataType != "String" || a.StringValue == nil {
			return nil, wire.Errorf(codeParameter, "Message system attribute name '%s' is invalid.", name)
		}
	}
	return m, nil
}

// allowedText tells whether a text has only the characters of XML 1.0, as SQS demands.
func allowedText(s string) bool {
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0xFFFE, r == 0xFFFF:
			return false
		}
	}
	return true
}

func (a attribute) check(name string) error {
	kind, _, _ := strings.Cut(a.DataType, ".") // what follows the dot is the sender's own
	ok := false
	switch kind {
	case "String":
		ok = a.StringValue != nil && *a.StringValue != ""
	case "Number":
		if ok = a.StringValue != nil; ok {
			_, err := strconv.ParseFloat(*a.StringValue, 64)
			ok = err == nil
		}
	case "Binary":
		ok = len(a.BinaryValue) > 0
	default:
		return wire.Errorf(codeParameter, "The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
	}
	if !ok {
		return wire.Errorf(codeParameter, "The message attribute '%s' must contain a non-empty message attribute value of type %s.", name, kind)
	}
	return nil
}

func (a attribute) value() string {
	if a.StringValue != nil {
		return *a.StringValue
	}
	return string(a.BinaryValue)
}

func sum(s string) string {
	d := md5.Sum([]byte(s))
	return hex.EncodeToString(d[:])
}

// attributesMD5 is the digest that clients check: for each attribute, by name, the length-prefixed name, type and value,
// with a byte between the last two that tells strings (1) from bytes (2). It is "" for none.
func attributesMD5(attrs map[string]attribute) string {
	if len(attrs) == 0 {
		return ""
	}
	h := md5.New()
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		a := attrs[name]
		writeCounted(h, name)
		writeCounted(h, a.DataType)
		transport := byte(1)
		if a.StringValue == nil {
			transport = 2
		}
		h.Write([]byte{transport})
		writeCounted(h, a.value())
	}
	return hex.EncodeToString(h.Sum(nil))
}

func writeCounted(h hash.Hash, s string) {
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
	h.Write([]byte(s))
}
