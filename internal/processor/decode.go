package processor

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/kpl"
)

// MaxInflated bounds what a gzipped user record may inflate to, in bytes: as much as the largest record that a stream
// may be made to take (10 MiB).
const MaxInflated = 10 << 20

// maxBatchInflated bounds what all of a batch may inflate to: 6 MB of a hostile payload could become gigabytes, and the
// function has 512 MB.
const maxBatchInflated = 64 << 20

var gzipMagic = []byte{0x1f, 0x8b}

var (
	errTooLarge    = fmt.Errorf("inflates to more than %d bytes", MaxInflated)
	errBatchFull   = fmt.Errorf("the batch inflates to more than %d bytes: the rest is left for the next", maxBatchInflated)
	errRecordSwell = fmt.Errorf("%w: and its record to more than %d", errTooLarge, maxBatchInflated)
)

// decoder keeps what decoding uses again.
type decoder struct {
	events cloudevent.Decoder
	users  []kpl.UserRecord
	gzip   *gzip.Reader
	// inflated is how much this batch has inflated to.
	inflated int
}

// decode makes user records of the batch's records: a record is an event, or a gzipped event, or a KPL aggregate of
// user records that are either. Nothing else nests.
func (p *Processor) decode(w *work) {
	p.decoder.inflated = 0
	for i := range w.batch.Records {
		r := &w.batch.Records[i]
		if !kpl.IsAggregate(r.Data) {
			p.add(w, userRecord{record: i, key: r.PartitionKey, data: r.Data})
			continue
		}
		users, err := kpl.Split(r.Data, p.decoder.users[:0])
		if err != nil {
			w.users = append(w.users, userRecord{record: i, key: r.PartitionKey, data: r.Data, state: failing, class: Undecodable, reason: err})
			continue
		}
		for _, user := range users {
			p.add(w, userRecord{record: i, sub: user.Sub, key: user.PartitionKey, data: user.Data})
		}
		clear(users)
		p.decoder.users = users
	}
}

func (p *Processor) add(w *work, u userRecord) {
	w.users = append(w.users, u)
	last := &w.users[len(w.users)-1]
	if p.decoder.inflated > maxBatchInflated {
		p.tooMuch(w, last)
		return
	}
	data, err := p.decoder.inflate(u.data)
	if err == nil {
		err = p.decoder.events.Decode(&last.event, data)
	}
	switch {
	case err == nil:
	case errors.Is(err, errTooLarge):
		last.fail(TooLarge, err)
	case errors.Is(err, cloudevent.ErrInvalid):
		last.fail(Invalid, err)
	default:
		last.fail(Undecodable, err)
	}
}

// tooMuch leaves what follows in a batch that has inflated to its bound for the next batch, which then begins there. In
// a batch's first record that would be the same again, for ever: what is left of it is too large.
func (p *Processor) tooMuch(w *work, u *userRecord) {
	if u.record == 0 {
		u.fail(TooLarge, errRecordSwell)
		return
	}
	u.state = held
	w.unsettled(errBatchFull)
}

// inflate gives the data as it is when it is not gzipped.
func (d *decoder) inflate(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, gzipMagic) {
		return data, nil
	}
	in := bytes.NewReader(data)
	if d.gzip == nil {
		d.gzip = new(gzip.Reader)
	}
	if err := d.gzip.Reset(in); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(d.gzip, MaxInflated+1))
	d.inflated += len(out) // of a broken one too: it took the time and the memory
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	if len(out) > MaxInflated {
		return nil, errTooLarge
	}
	return out, nil
}
