package main

import (
	"io"
	"time"

	"github.com/millrace/millrace/internal/emf"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/processor"
)

// The processor's metrics, one line a batch, in the namespace Millrace by function.
var (
	recordsIn    = emf.Metric{Name: "Records", Unit: emf.Count}            // handed over by the mapping
	eventsIn     = emf.Metric{Name: "EventsCounted", Unit: emf.Count}      // counted now
	copiesIn     = emf.Metric{Name: "Copies", Unit: emf.Count}             // recognised as counted before
	nothingIn    = emf.Metric{Name: "EventsUnmetered", Unit: emf.Count}    // wanted by no meter
	unsettledIn  = emf.Metric{Name: "Unsettled", Unit: emf.Count}          // left for another try
	failuresIn   = emf.Metric{Name: "Failures", Unit: emf.Count}           // sent to the failure queue; with one more metric for each class
	age          = emf.Metric{Name: "AgeAtCommit", Unit: emf.Milliseconds} // of the batch's oldest record, when it was done with
	transactions = emf.Metric{Name: "Transactions", Unit: emf.Count}
	conflicts    = emf.Metric{Name: "Conflicts", Unit: emf.Count} // transactions planned again because another writer was first
	retries      = emf.Metric{Name: "BusyWrites", Unit: emf.Count}
	logReads     = emf.Metric{Name: "LogReads", Unit: emf.Count}
)

var failuresByClass = map[processor.Class]emf.Metric{
	processor.Undecodable: {Name: "FailuresUndecodable", Unit: emf.Count},
	processor.Invalid:     {Name: "FailuresInvalid", Unit: emf.Count},
	processor.Late:        {Name: "FailuresLate", Unit: emf.Count},
	processor.Refused:     {Name: "FailuresRefused", Unit: emf.Count},
	processor.Panic:       {Name: "FailuresPanic", Unit: emf.Count},
	processor.GaveUp:      {Name: "FailuresGaveUp", Unit: emf.Count},
	processor.TooLarge:    {Name: "FailuresTooLarge", Unit: emf.Count},
}

// metrics writes them.
type metrics struct {
	function string
	line     *emf.Line
	out      io.Writer
	before   ledger.Stats // totals at the last line
}

func newMetrics(function string, out io.Writer) *metrics {
	return &metrics{function: function, line: emf.NewLine("Millrace", []string{"FunctionName"}), out: out}
}

// pass leaves what the ledger has done since the last line out of the next one.
func (m *metrics) pass(s ledger.Stats) { m.before = s }

func (m *metrics) write(b processor.Batch, r processor.Report, s ledger.Stats) error {
	now := time.Now()
	m.line.Begin(now)
	m.line.Text("FunctionName", m.function)
	m.line.Text("Shard", b.Shard)
	m.line.Set(recordsIn, float64(len(b.Records)))
	m.line.Set(eventsIn, float64(r.Counted))
	m.line.Set(copiesIn, float64(r.Copies))
	m.line.Set(nothingIn, float64(r.Nothing))
	m.line.Set(unsettledIn, float64(r.Held))
	failures := 0
	for class, n := range r.Failed {
		failures += n
		m.line.Set(failuresByClass[class], float64(n))
	}
	m.line.Set(failuresIn, float64(failures))
	if r.Unsettled > 0 {
		m.line.Set(age, float64(now.Sub(b.Records[0].Arrival).Milliseconds()))
	}
	m.line.Set(transactions, float64(s.Transactions-m.before.Transactions))
	m.line.Set(conflicts, float64(s.LostSegments+s.LostItems-m.before.LostSegments-m.before.LostItems))
	m.line.Set(retries, float64(s.Busy-m.before.Busy))
	m.line.Set(logReads, float64(s.Queries-m.before.Queries))
	m.before = s
	_, err := m.line.WriteTo(m.out)
	return err
}
