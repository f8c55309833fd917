package direct

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Record is a Kinesis data record as it is to be handed over. A user record out of the failure queue is one too: then
// Data is its payload alone, and SequenceNumber that of the record it came in.
type Record struct {
	SequenceNumber string
	PartitionKey   string
	Arrival        time.Time // to the millisecond
	Data           []byte
	// User says that it is a user record: what looks like a KPL aggregate is its data, and is not taken apart. In the
	// stream that is so too: aggregates do not nest.
	User bool
}

// Call is the payload of one direct call: records of one shard, in the order in which they are to be handled. It is not
// safe for concurrent use.
type Call struct {
	shard     string
	after     string // what follows an event id in its record
	payload   []byte
	sequences []string
}

const tail = "]}"

// NewCall begins a call. The set is checked by the function (ledger.CheckSet is the rule). The stream's ARN is the one
// that the mapping would name; its shard names the part of each aggregate that is written, so give records their own.
func NewCall(set, streamARN, shard string) *Call {
	c := &Call{shard: shard}
	c.payload = append(c.payload, `{"`+Member+`":{"`+MemberSet+`":`...)
	c.payload = append(quote(c.payload, set), `},"Records":[`...)
	after := append([]byte(`,"eventName":"aws:kinesis:record","awsRegion":`), quote(nil, regionOf(streamARN))...)
	after = append(after, `,"eventSourceARN":`...)
	c.after = string(append(quote(after, streamARN), '}'))
	return c
}

// Add takes one more record in. It answers false, and takes nothing, when the call is full: the record begins another
// one. A record that an empty call does not take is too large for Lambda.
func (c *Call) Add(r Record) bool {
	if len(c.sequences) == MaxRecords || len(c.payload)+base64.StdEncoding.EncodedLen(len(r.Data)) > MaxPayload {
		return false
	}
	before := len(c.payload)
	if len(c.sequences) > 0 {
		c.payload = append(c.payload, ',')
	}
	c.payload = c.appendRecord(c.payload, &r)
	if len(c.payload)+len(tail) > MaxPayload {
		c.payload = c.payload[:before]
		return false
	}
	c.sequences = append(c.sequences, r.SequenceNumber)
	return true
}

// Len is how many records it holds.
func (c *Call) Len() int { return len(c.sequences) }

// Payload is what to invoke the function with, at most MaxPayload bytes. It is valid until the next Add. Without
// records it is one that the function refuses.
func (c *Call) Payload() []byte { return append(c.payload, tail...) }

// appendRecord writes a record in the shape of AWS's.
// https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
func (c *Call) appendRecord(dst []byte, r *Record) []byte {
	dst = append(dst, `{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":`...)
	dst = quote(dst, r.PartitionKey)
	dst = append(dst, `,"sequenceNumber":`...)
	dst = quote(dst, r.SequenceNumber)
	dst = append(dst, `,"data":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, r.Data)
	dst = append(dst, `","approximateArrivalTimestamp":`...)
	dst = strconv.AppendFloat(dst, float64(r.Arrival.UnixMilli())/1000, 'f', -1, 64)
	dst = append(dst, `},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":`...)
	dst = quote(dst, c.shard+":"+r.SequenceNumber)
	if r.User {
		dst = append(dst, `,"`+Member+`":{"`+MemberUser+`":true}`...)
	}
	return append(dst, c.after...)
}

// quote writes a string as JSON; what is not UTF-8 becomes the replacement character.
func quote(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

func regionOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 5); len(parts) == 5 {
		return parts[3]
	}
	return ""
}
