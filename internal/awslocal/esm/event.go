package esm

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxEvent bounds the serialised event of one invocation: Lambda's quota for synchronous payloads, 6 MiB.
const MaxEvent = 6 << 20

const schemaVersion = "1.0"

// The fixed parts of an event, byte for byte as recorded on AWS.
const (
	eventStart  = `{"Records":[`
	eventEnd    = `]}`
	recordStart = `{"kinesis":{"kinesisSchemaVersion":"` + schemaVersion + `","partitionKey":`
	beforeSeq   = `,"sequenceNumber":"`
	beforeData  = `","data":"`
	beforeTime  = `","approximateArrivalTimestamp":`
	beforeID    = `},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"`
	afterID     = `","eventName":"aws:kinesis:record","invokeIdentityArn":`
)

// encoder writes the events of one shard. It is safe for concurrent use.
type encoder struct {
	beforeID string // beforeID and the shard's id
	afterID  string // all that follows the record's eventID
	fixed    int    // bytes of a record that are the same in each
}

func newEncoder(cfg *Config, shard string) encoder {
	b := []byte(afterID)
	b = appendQuoted(b, cfg.RoleARN)
	b = append(b, `,"awsRegion":`...)
	b = appendQuoted(b, arnRegion(cfg.EventSourceARN))
	b = append(b, `,"eventSourceARN":`...)
	b = appendQuoted(b, cfg.EventSourceARN)
	b = append(b, '}')
	e := encoder{beforeID: beforeID + shard + ":", afterID: string(b)}
	e.fixed = len(recordStart) + len(beforeSeq) + len(beforeData) + len(beforeTime) + len(e.beforeID) + len(e.afterID)
	return e
}

func arnRegion(arn string) string {
	if parts := strings.SplitN(arn, ":", 5); len(parts) == 5 {
		return parts[3]
	}
	return ""
}

// appendEvent appends the event for records to dst.
func (e *encoder) appendEvent(dst []byte, records []Record) []byte {
	dst = append(dst, eventStart...)
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.appendRecord(dst, &records[i])
	}
	return append(dst, eventEnd...)
}

func (e *encoder) appendRecord(dst []byte, r *Record) []byte {
	dst = append(dst, recordStart...)
	dst = appendQuoted(dst, r.PartitionKey)
	dst = append(dst, beforeSeq...)
	dst = append(dst, r.SequenceNumber...)
	dst = append(dst, beforeData...)
	dst = base64.StdEncoding.AppendEncode(dst, r.Data)
	dst = append(dst, beforeTime...)
	dst = appendSeconds(dst, r.Arrival)
	dst = append(dst, e.beforeID...)
	dst = append(dst, r.SequenceNumber...)
	return append(dst, e.afterID...)
}

// size is the number of bytes that appendRecord appends.
func (e *encoder) size(r *Record) int {
	var scratch [32]byte
	return e.fixed + quotedLen(r.PartitionKey) + 2*len(r.SequenceNumber) +
		base64.StdEncoding.EncodedLen(len(r.Data)) + len(appendSeconds(scratch[:0], r.Arrival))
}

// appendSeconds writes t as seconds with at most three decimals and no trailing zeros, as AWS does.
func appendSeconds(dst []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	dst = strconv.AppendInt(dst, ms/1000, 10)
	frac := ms % 1000
	if frac <= 0 { // nothing arrives before 1970
		return dst
	}
	dst = append(dst, '.', byte('0'+frac/100))
	if frac%100 != 0 {
		dst = append(dst, byte('0'+frac/10%10))
	}
	if frac%10 != 0 {
		dst = append(dst, byte('0'+frac%10))
	}
	return dst
}

func appendQuoted(dst []byte, s string) []byte {
	if isPlain(s) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	dst, _ = jsontext.AppendQuote(dst, s) // its one error is for invalid UTF-8, which it has replaced
	return dst
}

func quotedLen(s string) int {
	if isPlain(s) {
		return len(s) + 2
	}
	return len(appendQuoted(nil, s))
}

// isPlain tells whether JSON needs no escape for s.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
