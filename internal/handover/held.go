package handover

import (
	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/kpl"
)

// held is a set of keys. A handover has those of the records that were left: none of their later records is handed over.
type held map[string]bool

// keysOf gives the keys of a record's user records. Of an aggregate that cannot be read it is that of the record, as
// the processor has it.
func keysOf(r *direct.Record) []string {
	if r.User || !kpl.IsAggregate(r.Data) {
		return []string{r.PartitionKey}
	}
	users, err := kpl.Split(r.Data, nil)
	if err != nil {
		return []string{r.PartitionKey}
	}
	keys := make([]string, len(users))
	for i := range users {
		keys[i] = users[i].PartitionKey
	}
	return keys
}

// holds tells whether one of a record's keys is held.
func (h held) holds(r *direct.Record) bool {
	for _, k := range keysOf(r) {
		if h[k] {
			return true
		}
	}
	return false
}

// add holds a record's keys, and tells whether none of them was held.
func (h held) add(r *direct.Record) (first bool) {
	first = true
	for _, k := range keysOf(r) {
		first = first && !h[k]
		h[k] = true
	}
	return first
}

// leave gives a record up for now. What it is part of does not matter: all of its keys wait for it.
func (h *Handover) leave(q *queue, e *entry) {
	h.held.add(&e.record)
	h.tell(q, e)
}

// behind is the reason of a record that is left without having been handed over.
const behind = "an earlier record of its key is unsettled: it waits for that"

// leaveHeld leaves those records of a queue that have a held key.
func (h *Handover) leaveHeld(q *queue) {
	if len(h.held) == 0 {
		return
	}
	rest := q.entries[:0]
	for i := range q.entries {
		e := &q.entries[i]
		if !h.held.holds(&e.record) {
			rest = append(rest, *e)
			continue
		}
		if e.results == nil {
			e.results = []direct.Result{{SequenceNumber: e.record.SequenceNumber, Outcome: direct.Unsettled, Reason: behind}}
		}
		h.leave(q, e)
	}
	clear(q.entries[len(rest):])
	q.entries = rest
}
