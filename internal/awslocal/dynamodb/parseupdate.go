package dynamodb

import (
	"slices"
	"strings"
)

// verb is what a clause of an update expression does to the attribute at its path.
type verb string

// The verbs, each of which begins a section.
const (
	verbSet    verb = "SET"    // gives it a value
	verbRemove verb = "REMOVE" // takes it away
	verbAdd    verb = "ADD"    // adds to a number, or members to a set
	verbDelete verb = "DELETE" // takes members out of a set
)

// clause is one action of an update expression. Like nodes, clauses never change after parsing.
type clause struct {
	verb  verb
	path  []step
	value *node // nil of REMOVE
}

// The operators and functions of values that SET gives.
const (
	opPlus        operator = "+"
	opMinus       operator = "-"
	opIfNotExists operator = "if_not_exists"
	opListAppend  operator = "list_append"
)

// isArithmetic tells sums and differences, which cannot be operands.
func (n *node) isArithmetic() bool { return n.op == opPlus || n.op == opMinus }

// parseUpdate parses an update expression:
//
//	update  = section *section
//	section = "SET" set *( "," set ) | "REMOVE" path *( "," path )
//	        | "ADD" path :value *( "," path :value ) | "DELETE" path :value *( "," path :value )
//	set     = path "=" value
//	value   = operand [ ( "+" | "-" ) operand ]
//	operand = function | :value | path | "(" value ")"
func parseUpdate(text string) *expression {
	p, err := newParser(text)
	if err != nil {
		return &expression{err: err}
	}
	p.verbs()
	x := &expression{}
	seen := map[verb]bool{}
	for err == nil {
		v := verb(p.peek().text)
		if !isVerb(string(v)) || !p.accept(string(v)) {
			return p.finish(x, p.unexpected())
		}
		if seen[v] {
			p.flaw(flawSection, "The %q section can only be used once in an update expression;", string(v))
		}
		seen[v] = true
		if err = p.section(x, v); err == nil && p.peek().kind == tokenEnd {
			break
		}
	}
	return p.finish(x, err)
}

func isVerb(upper string) bool {
	return slices.Contains([]verb{verbSet, verbRemove, verbAdd, verbDelete}, verb(upper))
}

// verbs makes keywords of the words that are keywords in an update only.
func (p *parser) verbs() {
	for i, t := range p.tokens {
		if upper := strings.ToUpper(t.text); t.kind == tokenName && isVerb(upper) {
			p.tokens[i].kind, p.tokens[i].text = tokenKeyword, upper
		}
	}
}

// section reads the clauses behind a verb.
func (p *parser) section(x *expression, v verb) error {
	for {
		c, err := p.clause(v)
		if err != nil {
			return err
		}
		x.clauses = append(x.clauses, c)
		x.paths = append(x.paths, c.path)
		if !p.accept(",") {
			return nil
		}
	}
}

func (p *parser) clause(v verb) (clause, error) {
	target, err := p.pathOperand()
	if err != nil {
		return clause{}, err
	}
	c := clause{verb: v, path: target.path}
	switch v {
	case verbSet:
		if err = p.expect("="); err == nil {
			c.value, err = p.updateValue()
		}
	case verbAdd, verbDelete:
		if p.peek().kind != tokenValueRef {
			return clause{}, p.unexpected()
		}
		c.value, err = p.operand()
	}
	return c, err
}

// updateValue reads what SET gives: an operand, or a sum or difference of two.
func (p *parser) updateValue() (*node, error) {
	left, err := p.updateOperand()
	if err != nil {
		return nil, err
	}
	op := operator(p.peek().text)
	if n := (&node{op: op}); !n.isArithmetic() || left.isArithmetic() {
		return left, nil
	}
	p.at++
	right, err := p.plainOperand()
	return &node{op: op, args: []*node{left, right}}, err
}

// plainOperand reads an operand that must not be a sum in parentheses.
func (p *parser) plainOperand() (*node, error) {
	n, err := p.updateOperand()
	if err == nil && n.isArithmetic() {
		err = p.unexpected()
	}
	return n, err
}

func (p *parser) updateOperand() (*node, error) {
	switch t := p.peek(); {
	case t.is("("):
		return p.parenthesis(p.updateValue)
	case t.kind == tokenName && p.tokens[p.at+1].is("("):
		return p.updateFunction()
	case t.kind == tokenValueRef:
		return p.operand()
	}
	return p.pathOperand()
}

func (p *parser) updateFunction() (*node, error) {
	if err := p.descend(); err != nil {
		return nil, err
	}
	defer p.ascend()
	n := &node{op: operator(p.peek().text)}
	p.at += 2
	var err error
	n.args, err = p.list(p.plainOperand)
	switch {
	case err != nil:
		return nil, err
	case n.isFunction():
		p.flaw(flawFunction, "The function is not allowed in an update expression; function: %s", n.op)
	case !slices.Contains(updateFunctions, n.op):
		p.flaw(flawFunction, "Invalid function name; function: %s", n.op)
	}
	return n, nil
}
