// Package record takes Kinesis data records apart into events, in the same way for every reader of the stream: a record
// is a CloudEvent in JSON, or the gzip of one, or a KPL aggregate of user records that are either. Nothing else nests.
package record

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/kpl"
)

// MaxInflated bounds what a gzipped user record may inflate to, in bytes: as much as the largest record that a stream
// may be made to take (10 MiB).
const MaxInflated = 10 << 20

// MaxBatchInflated bounds what all of a batch may inflate to: 6 MB of a hostile payload could become gigabytes, and a
// function has 512 MB.
const MaxBatchInflated = 64 << 20

var (
	// ErrTooLarge says that a user record inflates to more than MaxInflated.
	ErrTooLarge = fmt.Errorf("inflates to more than %d bytes", MaxInflated)
	// ErrFull says that a user record was not inflated, because its batch had reached MaxBatchInflated before.
	ErrFull = fmt.Errorf("is not inflated: the batch before it inflates to more than %d bytes", MaxBatchInflated)
)

var gzipMagic = []byte{0x1f, 0x8b}

// Decoder decodes one record after another and uses its memory again. The zero value is ready. It is not safe for
// concurrent use.
type Decoder struct {
	// Reuse is for readers that are done with an event before they ask for the next: Event then inflates into memory
	// that its next call overwrites.
	Reuse bool

	events   cloudevent.Decoder
	users    []kpl.UserRecord
	gzip     *gzip.Reader
	in       bytes.Reader
	out      bytes.Buffer
	inflated int // of this batch
}

// Begin begins a batch: none of it has inflated yet.
func (d *Decoder) Begin() {
	d.inflated = 0
	clear(d.users) // let go of the last batch's memory
}

// Full tells whether the batch has inflated to more than MaxBatchInflated.
func (d *Decoder) Full() bool { return d.inflated > MaxBatchInflated }

// Users gives the user records of a record: those of a KPL aggregate, which may be none, and otherwise the record itself
// with its partition key. They are valid until the next call, and share data's memory. An error is of an aggregate that
// cannot be read.
func (d *Decoder) Users(key string, data []byte) ([]kpl.UserRecord, error) {
	if !kpl.IsAggregate(data) {
		d.users = append(d.users[:0], kpl.UserRecord{PartitionKey: key, Data: data})
		return d.users, nil
	}
	users, err := kpl.Split(data, d.users[:0])
	if err != nil {
		return nil, err
	}
	d.users = users
	return users, nil
}

// Event decodes a user record into e. It gives the event's JSON text as its producer wrote it: data itself, or what data
// inflates to; e.Data is a part of it. Errors: ErrTooLarge, ErrFull, cloudevent.ErrInvalid, and others for what is not
// gzip or not JSON. On an error e is undefined.
func (d *Decoder) Event(e *cloudevent.Event, data []byte) (text []byte, err error) {
	text, err = d.inflate(data)
	if err == nil {
		err = d.events.Decode(e, text)
	}
	return text, err
}

// inflate gives the data as it is when it is not gzipped.
func (d *Decoder) inflate(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, gzipMagic) {
		return data, nil
	}
	if d.Full() {
		return nil, ErrFull
	}
	if d.gzip == nil {
		d.gzip = new(gzip.Reader)
	}
	d.in.Reset(data)
	if err := d.gzip.Reset(&d.in); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	d.out.Reset()
	if !d.Reuse {
		d.out = bytes.Buffer{}
	}
	n, err := d.out.ReadFrom(io.LimitReader(d.gzip, MaxInflated+1))
	d.inflated += int(n) // of a broken one too: it took the time and the memory
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	if n > MaxInflated {
		return nil, ErrTooLarge
	}
	return d.out.Bytes(), nil
}
