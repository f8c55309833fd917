package cloudevent

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLines_GivesEachEventWithItsNumber(t *testing.T) {
	var numbers []int
	for l, err := range Lines("f", strings.NewReader("\n"+flight+"\r\n\n  "+flight)) {
		if err != nil {
			t.Fatal(err)
		}
		if string(l.Data) != flight || l.Key != "LAS" {
			t.Errorf("%+v", l)
		}
		numbers = append(numbers, l.Number)
	}
	if len(numbers) != 2 || numbers[0] != 2 || numbers[1] != 4 {
		t.Errorf("lines %v", numbers)
	}
}

func TestLines_BadLine_EndsWithItsNumber(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{flight + "\n{}\n" + flight, "f:2: not a valid CloudEvent: specversion is missing"},
		{flight + "\n" + flight[:50], "f:2: is not JSON: unexpected EOF at byte 50; want one CloudEvents JSON object a line"},
		{flight + "\n" + strings.Repeat(" ", MaxLine) + flight, "f:2: the line has more than the 1048576 bytes"},
	} {
		var got error
		n := 0
		for _, err := range Lines("f", strings.NewReader(c.in)) {
			n++
			got = err
		}
		if got == nil || !strings.HasPrefix(got.Error(), c.want) || n != 2 {
			t.Errorf("%d lines, %v, want %s", n, got, c.want)
		}
	}
	for _, err := range Lines("f", iotest.ErrReader(iotest.ErrTimeout)) {
		if !errors.Is(err, iotest.ErrTimeout) {
			t.Error(err)
		}
	}
}
