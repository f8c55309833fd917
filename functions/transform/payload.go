package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/payload"
)

// firehoseRecord is one record of a Firehose event.
type firehoseRecord struct {
	id   []byte // recordId as it stands in the payload, in its quotes: the answer has to have the same
	data []byte
	place
}

// place is where a record stood in the stream. What comes without kinesisRecordMetadata, by direct put, has only its
// arrival, in Firehose. (ministack leaves the metadata out for a Kinesis source too.)
type place struct {
	shard    string
	sequence []byte
	sub      int64 // Firehose has taken KPL aggregates apart: this user record's place in its aggregate
	key      string
	arrival  time.Time // zero when the payload does not say
}

// decoder reads what Firehose sends to a function that transforms records, in one pass and with memory that it uses
// again. It is not safe for concurrent use. The shape is that of aws-lambda-go's events.KinesisFirehoseEvent, and of
// https://docs.aws.amazon.com/lambda/latest/dg/services-kinesisfirehose.html, which in its example writes times of the
// metadata as text and an empty subsequenceNumber.
type decoder struct {
	payload.Reader
	strings cloudevent.Strings // shards and partition keys
	records []firehoseRecord
	bytes   []byte          // of the records' data, ids and sequence numbers
	now     *firehoseRecord // that is read
	arrived time.Time       // of that in Firehose
	members [2]memberFunc   // of a record and of its metadata, made once: a method value costs an allocation
}

type memberFunc = func(name []byte) error

// maxStrings bounds the shards and partition keys that are remembered, so that one that recurs costs no allocation.
const maxStrings = 4096

func newDecoder() *decoder {
	d := &decoder{strings: cloudevent.Strings{Max: maxStrings}}
	d.members = [...]memberFunc{d.member, d.metadata}
	return d
}

var errNoRecords = errors.New("the payload has no records: want a Firehose transformation event, as events/firehose.json is")

// decode reads the invocation's payload. The records share no memory with it, but with what the next call gives.
func (d *decoder) decode(event []byte) ([]firehoseRecord, error) {
	d.Reset(event)
	d.records = d.records[:0]
	d.bytes = slices.Grow(d.bytes[:0], len(event)) // unquoted and decoded it is less: nothing moves
	err := d.Object(func(name []byte) error {
		if string(name) != "records" {
			return d.Skip()
		}
		if err := d.Array(d.record); err != nil {
			return fmt.Errorf("records: %w", err)
		}
		return nil
	})
	if err == nil && len(d.records) == 0 {
		err = errNoRecords
	}
	if err != nil {
		return nil, fmt.Errorf("decode payload: %w", err)
	}
	return d.records, nil
}

func (d *decoder) record() error {
	d.records = append(d.records, firehoseRecord{})
	d.now, d.arrived = &d.records[len(d.records)-1], time.Time{}
	if err := d.Object(d.members[0]); err != nil {
		return fmt.Errorf("record %d: %w", len(d.records)-1, err)
	}
	if d.now.id == nil || d.now.data == nil {
		return fmt.Errorf("record %d has no recordId or no data", len(d.records)-1)
	}
	if d.now.arrival.IsZero() {
		d.now.arrival = d.arrived
	}
	return nil
}

func (d *decoder) member(name []byte) (err error) {
	switch string(name) {
	case "recordId":
		err = d.id()
	case "data":
		err = d.data()
	case "approximateArrivalTimestamp":
		err = d.time(&d.arrived)
	case "kinesisRecordMetadata":
		return d.Object(d.members[1])
	default:
		return d.Skip()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (d *decoder) metadata(name []byte) (err error) {
	var text []byte
	switch string(name) {
	case "shardId":
		if text, err = d.Text(); err == nil {
			d.now.shard = d.strings.Of(text)
		}
	case "partitionKey":
		if text, err = d.Text(); err == nil {
			d.now.key = d.strings.Of(text)
		}
	case "sequenceNumber":
		if text, err = d.Text(); err == nil {
			d.now.sequence = d.keep(text)
		}
	case "subsequenceNumber":
		d.now.sub, err = d.number()
	case "approximateArrivalTimestamp":
		err = d.time(&d.now.arrival)
	default:
		return d.Skip()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// keep copies what is valid only until the next read.
func (d *decoder) keep(b []byte) []byte {
	from := len(d.bytes)
	d.bytes = append(d.bytes, b...)
	return d.bytes[from:len(d.bytes):len(d.bytes)]
}

func (d *decoder) id() error {
	v, err := d.Value()
	if err == nil && v.Kind() != '"' {
		err = errors.New("is not a string")
	}
	if err == nil {
		d.now.id = d.keep(v)
	}
	return err
}

func (d *decoder) data() error {
	text, err := d.Text()
	if err != nil {
		return err
	}
	from := len(d.bytes)
	d.bytes, err = base64.StdEncoding.AppendDecode(d.bytes, text)
	d.now.data = d.bytes[from:len(d.bytes):len(d.bytes)]
	return err
}

// scalar reads a number, or a string with one in it. It gives "" for null.
func (d *decoder) scalar() ([]byte, error) {
	v, err := d.Value()
	if err != nil {
		return nil, err
	}
	switch v.Kind() {
	case '0':
		return v, nil
	case '"':
		return d.Unquote(v), nil
	case 'n':
		return nil, nil
	}
	return nil, errors.New("is neither a number nor a string")
}

func (d *decoder) number() (int64, error) {
	text, err := d.scalar()
	if err != nil || len(text) == 0 {
		return 0, err
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q: want a whole number from 0", text)
	}
	return n, nil
}

// lastMillisecond is that of the year 9999: a timestamp of the archive has four digits for the year.
const lastMillisecond = 253_402_300_799_999

// time reads milliseconds since 1970, or text as in RFC 3339.
func (d *decoder) time(t *time.Time) error {
	text, err := d.scalar()
	if err != nil || len(text) == 0 {
		return err
	}
	if ms, err := strconv.ParseFloat(string(text), 64); err == nil && ms >= 0 && ms <= lastMillisecond {
		*t = time.UnixMilli(int64(math.Round(ms))).UTC()
		return nil
	}
	if err := t.UnmarshalText(text); err != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return fmt.Errorf("%q: want milliseconds since 1970, or a time such as 2026-01-31T23:59:59Z", text)
	}
	*t = t.UTC()
	return nil
}
