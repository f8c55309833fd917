// Package sample is a week of real flights as CloudEvents: something true to run through a stream. README.md beside it
// names the source.
package sample

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Flights is how many there are.
const Flights = 113_493

//go:embed flights-week.csv.gz
var archive []byte

// Flight is one row.
type Flight struct {
	Row                 int       // from 1; the event's id, because no combination of the columns is unique
	Date                time.Time // read as UTC
	Delay, Distance     int       // minutes, miles
	Origin, Destination string    // airports
}

// All gives the flights in order of date, and ends with the first error.
func All() iter.Seq2[Flight, error] {
	return func(yield func(Flight, error) bool) {
		z, err := gzip.NewReader(bytes.NewReader(archive))
		if err != nil {
			yield(Flight{}, fmt.Errorf("read sample: %w", err))
			return
		}
		rows := csv.NewReader(z)
		rows.ReuseRecord = true
		for row := 0; ; row++ {
			columns, err := rows.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if row == 0 && err == nil {
				continue // the header
			}
			f, err := flight(row, columns, err)
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

func flight(row int, c []string, err error) (Flight, error) {
	if err != nil {
		return Flight{}, fmt.Errorf("read sample: %w", err)
	}
	date, err1 := time.Parse("2006-01-02T15:04", c[0])
	delay, err2 := strconv.Atoi(c[1])
	distance, err3 := strconv.Atoi(c[2])
	if err := errors.Join(err1, err2, err3); err != nil {
		return Flight{}, fmt.Errorf("read sample: row %d: %w", row, err)
	}
	return Flight{row, date, delay, distance, c[3], c[4]}, nil
}

// Event appends the flight as a CloudEvent in JSON, without a newline.
func (f Flight) Event(b []byte) []byte {
	b = append(b, `{"specversion":"1.0","id":"`...)
	b = strconv.AppendInt(b, int64(f.Row), 10)
	b = append(b, `","source":"/bts/on-time","type":"flight.departed","subject":`...)
	b = quote(b, f.Origin)
	b = append(b, `,"time":"`...)
	b = f.Date.AppendFormat(b, time.RFC3339)
	b = append(b, `","datacontenttype":"application/json","data":{"origin":`...)
	b = quote(b, f.Origin)
	b = append(b, `,"destination":`...)
	b = quote(b, f.Destination)
	b = append(b, `,"distance":`...)
	b = strconv.AppendInt(b, int64(f.Distance), 10)
	b = append(b, `,"delay":`...)
	b = strconv.AppendInt(b, int64(f.Delay), 10)
	return append(b, "}}"...)
}

func quote(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // airports are ASCII
	return b
}
