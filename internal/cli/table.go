package cli

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Format is how a command writes its rows.
type Format string

// The formats.
const (
	Text Format = "text" // for people
	JSON Format = "json" // an array with one object a line
	CSV  Format = "csv"  // RFC 4180, with a header
)

// Format adds -json and -csv, of which one may be given; without them rows are text for people.
func (f *Flags) Format() *Format {
	format := Text
	choose := func(name string, as Format, what string) {
		f.BoolFunc(name, what, func(string) error {
			if format != Text && format != as {
				return fmt.Errorf("is given beside -%s: choose one", format)
			}
			format = as
			return nil
		})
	}
	choose("json", JSON, "write a JSON array, an object a line")
	choose("csv", CSV, "write CSV with a header")
	return &format
}

// Table is rows of values under names, written in one of the formats. A value is nil, a string, a bool, an int, an
// int64, a float64, a time.Duration (in JSON and CSV: seconds), a time.Time, or a jsontext.Value: a JSON number of any
// precision.
type Table struct {
	columns []string
	rows    [][]any
}

// NewTable makes a table with the names of its columns: the header of a text or CSV, the members of a JSON object.
func NewTable(columns ...string) *Table { return &Table{columns: columns} }

// Add adds a row, with one value for each column.
func (t *Table) Add(values ...any) { t.rows = append(t.rows, values) }

// Write writes the table.
func (t *Table) Write(w io.Writer, format Format) error {
	for i, r := range t.rows {
		if len(r) != len(t.columns) {
			return fmt.Errorf("write table: row %d has %d values for %d columns", i, len(r), len(t.columns))
		}
	}
	write := t.writeText
	switch format {
	case JSON:
		write = t.writeJSON
	case CSV:
		write = t.writeCSV
	}
	if err := write(w); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// writeText sets text left and numbers right.
func (t *Table) writeText(w io.Writer) error {
	out := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format = table.FormatOptions{}
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	out.SetStyle(style)
	var header table.Row
	var configs []table.ColumnConfig
	for i, c := range t.columns {
		header = append(header, Printable(c))
		if t.isNumeric(i) {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	out.AppendHeader(header)
	out.SetColumnConfigs(configs)
	for _, r := range t.rows {
		var row table.Row
		for _, v := range r {
			row = append(row, textOf(v))
		}
		out.AppendRow(row)
	}
	for line := range strings.Lines(out.Render() + "\n") {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// isNumeric tells whether a column has numbers and nothing else.
func (t *Table) isNumeric(column int) bool {
	numbers := 0
	for _, r := range t.rows {
		switch r[column].(type) {
		case nil:
		case int, int64, float64, time.Duration, jsontext.Value:
			numbers++
		default:
			return false
		}
	}
	return numbers > 0
}

func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case int:
		return Thousands(int64(v))
	case int64:
		return Thousands(v)
	case float64:
		return Decimal(v)
	case time.Duration:
		return Duration(v)
	case jsontext.Value:
		return separate(string(v))
	}
	return Printable(plainOf(v))
}

// plainOf is a value as CSV has it.
func plainOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Duration:
		return strconv.FormatFloat(v.Seconds(), 'f', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case jsontext.Value:
		return string(v)
	}
	return fmt.Sprint(v)
}

// Printable quotes a text that would move a terminal's cursor or break the row: what is in an event is not ours.
func Printable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func (t *Table) writeCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(t.columns); err != nil {
		return err
	}
	for _, r := range t.rows {
		var row []string
		for _, v := range r {
			row = append(row, plainOf(v))
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (t *Table) writeJSON(w io.Writer) error {
	b := []byte{'['}
	for i, r := range t.rows {
		if i > 0 {
			b = append(b, ',')
		}
		row, err := t.object(r)
		if err != nil {
			return err
		}
		b = append(append(b, '\n'), row...)
	}
	_, err := w.Write(append(b, "\n]\n"...))
	return err
}

// object writes one row, its members in the order of the columns.
func (t *Table) object(row []any) ([]byte, error) {
	b := []byte{'{'}
	for i, v := range row {
		if d, ok := v.(time.Duration); ok {
			v = d.Seconds()
		}
		value, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.columns[i], err)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b, _ = jsontext.AppendQuote(b, t.columns[i]) // the error is bad UTF-8, which is replaced
		b = append(append(b, ':'), value...)
	}
	return append(b, '}'), nil
}
