package sqs

import (
	"errors"
	"regexp"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// maxEntries is how many entries a batch may have.
const maxEntries = 10

var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// batchOutput is the answer to a batch: each entry is in one of the lists.
type batchOutput[T any] struct {
	Successful []T
	Failed     []batchError
}

type batchError struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string `json:",omitempty"`
}

// fail notes an entry that was wrong.
func (o *batchOutput[T]) fail(id string, err error) {
	f := batchError{ID: id, SenderFault: true, Code: "InternalError", Message: err.Error()}
	if e := new(wire.Error); errors.As(err, &e) {
		f.Code, f.Message = e.Code, e.Message
	}
	o.Failed = append(o.Failed, f)
}

// checkBatch validates what makes a whole batch fail: the number of entries and their ids.
func checkBatch[E any](entries []E, name string, id func(*E) string) error {
	if len(entries) == 0 {
		return wire.Errorf("EmptyBatchRequest", "There should be at least one %s in the request.", name)
	}
	if len(entries) > maxEntries {
		return wire.Errorf("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxEntries, len(entries))
	}
	seen := map[string]bool{}
	for i := range entries {
		id := id(&entries[i])
		if !entryID.MatchString(id) {
			return wire.Errorf("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return wire.Errorf("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}
