package pattern

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// test is one entry of a leaf's list.
type test struct {
	absent bool              // there must be no leaf at all
	is     func(*Value) bool // otherwise: holds for a leaf
}

// The comparisons that stand for a value in a list.
const (
	prefix      = "prefix"
	suffix      = "suffix"
	ignoreCase  = "equals-ignore-case"
	wildcard    = "wildcard"
	anythingBut = "anything-but"
	numeric     = "numeric"
	exists      = "exists"
)

func isComparison(name string) bool {
	switch name {
	case prefix, suffix, ignoreCase, wildcard, anythingBut, numeric, exists:
		return true
	}
	return false
}

func parseLeaf(v *Value) ([]test, error) {
	if len(v.members) == 0 {
		return nil, errors.New("an empty list")
	}
	tests := make([]test, len(v.members))
	for i := range v.members {
		t, err := parseTest(&v.members[i])
		if err != nil {
			return nil, err
		}
		tests[i] = t
	}
	return tests, nil
}

func parseTest(v *Value) (test, error) {
	switch v.kind {
	case kindArray:
		return test{}, errors.New("a list in a list")
	case kindObject:
		return parseComparison(v)
	}
	return test{is: exactly(v)}, nil
}

// exactly compares as EventBridge does: strings with their case, numbers by how they are written.
func exactly(want *Value) func(*Value) bool {
	kind, text := want.kind, want.text
	return func(v *Value) bool { return v.kind == kind && v.text == text }
}

// parseComparison reads an object with the one member that names the comparison.
func parseComparison(v *Value) (t test, err error) {
	name, operand, err := only(v)
	if err != nil {
		return test{}, err
	}
	switch name {
	case exists:
		if operand.kind != 't' && operand.kind != 'f' {
			return test{}, errors.New("exists is neither true nor false")
		}
		return test{absent: operand.kind == 'f', is: func(*Value) bool { return true }}, nil
	case numeric:
		t.is, err = parseNumeric(operand)
	case anythingBut:
		t.is, err = parseAnythingBut(operand)
	default:
		t.is, err = parseText(name, operand, true)
	}
	return t, err
}

// only gives the one member of an object. A second of the same name replaces the first.
func only(v *Value) (name string, operand *Value, err error) {
	for i, n := range v.names {
		if i > 0 && n != name {
			return "", nil, fmt.Errorf("%s and %s in one comparison", name, n)
		}
		name = n
	}
	if name == "" {
		return "", nil, errors.New("a comparison without a name")
	}
	return name, v.member(name), nil
}

// parseText reads a comparison of strings. folds: a prefix or suffix may be an object that ignores case.
func parseText(name string, operand *Value, folds bool) (func(*Value) bool, error) {
	if !isComparison(name) {
		return nil, fmt.Errorf("no comparison is named %q", name)
	}
	if folds && (name == prefix || name == suffix) && operand.kind == kindObject {
		inner, folded, err := only(operand)
		if err != nil || inner != ignoreCase {
			return nil, fmt.Errorf("%s of something else than a string or %s", name, ignoreCase)
		}
		name, operand = name+" "+inner, folded
	}
	if operand.kind != kindString {
		return nil, fmt.Errorf("%s of something else than a string", name)
	}
	is, err := textTest(name, operand.text)
	if err != nil {
		return nil, err
	}
	return func(v *Value) bool { return v.kind == kindString && is(v.text) }, nil
}

func textTest(name, want string) (func(string) bool, error) {
	switch name {
	case prefix:
		return func(s string) bool { return strings.HasPrefix(s, want) }, nil
	case suffix:
		return func(s string) bool { return strings.HasSuffix(s, want) }, nil
	case ignoreCase:
		return func(s string) bool { return strings.EqualFold(s, want) }, nil
	case prefix + " " + ignoreCase:
		return func(s string) bool { return foldedStart(s, want) }, nil
	case suffix + " " + ignoreCase:
		return func(s string) bool { return foldedEnd(s, want) }, nil
	case wildcard:
		return parseWildcard(want)
	}
	return nil, fmt.Errorf("%s does not compare strings", name)
}

// foldedStart counts letters: a letter's two cases may differ in length.
func foldedStart(s, want string) bool {
	r, n := []rune(s), len([]rune(want))
	return len(r) >= n && strings.EqualFold(string(r[:n]), want)
}

