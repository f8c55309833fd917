package wire

import (
	"strings"
	"testing"
)

func TestViolations_AreToldInOneError(t *testing.T) {
	var v Violations
	if err := v.Err(); err != nil {
		t.Errorf("nothing noted: %v", err)
	}
	v.Within(5, "limit", 1, 5)
	v.OneOf("a", "type", "a", "b")
	if err := v.Err(); err != nil {
		t.Errorf("nothing wrong: %v", err)
	}
	v.Null("name")
	const one = "ValidationException: 1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"
	if got := v.Err().Error(); got != one {
		t.Error(got)
	}
	v.Within(6, "limit", 1, 5)
	v.TooLong("", "data", 3)
	v.OneOf("c", "type", "a", "b")
	const rest = "; Value '6' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 5" +
		"; Value at 'data' failed to satisfy constraint: Member must have length less than or equal to 3" +
		"; Value 'c' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [a, b]"
	if got, want := v.Err().Error(), strings.Replace(one, "1 validation error ", "4 validation errors ", 1)+rest; got != want {
		t.Error(got)
	}
}

func TestViolations_TenAreNamedAtMost(t *testing.T) {
	var v Violations
	for range 12 {
		v.Null("x")
	}
	got := v.Err().Error()
	if !strings.HasPrefix(got, "ValidationException: 10 validation errors detected: ") || strings.Count(got, "'x'") != 10 {
		t.Error(got)
	}
}
