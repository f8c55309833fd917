package dynamodb

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// maxExpression is the most bytes of an expression (developer guide, "Quotas").
const maxExpression = 4 << 10

// maxDepth bounds the nesting of an expression, so that the parser's stack is bounded too; AWS allows 300 operators.
const maxDepth = 300

// flaw is a mistake that leaves the syntax intact. Of several AWS names that of the first class.
type flaw int

const (
	flawParentheses flaw = iota
	flawFunction
	flawMisuse
	flawReserved
	flawSection
	flaws
)

var errEmptyExpression = errors.New("The expression can not be empty;")

// parser is a recursive descent over
//
//	or         = and *( "OR" and )
//	and        = not *( "AND" not )
//	not        = "NOT" not | comparison
//	comparison = operand comparator operand | operand "BETWEEN" operand "AND" operand
//	           | operand "IN" "(" operand *( "," operand ) ")" | function | "(" or ")"
//	operand    = function | :value | path | "(" operand ")"
//	path       = name *( "." name | "[" index "]" )
//
// A parenthesis can open a condition or an operand, so both are read by one rule, and a node that is an operand where
// a condition has to stand is refused afterwards.
type parser struct {
	text   string
	tokens []token
	at     int
	depth  int
	flaws  [flaws]error
	refs   []string
}

func newParser(text string) (*parser, error) {
	switch {
	case text == "":
		return nil, errEmptyExpression
	case len(text) > maxExpression:
		return nil, fmt.Errorf("Expression size has exceeded the maximum allowed size; expression size: %d", len(text))
	}
	return &parser{text: text, tokens: lex(text)}, nil
}

// parseCondition parses a condition, filter or key condition.
func parseCondition(text string) *expression {
	p, err := newParser(text)
	if err != nil {
		return &expression{err: err}
	}
	root, err := p.or()
	if err == nil && p.peek().kind != tokenEnd {
		err = p.unexpected()
	}
	if err == nil {
		err = p.condition(root)
	}
	return p.finish(&expression{root: root}, err)
}

func (p *parser) finish(x *expression, err error) *expression {
	for _, f := range p.flaws {
		if err == nil {
			err = f
		}
	}
	if err != nil {
		return &expression{err: err}
	}
	x.refs = p.refs
	return x
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) accept(text string) bool {
	if !p.peek().is(text) {
		return false
	}
	p.at++
	return true
}

func (p *parser) expect(text string) error {
	if !p.accept(text) {
		return p.unexpected()
	}
	return nil
}

func (p *parser) unexpected() error { return syntaxError(p.text, p.tokens, p.at) }

func (p *parser) flaw(f flaw, format string, args ...any) {
	if p.flaws[f] == nil {
		p.flaws[f] = fmt.Errorf(format, args...)
	}
}

func (p *parser) refer(ref string) {
	if !slices.Contains(p.refs, ref) {
		p.refs = append(p.refs, ref)
	}
}

// condition refuses an operand where a condition has to stand.
func (p *parser) condition(n *node) error {
	switch {
	case n.op == opSize:
		p.misused(n)
	case n.isOperand():
		return p.unexpected()
	}
	return nil
}

func (p *parser) misused(n *node) {
	p.flaw(flawMisuse, "The function is not allowed to be used this way in an expression; function: %s", n.op)
}

func (p *parser) or() (*node, error)  { return p.chain(opOr, p.and) }
func (p *parser) and() (*node, error) { return p.chain(opAnd, p.not) }

// chain reads one or more conditions that a keyword joins.
func (p *parser) chain(op operator, next func() (*node, error)) (*node, error) {
	first, err := next()
	if err != nil || !p.peek().is(string(op)) {
		return first, err
	}
	all := &node{op: op, args: []*node{first}}
	if err := p.condition(first); err != nil {
		return nil, err
	}
	for p.accept(string(op)) {
		n, err := next()
		if err != nil {
			return nil, err
		}
		if err := p.condition(n); err != nil {
			return nil, err
		}
		all.args = append(all.args, n)
	}
	return all, nil
}

