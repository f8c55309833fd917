package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

const twoMeters = `{"meters":[
	{"name":"sales","type":"sale","by":["data.shop","data.club"],"window":"6h","measures":{"amount":"data.amount"}},
	{"name":"all","type":"sale","window":"1d"}
]}`

func truthOf(t *testing.T, events ...string) *truth {
	t.Helper()
	set, err := meter.Parse("meters.json", []byte(twoMeters))
	if err != nil {
		t.Fatal(err)
	}
	out := newTruth(set)
	for _, e := range events {
		if err := out.add([]byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func sale(id int, at, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/s","type":"sale","time":"2001-01-%s","data":%s}`, id, at, data)
}

func texts(cells map[cell]*amounts) map[string]string {
	out := map[string]string{}
	for c, a := range cells {
		out[differences(map[cell]*amounts{c: a}, nil)[0]] = a.String()
	}
	return out
}

func TestTruth_HandMade_CountsSumsAndExtremes(t *testing.T) {
	got := truthOf(t,
		sale(1, "01T05:59:59Z", `{"shop":"a","club":true,"amount":0.1}`),
		sale(2, "01T00:00:00Z", `{"shop":"a","club":true,"amount":0.2}`),
		sale(2, "01T00:00:00Z", `{"shop":"a","club":true,"amount":0.2}`),        // a copy
		sale(3, "01T01:00:00+02:00", `{"shop":"a","club":true,"amount":-5e-1}`), // the day before, in UTC
		sale(4, "01T06:00:00Z", `{"shop":"b","club":false,"amount":7}`),
	)
	want := map[string]string{
		`sales 2001-01-01T00:00:00Z "a/=true": nothing, truth 2, 3/10 1/10 1/5`:  `2, 3/10 1/10 1/5`,
		`sales 2000-12-31T18:00:00Z "a/=true": nothing, truth 1, -1/2 -1/2 -1/2`: `1, -1/2 -1/2 -1/2`,
		`sales 2001-01-01T06:00:00Z "b/=false": nothing, truth 1, 7 7 7`:         `1, 7 7 7`,
		`all 2001-01-01T00:00:00Z "": nothing, truth 3`:                          `3`,
		`all 2000-12-31T00:00:00Z "": nothing, truth 1`:                          `1`,
	}
	if diff := cmp.Diff(want, texts(got.cells)); diff != "" || got.events != 4 || len(got.refused) != 0 {
		t.Errorf("%d events, %d refused\n%s", got.events, len(got.refused), diff)
	}
}

func TestTruth_EventThatAMeterCannotCount_CountsInNoneAndIsRefusedOnce(t *testing.T) {
	text := sale(1, "01T00:00:00Z", `{"shop":"a","club":true,"amount":"1"}`)
	got := truthOf(t, text, text,
		sale(2, "01T00:00:00Z", `{"shop":"a","club":true}`),
		sale(3, "01T00:00:00Z", `{"shop":["a"],"club":true,"amount":1}`),
		sale(4, "01T00:00:00Z", `{"club":true,"amount":1}`),
		strings.Replace(sale(5, "01T00:00:00Z", `{}`), `"sale"`, `"other"`, 1), // wanted by no meter
	)
	if len(got.refused) != 4 || got.events != 0 || len(got.cells) != 0 {
		t.Errorf("%d refused, %d events, cells %v", len(got.refused), got.events, texts(got.cells))
	}
}

func TestTruth_RefusedOrUnwantedAndThenGood_IsCounted(t *testing.T) {
	unwanted := strings.Replace(sale(1, "01T00:00:00Z", `{}`), `"sale"`, `"other"`, 1)
	got := truthOf(t, unwanted, sale(1, "01T00:00:00Z", `{}`), sale(1, "01T00:00:00Z", `{"shop":"a","club":true,"amount":1}`))
	if len(got.refused) != 1 || got.unwanted != 1 || got.events != 1 || len(got.cells) != 2 {
		t.Errorf("%d refused, %d events, cells %v", len(got.refused), got.events, texts(got.cells))
	}
}

// The engine and the truth share no code; on any event they must agree all the same.
func TestTruth_AnyValues_AreCountedWhereTheEngineCountsThem(t *testing.T) {
	set, err := meter.Parse("f", []byte(`{"meters":[{"name":"m","type":"t","by":["subject","data.a"],"window":"1h","measures":{"n":"data.n"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	numbers := []string{
		"1.50", "1.5", "-0", "0.0", "1e3", "-12.50e-1", "1e14", "999999999999999", "1e15", "1000000000000000", "0.000000001",
		"0.0000000001", "1.0000000000", "1e-9", "1e-10", "1e999999999", "0e999999999",
	}
	value := rapid.OneOf(
		rapid.SampledFrom(append(numbers, "true", "false", "null", "[1]", "{}", `""`, `"="`, `"a=b"`, `"a\tb"`, `"a/b%#"`, `"1.5"`, `"true"`, `"\u007fé"`)),
		rapid.Map(rapid.IntRange(327, 1003), func(n int) string { return `"` + strings.Repeat("x", n) + `"` }),
		rapid.Map(rapid.IntRange(327, 335), func(n int) string { return `"` + strings.Repeat("/", n) + `"` }),
	)
	v := set.NewEvaluator()
	rapid.Check(t, func(t *rapid.T) {
		subject := rapid.SampledFrom([]string{`""`, `"a"`, `"a/b"`, `"a\tb"`, `"=1"`, "null"}).Draw(t, "subject")
		text := fmt.Sprintf(`{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":%s,"time":"2001-01-01T00:59:59Z","data":{"a":%s,"n":%s}}`,
			subject, value.Draw(t, "a"), rapid.SampledFrom(append(numbers, `"1"`, "null")).Draw(t, "n"))
		var d cloudevent.Decoder
		var e cloudevent.Event
		if err := d.Decode(&e, []byte(text)); err != nil {
			t.Fatal(err)
		}
		want := map[cell]*amounts{}
		deltas, evaluateErr := v.Evaluate(&e)
		for _, delta := range deltas {
			var a meter.Aggregate
			a.Observe(delta.Values)
			want[cell{delta.Meter.Name, delta.Start, delta.Group}] = amountsOf(a)
		}
		got := newTruth(set)
		if err := got.add([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if lines := differences(want, got.cells); len(lines) > 0 || (evaluateErr != nil) != got.refused[text] {
			t.Fatalf("%.200s: %v, refused %v\n%q", text, evaluateErr, got.refused[text], lines)
		}
	})
}

func TestDifferences_NamesEachCellOnceInOrder(t *testing.T) {
	good := sale(1, "01T00:00:00Z", `{"shop":"a","club":true,"amount":1}`)
	want, got := truthOf(t, good).cells, truthOf(t, good).cells
	if d := differences(want, got); len(d) != 0 {
		t.Errorf("equal sides differ: %q", d)
	}
	more := truthOf(t, good, sale(2, "02T00:00:00Z", `{"shop":"b","club":true,"amount":1}`)).cells
	other := truthOf(t, sale(1, "01T00:00:00Z", `{"shop":"a","club":true,"amount":2}`)).cells
	for name, c := range map[string]struct {
		want, got map[cell]*amounts
		lines     []string
	}{
		"lacking": {more, got, []string{
			`all 2001-01-02T00:00:00Z "": nothing, truth 1`,
			`sales 2001-01-02T00:00:00Z "b/=true": nothing, truth 1, 1 1 1`,
		}},
		"too much": {want, more, []string{
			`all 2001-01-02T00:00:00Z "": 1, truth nothing`,
			`sales 2001-01-02T00:00:00Z "b/=true": 1, 1 1 1, truth nothing`,
		}},
		"another value": {want, other, []string{`sales 2001-01-01T00:00:00Z "a/=true": 1, 2 2 2, truth 1, 1 1 1`}},
	} {
		if diff := cmp.Diff(c.lines, differences(c.want, c.got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
