package emf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	counted   = Metric{"EventsCounted", Count}
	freshness = Metric{"Freshness", Milliseconds}
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123_456_789, time.UTC)

// write gives what a line writes, and fails when it takes more than one Write.
func write(t interface {
	Helper()
	Fatal(...any)
}, l *Line,
) string {
	t.Helper()
	var w countingWriter
	n, err := l.WriteTo(&w)
	if err != nil {
		t.Fatal(err)
	}
	if w.writes > 1 || int(n) != w.Len() {
		t.Fatal(w.writes, "writes,", n, "bytes told of", w.Len())
	}
	return w.String()
}

type countingWriter struct {
	bytes.Buffer
	writes int
}

func (w *countingWriter) Write(b []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(b)
}

func TestWriteTo_Golden(t *testing.T) {
	l := NewLine("Millrace", []string{"Function"}, []string{"Function", "Shard"})
	l.Begin(noon)
	l.Text("Function", "processor")
	l.Text("Shard", "shardId-000000000000")
	l.Text("requestId", "a \"quoted\"\nid")
	l.Set(counted, 1)
	l.Set(freshness, 812.25)
	l.Set(counted, 1_000_000)
	const want = `{"_aws":{"Timestamp":1795435200123,"CloudWatchMetrics":[{"Namespace":"Millrace","Dimensions":[["Function"],["Function","Shard"]],` +
		`"Metrics":[{"Name":"EventsCounted","Unit":"Count"},{"Name":"Freshness","Unit":"Milliseconds"}]}]},` +
		`"Function":"processor","Shard":"shardId-000000000000","requestId":"a \"quoted\"\nid","EventsCounted":1000000,"Freshness":812.25}` + "\n"
	if got := write(t, l); got != want {
		t.Error(cmp.Diff(want, got))
	}
}

func TestWriteTo_NoDimensions_HasOneEmptySet(t *testing.T) {
	l := NewLine("N")
	l.Begin(time.UnixMilli(1))
	l.Set(counted, 0)
	const want = `{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[[]],"Metrics":[{"Name":"EventsCounted","Unit":"Count"}]}]},"EventsCounted":0}` + "\n"
	if got := write(t, l); got != want {
		t.Error(cmp.Diff(want, got))
	}
}

func TestWriteTo_NothingMeasured_WritesNothing(t *testing.T) {
	l := NewLine("N", []string{"Function"})
	l.Begin(noon)
	l.Text("Function", "f")
	if got := write(t, l); got != "" {
		t.Errorf("%q", got)
	}
}

func TestBegin_ForgetsTheLineBefore(t *testing.T) {
	l := NewLine("N")
	l.Begin(noon)
	l.Set(counted, 5)
	l.Text("a", "b")
	l.Begin(noon)
	l.Set(freshness, 1)
	if got := write(t, l); strings.Contains(got, "EventsCounted") || strings.Contains(got, `"a"`) {
		t.Error(got)
	}
}

func TestWriteTo_WhatCloudWatchWouldDrop_IsAnError(t *testing.T) {
	many := func(n int) []string {
		var s []string
		for i := range n {
			s = append(s, fmt.Sprint("d", i))
		}
		return s
	}
	for want, fill := range map[string]func() *Line{
		"dimension Function has no value": func() *Line { return NewLine("N", []string{"Function"}) },
		"metric Freshness is NaN":         func() *Line { l := NewLine("N"); l.Set(freshness, math.NaN()); return l },
		"metric Freshness is -Inf":        func() *Line { l := NewLine("N"); l.Set(freshness, math.Inf(-1)); return l },
		"metric EventsCounted is a text":  func() *Line { l := NewLine("N"); l.Text(counted.Name, "x"); return l },
		"31 dimensions":                   func() *Line { return NewLine("N", many(31)) },
		"101 metrics": func() *Line {
			l := NewLine("N")
			for _, name := range many(100) {
				l.Set(Metric{name, Count}, 1)
			}
			return l
		},
	} {
		l := fill()
		l.Set(counted, 1)
		var w bytes.Buffer
		if _, err := l.WriteTo(&w); err == nil || !strings.Contains(err.Error(), want) || w.Len() > 0 {
			t.Errorf("want %q: error %v, %d bytes written", want, err, w.Len())
		}
	}
}

func TestWriteTo_WriterFails_SaysSo(t *testing.T) {
	l := NewLine("N")
	l.Set(counted, 1)
	if _, err := l.WriteTo(failing{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestLine_AnyValues_AreReadBackByEncodingJSON: one line, valid JSON, every value as it was set.
func TestLine_AnyValues_AreReadBackByEncodingJSON(t *testing.T) {
	l := NewLine("Millrace", []string{"Function"})
	rapid.Check(t, func(t *rapid.T) {
		l.Begin(time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "time")))
		want := map[string]any{"Function": rapid.StringN(1, -1, 100).Draw(t, "function")}
		l.Text("Function", want["Function"].(string))
		for range rapid.IntRange(1, 20).Draw(t, "metrics") {
			m := Metric{"m" + rapid.String().Draw(t, "name"), Count}
			v := rapid.Float64Range(-1e300, 1e300).Draw(t, "value")
			want[m.Name] = v
			l.Set(m, v)
		}
		line := write(t, l)
		if strings.Count(line, "\n") != 1 {
			t.Fatalf("not one line: %q", line)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		meta := got["_aws"].(map[string]any)
		delete(got, "_aws")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if meta["Timestamp"] != float64(l.at.UnixMilli()) {
			t.Fatal(meta)
		}
		directive := meta["CloudWatchMetrics"].([]any)[0].(map[string]any)
		if n := len(directive["Metrics"].([]any)); n != len(want)-1 {
			t.Fatalf("%d metrics declared, %d set", n, len(want)-1)
		}
	})
}

func BenchmarkLine(b *testing.B) {
	l := NewLine("Millrace", []string{"Function"})
	metrics := make([]Metric, 12)
	for i := range metrics {
		metrics[i] = Metric{fmt.Sprint("Metric", i), Count}
	}
	b.ReportAllocs()
	for n := range b.N {
		l.Begin(noon)
		l.Text("Function", "processor")
		for _, m := range metrics {
			l.Set(m, float64(n))
		}
		if _, err := l.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
