package pattern

import (
	"slices"
	"strings"
	"testing"
)

// document is matched by the patterns of TestMatch.
const document = `{
	"data": {
		"state": "running", "empty": "", "nothing": null, "yes": true, "no": false,
		"count": 300, "real": 300.0, "power": 3.0e2, "text": "300",
		"tags": ["red", "green"], "mixed": [1, "one", null], "void": [], "hollow": {},
		"file": "logo.PNG", "path": "/usr/lib/x.so", "star": "a*b", "street": "STRASSE",
		"nested": {"deep": {"leaf": 1}},
		"items": [{"name": "a", "size": 1}, {"name": "b", "size": 2}],
		"twice": 1, "twice": 2
	},
	"partitionKey": "k1"
}`

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern string // of data
		want    bool
	}{
		{`{"state":["running"]}`, true},
		{`{"state":["Running"]}`, false},
		{`{"state":["stopped","running"]}`, true},
		{`{"state":["running"],"yes":[true]}`, true},
		{`{"state":["running"],"yes":[false]}`, false},
		{`{"gone":["running"]}`, false},
		{`{"empty":[""]}`, true},
		{`{"state":[""]}`, false},
		{`{"nothing":[null]}`, true},
		{`{"gone":[null]}`, false},
		{`{"nothing":[""]}`, false},
		{`{"empty":[null]}`, false},
		{`{"yes":["true"]}`, false},
		{`{"no":[false]}`, true},

		// Numbers are compared as they are written.
		{`{"count":[300]}`, true},
		{`{"count":[300.0]}`, false},
		{`{"count":[3.0e2]}`, false},
		{`{"real":[300]}`, false},
		{`{"real":[300.0]}`, true},
		{`{"power":[3.0e2]}`, true},
		{`{"power":[3.0E2]}`, false},
		{`{"text":[300]}`, false},
		{`{"count":["300"]}`, false},

		{`{"state":[{"prefix":"run"}]}`, true},
		{`{"state":[{"prefix":"RUN"}]}`, false},
		{`{"state":[{"prefix":""}]}`, true},
		{`{"count":[{"prefix":"3"}]}`, false},
		{`{"state":[{"prefix":{"equals-ignore-case":"RUN"}}]}`, true},
		{`{"file":[{"suffix":".PNG"}]}`, true},
		{`{"file":[{"suffix":".png"}]}`, false},
		{`{"file":[{"suffix":{"equals-ignore-case":".png"}}]}`, true},
		{`{"file":[{"suffix":{"equals-ignore-case":"much longer than the name.png"}}]}`, false},
		{`{"file":[{"equals-ignore-case":"LOGO.png"}]}`, true},
		{`{"file":[{"equals-ignore-case":"LOGO"}]}`, false},

		{`{"path":[{"wildcard":"/usr/*/x.so"}]}`, true},
		{`{"path":[{"wildcard":"*lib*"}]}`, true},
		{`{"path":[{"wildcard":"/usr/*/y.so"}]}`, false},
		{`{"path":[{"wildcard":"*"}]}`, true},
		{`{"path":[{"wildcard":"/usr/lib/x.so"}]}`, true},
		{`{"star":[{"wildcard":"a\\*b"}]}`, true},
		{`{"path":[{"wildcard":"a\\*b"}]}`, false},
		{`{"state":[{"wildcard":"runn*nning"}]}`, false},

		{`{"state":[{"anything-but":"running"}]}`, false},
		{`{"state":[{"anything-but":"stopped"}]}`, true},
		{`{"state":[{"anything-but":["stopped","running"]}]}`, false},
		{`{"count":[{"anything-but":[300]}]}`, false},
		{`{"count":[{"anything-but":[100,200]}]}`, true},
		{`{"count":[{"anything-but":["300"]}]}`, true},
		{`{"gone":[{"anything-but":"x"}]}`, false},
		{`{"nothing":[{"anything-but":"x"}]}`, true},
		{`{"state":[{"anything-but":{"prefix":"run"}}]}`, false},
		{`{"state":[{"anything-but":{"prefix":["a","run"]}}]}`, false},
		{`{"state":[{"anything-but":{"prefix":["a","b"]}}]}`, true},
		{`{"file":[{"anything-but":{"suffix":".PNG"}}]}`, false},
		{`{"file":[{"anything-but":{"suffix":".png"}}]}`, true},
		{`{"state":[{"anything-but":{"equals-ignore-case":"RUNNING"}}]}`, false},
		{`{"state":[{"anything-but":{"equals-ignore-case":["a","RUNNING"]}}]}`, false},
		{`{"path":[{"anything-but":{"wildcard":"*/lib/*"}}]}`, false},
		{`{"tags":[{"anything-but":"red"}]}`, true}, // green is

		{`{"count":[{"numeric":["=",300]}]}`, true},
		{`{"real":[{"numeric":["=",3e2]}]}`, true},
		{`{"count":[{"numeric":[">",299.5]}]}`, true},
		{`{"count":[{"numeric":[">",300]}]}`, false},
		{`{"count":[{"numeric":[">=",300]}]}`, true},
		{`{"count":[{"numeric":["<",300]}]}`, false},
		{`{"count":[{"numeric":["<=",300]}]}`, true},
		{`{"count":[{"numeric":[">",0,"<=",300]}]}`, true},
		{`{"count":[{"numeric":[">=",0,"<",300]}]}`, false},
		{`{"text":[{"numeric":["=",300]}]}`, false},

		{`{"state":[{"exists":true}]}`, true},
		{`{"nothing":[{"exists":true}]}`, true},
		{`{"state":[{"exists":false}]}`, false},
		{`{"gone":[{"exists":true}]}`, false},
		{`{"gone":[{"exists":false}]}`, true},
		{`{"gone":{"leaf":[{"exists":false}]}}`, true},
		{`{"state":{"leaf":[{"exists":false}]}}`, true},
		{`{"nested":[{"exists":true}]}`, false}, // no leaf
		{`{"nested":[{"exists":false}]}`, true},
		{`{"nested":{"deep":{"leaf":[{"exists":true}]}}}`, true},
		{`{"void":[{"exists":true}]}`, false},
		{`{"void":[{"exists":false}]}`, true},
		{`{"hollow":[{"exists":false}]}`, true},
		{`{"gone":[{"exists":false},"x"]}`, true},
		{`{"state":[{"exists":false},"running"]}`, true},

		// Lists: one element will do, and fields of one object in a list belong together.
		{`{"tags":["green"]}`, true},
		{`{"tags":["blue"]}`, false},
		{`{"mixed":["one"]}`, true},
		{`{"mixed":[null]}`, true},
		{`{"items":{"name":["a"],"size":[1]}}`, true},
		{`{"items":{"name":["a"],"size":[2]}}`, false},
		{`{"items":{"name":["c","b"]}}`, true},
		{`{"items":{"name":[{"exists":false}]}}`, false},
		{`{"void":{"name":["a"]}}`, false},
		{`{"tags":{"name":["a"]}}`, false},
		{`{"nested":["deep"]}`, false},
		{`{"nested":{"deep":{"leaf":[1]}}}`, true},

		{`{"$or":[{"state":["stopped"]},{"count":[300]}]}`, true},
		{`{"$or":[{"state":["stopped"]},{"count":[301]}]}`, false},
		{`{"yes":[true],"$or":[{"state":["stopped"]},{"count":[300]}]}`, true},
		{`{"yes":[false],"$or":[{"state":["stopped"]},{"count":[300]}]}`, false},
		{`{"$or":[{"state":["stopped"]},{"$or":[{"no":[true]},{"tags":["red"]}]}]}`, true},
		{`{"items":{"$or":[{"name":["z"]},{"size":[2]}]}}`, true},

		// Duplicate keys: the last counts, in patterns and in documents.
		{`{"state":["stopped"],"state":["running"]}`, true},
		{`{"state":["running"],"state":["stopped"]}`, false},
		{`{"state":[{"prefix":"x","prefix":"run"}]}`, true},
		{`{"twice":[2]}`, true},
		{`{"twice":[1]}`, false},
	} {
		p, err := Parse(`{"data":` + c.pattern + `}`)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		doc, err := ParseValue([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(doc); got != c.want {
			t.Errorf("%s: Match = %v", c.pattern, got)
		}
		if doc, err = ParseFor([]byte(document), p); err != nil || p.Match(doc) != c.want {
			t.Errorf("%s: Match of what the pattern names = %v, %v", c.pattern, !c.want, err)
		}
	}
}

func TestParse_RefusesWhatIsNoPattern(t *testing.T) {
	for _, text := range []string{
		``, `x`, `[]`, `"a"`, `1`, `null`, `{}`, `{"a":["x"]} {}`, `{"a":["x"}`, `[{'eventName': ['INSERT'=123}]`,
		`{"a":"x"}`, `{"a":1}`, `{"a":null}`, `{"a":{}}`, `{"a":[]}`, `{"a":[["x"]]}`, `{"a":[{}]}`,
		`{"a":[{"prefix":"x","suffix":"y"}]}`, `{"a":[{"unknown":"x"}]}`, `{"a":[{"prefix equals-ignore-case":"x"}]}`,
		`{"a":[{"prefix":1}]}`, `{"a":[{"prefix":["x"]}]}`, `{"a":[{"prefix":{"suffix":"x"}}]}`, `{"a":[{"suffix":{}}]}`,
		`{"a":[{"suffix":{"equals-ignore-case":1}}]}`, `{"a":[{"equals-ignore-case":["x"]}]}`,
		`{"a":[{"exists":"true"}]}`, `{"a":[{"exists":null}]}`,
		`{"a":[{"numeric":[]}]}`, `{"a":[{"numeric":5}]}`, `{"a":[{"numeric":[">"]}]}`, `{"a":[{"numeric":[">","5"]}]}`,
		`{"a":[{"numeric":["!=",5]}]}`, `{"a":[{"numeric":["<",5,">",1]}]}`, `{"a":[{"numeric":[">",5,"<",5]}]}`,
		`{"a":[{"numeric":["=",5,"<",6]}]}`, `{"a":[{"numeric":[">",1,"=",6]}]}`, `{"a":[{"numeric":[">",1,">",2]}]}`,
		`{"a":[{"numeric":["<",1,"<",2]}]}`, `{"a":[{"numeric":["=",6e9]}]}`, `{"a":[{"numeric":[5,"<"]}]}`,
		`{"a":[{"anything-but":[]}]}`, `{"a":[{"anything-but":["x",1]}]}`, `{"a":[{"anything-but":null}]}`,
		`{"a":[{"anything-but":[true]}]}`, `{"a":[{"anything-but":{"exists":true}}]}`, `{"a":[{"anything-but":{"prefix":[]}}]}`,
		`{"a":[{"anything-but":{"prefix":[1]}}]}`, `{"a":[{"anything-but":{}}]}`, `{"a":[{"anything-but":{"numeric":["=",1]}}]}`,
		`{"a":[{"anything-but":{"prefix":{"equals-ignore-case":"x"}}}]}`,
		`{"a":[{"wildcard":"**"}]}`, `{"a":[{"wildcard":"a\\b"}]}`, `{"a":[{"wildcard":"a\\"}]}`,
		`{"$or":[{"a":["x"]},{"b":"y"}]}`, `{"$or":[]}`, `{"$or":[{"a":["x"]}]}`,
		"{\"a\":[\"\xff\"]}", strings.Repeat(`{"a":`, 20_000),
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%.60s is taken for a pattern", text)
		}
	}
}

