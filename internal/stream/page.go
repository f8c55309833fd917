package stream

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Page is what one step of reading a shard gives.
type Page struct {
	Records []types.Record // in the order of the shard; there may be none though more follow
	Behind  time.Duration  // how far the page's end is behind the shard's newest record
	// End says that the shard is closed and read to its end. Children are those that took its place, if the stream told.
	End      bool
	Children []Shard
	// Cut says that what follows has not been asked for: it arrived too late.
	Cut bool
	// Retries is how often the stream refused or lost the step before this page, for want of throughput or otherwise.
	Retries int
}

// CaughtUp tells that the shard had nothing more to give. Neither half of it says so alone: an empty page may lie before
// records that are still to come (API reference of GetRecords), and a page of records that have just arrived is not a
// millisecond behind, though more have arrived with them.
func (p *Page) CaughtUp() bool { return len(p.Records) == 0 && p.Behind == 0 || p.End }

// Pages gives a shard page by page. Next is not safe for concurrent use. Close ends what is under way for it.
type Pages interface {
	Next(context.Context) (Page, error)
	Close()
}

func behind(millis *int64) time.Duration {
	return time.Duration(aws.ToInt64(millis)) * time.Millisecond
}

// cut leaves out of a page what arrived at a time or later, and tells whether it has come to that. A zero time cuts
// nothing. Arrivals are only about in order, so a record that arrived earlier may stand behind the cut, by milliseconds.
func cut(p Page, until time.Time) (_ Page, reached bool) {
	if until.IsZero() {
		return p, false
	}
	for i := range p.Records {
		if !aws.ToTime(p.Records[i].ApproximateArrivalTimestamp).Before(until) {
			p.Records = p.Records[:i]
			return p, true
		}
	}
	return p, false
}
