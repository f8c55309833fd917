package meter

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func jsonObject(t *rapid.T, a, b any) string {
	text, err := json.Marshal(map[string]any{"a": a, "b": b})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestParse_WrongFile_NamesFilePlaceAndReason(t *testing.T) {
	meter := func(rest string) string {
		return `{"meters":[{"name":"n","type":"t","window":"1h"},{"name":"m","type":"t",` + rest + `}]}`
	}
	many := func(n int, f string) string {
		var s []string
		for i := range n {
			s = append(s, fmt.Sprintf(f, i, i))
		}
		return strings.Join(s, ",")
	}
	for _, c := range []struct{ in, want string }{
		{``, "m.json: line 1: "},
		{"{\n\n\"meters\": [}", "m.json: line 3: "},
		{`{"meters":[]}`, "m.json: /meters: is empty"},
		{`{"metres":[]}`, "m.json: /metres: no such member"},
		{`{"meters":{}}`, "m.json: /meters: want a list"},
		{`[]`, "m.json: the file: want an object"},
		{`{"meters":[[]]}`, "m.json: /meters/0: want an object"},
		{meter(`"window":1`), "m.json: /meters/1/window: want a string"},
		{meter(`"window":"1h","by":"data.a"`), "m.json: /meters/1/by: want a list"},
		{meter(`"window":"1h","measures":{"count":"data.a"}`), "m.json: /meters/1/measures/count: is what the number of events is called"},
		{meter(`"window":"1h","group":[]`), "m.json: /meters/1/group: no such member"},
		{meter(`"by":["subject"]`), "m.json: /meters/1/window: is missing"},
		{meter(`"window":"7m"`), `m.json: /meters/1/window: "7m": want 1d, or whole seconds that divide a day`},
		{meter(`"window":"48h"`), `m.json: /meters/1/window: "48h"`},
		{meter(`"window":"-1h"`), `m.json: /meters/1/window: "-1h"`},
		{meter(`"window":"1h","by":["data"]`), `m.json: /meters/1/by/0: path "data": names the whole data`},
		{meter(`"window":"1h","by":["id"]`), `m.json: /meters/1/by/0: path "id": want source, type, subject`},
		{meter(`"window":"1h","by":["data.a[0]"]`), `m.json: /meters/1/by/0: path "data.a[0]"`},
		{meter(`"window":"1h","by":["data..a"]`), `m.json: /meters/1/by/0: path "data..a": a name is empty`},
		{meter(`"window":"1h","measures":{"Big":"data.a"}`), `m.json: /meters/1/measures/Big: want a name`},
		{meter(`"window":"1h","measures":{"a":"subject"}`), `m.json: /meters/1/measures/a: "subject" is no number`},
		{meter(`"window":"1h","by":["data.a.b","data.a"]`), `m.json: /meters/1: data.a.b and data.a of meter m cannot both be values`},
		{meter(`"window":"1h","measures":{"a":"$.a"}`), `m.json: /meters/1/measures/a: path "$.a"`},
		{meter(`"window":"1h","measures":{` + many(MaxMeasures+1, `"m%d":"data.m%d"`) + `}`), "m.json: /meters/1/measures: has 21 members"},
		{meter(`"window":"1h","by":[` + many(MaxBy+1, `"data.%d%d"`) + `]`), "m.json: /meters/1/by: has 11 paths"},
		{`{"meters":[{"name":"m","window":"1h"}]}`, "m.json: /meters/0/type: is missing"},
		{`{"meters":[{"type":"t","window":"1h"}]}`, `m.json: /meters/0/name: ""`},
		{`{"meters":[{"name":"n","type":"t","window":"1h"},{"name":"n","type":"u","window":"1h"}]}`, `m.json: /meters/1/name: "n" is declared twice`},
		{`{"meters":[` + many(MaxMetersPerType+1, `{"name":"m%d","type":"t","window":"1h","by":["data.x%d"]}`) + `]}`, "m.json: /meters/50: is one more than the 50"},
	} {
		_, err := Parse("m.json", []byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.in, err, c.want)
		}
	}
}

