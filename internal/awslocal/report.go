package awslocal

import "github.com/millrace/millrace/internal/awslocal/esm"

// Report is an event source mapping as GET /_millrace/mappings shows it.
type Report struct {
	UUID                 string           `json:"uuid"`
	Source               string           `json:"source"`   // ARN
	Function             string           `json:"function"` // ARN
	State                esm.State        `json:"state"`
	LastProcessingResult string           `json:"lastProcessingResult"`
	Counters             map[string]int64 `json:"counters"` // by the names of CloudWatch's metrics, and Settled and Invocations
	Shards               []ShardReport    `json:"shards"`
}

// ShardReport is how far a mapping is in one shard.
type ShardReport struct {
	ID          string `json:"id"`
	Checkpoint  string `json:"checkpoint"`  // all up to and including this sequence number is settled; "" is nothing yet
	Unsettled   int    `json:"unsettled"`   // records from there to the last one read
	Done        bool   `json:"done"`        // the shard is closed and settled to its end
	IteratorAge int64  `json:"iteratorAge"` // of the last record of the latest invocation when it was sent, in milliseconds
}

func report(entries []esm.Entry) []Report {
	out := make([]Report, len(entries))
	for i, e := range entries {
		st := e.Status
		out[i] = Report{
			UUID: e.UUID, Source: e.Config.EventSourceARN, Function: e.Config.FunctionARN,
			State: st.State, LastProcessingResult: st.LastProcessingResult, Counters: counters(st.Counters),
		}
		for _, sh := range st.Shards {
			out[i].Shards = append(out[i].Shards, ShardReport{sh.ID, sh.Checkpoint, sh.Unsettled, sh.Done, sh.IteratorAge.Milliseconds()})
		}
	}
	return out
}

// counters names them as CloudWatch does (Lambda developer guide, "Event source mapping metrics"). OffsetLag and what SQS
// alone has are not among them.
func counters(c esm.Counters) map[string]int64 {
	return map[string]int64{
		"PolledEventCount": c.Polled, "FilteredOutEventCount": c.FilteredOut, "InvokedEventCount": c.Invoked,
		"FailedInvokeEventCount": c.FailedInvoke, "DroppedEventCount": c.Dropped,
		"OnFailureDestinationDeliveredEventCount": c.Delivered, "DestinationDeliveryFailures": c.DeliveryFailures,
		"Settled": c.Settled, "Invocations": c.Invocations,
	}
}
