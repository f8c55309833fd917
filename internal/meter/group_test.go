package meter

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/cloudevent"
)

const groupsFile = `{"meters":[
	{"name":"m","type":"t","by":["subject","data.a","data.b"],"window":"1h"},
	{"name":"whole","type":"u","window":"1h"}
]}`

func TestGroups_ReadAsTheValues_AndHoldTheOneOfTheEvent(t *testing.T) {
	s := set(t, groupsFile)
	m, v := s.Find("m"), s.NewEvaluator()
	text := rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune("a=/#%,\x00é01.-")), 0, 4, -1), rapid.SampledFrom([]string{"true", "12.5", "-0", "1e3"}))
	value := rapid.OneOf(
		rapid.Map(text, func(s string) any { return s }),
		rapid.Map(rapid.SampledFrom([]string{"0", "-0", "1.50", "1e3", "-12.5"}), func(s string) any { return json.Number(s) }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
	)
	rapid.Check(t, func(t *rapid.T) {
		subject := text.Filter(func(s string) bool { return s != "" }).Draw(t, "subject")
		e := &cloudevent.Event{Type: "t", Subject: subject, Data: []byte(jsonObject(t, value.Draw(t, "a"), value.Draw(t, "b")))}
		deltas, err := v.Evaluate(e)
		if err != nil {
			t.Fatal(err)
		}
		values, err := m.Values(deltas[0].Group)
		if err != nil {
			t.Fatal(err)
		}
		groups := m.Groups(values)
		if !slices.Contains(groups, deltas[0].Group) {
			t.Fatalf("%q of %q are without %q", groups, values, deltas[0].Group)
		}
		for i, g := range groups {
			if back, err := m.Values(g); err != nil || !slices.Equal(back, values) || slices.Contains(groups[:i], g) {
				t.Fatalf("%q of %q: %q reads %q, %v", groups, values, g, back, err)
			}
		}
	})
}

func TestGroups_OfTexts(t *testing.T) {
	s := set(t, groupsFile)
	for _, c := range []struct {
		meter  string
		values []string
		want   []string
	}{
		{"m", []string{"ORD", "x", "y"}, []string{"ORD/x/y"}},
		{"m", []string{"1", "1", "true"}, []string{"1/1/true", "1/=1/true", "1/1/=true", "1/=1/=true"}},
		{"m", []string{"a/b", "1.50", ""}, []string{"a%2Fb/1.50/"}}, // a number reads 1.5
		{"m", []string{"", "x", "y"}, nil},
		{"m", []string{"ORD", "x"}, nil},
		{"m", []string{"ORD", "x", strings.Repeat("/", MaxGroup/3)}, nil},
		{"whole", nil, []string{""}},
		{"whole", []string{""}, nil},
	} {
		if diff := cmp.Diff(c.want, s.Find(c.meter).Groups(c.values)); diff != "" {
			t.Errorf("%s: %s", fmt.Sprint(c.meter, c.values), diff)
		}
	}
}