func foldedEnd(s, want string) bool {
	r, n := []rune(s), len([]rune(want))
	return len(r) >= n && strings.EqualFold(string(r[len(r)-n:]), want)
}

// parseAnythingBut reads what a leaf must not be: a string or number, a list of strings or of numbers, or a comparison
// of strings with one or several.
func parseAnythingBut(operand *Value) (func(*Value) bool, error) {
	var refused []func(*Value) bool
	var err error
	if operand.kind == kindObject {
		refused, err = parseRefusedTexts(operand)
	} else {
		refused, err = parseRefusedValues(listOf(operand))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", anythingBut, err)
	}
	return func(v *Value) bool {
		return !slices.ContainsFunc(refused, func(is func(*Value) bool) bool { return is(v) })
	}, nil
}

func listOf(v *Value) []Value {
	if v.kind == kindArray {
		return v.members
	}
	return []Value{*v}
}

func parseRefusedValues(list []Value) (out []func(*Value) bool, err error) {
	for i := range list {
		if k := list[i].kind; k != list[0].kind || k != kindString && k != kindNumber {
			return nil, errors.New("wants strings only, or numbers only")
		}
		out = append(out, exactly(&list[i]))
	}
	if len(out) == 0 {
		return nil, errors.New("an empty list")
	}
	return out, nil
}

func parseRefusedTexts(operand *Value) (out []func(*Value) bool, err error) {
	name, texts, err := only(operand)
	if err != nil {
		return nil, err
	}
	list := listOf(texts)
	if len(list) == 0 {
		return nil, errors.New("an empty list")
	}
	for i := range list {
		is, err := parseText(name, &list[i], false)
		if err != nil {
			return nil, err
		}
		out = append(out, is)
	}
	return out, nil
}

// maxNumeric bounds the numbers of numeric comparisons (EventBridge user guide).
const maxNumeric = 5e9

// parseNumeric reads ["=", n], or one or both ends of a range, the lower first: [">", n, "<=", m].
func parseNumeric(operand *Value) (func(*Value) bool, error) {
	terms := operand.members
	if operand.kind != kindArray || len(terms) != 2 && len(terms) != 4 {
		return nil, errors.New("numeric wants a list of a sign and a number, or two of each")
	}
	var holds []func(float64) bool
	var bounds []float64
	for i := 0; i < len(terms); i += 2 {
		sign, n, err := parseTerm(&terms[i], &terms[i+1])
		if err != nil {
			return nil, err
		}
		if lower := strings.HasPrefix(sign, ">"); len(terms) == 4 && (sign == "=" || lower != (i == 0)) {
			return nil, errors.New("numeric wants the lower end of a range, then the upper")
		}
		holds, bounds = append(holds, compareTo(sign, n)), append(bounds, n)
	}
	if len(bounds) == 2 && bounds[0] >= bounds[1] {
		return nil, errors.New("numeric has a range with nothing in it")
	}
	return func(v *Value) bool {
		if v.kind != kindNumber {
			return false
		}
		n, err := strconv.ParseFloat(v.text, 64)
		return err == nil && !slices.ContainsFunc(holds, func(is func(float64) bool) bool { return !is(n) })
	}, nil
}

func parseTerm(sign, number *Value) (string, float64, error) {
	if sign.kind != kindString || number.kind != kindNumber {
		return "", 0, errors.New("numeric wants a sign, then a number")
	}
	if !slices.Contains([]string{"=", "<", "<=", ">", ">="}, sign.text) {
		return "", 0, fmt.Errorf("numeric has no sign %q", sign.text)
	}
	n, err := strconv.ParseFloat(number.text, 64)
	if err != nil || n > maxNumeric || n < -maxNumeric {
		return "", 0, fmt.Errorf("numeric wants numbers between -%g and %[1]g", maxNumeric)
	}
	return sign.text, n, nil
}

func compareTo(sign string, n float64) func(float64) bool {
	switch sign {
	case "<":
		return func(x float64) bool { return x < n }
	case "<=":
		return func(x float64) bool { return x <= n }
	case ">":
		return func(x float64) bool { return x > n }
	case ">=":
		return func(x float64) bool { return x >= n }
	}
	return func(x float64) bool { return x == n }
}
