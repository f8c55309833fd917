package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

func flights() *Table {
	t := NewTable("origin", "flights", "delay", "sum", "took", "last", "ok")
	at := time.Date(2001, 1, 7, 23, 59, 0, 0, time.UTC)
	t.Add("ORD", 6203, 12.345, jsontext.Value("12345678901234567890.5"), 1500*time.Millisecond, at, true)
	t.Add("a\x1b[31m,\"b\"", int64(5), nil, jsontext.Value("-1"), time.Hour, at, false)
	return t
}

func written(t *testing.T, table *Table, f Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := table.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTable_Text_AlignsNumbersRight_AndKeepsTheTerminalSafe(t *testing.T) {
	const want = `origin             flights  delay                           sum   took  last                  ok
ORD                  6,203  12.35  12,345,678,901,234,567,890.5  1.5 s  2001-01-07T23:59:00Z  true
"a\x1b[31m,\"b\""        5      -                            -1  1h00m  2001-01-07T23:59:00Z  false
`
	if diff := cmp.Diff(want, written(t, flights(), Text)); diff != "" {
		t.Error(diff)
	}
}

func TestTable_JSON_IsAnArrayOfOrderedObjects(t *testing.T) {
	const want = `[
{"origin":"ORD","flights":6203,"delay":12.345,"sum":12345678901234567890.5,"took":1.5,"last":"2001-01-07T23:59:00Z","ok":true},
{"origin":"a\u001b[31m,\"b\"","flights":5,"delay":null,"sum":-1,"took":3600,"last":"2001-01-07T23:59:00Z","ok":false}
]
`
	got := written(t, flights(), JSON)
	if diff := cmp.Diff(want, got); diff != "" || !json.Valid([]byte(got)) {
		t.Error(diff)
	}
}

func TestTable_CSV_IsReadBack(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(written(t, flights(), CSV))).ReadAll()
	want := [][]string{
		{"origin", "flights", "delay", "sum", "took", "last", "ok"},
		{"ORD", "6203", "12.345", "12345678901234567890.5", "1.5", "2001-01-07T23:59:00Z", "true"},
		{"a\x1b[31m,\"b\"", "5", "", "-1", "3600", "2001-01-07T23:59:00Z", "false"},
	}
	if diff := cmp.Diff(want, rows); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestTable_Empty_HasItsHeader(t *testing.T) {
	for format, want := range map[Format]string{Text: "a  b\n", JSON: "[\n]\n", CSV: "a,b\n"} {
		if got := written(t, NewTable("a", "b"), format); got != want {
			t.Errorf("%s: %q", format, got)
		}
	}
}

func TestTable_Wrong_IsAnError(t *testing.T) {
	short := NewTable("a", "b")
	short.Add(1)
	if err := short.Write(io.Discard, Text); err == nil || !strings.Contains(err.Error(), "row 0 has 1 values for 2 columns") {
		t.Errorf("error %v", err)
	}
	bad := NewTable("a")
	bad.Add(jsontext.Value("1e"))
	if err := bad.Write(io.Discard, JSON); err == nil || !strings.Contains(err.Error(), "a: ") {
		t.Errorf("error %v", err)
	}
	for _, format := range []Format{Text, JSON, CSV} {
		if err := flights().Write(failing{}, format); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: error %v", format, err)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
