// Package emf writes metrics as CloudWatch embedded metric format lines: CloudWatch takes the metrics out of a
// function's log, so a metric costs no call.
//
// The format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package emf

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of the format (specification, MetricDirective and DimensionSet).
const (
	MaxMetrics    = 100 // in one line
	MaxDimensions = 30  // in one dimension set
)

// Unit is the unit of a metric.
type Unit string

// The units that CloudWatch knows (API reference of MetricDatum) and that ours need.
const (
	Count        Unit = "Count"
	Bytes        Unit = "Bytes"
	Milliseconds Unit = "Milliseconds"
)

// Metric is a number that CloudWatch keeps. Declare a program's metrics in one block of variables.
type Metric struct {
	Name string
	Unit Unit
}

// Line is one line under construction. Make one, and use it again and again: Begin, then values, then WriteTo. It is
// not safe for concurrent use.
type Line struct {
	namespace  string
	dimensions [][]string
	at         time.Time
	metrics    []measured
	texts      []text
	buf        []byte
}

type measured struct {
	Metric
	value float64
}

type text struct{ name, value string }

// NewLine makes a line whose metrics CloudWatch keeps in a namespace, once for each set of dimensions. Each dimension
// is the name of a text of the line. No set at all keeps them without dimensions.
func NewLine(namespace string, dimensions ...[]string) *Line {
	if len(dimensions) == 0 {
		dimensions = [][]string{{}}
	}
	return &Line{namespace: namespace, dimensions: dimensions}
}

// Begin empties the line and gives it its time, which CloudWatch keeps to the millisecond.
func (l *Line) Begin(at time.Time) {
	l.at, l.metrics, l.texts = at, l.metrics[:0], l.texts[:0]
}

// Set gives a metric its value in this line; the last value counts. Metrics that are not set are not in the line.
func (l *Line) Set(m Metric, value float64) {
	for i := range l.metrics {
		if l.metrics[i].Name == m.Name {
			l.metrics[i] = measured{m, value}
			return
		}
	}
	l.metrics = append(l.metrics, measured{m, value})
}

// Text adds a member that is text: the value of a dimension, or something to search the log for. The last value counts.
func (l *Line) Text(name, value string) {
	for i := range l.texts {
		if l.texts[i].name == name {
			l.texts[i].value = value
			return
		}
	}
	l.texts = append(l.texts, text{name, value})
}

// WriteTo writes the line in one call of Write, so that lines of several writers do not mix. A line without metrics is
// not written. What CloudWatch would drop in silence is an error: a dimension without a value, a value that is no
// number, a metric with the name of a text, too many metrics or dimensions.
func (l *Line) WriteTo(w io.Writer) (int64, error) {
	if len(l.metrics) == 0 {
		return 0, nil
	}
	if err := l.check(); err != nil {
		return 0, fmt.Errorf("write metrics: %w", err)
	}
	l.buf = l.append(l.buf[:0])
	n, err := w.Write(l.buf)
	if err != nil {
		return int64(n), fmt.Errorf("write metrics: %w", err)
	}
	return int64(n), nil
}

func (l *Line) check() error {
	var errs []error
	if len(l.metrics) > MaxMetrics {
		errs = append(errs, fmt.Errorf("%d metrics: at most %d", len(l.metrics), MaxMetrics))
	}
	for _, set := range l.dimensions {
		if len(set) > MaxDimensions {
			errs = append(errs, fmt.Errorf("%d dimensions: at most %d", len(set), MaxDimensions))
		}
		for _, name := range set {
			if i := l.text(name); i < 0 || l.texts[i].value == "" {
				errs = append(errs, fmt.Errorf("dimension %s has no value", name))
			}
		}
	}
	for _, m := range l.metrics {
		if math.IsNaN(m.value) || math.IsInf(m.value, 0) {
			errs = append(errs, fmt.Errorf("metric %s is %v", m.Name, m.value))
		}
		if l.text(m.Name) >= 0 {
			errs = append(errs, fmt.Errorf("metric %s is a text too", m.Name))
		}
	}
	return errors.Join(errs...)
}

func (l *Line) text(name string) int {
	return slices.IndexFunc(l.texts, func(t text) bool { return t.name == name })
}

// append writes the JSON: the metadata under _aws, then texts and values as members of the root.
func (l *Line) append(b []byte) []byte {
	b = append(b, `{"_aws":{"Timestamp":`...)
	b = strconv.AppendInt(b, l.at.UnixMilli(), 10)
	b = append(b, `,"CloudWatchMetrics":[{"Namespace":`...)
	b = quote(b, l.namespace)
	b = append(b, `,"Dimensions":`...)
	b = list(b, l.dimensions, func(b []byte, set []string) []byte { return list(b, set, quote) })
	b = append(b, `,"Metrics":`...)
	b = list(b, l.metrics, definition)
	b = append(b, `}]}`...)
	for _, t := range l.texts {
		b = quote(member(b, t.name), t.value)
	}
	for _, m := range l.metrics {
		b = strconv.AppendFloat(member(b, m.Name), m.value, 'f', -1, 64)
	}
	return append(b, '}', '\n')
}

func member(b []byte, name string) []byte {
	return append(quote(append(b, ','), name), ':')
}

func definition(b []byte, m measured) []byte {
	b = quote(append(b, `{"Name":`...), m.Name)
	b = quote(append(b, `,"Unit":`...), string(m.Unit))
	return append(b, '}')
}

func list[T any](b []byte, items []T, item func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(b, it)
	}
	return append(b, ']')
}

// quote writes a JSON string. Bad UTF-8 is replaced.
func quote(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // the error is bad UTF-8, and the string is written all the same
	return b
}
