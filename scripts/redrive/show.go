package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/kpl"
	"github.com/millrace/millrace/internal/record"
)

// show is -show: the records themselves.
func (d *desk) show(ctx context.Context) error {
	p, err := d.snapshot(ctx)
	if err != nil {
		return err
	}
	s := shower{out: bufio.NewWriter(d.stdout), print: printText}
	if d.options.json {
		s.print = printJSON
	}
	for _, w := range p.shards {
		err := d.source.walk(ctx, w, func(r direct.Record, owners []*item) error { return s.record(&r, owners[0]) })
		if err == nil {
			err = s.out.Flush()
		}
		if err != nil {
			return err
		}
	}
	return writeMissing(d.stderr, p.missingRanges())
}

// shower prints records.
type shower struct {
	out     *bufio.Writer
	print   func(*bufio.Writer, *shown) error
	decoder record.Decoder
	event   cloudevent.Event
}

// shown is one user record, and why it failed.
type shown struct {
	item   *item
	record *direct.Record
	sub    int
	key    string
	data   []byte
	text   []byte // of the event, as JSON; nil when it cannot be decoded
	reason error  // why
}

// record prints the user records of a record. What comes with a message of ours is one already.
func (s *shower) record(r *direct.Record, it *item) error {
	s.decoder.Begin()
	if it.Record != nil {
		return s.user(&shown{item: it, record: r, sub: it.Record.Sub, key: r.PartitionKey, data: r.Data})
	}
	users, err := s.decoder.Users(r.PartitionKey, r.Data)
	if err != nil {
		return s.print(s.out, &shown{item: it, record: r, key: r.PartitionKey, data: r.Data, reason: err})
	}
	for _, u := range users {
		sub := 0
		if kpl.IsAggregate(r.Data) {
			sub = u.Sub
		}
		if err := s.user(&shown{item: it, record: r, sub: sub, key: u.PartitionKey, data: u.Data}); err != nil {
			return err
		}
	}
	return nil
}

func (s *shower) user(u *shown) error {
	if u.text, u.reason = s.decoder.Event(&s.event, u.data); u.reason != nil {
		u.text = nil
	}
	return s.print(s.out, u)
}

// printText prints a user record for people: a line with what and why, and one with the event, or what is there instead.
func printText(out *bufio.Writer, u *shown) error {
	fmt.Fprintf(out, "%s  shard %s  %s/%d  %s  %s: %s\n", u.record.Arrival.UTC().Format(time.RFC3339), cli.ShortShard(shardOf(u.item.Message)), u.record.SequenceNumber, u.sub,
		cli.Printable(u.key), cli.Printable(u.item.Class()), cli.Printable(reasonOf(u.item.Message)))
	if u.reason != nil {
		_, err := fmt.Fprintf(out, "  %s\n  cannot be decoded: %s\n", dataForPeople(u.data), cli.Printable(u.reason.Error()))
		return err
	}
	_, err := fmt.Fprintf(out, "  %s\n", cli.Printable(string(cli.Compact(u.text))))
	return err
}

// maxData is how many bytes people are shown of data that is no event: enough to see what it is.
const maxData = 1 << 10

func dataForPeople(data []byte) string {
	if len(data) <= maxData {
		return cli.Printable(string(data))
	}
	return fmt.Sprintf("%s... (of %s; -json has all)", cli.Printable(string(data[:maxData])), cli.Bytes(int64(len(data))))
}

// printJSON prints a user record as an object on a line.
func printJSON(out *bufio.Writer, u *shown) error {
	b := out.AvailableBuffer()
	text := func(name, value string) {
		b = append(b, name...)
		b, _ = jsontext.AppendQuote(b, value) // the error is bad UTF-8, which is replaced
	}
	text(`{"id":`, u.item.ID())
	text(`,"shard":`, shardOf(u.item.Message))
	text(`,"sequenceNumber":`, u.record.SequenceNumber)
	b = fmt.Appendf(b, `,"sub":%d`, u.sub)
	text(`,"partitionKey":`, u.key)
	text(`,"arrival":`, u.record.Arrival.UTC().Format(time.RFC3339Nano))
	text(`,"class":`, u.item.Class())
	text(`,"reason":`, reasonOf(u.item.Message))
	if u.text != nil {
		b = append(append(b, `,"event":`...), cli.Compact(u.text)...)
	} else {
		b = base64.StdEncoding.AppendEncode(append(b, `,"data":"`...), u.data)
		text(`","error":`, u.reason.Error())
	}
	_, err := out.Write(append(b, "}\n"...))
	return err
}
