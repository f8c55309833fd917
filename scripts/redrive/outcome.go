package main

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/handover"
	"github.com/millrace/millrace/internal/kpl"
	"github.com/millrace/millrace/internal/stream"
)

// progress is how far a failure has come. A failure is done with when all of its records that can be read have been
// handed over and told of.
type progress struct {
	read         bool   // all that can be read of it has been
	seen         int    // records that were read back
	first, last  string // sequence numbers of those
	handed, told int
	unsettled    int             // records
	failed       int             // records
	again        *failure.Record // what its message is to say now
	judged       bool
}

// found notes a record that was read back for the failure.
func (it *item) found(sequence string) {
	if it.seen == 0 {
		it.first = sequence
	}
	it.seen++
	it.last = sequence
}

// missing tells how many of a failure's records can no longer be read; -1 is some, nobody knows how many.
func (it *item) missing() int {
	span := spanOf(it.Message)
	if it.Record != nil && it.Record.Payload != nil {
		return 0
	}
	whole := it.seen > 0 && stream.CompareSequence(it.first, span.First) == 0 && stream.CompareSequence(it.last, span.Last) == 0
	switch {
	case span.Records > it.seen:
		return span.Records - it.seen
	case whole:
		return 0
	}
	return -1
}

// done tells whether nothing more will become of it.
func (it *item) done() bool { return it.read && it.told == it.handed }

// take notes what became of one of its records, and gives the failures that have come of it.
func (it *item) take(h *handover.Handed, streamName string) (failures []failure.Record) {
	it.told++
	if h.Unsettled() { // it stays as it is, with all that is part of it
		it.unsettled++
		return nil
	}
	if h.Settled() {
		return nil
	}
	it.failed++
	if it.Record != nil {
		it.again = failedAgain(it.Record, h)
		return nil
	}
	return failuresOf(h, streamName)
}

// failedAgain is the message of a record that has failed again. A user record that is handed over alone has one result,
// and of those of an aggregate within one the first that failed says enough.
func failedAgain(r *failure.Record, h *handover.Handed) *failure.Record {
	again := *r
	again.Key, again.Payload = h.Record.PartitionKey, h.Record.Data // of a pointer they may be missing
	for _, result := range h.Results {
		if result.Outcome == direct.Failed {
			again.Class, again.Text = failure.Class(result.Class), result.Reason
			again.Text = keepReason(r, &again)
			break
		}
	}
	return &again
}

// beforeThat stands between the reason of a crash and that which the record had before.
const beforeThat = "; before that "

// keepReason gives the new text of a record. The function that crashes on it says nothing of the record, and may do so on
// every one: what it failed for before is kept behind that, whatever crashes follow.
func keepReason(before, again *failure.Record) string {
	if again.Class != handover.ClassCrash {
		return again.Text
	}
	if before.Class != handover.ClassCrash {
		return fmt.Sprintf("%s%s%s: %s", again.Text, beforeThat, before.Class, before.Text)
	}
	if _, kept, ok := strings.Cut(before.Text, beforeThat); ok {
		return again.Text + beforeThat + kept
	}
	return again.Text
}

// failuresOf makes messages of the user records of a record that have failed, with their payloads: the document that the
// mapping has sent holds none, and the stream forgets.
func failuresOf(h *handover.Handed, streamName string) (failures []failure.Record) {
	users := usersOf(&h.Record)
	for _, result := range eachUser(h.Results, len(users)) {
		if result.Outcome != direct.Failed {
			continue
		}
		r := failure.Record{
			Stream: streamName, Shard: h.Shard, Sequence: h.Record.SequenceNumber, Sub: result.Sub, Key: h.Record.PartitionKey,
			Arrival: h.Record.Arrival, Class: failure.Class(result.Class), Text: result.Reason, Payload: h.Record.Data,
		}
		if result.Sub < len(users) {
			r.Key, r.Payload = users[result.Sub].PartitionKey, users[result.Sub].Data
		}
		failures = append(failures, r)
	}
	return failures
}

// eachUser gives a result for each of so many user records. There is one for all of them when the function has told
// nothing: it crashes on the record, or a call cannot carry it.
func eachUser(results []direct.Result, users int) []direct.Result {
	if len(results) != 1 || users < 2 {
		return results
	}
	all := make([]direct.Result, users)
	for sub := range all {
		all[sub] = results[0]
		all[sub].Sub = sub
	}
	return all
}

// usersOf takes a record apart. What is no aggregate, or cannot be read as one, has none.
func usersOf(r *direct.Record) []kpl.UserRecord {
	if !kpl.IsAggregate(r.Data) {
		return nil
	}
	users, err := kpl.Split(r.Data, nil)
	if err != nil {
		return nil
	}
	return users
}

// state is what a failure has come to.
type state string

const (
	stateSettled   state = "settled"   // its messages are deleted
	stateFailed    state = "failed"    // again
	stateUnsettled state = "unsettled" // hand it over another time
	stateTrimmed   state = "trimmed"   // some of its records cannot be read
	stateUntouched state = "untouched" // the redrive ended before
)

func (it *item) state() state {
	switch {
	case it.unsettled > 0:
		return stateUnsettled
	case !it.done():
		return stateUntouched
	case it.missing() != 0:
		return stateTrimmed
	case it.failed > 0:
		return stateFailed
	}
	return stateSettled
}

// verdict is what is to be done with a failure's messages.
type verdict struct {
	send   *failure.Record // a message that takes their place: first it, and then the deletion
	delete []string        // ids
}

// judge decides on a failure that is done with. What is settled is deleted. What has failed again stays, with its new
// reason; a document of the mapping has made way for a message of ours for each of its records that failed. What is not
// settled, or cannot be read, stays as it is.
func (it *item) judge() verdict {
	switch state := it.state(); {
	case state != stateSettled && state != stateFailed:
		return verdict{}
	case it.again == nil:
		return verdict{delete: it.MessageIDs}
	case it.again.Class == it.Record.Class && it.again.Text == it.Record.Text,
		it.Record.Payload != nil && !it.again.HasRoom(): // a reason is not worth a payload
		return verdict{delete: it.MessageIDs[1:]} // its copies
	}
	return verdict{send: it.again, delete: it.MessageIDs}
}
