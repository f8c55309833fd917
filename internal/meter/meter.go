// Package meter is what Millrace computes: exact counts, sums and extremes of events by group and time window. All of
// it is pure.
package meter

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Meter is one declaration of what is counted. It is immutable.
type Meter struct {
	Name     string
	Type     string // the CloudEvents type that it counts
	By       []Path // whose values make the group; none: one group
	Measures []Measure
	Window   time.Duration // a whole number of them makes a day
	id       string
}

// Measure is a numeric value of the counted events, of which sum, minimum and maximum are kept.
type Measure struct {
	Name string
	Path Path
}

// ID is the name with a short hash of the declaration, as in departures.5f3a01c2. Aggregates are stored under it: a
// meter whose declaration changes (another window, another path) is another meter that starts from nothing, and never
// adds to what the old one has counted.
func (m *Meter) ID() string { return m.id }

func declarationID(d declaration) string {
	h := sha256.New()
	write := func(s string) {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	write("1") // of how aggregates are kept
	write(d.Type)
	write(d.window.String())
	for _, p := range d.By {
		write("by " + p)
	}
	for _, name := range d.measureNames() {
		write("measure " + name)
		write(d.Measures[name])
	}
	return d.Name + "." + hex.EncodeToString(h.Sum(nil)[:4])
}

// Start gives the window that holds t, by the time at which it begins: in UTC, windows of a meter tile time from the
// Unix epoch on in both directions, each holding its start and not its end.
func (m *Meter) Start(t time.Time) time.Time { return time.Unix(m.start(t), 0).UTC() }

func (m *Meter) start(t time.Time) int64 { return Floor(t, m.Window) }

// Floor gives the last time, in Unix seconds, at which a whole number of widths (whole seconds) lay between it and the
// Unix epoch: with it spans of one width tile time in both directions, each holding its start and not its end.
func Floor(t time.Time, width time.Duration) int64 {
	w := int64(width / time.Second)
	s := t.Unix()
	into := s % w
	if into < 0 {
		into += w
	}
	return s - into
}

// Delta is one event's part in one aggregate: it counts one.
type Delta struct {
	Meter  *Meter
	Start  int64 // of the window, Unix seconds
	Group  string
	Values []Decimal // one for each of the meter's measures
}
