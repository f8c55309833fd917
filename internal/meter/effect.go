package meter

import "github.com/millrace/millrace/internal/cloudevent"

// Effect is all that counting one event does. Either all of it happens, once, or nothing.
type Effect struct {
	ID     cloudevent.Identity
	Deltas []Delta // at most one for each meter; none marks the event as handled and counts nothing
}

// Outcome is what became of an event.
type Outcome uint8

// The outcomes.
const (
	Unsettled Outcome = iota // not counted as far as is known, and may be tried again
	Counted                  // counted now
	Copy                     // counted before
	Late                     // beyond the horizon: refused for good, because a copy might have been forgotten
	Refused                  // refused for good by the store
)

// String names the outcome in lower case.
func (o Outcome) String() string {
	return [...]string{"unsettled", "counted", "copy", "late", "refused"}[o]
}

// Result is an outcome with its reason: nil for Counted and Copy.
type Result struct {
	Outcome Outcome
	Err     error
}