func (p *parser) not() (*node, error) {
	if !p.accept("NOT") {
		return p.comparison()
	}
	if err := p.descend(); err != nil {
		return nil, err
	}
	defer p.ascend()
	n, err := p.not()
	if err != nil {
		return nil, err
	}
	return &node{op: opNot, args: []*node{n}}, p.condition(n)
}

func (p *parser) descend() error {
	if p.depth++; p.depth > maxDepth {
		return errors.New("The expression contains too many operators; operator count: " + strconv.Itoa(p.depth))
	}
	return nil
}

func (p *parser) ascend() { p.depth-- }

func (p *parser) comparison() (*node, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	switch {
	case t.is("=") || t.is("<>") || t.is("<") || t.is("<=") || t.is(">") || t.is(">="):
		p.at++
		return p.compared(operator(t.text), left)
	case t.is("BETWEEN"):
		p.at++
		return p.between(left)
	case t.is("IN"):
		p.at++
		return p.in(left)
	}
	if (left.op == opPath || left.op == opValue) && (p.depth == 0 || !t.is(")")) {
		return nil, p.unexpected()
	}
	return left, nil
}

func (p *parser) compared(op operator, left *node) (*node, error) {
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	return p.operands(&node{op: op, args: []*node{left, right}})
}

func (p *parser) between(x *node) (*node, error) {
	low, err := p.operand()
	if err != nil {
		return nil, err
	}
	if err := p.expect("AND"); err != nil {
		return nil, err
	}
	high, err := p.operand()
	if err != nil {
		return nil, err
	}
	return p.operands(&node{op: opBetween, args: []*node{x, low, high}})
}

func (p *parser) in(x *node) (*node, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	list, err := p.list(p.operand)
	if err != nil {
		return nil, err
	}
	return p.operands(&node{op: opIn, args: append([]*node{x}, list...)})
}

// operands refuses conditions where operands have to stand.
func (p *parser) operands(n *node) (*node, error) {
	for _, a := range n.args {
		switch {
		case a.isOperand():
		case a.isFunction():
			p.misused(a)
		case p.flaws[flawFunction] == nil: // an unknown function is named as such
			return nil, p.unexpected()
		}
	}
	return n, nil
}

// list reads operands, each by the function one, up to the closing parenthesis.
func (p *parser) list(one func() (*node, error)) ([]*node, error) {
	var all []*node
	for {
		n, err := one()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
		if !p.accept(",") {
			return all, p.expect(")")
		}
	}
}

// operand reads an operand, or a condition in parentheses.
func (p *parser) operand() (*node, error) {
	switch t := p.peek(); {
	case t.is("("):
		return p.parenthesis(p.or)
	case t.kind == tokenValueRef:
		p.at++
		p.refer(t.text)
		return &node{op: opValue, value: t.text}, nil
	case t.kind == tokenName && p.tokens[p.at+1].is("("):
		return p.function()
	}
	return p.pathOperand()
}

// parenthesis reads what stands in parentheses by the function inner.
func (p *parser) parenthesis(inner func() (*node, error)) (*node, error) {
	if err := p.descend(); err != nil {
		return nil, err
	}
	defer p.ascend()
	p.at++
	n, err := inner()
	if err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if n.parens {
		p.flaw(flawParentheses, "The expression has redundant parentheses;")
	}
	n.parens = true
	return n, nil
}

func (p *parser) function() (*node, error) {
	if err := p.descend(); err != nil {
		return nil, err
	}
	defer p.ascend()
	n := &node{op: operator(p.peek().text)}
	p.at += 2
	args, err := p.list(p.operand)
	if err != nil {
		return nil, err
	}
	n.args = args
	switch {
	case n.isFunction():
	case slices.Contains(updateFunctions, n.op):
		p.flaw(flawFunction, "The function is not allowed in a condition expression; function: %s", n.op)
	default:
		p.flaw(flawFunction, "Invalid function name; function: %s", n.op)
	}
	for _, a := range args {
		switch {
		case a.isFunction() && a.op != opSize:
			p.misused(a)
		case !a.isOperand() && p.flaws[flawFunction] == nil:
			return nil, p.unexpected()
		}
	}
	return n, nil
}
