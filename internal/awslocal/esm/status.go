package esm

import (
	"sync/atomic"
	"time"
)

// State is a mapping's state, as the Lambda API names it.
type State string

// The states that a mapping goes through here.
const (
	Creating  State = "Creating" // Run has not been called
	Enabled   State = "Enabled"
	Updating  State = "Updating"  // Update has been called; the invocations of the old settings are running
	Disabling State = "Disabling" // the last invocations are running
	Disabled  State = "Disabled"
	Enabling  State = "Enabling" // Enable has been called, and Run has not yet taken notice
	Deleting  State = "Deleting" // Delete has been called; once the last invocations have ended, Run gives nil
)

// What LastProcessingResult may say. Giving records up does not change it.
const (
	ResultNone    = "No records processed"
	ResultOK      = "OK"
	ResultProblem = "PROBLEM: Function call failed"
)

// What StateTransitionReason may say.
const (
	ReasonUser = "User action"
	// ReasonSource is of a mapping that was disabled because its stream or consumer is gone. The text is ours, in the form of
	// LastProcessingResult's: AWS documents none.
	ReasonSource = "PROBLEM: The event source does not exist"
)

// Counters count records, retries again each time, under the names of the EventCount metrics; only Invocations counts
// invocations.
type Counters struct {
	Polled      int64 // read from the stream; of a consumer's aggregates, the user records
	FilteredOut int64 // matched no filter
	// OutOfRange were user records of aggregates that were dropped, because one of them has a key of another shard. AWS
	// has no metric for them.
	OutOfRange int64
	Invoked    int64 // handed to the function
	// FailedInvoke counts what was in a failed invocation, what came at and after the first failure of a partial
	// response, and what did not reach the function or was too big for it.
	FailedInvoke     int64
	Dropped          int64 // given up, and the failure document was not delivered; without a destination nothing counts
	Delivered        int64 // given up, with a failure document
	DeliveryFailures int64 // failure documents that were not delivered (DestinationDeliveryFailures)
	Settled          int64 // processed or given up
	Invocations      int64 // times that the function was reached
}

// ShardStatus is how far a shard is.
type ShardStatus struct {
	ID         string
	Checkpoint string // all up to and including this sequence number is settled; "" is nothing yet
	// Next is where a new mapping goes on: after the checkpoint, or where this one began.
	Next        Position
	Unsettled   int           // records that were read and are not settled
	Done        bool          // the shard is closed and settled to its end
	IteratorAge time.Duration // of the last record of the latest invocation, when it was sent
}

// Status is a snapshot of a mapping.
type Status struct {
	State State
	// StateTransitionReason says who or what brought the mapping into its state, ReasonUser or ReasonSource.
	StateTransitionReason string
	LastProcessingResult  string
	Counters              Counters
	Shards                []ShardStatus // parents before their children
}

// Settled is a run of records that were settled together, in the order of their shard.
type Settled struct {
	Shard   string
	Records []Record // not to be changed
	Fate    Fate
}

// counters is what Counters is a snapshot of.
type counters struct {
	polled, filteredOut, outOfRange, invoked, failedInvoke, dropped, delivered, undelivered, settled, invocations atomic.Int64

	result atomic.Pointer[string]
}

// attempted counts one attempt with n records and notes its result.
func (c *counters) attempted(n int, o outcome) {
	if o.verdict == unreached {
		c.failedInvoke.Add(int64(n))
		return
	}
	if o.response == nil { // too big to be sent
		c.failedInvoke.Add(int64(n))
		return
	}
	c.invocations.Add(1)
	c.invoked.Add(int64(n))
	if o.verdict != succeeded {
		c.failedInvoke.Add(int64(n - o.settled))
	}
	result := ResultOK
	if o.problem {
		result = ResultProblem
	}
	c.result.Store(&result)
}

func (c *counters) discarded(n int, delivered bool) {
	if delivered {
		c.delivered.Add(int64(n))
		return
	}
	c.dropped.Add(int64(n))
	c.undelivered.Add(1)
}

func (c *counters) snapshot() Counters {
	return Counters{
		Polled: c.polled.Load(), FilteredOut: c.filteredOut.Load(), OutOfRange: c.outOfRange.Load(), Invoked: c.invoked.Load(), FailedInvoke: c.failedInvoke.Load(),
		Dropped: c.dropped.Load(), Delivered: c.delivered.Load(), DeliveryFailures: c.undelivered.Load(),
		Settled: c.settled.Load(), Invocations: c.invocations.Load(),
	}
}

func (c *counters) lastResult() string {
	if r := c.result.Load(); r != nil {
		return *r
	}
	return ResultNone
}
