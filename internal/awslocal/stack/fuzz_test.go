package stack

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the bytes are, a template is refused or planned, and planning it again gives the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(`{"Resources":{"Q":{"Type":"AWS::SQS::Queue","Properties":{"QueueName":{"Fn::Sub":["${A}",{"A":"b"}]}}}}}`))
	f.Add([]byte("Outputs: {O: {Value: !Select [0, !Split [a, !Join [b, [!Ref AWS::Region]]]]}}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := Parse("t.yaml", b)
		if err != nil {
			return
		}
		one, err1 := parsed.plan(options)
		two, err2 := parsed.plan(options)
		if (err1 == nil) != (err2 == nil) || err1 != nil && err1.Error() != err2.Error() {
			t.Fatalf("planned twice: %v, then %v", err1, err2)
		}
		if err1 == nil && !slices.Equal(one.stack.Ignored, two.stack.Ignored) {
			t.Fatalf("ignored %v, then %v", one.stack.Ignored, two.stack.Ignored)
		}
	})
}

// However the resources refer to each other: either each stands after all that it needs, or there is a circle.
func TestOrdered_AnyReferences_NeedsComeFirst(t *testing.T) {
	names := []string{"A", "B", "C", "D", "E"}
	rapid.Check(t, func(t *rapid.T) {
		tm := new(Template)
		needs := map[string][]string{}
		for _, id := range rapid.Permutation(names).Draw(t, "order") {
			needs[id] = rapid.SliceOfN(rapid.SampledFrom(names), 0, 2).Draw(t, "needs of "+id)
			var refs []any
			for _, need := range needs[id] {
				refs = append(refs, &call{name: "Ref", arg: need})
			}
			tm.resources = append(tm.resources, resource{id: id, properties: map[string]any{"X": refs}})
		}
		order, err := tm.ordered(nil)
		if circular(needs) {
			if err == nil {
				t.Fatalf("a circle in %v was not found", needs)
			}
			return
		}
		if err != nil || len(order) != len(names) {
			t.Fatalf("%v ordered as %v: %v", needs, order, err)
		}
		place := map[string]int{}
		for i, r := range order {
			place[r.id] = i
		}
		for id, all := range needs {
			for _, need := range all {
				if place[need] >= place[id] {
					t.Fatalf("%s stands before %s, which it needs", id, need)
				}
			}
		}
	})
}

// circular takes away what needs nothing that is left, until nothing can be taken away.
func circular(needs map[string][]string) bool {
	left := map[string]bool{}
	for id := range needs {
		left[id] = true
	}
	for range needs {
		for id, all := range needs {
			if !slices.ContainsFunc(all, func(need string) bool { return left[need] }) {
				delete(left, id)
			}
		}
	}
	return len(left) > 0
}
