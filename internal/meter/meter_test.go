package meter

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/cloudevent"
)

var compareDecimals = cmp.Comparer(func(a, b Decimal) bool { return a == b })

func TestMerge_IsAssociativeAndCommutative(t *testing.T) {
	const measures = 2
	aggregate := rapid.Custom(func(t *rapid.T) Aggregate {
		var a Aggregate
		for range rapid.IntRange(0, 4).Draw(t, "events") {
			values := make([]Decimal, measures)
			for i := range values {
				values[i] = DecimalOf(rapid.Int64().Draw(t, "value"))
			}
			a.Observe(values)
		}
		return a
	})
	merged := func(as ...Aggregate) Aggregate {
		var sum Aggregate
		for _, a := range as {
			sum.Merge(a)
		}
		return sum
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := aggregate.Draw(t, "a"), aggregate.Draw(t, "b"), aggregate.Draw(t, "c")
		ab, bc := merged(a, b), merged(b, c)
		if d := cmp.Diff(merged(ab, c), merged(a, bc), compareDecimals); d != "" {
			t.Fatalf("not associative: %s", d)
		}
		if d := cmp.Diff(merged(a, b), merged(b, a), compareDecimals); d != "" {
			t.Fatalf("not commutative: %s", d)
		}
	})
}

func TestMerge_SharesNoMemory(t *testing.T) {
	var a, b Aggregate
	b.Observe([]Decimal{DecimalOf(1)})
	a.Merge(b)
	a.Observe([]Decimal{DecimalOf(2)})
	if b.Stats[0].Sum != DecimalOf(1) {
		t.Errorf("b has become %+v", b)
	}
}

func TestStart_WindowsTileTime(t *testing.T) {
	windows := []time.Duration{time.Second, 90 * time.Second, 15 * time.Minute, time.Hour, 24 * time.Hour}
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.SampledFrom(windows).Draw(t, "window")
		m := &Meter{Window: w}
		at := time.Unix(rapid.Int64Range(-1<<36, 1<<36).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		start := m.Start(at)
		if at.Before(start) || !at.Before(start.Add(w)) {
			t.Fatalf("%s is not in the window of %s from %s", at, w, start)
		}
		if !m.Start(start).Equal(start) || !m.Start(start.Add(w)).Equal(start.Add(w)) || !m.Start(start.Add(-1)).Equal(start.Add(-w)) {
			t.Fatalf("windows of %s do not meet at %s", w, start)
		}
		if midnight := at.UTC().Truncate(24 * time.Hour); !m.Start(midnight).Equal(midnight) {
			t.Fatalf("no window of %s begins at %s", w, midnight)
		}
	})
}

const metersFile = `{"meters": [
	{"name": "departures", "type": "flight.departed", "by": ["subject", "data.to.code"], "window": "1d",
	 "measures": {"distance": "data.distance", "delay": "data.\"delay.min\""}},
	{"name": "network", "type": "flight.departed", "window": "1h"}
]}`

