package dynamodb

import (
	"slices"
	"strconv"
	"strings"
)

// operator is what a node of a condition does.
type operator string

// The operators, by the names that AWS's messages give them.
const (
	opAnd        operator = "AND"
	opOr         operator = "OR"
	opNot        operator = "NOT"
	opEqual      operator = "="
	opNotEqual   operator = "<>"
	opLess       operator = "<"
	opLessEqual  operator = "<="
	opMore       operator = ">"
	opMoreEqual  operator = ">="
	opBetween    operator = "BETWEEN"
	opIn         operator = "IN"
	opExists     operator = "attribute_exists"
	opNotExists  operator = "attribute_not_exists"
	opType       operator = "attribute_type"
	opBeginsWith operator = "begins_with"
	opContains   operator = "contains"
	opSize       operator = "size"
	opPath       operator = "." // an operand: an attribute of the item
	opValue      operator = ":" // an operand: a :value
)

// operands is how many operands each function takes.
var operands = map[operator]int{opExists: 1, opNotExists: 1, opType: 2, opBeginsWith: 2, opContains: 2, opSize: 1}

// updateFunctions are functions that only an update expression has.
var updateFunctions = []operator{opIfNotExists, opListAppend}

// node is a condition, or an operand of one. Nodes are shared between requests and never change after parsing.
type node struct {
	op     operator
	args   []*node
	path   []step // of opPath
	value  string // of opValue, with its colon
	parens bool   // it stood in parentheses of its own
}

// step is one element of a document path: a name, a #name to look up, or an index.
type step struct {
	name    string
	ref     bool
	index   int
	isIndex bool
}

// isOperand tells operands from conditions.
func (n *node) isOperand() bool { return n.op == opPath || n.op == opValue || n.op == opSize }

// isFunction tells what is written as a call.
func (n *node) isFunction() bool { return operands[n.op] > 0 }

// expression is a parsed condition, filter, key condition, projection or update.
type expression struct {
	root    *node    // of a condition
	paths   [][]step // of a projection, or what an update changes
	clauses []clause // of an update
	refs    []string // the #names and :values that it uses, each once
	err     error    // why the text is no expression; the other fields are then not to be used
}

// environment is what a request gives for the #names and :values of its expressions.
type environment struct {
	names, values document
}

// name resolves a step of a path.
func (e environment) name(s step) string {
	if !s.ref {
		return s.name
	}
	v, _ := e.names.get(s.name)
	return v.data
}

// pathText words a path as AWS's messages do: [a, b, [0]].
func (e environment) pathText(path []step) string {
	parts := make([]string, len(path))
	for i, s := range path {
		if parts[i] = e.name(s); s.isIndex {
			parts[i] = "[" + strconv.Itoa(s.index) + "]"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// samePath tells whether two paths are one after their names are resolved.
func (e environment) samePath(a, b []step) bool {
	return slices.EqualFunc(a, b, func(s, t step) bool {
		return s.isIndex == t.isIndex && s.index == t.index && e.name(s) == e.name(t)
	})
}

// uses tells whether any expression has the reference.
func uses(expressions []*expression, ref string) bool {
	return slices.ContainsFunc(expressions, func(x *expression) bool { return slices.Contains(x.refs, ref) })
}
