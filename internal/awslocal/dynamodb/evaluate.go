package dynamodb

import (
	"strconv"
	"strings"
)

// matches evaluates a condition on an item; the item that is not there is the empty document. Only what check accepts may
// be evaluated.
func (n *node) matches(item document, env environment) bool {
	switch n.op {
	case opAnd:
		for _, a := range n.args {
			if !a.matches(item, env) {
				return false
			}
		}
		return true
	case opOr:
		for _, a := range n.args {
			if a.matches(item, env) {
				return true
			}
		}
		return false
	case opNot:
		return !n.args[0].matches(item, env)
	}
	return n.test(item, env)
}

// test evaluates a comparison or a function. An operand that is not there makes it false, except for what asks just
// that, and for <>, which two absent operands satisfy too.
func (n *node) test(item document, env environment) bool {
	first, found := n.args[0].resolve(item, env)
	switch n.op {
	case opExists:
		return found
	case opNotExists:
		return !found
	case opIn:
		return found && n.isIn(first, item, env)
	case opBetween:
		return found && n.isBetween(first, item, env)
	}
	second, ok := n.args[1].resolve(item, env)
	if !found || !ok {
		return n.op == opNotEqual
	}
	switch n.op {
	case opEqual:
		return first.equal(second)
	case opNotEqual:
		return !first.equal(second)
	case opType:
		return first.kind.String() == second.data
	case opBeginsWith:
		return first.kind == second.kind && (first.kind == kindString || first.kind == kindBinary) && strings.HasPrefix(first.data, second.data)
	case opContains:
		return first.contains(second)
	}
	return inOrder(n.op, first, second)
}

// inOrder evaluates < <= > >=: false for values of different kinds, or of one that has no order.
func inOrder(op operator, a, b value) bool {
	if a.kind != b.kind || !a.kind.ordered() {
		return false
	}
	c := a.compare(b)
	switch op {
	case opLess:
		return c < 0
	case opLessEqual:
		return c <= 0
	case opMore:
		return c > 0
	}
	return c >= 0
}

func (n *node) isIn(v value, item document, env environment) bool {
	for _, a := range n.args[1:] {
		if w, ok := a.resolve(item, env); ok && v.equal(w) {
			return true
		}
	}
	return false
}

func (n *node) isBetween(v value, item document, env environment) bool {
	low, foundLow := n.args[1].resolve(item, env)
	high, foundHigh := n.args[2].resolve(item, env)
	return foundLow && foundHigh && inOrder(opMoreEqual, v, low) && inOrder(opLessEqual, v, high)
}

// contains looks for part of a string or binary, a member of a set or an element of a list.
func (v value) contains(w value) bool {
	switch v.kind {
	case kindString, kindBinary:
		return w.kind == v.kind && strings.Contains(v.data, w.data)
	case kindStringSet:
		return w.kind == kindString && v.has(w.data)
	case kindNumberSet:
		return w.kind == kindNumber && v.has(w.data)
	case kindBinarySet:
		return w.kind == kindBinary && v.has(w.data)
	case kindList:
		for e := range v.elements {
			if e.equal(w) {
				return true
			}
		}
	}
	return false
}

// resolve gives an operand's value.
func (n *node) resolve(item document, env environment) (value, bool) {
	switch n.op {
	case opPath:
		return item.lookup(n.path, env)
	case opValue:
		return env.values.get(n.value)
	}
	v, ok := n.args[0].resolve(item, env)
	if !ok {
		return value{}, false
	}
	size, ok := v.length()
	return value{kindNumber, strconv.Itoa(size)}, ok
}

// lookup follows a path into a document.
func (d document) lookup(path []step, env environment) (value, bool) {
	v, ok := d.get(env.name(path[0]))
	for _, s := range path[1:] {
		if !ok {
			return value{}, false
		}
		v, ok = v.child(s, env)
	}
	return v, ok
}

func (v value) child(s step, env environment) (value, bool) {
	switch {
	case s.isIndex && v.kind == kindList:
		i := 0
		for e := range v.elements {
			if i == s.index {
				return e, true
			}
			i++
		}
	case !s.isIndex && v.kind == kindMap:
		return document(v.data).get(env.name(s))
	}
	return value{}, false
}
