package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/payload"
	"github.com/millrace/millrace/internal/processor"
)

// decoder reads what the event source mapping sends, and what commands send in a direct call: the same event with one
// member more, before Records or behind them:
//
//	"millrace": {"set": "live"}
//
// It names the set that the events are to be counted in. An event that has it is answered with the outcome of each user
// record (package direct has the words), and nothing of it goes to the failure queue. A record that is a user record
// says so in a member of that name of its own. A set that is missing or no name, and a member of millrace's own that this
// version does not know, are errors: what it asks for would not be done.
//
// A decoder is not safe for concurrent use.
// https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
type decoder struct {
	payload.Reader
	keys    cloudevent.Strings
	records []processor.Record
	stream  string
	batch   processor.Batch // all of it but the records
}

func newDecoder() *decoder { return &decoder{keys: cloudevent.Strings{Max: maxKeys}} }

var errNoRecords = errors.New("the payload has no Records: want a Kinesis event, as events/kinesis.json is")

// decode reads the invocation's payload. Its records are all of one shard, in stream order. They share no memory with
// the payload, but with what the next call gives.
func (d *decoder) decode(event []byte) (stream string, batch processor.Batch, err error) {
	d.Reset(event)
	d.stream, d.batch, d.records = "", processor.Batch{}, d.records[:0]
	err = d.Object(d.member)
	if err == nil && len(d.records) == 0 {
		err = errNoRecords
	}
	if err != nil {
		return "", processor.Batch{}, fmt.Errorf("decode payload: %w", err)
	}
	batch = d.batch
	batch.Records = d.records
	return d.stream, batch, nil
}

func (d *decoder) member(name []byte) (err error) {
	switch string(name) {
	case "Records":
		if err = d.Array(d.record); err != nil {
			return fmt.Errorf("member Records: %w", err)
		}
	case direct.Member:
		if err = d.direct(); err != nil {
			return fmt.Errorf("member %s: %w", direct.Member, err)
		}
	default:
		return d.Skip()
	}
	return nil
}

// direct reads what makes a call direct.
func (d *decoder) direct() error {
	d.batch.Direct, d.batch.Set = true, ""
	err := d.Object(func(name []byte) error {
		if string(name) != direct.MemberSet {
			return fmt.Errorf("member %q is not known to this version", name)
		}
		text, err := d.Text()
		d.batch.Set = string(text)
		return err
	})
	if err != nil {
		return err
	}
	return ledger.CheckSet(d.batch.Set)
}

func (d *decoder) record() error {
	d.records = append(d.records, processor.Record{})
	r := &d.records[len(d.records)-1]
	n := len(d.records) - 1
	err := d.Object(func(name []byte) error {
		switch string(name) {
		case "kinesis":
			return d.Object(func(name []byte) error { return d.kinesis(r, name) })
		case "eventID": // shard and sequence number: shardId-000000000000:4959...
			return d.place(n)
		case "eventSource":
			return d.source()
		case "eventSourceARN":
			return d.streamOf()
		case direct.Member:
			return d.user(r)
		}
		return d.Skip()
	})
	if err != nil {
		return fmt.Errorf("record %d: %w", n, err)
	}
	if r.SequenceNumber == "" || d.batch.Shard == "" {
		return fmt.Errorf("record %d has no sequence number or no event id", n)
	}
	return nil
}

// user reads what makes a record a user record.
func (d *decoder) user(r *processor.Record) error {
	return d.Object(func(name []byte) error {
		if string(name) != direct.MemberUser {
			return fmt.Errorf("member %s: member %q is not known to this version", direct.Member, name)
		}
		v, err := d.Value()
		r.User = string(v) == "true"
		return err
	})
}

func (d *decoder) kinesis(r *processor.Record, name []byte) (err error) {
	var text []byte
	switch string(name) {
	case "partitionKey":
		if text, err = d.Text(); err == nil {
			r.PartitionKey = d.keys.Of(text)
		}
	case "sequenceNumber":
		text, err = d.Text()
		r.SequenceNumber = string(text)
	case "data":
		if text, err = d.Text(); err == nil {
			r.Data, err = base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
		}
	case "approximateArrivalTimestamp":
		r.Arrival, err = d.arrival()
	default:
		err = d.Skip()
	}
	if err != nil {
		return fmt.Errorf("kinesis: %w", err)
	}
	return nil
}

// place reads an event id, and sees that all are of one shard.
func (d *decoder) place(n int) error {
	id, err := d.Text()
	if err != nil {
		return err
	}
	shard, _, ok := bytes.Cut(id, []byte(":"))
	if !ok || len(shard) == 0 || n > 0 && string(shard) != d.batch.Shard {
		return fmt.Errorf("event id %q: want SHARD:SEQUENCE, of one shard for all records", id)
	}
	if n == 0 {
		d.batch.Shard = string(shard)
	}
	return nil
}

func (d *decoder) source() error {
	text, err := d.Text()
	if err == nil && string(text) != "aws:kinesis" {
		return fmt.Errorf("event source %q: want aws:kinesis", text)
	}
	return err
}

func (d *decoder) streamOf() error {
	text, err := d.Text()
	if err == nil && d.stream == "" {
		d.stream = failure.StreamName(string(text))
	}
	return err
}

// arrival reads seconds with up to three decimals.
func (d *decoder) arrival() (time.Time, error) {
	v, err := d.Value()
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseFloat(string(v), 64)
	if err != nil {
		return time.Time{}, err
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), nil
}

// maxKeys bounds the partition keys that are remembered, so that one that recurs costs no allocation.
const maxKeys = 4096

// allSettled is the answer by which the mapping moves on past the whole batch.
const allSettled = `{"batchItemFailures":[]}`

// answer names the first record that is not settled: the mapping hands it, and all behind it, over again.
// https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
func answer(b processor.Batch, unsettled int) []byte {
	if unsettled == len(b.Records) {
		return []byte(allSettled)
	}
	out := append([]byte(nil), `{"batchItemFailures":[{"itemIdentifier":`...)
	out = strconv.AppendQuote(out, b.Records[unsettled].SequenceNumber)
	return append(out, "}]}"...)
}
