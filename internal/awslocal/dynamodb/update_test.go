package dynamodb

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// updated does an update to an item, by names for the values :a, :b and so on.
func updated(t interface{ Fatalf(string, ...any) }, item document, expression string, values ...value) document {
	var env environment
	var d []byte
	for i, v := range values {
		d = appendValue(appendName(d, ":"+string(rune('a'+i))), v)
	}
	env.values = document(d)
	x := parseUpdate(expression)
	if err := x.check(env); err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	out, err := x.update(item, env)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return out
}

// small draws a number whose sums stay within 38 digits.
func small(t *rapid.T, label string) value {
	return value{kindNumber, canonical(t, rapid.StringMatching(`-?[0-9]{1,12}\.[0-9]{0,12}`).Draw(t, label))}
}

func textSet(t *rapid.T, label string) value {
	var data []byte
	for _, m := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "dd", ""}), 1, 4, rapid.ID[string]).Draw(t, label) {
		data = appendMember(data, m)
	}
	return value{kindStringSet, string(data)}
}

func TestUpdate_Add_CommutesAndIsUndone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, a, b := small(t, "n"), small(t, "a"), small(t, "b")
		was := document(appendValue(appendName(nil, "n"), n))
		one := updated(t, updated(t, was, "ADD n :a", a), "ADD n :a", b)
		two := updated(t, updated(t, was, "SET n = :a + n", b), "ADD n :a", a)
		if one != two {
			t.Fatalf("%q and %q", one, two)
		}
		if back := updated(t, one, "SET n = n - :a", a); updated(t, back, "SET n = n - :a", b) != was {
			t.Fatalf("%q came back as %q", was, back)
		}
	})
}

func TestUpdate_Sets_AreUnionAndDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := textSet(t, "a"), textSet(t, "b")
		was := document(appendValue(appendName(nil, "s"), a))
		both, _ := updated(t, was, "ADD s :a", b).get("s")
		other, _ := updated(t, document(appendValue(appendName(nil, "s"), b)), "ADD s :a", a).get("s")
		if !both.equal(other) || !both.holdsAll(a) || !both.holdsAll(b) {
			t.Fatalf("%v and %v are %v or %v", a, b, both, other)
		}
		left, found := updated(t, was, "DELETE s :a", b).get("s")
		if found == b.holdsAll(a) {
			t.Fatalf("%v without %v is %v", a, b, left)
		}
		for m := range left.members {
			if b.has(m) || !a.has(m) {
				t.Fatalf("%v without %v is %v", a, b, left)
			}
		}
	})
}

func TestUpdate_Set_IsIdempotentAndLeavesTheRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var was []byte
		for i := range rapid.IntRange(0, 4).Draw(t, "attributes") {
			was = appendValue(appendName(was, fmt.Sprintf("k%d", i)), small(t, "v"))
		}
		name := fmt.Sprintf("k%d", rapid.IntRange(0, 5).Draw(t, "name"))
		v := textSet(t, "value")
		expression := "SET " + name + " = :a"
		once := updated(t, document(was), expression, v)
		if again := updated(t, once, expression, v); again != once {
			t.Fatalf("%q, then %q", once, again)
		}
		removed := updated(t, once, "REMOVE "+name)
		if removed != updated(t, document(was), "REMOVE "+name) {
			t.Fatalf("%q is left of %q", removed, was)
		}
	})
}

func TestUpdate_DeepResult_IsRefused(t *testing.T) {
	nest := func(depth int) value {
		v := value{kindNumber, "1"}
		for range depth {
			v = value{kindList, string(appendValue(nil, v))}
		}
		return v
	}
	for depth, valid := range map[int]bool{maxNesting - 2: true, maxNesting - 1: false} {
		x := parseUpdate("SET m.x = :a")
		item := document(appendValue(appendName(nil, "m"), value{kindMap, ""}))
		_, err := x.update(item, environment{values: document(appendValue(appendName(nil, ":a"), nest(depth)))})
		if (err == nil) != valid {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

// FuzzUpdate does any update to an item: it must be refused, or leave an item that can be written and read again.
func FuzzUpdate(f *testing.F) {
	for expression := range updates {
		f.Add(expression)
	}
	for expression := range updateRefusals {
		f.Add(expression)
	}
	const given = `"tags":{"SS":["a"]},"n":{"N":"5"},"l":{"L":[{"S":"0"},{"M":{"x":{"N":"1"}}}]},"m":{"M":{"n":{"N":"1"},"l":{"L":[]}}}`
	const values = `{":1":{"N":"1"},":ab":{"SS":["a","b"]},":l":{"L":[{"N":"1"}]},":m":{"M":{"k":{"NULL":true}}},":s":{"S":"s"}}`
	f.Fuzz(func(t *testing.T, expression string) {
		var env optionalDocument
		if err := decode([]byte(values), func(r *reader) error { return r.attributes(&env) }); err != nil {
			t.Fatal(err)
		}
		x := parseUpdate(expression)
		used := environment{names: "", values: env.document}
		if x.err != nil || x.check(used) != nil {
			return
		}
		var d optionalDocument
		if err := decode([]byte(`{`+given+`}`), func(r *reader) error { return r.attributes(&d) }); err != nil {
			t.Fatal(err)
		}
		out, err := x.update(d.document, used)
		if err != nil {
			return
		}
		var again optionalDocument
		if err := decode(appendDocument(nil, out), func(r *reader) error { return r.attributes(&again) }); err != nil || again.document != out {
			t.Fatalf("%q made %q, which reads as %q: %v", expression, out, again.document, err)
		}
	})
}
