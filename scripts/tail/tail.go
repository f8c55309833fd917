package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/kpl"
	"github.com/millrace/millrace/internal/record"
	"github.com/millrace/millrace/internal/stream"
)

// errEnough ends the reading when -limit is reached.
var errEnough = errors.New("as many lines as were asked for")

// line is what is printed of one user record, or of a record that is not taken apart. It is valid until the next one.
type line struct {
	shard    string
	sequence string
	sub      int // place in its aggregate, noSub outside of one
	key      string
	arrival  time.Time
	event    *cloudevent.Event // nil when it is not decoded
	text     []byte            // of the event, as JSON
	data     []byte            // of the user record
	reason   error             // why it could not be decoded
}

const noSub = -1

// filter says which lines are printed. What cannot be decoded has no type.
type filter struct{ key, typ string }

func (f filter) passes(l *line) bool {
	return (f.key == "" || f.key == l.key) && (f.typ == "" || l.event != nil && f.typ == l.event.Type)
}

// tail takes pages and prints them.
type tail struct {
	filter  filter
	raw     bool
	left    int // lines to print, negative without bound
	out     *bufio.Writer
	closed  bool // nobody reads it any more
	print   func(*bufio.Writer, *line) error
	decoder record.Decoder
	event   cloudevent.Event
	began   time.Time
	tally
}

// tally is what the summary tells.
type tally struct {
	records, lines, undecodable int64
	retries                     int64
	behind                      map[string]time.Duration // by shard; ended ones are 0
}

func newTail(o options, stdout io.Writer) *tail {
	t := &tail{filter: o.filter, raw: o.raw, left: -1, out: bufio.NewWriterSize(stdout, 1<<16), began: time.Now()}
	t.decoder.Reuse = true
	t.behind = map[string]time.Duration{}
	if o.limit > 0 {
		t.left = o.limit
	}
	t.print = writeJSON
	if o.json != nil && !*o.json || o.json == nil && cli.IsTerminal(stdout) {
		t.print = new(columns).write
	}
	return t
}

// take prints a page of a shard.
func (t *tail) take(shard string, p stream.Page) error {
	t.retries += int64(p.Retries)
	t.behind[shard] = p.Behind
	var err error
	for i := range p.Records {
		t.records++
		if err = t.record(shard, &p.Records[i]); err != nil {
			break
		}
	}
	if flushed := t.out.Flush(); flushed != nil {
		t.closed = errors.Is(flushed, syscall.EPIPE) || errors.Is(flushed, io.ErrClosedPipe)
		return flushed
	}
	return err
}

// enough tells that no more was asked for, or that whoever reads has had enough.
func (t *tail) enough() bool { return t.left == 0 || t.closed }

func (t *tail) record(shard string, r *types.Record) error {
	l := line{
		shard: shard, sequence: aws.ToString(r.SequenceNumber), sub: noSub, key: aws.ToString(r.PartitionKey),
		arrival: aws.ToTime(r.ApproximateArrivalTimestamp), data: r.Data,
	}
	if t.raw {
		return t.show(&l)
	}
	t.decoder.Begin()
	users, err := t.decoder.Users(l.key, l.data)
	if err != nil {
		l.reason = err
		return t.show(&l)
	}
	aggregated := kpl.IsAggregate(r.Data)
	for i := range users {
		if l.key, l.data = users[i].PartitionKey, users[i].Data; aggregated {
			l.sub = users[i].Sub
		}
		l.event = &t.event
		if l.text, l.reason = t.decoder.Event(l.event, l.data); l.reason != nil {
			l.event = nil
		}
		if err := t.show(&l); err != nil {
			return err
		}
	}
	return nil
}

// show prints a line that passes the filter.
func (t *tail) show(l *line) error {
	if l.reason != nil {
		t.undecodable++
	}
	if !t.filter.passes(l) {
		return nil
	}
	t.lines++
	if err := t.print(t.out, l); err != nil {
		return err
	}
	if t.left--; t.left == 0 {
		return errEnough
	}
	return nil
}

// summary says in one line what was read.
func (t *tail) summary(now time.Time) string {
	took := now.Sub(t.began)
	s := fmt.Sprintf("read %s of %s in %s", cli.Count(t.records, "record"), cli.Count(int64(len(t.behind)), "shard"), cli.Duration(took))
	if t.records > 0 && took > 0 {
		s += fmt.Sprintf(", %s/s", cli.Thousands(int64(float64(t.records)/took.Seconds())))
	}
	s += ", printed " + cli.Count(t.lines, "line")
	if t.undecodable > 0 {
		s += fmt.Sprintf(", %s undecodable", cli.Thousands(t.undecodable))
	}
	if t.retries > 0 {
		s += fmt.Sprintf(", held up %s", cli.Count(t.retries, "time"))
	}
	if t.left == 0 || len(t.behind) == 0 {
		return s // how much more there is nobody has asked
	}
	var behind time.Duration
	for _, b := range t.behind {
		behind = max(behind, b)
	}
	if behind == 0 {
		return s + "; caught up"
	}
	return s + "; " + cli.Duration(behind) + " behind"
}
