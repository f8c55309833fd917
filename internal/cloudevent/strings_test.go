package cloudevent

import (
	"fmt"
	"testing"
)

func TestStrings_OneThatRecurs_CostsNoAllocation(t *testing.T) {
	s, b := Strings{Max: 2}, []byte("ORD")
	if got := s.Of(b); got != "ORD" {
		t.Errorf("got %q", got)
	}
	if n := testing.AllocsPerRun(100, func() { _ = s.Of(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestStrings_ManyDifferent_KeepTheBound(t *testing.T) {
	s := Strings{Max: 3}
	for n := range 100 {
		if got := s.Of(fmt.Append(nil, n)); got != fmt.Sprint(n) || len(s.known) > 3 {
			t.Fatalf("%d: %q, %d known", n, got, len(s.known))
		}
	}
}
