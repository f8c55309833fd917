package processor

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/record"
)

var (
	errBatchFull   = fmt.Errorf("the batch inflates to more than %d bytes: the rest is left for the next", record.MaxBatchInflated)
	errRecordSwell = fmt.Errorf("%w: and its record to more than %d", record.ErrTooLarge, record.MaxBatchInflated)
)

// decode makes user records of the batch's records.
func (p *Processor) decode(w *work) {
	p.decoder.Begin()
	for i := range w.batch.Records {
		r := &w.batch.Records[i]
		users, err := p.decoder.Users(r.PartitionKey, r.Data)
		if err != nil {
			w.users = append(w.users, userRecord{record: i, key: r.PartitionKey, data: r.Data, state: failing, class: Undecodable, reason: err})
			continue
		}
		if r.User { // an aggregate that cannot be read has failed as a whole before, with the reason above
			p.add(w, userRecord{record: i, key: r.PartitionKey, data: r.Data})
			continue
		}
		for _, user := range users {
			p.add(w, userRecord{record: i, sub: user.Sub, key: user.PartitionKey, data: user.Data})
		}
	}
}

func (p *Processor) add(w *work, u userRecord) {
	w.users = append(w.users, u)
	last := &w.users[len(w.users)-1]
	if p.decoder.Full() {
		p.tooMuch(w, last)
		return
	}
	_, err := p.decoder.Event(&last.event, u.data)
	switch {
	case err == nil:
	case errors.Is(err, record.ErrTooLarge):
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
	u.hold(errBatchFull)
	w.unsettled(errBatchFull)
}
