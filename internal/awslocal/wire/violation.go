package wire

import (
	"slices"
	"strconv"
	"strings"
)

// maxViolations is how many violated constraints AWS names in one error (mhart/kinesalite and mhart/dynalite recorded it).
const maxViolations = 10

// Violations are the members of a request that break a documented constraint; AWS names them in one error, a
// ValidationException. A member is given as AWS says it, by its path, and a value as AWS prints it: quoted, null, or not
// at all (""). The words are the same in all of AWS.
type Violations []string

// Add notes that a member breaks a constraint that none of the other methods has.
func (v *Violations) Add(value, member, constraint string) {
	if value != "" {
		value += " "
	}
	*v = append(*v, "Value "+value+"at '"+member+"' failed to satisfy constraint: "+constraint)
}

// Null notes that a member is missing.
func (v *Violations) Null(member string) { v.Add("null", member, "Member must not be null") }

// TooShort notes a text or a list of fewer than least characters or elements.
func (v *Violations) TooShort(value, member string, least int) {
	v.Add(value, member, "Member must have length greater than or equal to "+strconv.Itoa(least))
}

// TooLong notes a text or a list of more than most characters or elements.
func (v *Violations) TooLong(value, member string, most int) {
	v.Add(value, member, "Member must have length less than or equal to "+strconv.Itoa(most))
}

// Mismatch notes a text that does not match a pattern.
func (v *Violations) Mismatch(text, member, pattern string) {
	v.Add(Quoted(text), member, "Member must satisfy regular expression pattern: "+pattern)
}

// OneOf notes a text that is none of those allowed.
func (v *Violations) OneOf(text, member string, allowed ...string) {
	if !slices.Contains(allowed, text) {
		v.Add(Quoted(text), member, "Member must satisfy enum value set: ["+strings.Join(allowed, ", ")+"]")
	}
}

// AtLeast notes a number that is too small.
func (v *Violations) AtLeast(n int, member string, least int) {
	if n < least {
		v.Add(Quoted(strconv.Itoa(n)), member, "Member must have value greater than or equal to "+strconv.Itoa(least))
	}
}

// Within notes a number that is too small or too large.
func (v *Violations) Within(n int, member string, least, most int) {
	v.AtLeast(n, member, least)
	if n > most {
		v.Add(Quoted(strconv.Itoa(n)), member, "Member must have value less than or equal to "+strconv.Itoa(most))
	}
}

// Err is the one error for all that was noted, nil for nothing.
func (v Violations) Err() error {
	n := min(len(v), maxViolations)
	if n == 0 {
		return nil
	}
	plural := ""
	if n > 1 {
		plural = "s"
	}
	return Errorf("ValidationException", "%d validation error%s detected: %s", n, plural, strings.Join(v[:n], "; "))
}

// Quoted is a text as AWS prints it in a violation.
func Quoted(text string) string { return "'" + text + "'" }