func set(t *testing.T, file string) *Set {
	t.Helper()
	s, err := Parse("meters.json", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func event(data string) *cloudevent.Event {
	e := &cloudevent.Event{ID: "1", Source: "s", Type: "flight.departed", Subject: "ORD", Time: time.Date(2001, 1, 2, 3, 4, 5, 0, time.UTC)}
	if data != "" {
		e.Data = []byte(data)
	}
	return e
}

func TestEvaluate_CountsAnEventInEveryMeterOfItsType(t *testing.T) {
	s := set(t, metersFile)
	v := s.NewEvaluator()
	got, err := v.Evaluate(event(`{"skip":{"to":1},"delay.min":-1.5,"to":{"x":0,"code":"L/X"},"distance":2e2}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Delta{
		// Measures are in the order of their names.
		{s.Meters[0], time.Date(2001, 1, 2, 0, 0, 0, 0, time.UTC).Unix(), "ORD/L%2FX", []Decimal{{-1, 1<<64 - 1_500_000_000}, DecimalOf(200)}},
		{s.Meters[1], time.Date(2001, 1, 2, 3, 0, 0, 0, time.UTC).Unix(), "", []Decimal{}},
	}
	same := cmp.Comparer(func(a, b *Meter) bool { return a == b })
	if d := cmp.Diff(want, got, compareDecimals, same); d != "" {
		t.Error(d)
	}
}

func TestEvaluate_AnythingWrong_CountsNowhere(t *testing.T) {
	v := set(t, metersFile).NewEvaluator()
	good := `{"to":{"code":"LAX"},"delay.min":1,"distance":2}`
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, c := range []struct{ data, reason string }{
		{"", "subject"}, // replaced below: no data at all
		{`[1]`, "data.to.code is missing"},
		{with(`"LAX"`, `null`), "data.to.code is not a string"},
		{with(`"LAX"`, `["LAX"]`), "data.to.code is not a string"},
		{with(`"LAX"`, `"`+strings.Repeat("x", MaxGroup)+`"`), "the group has"},
		{with(`"distance":2`, `"distance":"2"`), "data.distance is not a number"},
		{with(`"distance":2`, `"distance":1e15`), "data.distance has more than 15 integer digits"},
		{with(`"distance":2`, `"distance":0.0000000001`), "data.distance has more than 9 fraction digits"},
		{with(`"distance":2`, `"other":2`), "data.distance is missing"},
	} {
		e := event(c.data)
		if c.reason == "subject" {
			e = event(good)
			e.Subject = ""
		}
		deltas, err := v.Evaluate(e)
		if err == nil || len(deltas) > 0 || !strings.Contains(err.Error(), c.reason) || !strings.Contains(err.Error(), "meter departures") {
			t.Errorf("%s: %v, %v; want %q", c.data, deltas, err, c.reason)
		}
	}
	if deltas, err := v.Evaluate(event(good)); err != nil || len(deltas) != 2 {
		t.Errorf("the good one: %v, %v", deltas, err)
	}
}

func TestEvaluate_OtherType_CountsNothing(t *testing.T) {
	e := event(`{}`)
	e.Type = "flight.arrived"
	if deltas, err := set(t, metersFile).NewEvaluator().Evaluate(e); err != nil || len(deltas) != 0 {
		t.Errorf("%v, %v", deltas, err)
	}
}

func TestEvaluate_DeltasLiveUntilReset(t *testing.T) {
	v := set(t, metersFile).NewEvaluator()
	var all [][]Delta
	for i := range 300 { // more than any first capacity
		d, err := v.Evaluate(event(fmt.Sprintf(`{"to":{"code":"%d"},"delay.min":%d,"distance":0}`, i, i)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	for i, d := range all {
		if d[0].Group != fmt.Sprintf("ORD/%d", i) || d[0].Values[0] != DecimalOf(int64(i)) {
			t.Fatalf("event %d has become %+v", i, d[0])
		}
	}
}

func TestGroup_DifferentValues_DifferentTexts(t *testing.T) {
	value := rapid.OneOf(
		rapid.Map(rapid.StringOfN(rapid.RuneFrom([]rune("a=/#%\x00é")), 0, 3, -1), func(s string) any { return s }),
		rapid.Map(rapid.IntRange(-11, 11), func(n int) any { return n }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
	)
	file := `{"meters":[{"name":"m","type":"t","by":["data.a","data.b"],"window":"1h"}]}`
	rapid.Check(t, func(t *rapid.T) {
		s, err := Parse("f", []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		v := s.NewEvaluator()
		var groups [2]string
		var texts [2]string
		for i := range groups {
			a, b := value.Draw(t, "a"), value.Draw(t, "b")
			texts[i] = fmt.Sprintf("%T %v, %T %v", a, a, b, b)
			e := &cloudevent.Event{Type: "t", Data: []byte(jsonObject(t, a, b))}
			d, err := v.Evaluate(e)
			if err != nil {
				t.Fatal(err)
			}
			groups[i] = d[0].Group
			values, err := s.Meters[0].Values(groups[i])
			if err != nil || values[0] != fmt.Sprint(a) || values[1] != fmt.Sprint(b) {
				t.Fatalf("%s decodes to %q, %v", groups[i], values, err)
			}
		}
		if (groups[0] == groups[1]) != (texts[0] == texts[1]) {
			t.Fatalf("%s and %s: %q, %q", texts[0], texts[1], groups[0], groups[1])
		}
		if strings.ContainsAny(groups[0], "#\x00") {
			t.Fatalf("group %q has a separator", groups[0])
		}
	})
}
