package main

import (
	"fmt"
	"io"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/handover"
)

// maxReasons bounds what is told: a reason may have in it what is another each time, such as a request id.
const maxReasons = 5

// unsettledFor is a reason for which user records are unsettled. Their messages are left as they are, so nothing but
// this tells of it.
type unsettledFor struct {
	Reason  string `json:"reason"`
	Records int    `json:"userRecords"`
	First   string `json:"first"` // id

	short string // of the first, as the list shows it
}

func (u *unsettledFor) String() string {
	first := u.short
	if u.Records > 1 {
		first = "the first is " + first
	}
	return fmt.Sprintf("unsettled: %s (%s): %s", cli.Count(int64(u.Records), "user record"), first, cli.Printable(u.Reason))
}

func writeUnsettled(w io.Writer, reasons []unsettledFor) error {
	for i := range reasons {
		if _, err := fmt.Fprintln(w, reasons[i].String()); err != nil {
			return err
		}
	}
	return nil
}

// unsettled counts a user record with its reason. What comes with a message of ours is one record, in its own place.
func (t *tally) unsettled(h *handover.Handed, result *direct.Result, owner *item) {
	t.Unsettled++
	for i := range t.Reasons {
		if t.Reasons[i].Reason == result.Reason {
			t.Reasons[i].Records++
			return
		}
	}
	if len(t.Reasons) == maxReasons {
		return
	}
	r := failure.Record{Shard: h.Shard, Sequence: h.Record.SequenceNumber, Sub: result.Sub}
	if owner.Record != nil {
		r.Sub = owner.Record.Sub
	}
	t.Reasons = append(t.Reasons, unsettledFor{result.Reason, 1, r.ID(), shortID(failure.Message{Record: &r})})
}
