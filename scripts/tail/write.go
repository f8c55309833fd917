package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/cli"
)

// writeJSON writes a line as one JSON object.
func writeJSON(out *bufio.Writer, l *line) error {
	b := out.AvailableBuffer()
	text := func(name, value string) {
		b = append(b, name...)
		b, _ = jsontext.AppendQuote(b, value) // the error is bad UTF-8, which is replaced
	}
	text(`{"shard":`, l.shard)
	text(`,"sequenceNumber":`, l.sequence)
	if l.sub != noSub {
		b = append(b, `,"sub":`...)
		b = strconv.AppendInt(b, int64(l.sub), 10)
	}
	text(`,"partitionKey":`, l.key)
	text(`,"arrival":`, l.arrival.UTC().Format(time.RFC3339Nano))
	if l.event != nil {
		b = append(b, `,"event":`...)
		b = append(b, cli.Compact(l.text)...)
	} else {
		b = append(b, `,"data":"`...)
		b = base64.StdEncoding.AppendEncode(b, l.data)
		b = append(b, '"')
	}
	if l.reason != nil {
		text(`,"error":`, l.reason.Error())
	}
	_, err := out.Write(append(b, "}\n"...))
	return err
}

// Widths of what people read. A column grows with what comes into it, up to the most.
const (
	maxColumn = 32
	tailOf    = 10 // digits of a sequence number: its head hardly changes
	maxData   = 60 // bytes of data that could not be decoded
)

// columns writes lines for people: time, shard, sequence number, key, type, id, data. The columns stay aligned as long
// as they need not grow.
type columns struct {
	widths [5]int
	row    []byte
}

func (c *columns) write(out *bufio.Writer, l *line) error {
	c.row = l.arrival.UTC().AppendFormat(c.row[:0], "2006-01-02T15:04:05.000Z")
	number := l.sequence[max(0, len(l.sequence)-tailOf):]
	if l.sub != noSub {
		number += "/" + strconv.Itoa(l.sub)
	}
	c.cell(0, cli.ShortShard(l.shard))
	c.cell(1, number)
	c.cell(2, l.key)
	switch {
	case l.event != nil:
		c.cell(3, l.event.Type)
		c.cell(4, l.event.ID)
		c.last(string(cli.Compact(l.event.Data)))
	case l.reason != nil:
		c.last("undecodable: " + l.reason.Error())
		c.last(beginning(l.data))
	default:
		c.last(string(l.data))
	}
	_, err := out.Write(append(c.row, '\n'))
	return err
}

func (c *columns) cell(column int, s string) {
	s = cli.Printable(s)
	width := utf8.RuneCountInString(s)
	c.widths[column] = max(c.widths[column], min(width, maxColumn))
	c.row = fmt.Appendf(c.row, "  %-*s", c.widths[column], s)
}

func (c *columns) last(s string) { c.row = append(append(c.row, "  "...), cli.Printable(s)...) }

// beginning is as much of data as shows what it might be.
func beginning(data []byte) string {
	if len(data) <= maxData {
		return string(data)
	}
	return string(data[:maxData]) + "..."
}
