package dynamodb

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// scalar is an attribute of the naive model: a number, a text, or nothing.
type scalar struct {
	number int
	text   string
	kind   kind // 0 for absent
}

// world is an item and the request's values, in the naive model, by the names that expressions use.
type world map[string]scalar

func (w world) document(prefix string) document {
	var d []byte
	for name, s := range w {
		if s.kind == 0 || !strings.HasPrefix(name, prefix) {
			continue
		}
		d = appendName(d, name)
		if s.kind == kindNumber {
			d = appendValue(d, value{kindNumber, fmt.Sprint(s.number)})
		} else {
			d = appendValue(d, value{kindString, s.text})
		}
	}
	return document(d)
}

// claim is a condition with its naive meaning.
type claim struct {
	text  string
	holds func(world) bool
}

func anyScalar(t *rapid.T) scalar {
	if rapid.Bool().Draw(t, "number") {
		return scalar{kind: kindNumber, number: rapid.IntRange(-2, 2).Draw(t, "n")}
	}
	return scalar{kind: kindString, text: rapid.StringMatching(`[ab]{0,2}`).Draw(t, "s")}
}

// less compares two scalars, if they can be compared.
func less(a, b scalar) (lt, eq, ok bool) {
	if a.kind != b.kind || a.kind == 0 {
		return false, false, false
	}
	return a.number < b.number || a.text < b.text, a == b, true
}

func anyComparison(t *rapid.T) claim {
	op := rapid.SampledFrom([]string{"=", "<>", "<", "<=", ">", ">="}).Draw(t, "op")
	a := rapid.SampledFrom([]string{"x", "y", ":p"}).Draw(t, "left")
	b := rapid.SampledFrom([]string{"z", ":q"}).Draw(t, "right")
	return claim{a + " " + op + " " + b, func(w world) bool {
		lt, eq, ok := less(w[a], w[b])
		switch op {
		case "=":
			return ok && eq
		case "<>":
			return !ok || !eq
		case "<":
			return ok && lt
		case "<=":
			return ok && (lt || eq)
		case ">":
			return ok && !lt && !eq
		}
		return ok && !lt
	}}
}

func anyFunction(t *rapid.T) claim {
	a := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "attribute")
	switch rapid.IntRange(0, 4).Draw(t, "function") {
	case 0:
		return claim{"attribute_exists(" + a + ")", func(w world) bool { return w[a].kind != 0 }}
	case 1:
		return claim{"attribute_not_exists(" + a + ")", func(w world) bool { return w[a].kind == 0 }}
	case 2:
		return claim{"begins_with(" + a + ", :t)", func(w world) bool {
			return w[a].kind == kindString && strings.HasPrefix(w[a].text, w[":t"].text)
		}}
	case 3:
		return claim{a + " IN (:p, z1, :q)", func(w world) bool { return w[a].kind != 0 && (w[a] == w[":p"] || w[a] == w[":q"]) }}
	}
	return claim{"contains(" + a + ", :t)", func(w world) bool {
		return w[a].kind == kindString && strings.Contains(w[a].text, w[":t"].text)
	}}
}

func anyClaim(t *rapid.T, depth int) claim {
	shape := rapid.IntRange(0, 4).Draw(t, "shape")
	if depth == 0 || shape == 0 {
		if rapid.Bool().Draw(t, "comparison") {
			return anyComparison(t)
		}
		return anyFunction(t)
	}
	a := anyClaim(t, depth-1)
	if shape == 1 {
		return claim{"NOT (" + a.text + ")", func(w world) bool { return !a.holds(w) }}
	}
	b := anyClaim(t, depth-1)
	if shape == 2 {
		return claim{"(" + a.text + ") OR (" + b.text + ")", func(w world) bool { return a.holds(w) || b.holds(w) }}
	}
	return claim{"(" + a.text + ") and (" + b.text + ")", func(w world) bool { return a.holds(w) && b.holds(w) }}
}

func TestCondition_MeansWhatANaiveModelMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyClaim(t, 3)
		w := world{":p": anyScalar(t), ":q": anyScalar(t), ":t": {kind: kindString, text: rapid.StringMatching(`[ab]{0,2}`).Draw(t, "t")}}
		for _, name := range []string{"x", "y", "z"} {
			if rapid.IntRange(0, 3).Draw(t, "absent") > 0 {
				w[name] = anyScalar(t)
			}
		}
		x := parseCondition(c.text)
		if x.err != nil {
			t.Fatalf("%s: %v", c.text, x.err)
		}
		env := environment{values: w.document(":")}
		if err := x.root.check(env); err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if got, want := x.root.matches(w.document(""), env), c.holds(w); got != want {
			t.Fatalf("%s with %v: got %t, want %t", c.text, w, got, want)
		}
	})
}

func TestCondition_Precedence_NotAndOr(t *testing.T) {
	item := world{"x": {kind: kindNumber}}.document("")
	text := func(name string) string { return "attribute_exists(" + name + ")" }
	if x := parseCondition(text("x") + " OR " + text("y") + " AND " + text("z")); !x.root.matches(item, environment{}) {
		t.Error("AND binds less than OR")
	}
	if x := parseCondition("NOT " + text("x") + " OR " + text("x")); !x.root.matches(item, environment{}) {
		t.Error("NOT binds less than OR")
	}
	if x := parseCondition("NOT " + text("y") + " AND " + text("y")); x.root.matches(item, environment{}) {
		t.Error("NOT binds less than AND")
	}
}

func FuzzParseCondition(f *testing.F) {
	for c := range conditionTruths {
		f.Add(c)
	}
	for c := range conditionRefusals {
		f.Add(c)
	}
	env := environment{}
	f.Fuzz(func(t *testing.T, text string) {
		x := parseCondition(text)
		if (x.err == nil) == (x.root == nil) {
			t.Fatalf("%q: root %v, error %v", text, x.root, x.err)
		}
		if x.err == nil && x.root.check(env) == nil {
			x.root.matches("", env)
		}
		if p := parseProjection(text); p.err == nil && p.checkProjection(env) == nil {
			p.project(env).apply("")
		}
	})
}
