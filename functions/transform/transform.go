package main

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/kpl"
	"github.com/millrace/millrace/internal/record"
)

// maxAnswer is how many bytes the answer may have. "The Lambda synchronous invocation mode has a payload size limit of 6
// MB for both the request and the response" (https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html):
// 6,291,456 bytes for a request, and Lambda's own words for an answer that is longer are "Exceeded maximum allowed
// payload size (6291556 bytes)". The smaller of the two is right under both.
//
// Rows are longer than events, and base64 adds a third: a megabyte of the sample's flights makes an answer of 4 MB. Firehose
// buffers 1 MB for a function if it is not told otherwise (BufferSizeInMBs, 0.2 to 3; same page). That is too much where
// events are much shorter than 200 bytes, or in gzip.
const maxAnswer = 6 << 20

var errNoRoom = fmt.Errorf("its rows have no room in the answer, which may have %d bytes: have Firehose buffer less for the function", maxAnswer)

// class says why a record is marked ProcessingFailed.
type class int

const (
	undecodable class = iota // not JSON, a broken gzip or aggregate
	invalid                  // JSON, but no CloudEvent
	tooLarge                 // inflates too far
	noRoom                   // its rows do not fit into the answer
	classes
)

func classOf(err error) class {
	switch {
	case errors.Is(err, errNoRoom):
		return noRoom
	case errors.Is(err, record.ErrTooLarge), errors.Is(err, record.ErrFull):
		return tooLarge
	case errors.Is(err, cloudevent.ErrInvalid):
		return invalid
	}
	return undecodable
}

// outcome is what is answered for one record.
type outcome struct {
	result   result
	from, to int // of the rows
}

// tally counts one invocation.
type tally struct {
	records  int
	bytes    int // of the records' data
	rows     int
	failures int
	byClass  [classes]int
	first    int   // position of the first failure
	reason   error // for it
}

// transformer makes rows of records. Its memory is used again. It is not safe for concurrent use.
type transformer struct {
	decoder  record.Decoder
	event    cloudevent.Event
	rows     []byte // of all records that are Ok
	outcomes []outcome
	tally    tally
	max      int // bytes of the answer
	size     int // bytes of the answer as planned
	out      []byte
}

func newTransformer() *transformer {
	return &transformer{decoder: record.Decoder{Reuse: true}, max: maxAnswer}
}

// plan decides on every record. Room is kept for an answer to each: a record is Ok only if its rows fit beside them.
func (t *transformer) plan(records []firehoseRecord) {
	t.decoder.Begin()
	t.rows, t.outcomes, t.tally = t.rows[:0], t.outcomes[:0], tally{records: len(records)}
	t.size = len(answerHead) + len(answerTail) + len(records) - 1
	for i := range records {
		t.size += size(&records[i], failed, 0)
		t.tally.bytes += len(records[i].data)
	}
	for i := range records {
		o, err := t.transform(&records[i])
		if err != nil {
			t.fail(i, err)
		}
		t.outcomes = append(t.outcomes, o)
	}
}

// transform appends a record's rows. Firehose takes KPL aggregates apart before it calls the function
// (https://docs.aws.amazon.com/streams/latest/dev/kpl-with-firehose.html), but local stand-ins for it may not: one that
// comes in a piece becomes several rows under its one recordId. Firehose takes several JSON objects for a record, one
// behind the other (https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion.html).
//
// A recordId has one result. So if one of the user records is bad, all of the aggregate fails: marked Ok, the bad one's
// bytes would be lost, while the good ones can be had from the object under the error prefix.
//
// An aggregate of nothing is Dropped: Firehose would take empty data for a record that it cannot convert.
func (t *transformer) transform(r *firehoseRecord) (outcome, error) {
	users, err := t.decoder.Users(r.key, r.data)
	if err != nil {
		return outcome{result: failed}, err
	}
	o := outcome{result: ok, from: len(t.rows)}
	if len(users) == 0 {
		o.result = dropped
	}
	for i := range users {
		if err := t.row(r, &users[i], o.from); err != nil {
			t.rows = t.rows[:o.from]
			return outcome{result: failed}, err
		}
	}
	o.to = len(t.rows)
	t.size += size(r, o.result, o.to-o.from) - size(r, failed, 0)
	t.tally.rows += len(users)
	return o, nil
}

// row appends the row of one user record, if there is room for what stands behind from.
func (t *transformer) row(r *firehoseRecord, u *kpl.UserRecord, from int) error {
	text, err := t.decoder.Event(&t.event, u.Data)
	if err != nil {
		return err
	}
	if t.size+len(text) > t.max {
		return errNoRoom // before 10 MiB are copied
	}
	p := r.place
	p.key = u.PartitionKey
	p.sub += int64(u.Sub) // one of the two is 0: aggregates do not nest
	t.rows = appendRow(t.rows, &t.event, text, p)
	if t.size+size(r, ok, len(t.rows)-from)-size(r, failed, 0) > t.max {
		return errNoRoom
	}
	return nil
}

func (t *transformer) fail(i int, err error) {
	if t.tally.failures == 0 {
		t.tally.first, t.tally.reason = i, err
	}
	t.tally.failures++
	t.tally.byClass[classOf(err)]++
}

// size is how many bytes the answer for one record has, with so many bytes of data.
func size(r *firehoseRecord, result result, data int) int {
	n := len(recordHead) + len(r.id) + len(resultHead) + len(result) + len(recordTail)
	if data > 0 {
		n += len(dataHead) + base64.StdEncoding.EncodedLen(data)
	}
	return n
}
