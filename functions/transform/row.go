package main

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/cloudevent"
)

// timeLayout is of times in UTC. Both readers of the archive take it for a timestamp: Firehose's OpenX JSON SerDe when
// it converts to Parquet ("yyyy-MM-dd'T'HH:mm:ss[.S]'Z'", https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion.html),
// and Athena, over JSON lines, as Trino does (OpenXJsonDeserializer.java of trinodb/trino: parseTimestamp).
const timeLayout = "2006-01-02T15:04:05.000Z"

// appendRow writes one row: a JSON object with the columns of config.ArchiveColumns in their order, and a line feed. What
// is absent is left out, and null in the table. event is the event's JSON text; a JSON string can hold all of it, so that
// who reads the column has every byte.
func appendRow(b []byte, e *cloudevent.Event, event []byte, p place) []byte {
	b = quote(append(b, `{"id":`...), e.ID)
	b = quote(append(b, `,"source":`...), e.Source)
	b = quote(append(b, `,"type":`...), e.Type)
	if e.Subject != "" {
		b = quote(append(b, `,"subject":`...), e.Subject)
	}
	b = appendTime(append(b, `,"time":`...), e.Time)
	b = quote(append(b, `,"event":`...), event)
	if p.shard != "" {
		b = quote(append(b, `,"shard_id":`...), p.shard)
	}
	if len(p.sequence) > 0 {
		b = quote(append(b, `,"sequence_number":`...), p.sequence)
	}
	b = strconv.AppendInt(append(b, `,"sub_sequence_number":`...), p.sub, 10)
	if p.key != "" {
		b = quote(append(b, `,"partition_key":`...), p.key)
	}
	if !p.arrival.IsZero() {
		b = appendTime(append(b, `,"arrival":`...), p.arrival)
	}
	return append(b, '}', '\n')
}

func appendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), timeLayout), '"')
}

// quote writes a JSON string. Bad UTF-8 is replaced; only the partition key of a KPL aggregate may have any.
func quote[T string | []byte](b []byte, s T) []byte {
	b, _ = jsontext.AppendQuote(b, s) // the error is bad UTF-8, and the string is written all the same
	return b
}
