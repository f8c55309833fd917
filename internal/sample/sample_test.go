package sample

import (
	"testing"

	"github.com/millrace/millrace/internal/cloudevent"
)

// The figures are of shared/data/README.md, which one pass over the file gave.
func TestAll_IsTheWeekThatWasPublished(t *testing.T) {
	rows, delay, distance := 0, 0, 0
	origins, days := map[string]int{}, map[string]int{}
	for f, err := range All() {
		if err != nil {
			t.Fatal(err)
		}
		rows++
		delay += f.Delay
		distance += f.Distance
		origins[f.Origin]++
		days[f.Date.Format("2006-01-02")]++
	}
	if rows != Flights || len(origins) != 223 || delay != 1_124_849 || distance != 83_366_875 {
		t.Errorf("%d rows, %d origins, delay %d, distance %d", rows, len(origins), delay, distance)
	}
	for airport, want := range map[string]int{"ORD": 6203, "DFW": 5947, "ATL": 4663} {
		if origins[airport] != want {
			t.Errorf("%s: %d, want %d", airport, origins[airport], want)
		}
	}
	for day, want := range map[string]int{"2001-01-01": 14828, "2001-01-02": 16850, "2001-01-03": 16948, "2001-01-04": 17065, "2001-01-05": 16591, "2001-01-06": 14872, "2001-01-07": 16339} {
		if days[day] != want {
			t.Errorf("%s: %d, want %d", day, days[day], want)
		}
	}
}

func TestEvent_IsACloudEvent(t *testing.T) {
	var d cloudevent.Decoder
	var e cloudevent.Event
	for f, err := range All() {
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(&e, f.Event(nil)); err != nil {
			t.Fatal(err)
		}
		if e.Key() != f.Origin || !e.Time.Equal(f.Date) || e.Type != "flight.departed" || e.Source != "/bts/on-time" {
			t.Fatalf("%+v of %+v", e, f)
		}
		if f.Row == 1 {
			want := `{"origin":"LAS","destination":"PHL","distance":2176,"delay":33}`
			if string(e.Data) != want || e.ID != "1" {
				t.Errorf("id %s, data %s, want %s", e.ID, e.Data, want)
			}
		}
		if f.Row == 1000 {
			break
		}
	}
}