func TestFields_AreThoseOfAlternativesToo(t *testing.T) {
	p, err := Parse(`{"data":{"x":[1]},"$or":[{"partitionKey":["a"]},{"data":["b"],"$or":[{"c":[1]},{"d":[1]}]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Fields(), []string{"data", "partitionKey", "c", "d"}; !slices.Equal(got, want) {
		t.Errorf("Fields = %v, want %v", got, want)
	}
}

func TestMatch_DollarOrAsAnOrdinaryField(t *testing.T) {
	p, err := Parse(`{"$or":["x",{"prefix":"y"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	doc := Object()
	doc.Set("$or", String("yes"))
	if !p.Match(doc) {
		t.Error("no match")
	}
}

func TestParseValue_RefusesWhatIsNoJSON(t *testing.T) {
	for _, text := range []string{``, ` `, `not json`, `{"a":1`, `{"a":1}}`, `1 2`, `{a:1}`, "\"\xff\"", `'x'`, `01`} {
		if _, err := ParseValue([]byte(text)); err == nil {
			t.Errorf("%q is taken for JSON", text)
		}
	}
}

// FuzzPattern looks for a pattern or a document that is answered with a panic, or differently when only what the pattern
// names is read.
func FuzzPattern(f *testing.F) {
	for _, p := range []string{
		`{"data":{"state":["running",{"prefix":"x"},{"anything-but":["a"]}]}}`,
		`{"data":{"count":[{"numeric":[">",0,"<=",5]}]},"$or":[{"a":[1]},{"b":[null]}]}`,
		`{"data":{"a":{"b":[{"exists":false}]},"c":[{"wildcard":"a*\\*"}],"d":[{"suffix":{"equals-ignore-case":"ß"}}]}}`,
	} {
		f.Add(p, document)
	}
	f.Fuzz(func(t *testing.T, pattern, doc string) {
		p, err := Parse(pattern)
		if err != nil {
			return
		}
		if len(p.Fields()) == 0 {
			t.Error("a pattern without fields")
		}
		v, err := ParseValue([]byte(doc))
		if err != nil {
			return
		}
		part, err := ParseFor([]byte(doc), p)
		if err != nil || p.Match(v) != p.Match(part) {
			t.Errorf("another answer for what the pattern names, or %v", err)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	p, err := Parse(`{"data":{"state":["running"],"count":[{"numeric":[">",0]}]}}`)
	if err != nil {
		b.Fatal(err)
	}
	data := []byte(document)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		v, err := ParseFor(data, p)
		if err != nil || !p.Match(v) {
			b.Fatal("no match", err)
		}
	}
}
