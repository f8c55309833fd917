// Package direct holds the words of a direct call: an operator's command invokes the processor function itself, with the
// event that the mapping would hand over and a member that says so, and is answered with what became of each user record.
//
//	{"millrace":{"set":"live"},"Records":[...]}  ->  {"told":1,"outcomes":[{"record":0,"sequenceNumber":"49...","outcome":"counted"}]}
//
// A record that is a user record has the same member: "millrace":{"userRecord":true}.
//
// A call is made by NewCall and Call.Add, sent by whoever has a client, and its answer is read by Call.Results. The
// function writes it with Answer. docs/delivery.md says what a direct call promises.
package direct

// Member is the member of the payload that makes a call direct, and MemberSet the one of its own that names the set. A
// record may have Member too, with MemberUser in it: true says that it is a user record. A version of the function that
// does not know it passes it over.
const (
	Member     = "millrace"
	MemberSet  = "set"
	MemberUser = "userRecord"
)

// Limits of a call.
const (
	// MaxPayload and MaxAnswer are Lambda's for a synchronous invocation, in bytes: 6 MB each way. Its error messages
	// say 6,291,556; the smaller of the two readings is right under both.
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	MaxPayload = 6 << 20
	MaxAnswer  = 6 << 20
	// MaxRecords of a call: as many as the mapping's largest batch.
	// https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html (BatchSize)
	MaxRecords = 10_000
	// MaxReason bounds a reason as it stands in the answer, in bytes. Where an answer has no room for that, all of its
	// reasons are cut to an equal share of the room there is: 10,000 records that all fail keep 450 bytes each.
	MaxReason = 1 << 10
)

// Outcome is what became of a user record.
type Outcome string

// The outcomes. A reader meets no others: what it does not know is an error.
const (
	Counted   Outcome = "counted"   // now, in every meter that it matches
	Copy      Outcome = "copy"      // it was counted before
	Nothing   Outcome = "nothing"   // no meter and no handler wants it
	Failed    Outcome = "failed"    // for good: class and reason say why; it is not in the failure queue by this call
	Unsettled Outcome = "unsettled" // neither: the reason says why; hand the record over again
)

// Result is what became of one user record.
type Result struct {
	Record         int    // position of its record in the call, from 0
	SequenceNumber string // of its record
	Sub            int    // its place in its record's KPL aggregate, from 0; 0 for a record that is none
	Outcome        Outcome
	Class          string // of what failed, as in the failure queue; "" otherwise
	Reason         string // of what failed or is unsettled, for people; may be cut; "" otherwise
}

// Settled tells whether the user record needs no more care: it is counted, now or before, or nobody wants it.
func (r Result) Settled() bool {
	return r.Outcome == Counted || r.Outcome == Copy || r.Outcome == Nothing
}
