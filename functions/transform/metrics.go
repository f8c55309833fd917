package main

import (
	"io"
	"time"

	"github.com/millrace/millrace/internal/emf"
)

// The transform function's metrics, one line an invocation, in the namespace Millrace by function.
var (
	recordsIn   = emf.Metric{Name: "Records", Unit: emf.Count}     // handed over by Firehose
	recordBytes = emf.Metric{Name: "RecordBytes", Unit: emf.Bytes} // of their data
	rowsOut     = emf.Metric{Name: "Rows", Unit: emf.Count}        // an aggregate in one piece has several
	answerBytes = emf.Metric{Name: "AnswerBytes", Unit: emf.Bytes} // of which Lambda allows 6 MiB
	failuresOut = emf.Metric{Name: "Failures", Unit: emf.Count}    // marked ProcessingFailed; with one more metric for each class
)

var failuresByClass = [classes]emf.Metric{
	undecodable: {Name: "FailuresUndecodable", Unit: emf.Count},
	invalid:     {Name: "FailuresInvalid", Unit: emf.Count},
	tooLarge:    {Name: "FailuresTooLarge", Unit: emf.Count},
	noRoom:      {Name: "FailuresNoRoom", Unit: emf.Count},
}

// classNames are the classes in the log.
var classNames = [classes]string{undecodable: "undecodable", invalid: "invalid", tooLarge: "too-large", noRoom: "no-room"}

// metrics writes them.
type metrics struct {
	function string
	line     *emf.Line
	out      io.Writer
}

func newMetrics(function string, out io.Writer) *metrics {
	return &metrics{function: function, line: emf.NewLine("Millrace", []string{"FunctionName"}), out: out}
}

func (m *metrics) write(t tally, answer int) error {
	m.line.Begin(time.Now())
	m.line.Text("FunctionName", m.function)
	m.line.Set(recordsIn, float64(t.records))
	m.line.Set(recordBytes, float64(t.bytes))
	m.line.Set(rowsOut, float64(t.rows))
	m.line.Set(answerBytes, float64(answer))
	m.line.Set(failuresOut, float64(t.failures))
	for class, n := range t.byClass {
		if n > 0 {
			m.line.Set(failuresByClass[class], float64(n))
		}
	}
	_, err := m.line.WriteTo(m.out)
	return err
}