func TestParse_EveryMistake_IsNamedAtOnce(t *testing.T) {
	_, err := Parse("m.json", []byte(`{"meters":[{"name":"A","type":"","window":"x"}]}`))
	for _, want := range []string{"/meters/0/name", "/meters/0/type", "/meters/0/window"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}

func TestID_AnyChangeOfTheDeclaration_IsAnotherMeter(t *testing.T) {
	base := `{"meters":[{"name":"m","type":"t","by":["data.a","data.b"],"measures":{"x":"data.x"},"window":"1h"}]}`
	id := set(t, base).Meters[0].ID()
	if !strings.HasPrefix(id, "m.") || len(id) != len("m.")+8 {
		t.Errorf("id %q", id)
	}
	if again := set(t, base+"\n").Meters[0].ID(); again != id {
		t.Errorf("the same declaration has ids %s and %s", id, again)
	}
	for _, change := range [][2]string{
		{`"1h"`, `"30m"`},
		{`"t"`, `"u"`},
		{`["data.a","data.b"]`, `["data.b","data.a"]`},
		{`["data.a","data.b"]`, `["data.a"]`},
		{`"x":"data.x"`, `"x":"data.y"`},
		{`"x":"data.x"`, `"y":"data.x"`},
	} {
		if other := set(t, strings.Replace(base, change[0], change[1], 1)).Meters[0].ID(); other == id {
			t.Errorf("%s for %s keeps the id %s", change[1], change[0], id)
		}
	}
}

func TestParsePath_QuotedNames(t *testing.T) {
	for text, want := range map[string]string{
		"subject": "subject", "data.a": "data|a", `data."a.b".c`: "data|a.b|c", `data."\"q\""`: `data|"q"`, `data.""`: "data|", `data.ü`: "data|ü",
	} {
		p, err := ParsePath(text)
		if err != nil || strings.Join(p.names, "|") != want {
			t.Errorf("%s: %q, %v", text, p.names, err)
		}
	}
	for _, text := range []string{"", ".", "data.", `data."a`, `data."a"b`, `data."\x"`, "data.a b", "subject.a", "data.\xeb", strings.Repeat("data.", MaxDepth) + "a"} {
		if p, err := ParsePath(text); err == nil {
			t.Errorf("%q is read as %q", text, p.names)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(metersFile))
	f.Add([]byte(`{"meters":[{"name":"m","type":"t","by":["data.a[0]"],"window":"15m","measures":{"a":"data.\"x.y\""}}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := Parse("f", in)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f: ") {
				t.Fatalf("error does not name the file: %v", err)
			}
			return
		}
		v := s.NewEvaluator()
		for _, m := range s.Meters {
			e := event(`{"a":{"b":1}}`)
			e.Type = m.Type
			if deltas, err := v.Evaluate(e); err == nil && len(deltas) == 0 {
				t.Fatal("a declared type counts nothing and says nothing")
			}
		}
	})
}

func FuzzParsePath(f *testing.F) {
	f.Add(`data."a.b".c`)
	f.Add("subject")
	f.Fuzz(func(t *testing.T, in string) {
		p, err := ParsePath(in)
		if err != nil {
			return
		}
		// Quoting every name gives the same path.
		var names []string
		for _, n := range p.names {
			b, _ := json.Marshal(n)
			names = append(names, string(b))
		}
		again, err := ParsePath(strings.Join(names, "."))
		if err != nil || strings.Join(again.names, "\x00") != strings.Join(p.names, "\x00") {
			t.Fatalf("%q -> %q -> %q, %v", in, p.names, again.names, err)
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	s, err := Parse("m.json", []byte(`{"meters": [
		{"name": "departures", "type": "flight.departed", "by": ["data.origin"], "window": "1d", "measures": {"distance": "data.distance", "delay": "data.delay"}},
		{"name": "network", "type": "flight.departed", "window": "1h", "measures": {"delay": "data.delay"}}]}`))
	if err != nil {
		b.Fatal(err)
	}
	v := s.NewEvaluator()
	e := event(`{"origin":"LAS","destination":"PHL","distance":2176,"delay":33}`)
	b.ReportAllocs()
	for b.Loop() {
		v.Reset()
		if _, err := v.Evaluate(e); err != nil {
			b.Fatal(err)
		}
	}
}
