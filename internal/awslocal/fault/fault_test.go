package fault

import (
	"slices"
	"testing"
	"time"
)

func TestParseKind_ReadsEveryNameButNone(t *testing.T) {
	for i, name := range kindNames {
		k, err := ParseKind(name)
		if wrong := Kind(i) == None; (err != nil) != wrong || k != Kind(i) {
			t.Errorf("%s is %v, %v", name, k, err)
		}
	}
	if _, err := ParseKind("explode"); err == nil {
		t.Error("an unknown name is a kind")
	}
}

func TestNext_SpentRule_LeavesTheWalkAndStaysInTheReport(t *testing.T) {
	i := New(1,
		Rule{Operation: "A.B", Kind: Throttle, Probability: 1, Count: 2},
		Rule{Operation: "A.B", Kind: Delay, Probability: 1, Delay: 20 * time.Millisecond},
	)
	var kinds []Kind
	for range 4 {
		kinds = append(kinds, i.Next("A.B").Kind)
	}
	if !slices.Equal(kinds, []Kind{Throttle, Throttle, Delay, Delay}) {
		t.Errorf("drew %v", kinds)
	}
	if len(i.live) != 1 || i.live[0].Kind != Delay {
		t.Errorf("%d rules are walked", len(i.live))
	}
	want := []Fired{
		{Operation: "A.B", Kind: "throttle", Probability: 1, Count: 2, Times: 2},
		{Operation: "A.B", Kind: "delay", Probability: 1, Delay: "20ms", Times: 2},
	}
	if got := i.Report(); !slices.Equal(got, want) {
		t.Errorf("report %+v", got)
	}
	i.Clear()
	if k := i.Next("A.B").Kind; k != None || len(i.Report()) != 0 {
		t.Errorf("cleared, it drew %v", k)
	}
}

func TestNext_SameSeedAndCalls_DrawTheSame(t *testing.T) {
	draws := func() (out []Kind) {
		i := New(7, Rule{Operation: "A.B", Kind: Error, Probability: 0.3, Count: 5}, Rule{Operation: "A.B", Kind: Hang, Probability: 0.3})
		for range 50 {
			out = append(out, i.Next("A.B").Kind)
		}
		return out
	}
	if a, b := draws(), draws(); !slices.Equal(a, b) || !slices.Contains(a, Error) || !slices.Contains(a, Hang) {
		t.Errorf("drew %v and %v", a, b)
	}
}

func TestAdd_BeyondMaxRules_AddsNone(t *testing.T) {
	i := new(Injector)
	r := Rule{Operation: "A.B", Kind: Error, Probability: 1}
	if err := i.Add(slices.Repeat([]Rule{r}, MaxRules)...); err != nil {
		t.Fatal(err)
	}
	if err := i.Add(r); err == nil || len(i.Report()) != MaxRules {
		t.Errorf("%d rules, %v", len(i.Report()), err)
	}
}
