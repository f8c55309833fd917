package dynamodb

import "fmt"

// check finds what is wrong with a condition given the request's names and values, whatever the item: references that
// are not defined and constants of the wrong type. The errors are AWS's texts, in the order in which AWS finds them.
func (n *node) check(env environment) error {
	switch n.op {
	case opAnd, opOr, opNot:
		for _, a := range n.args {
			if err := a.check(env); err != nil {
				return err
			}
		}
		return nil
	}
	for _, a := range n.args {
		if err := a.defined(env); err != nil {
			return err
		}
	}
	return n.checkOperands(env)
}

// defined tells which reference below an operand is not defined.
func (n *node) defined(env environment) error {
	switch n.op {
	case opPath:
		return pathDefined(n.path, env)
	case opValue:
		if _, ok := env.values.get(n.value); !ok {
			return fmt.Errorf("An expression attribute value used in expression is not defined; attribute value: %s", n.value)
		}
		return nil
	}
	for _, a := range n.args {
		if err := a.defined(env); err != nil {
			return err
		}
	}
	return nil
}

func pathDefined(path []step, env environment) error {
	for _, s := range path {
		if !s.ref {
			continue
		}
		if _, ok := env.names.get(s.name); !ok {
			return fmt.Errorf("An expression attribute name used in the document path is not defined; attribute name: %s", s.name)
		}
	}
	return nil
}

// checkOperands checks number and types of a comparison's or function's operands.
func (n *node) checkOperands(env environment) error {
	if want, ok := operands[n.op]; ok && want != len(n.args) {
		return fmt.Errorf("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", n.op, len(n.args))
	}
	for _, a := range n.args {
		if a.op == opSize {
			if err := a.checkOperands(env); err != nil {
				return err
			}
		}
	}
	if err := n.checkDistinct(env); err != nil {
		return err
	}
	switch n.op {
	case opLess, opLessEqual, opMore, opMoreEqual:
		return n.checkKinds(env, n.args, kind.ordered)
	case opBetween:
		return n.checkBounds(env)
	case opBeginsWith:
		return n.checkKinds(env, n.args, func(k kind) bool { return k == kindString || k == kindBinary })
	case opSize:
		return n.checkKinds(env, n.args, func(k kind) bool { return k != kindNumber && k != kindBool && k != kindNull })
	case opExists, opNotExists:
		if n.args[0].op != opPath {
			return fmt.Errorf("Operator or function requires a document path; operator or function: %s", n.op)
		}
	case opType:
		return n.checkTypeName(env)
	}
	return nil
}

// constantKind gives the kind of an operand that is known without the item, and 0 for others.
func (n *node) constantKind(env environment) kind {
	switch n.op {
	case opValue:
		v, _ := env.values.get(n.value)
		return v.kind
	case opSize:
		return kindNumber
	}
	return 0
}

func (n *node) checkKinds(env environment, args []*node, allowed func(kind) bool) error {
	for _, a := range args {
		if k := a.constantKind(env); k != 0 && !allowed(k) {
			return fmt.Errorf("Incorrect operand type for operator or function; operator or function: %s, operand type: %s", n.op, k)
		}
	}
	return nil
}

// checkDistinct refuses two operands that are one path.
func (n *node) checkDistinct(env environment) error {
	if len(n.args) != 2 || n.args[0].op != opPath || n.args[1].op != opPath || !env.samePath(n.args[0].path, n.args[1].path) {
		return nil
	}
	return fmt.Errorf("The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s",
		n.op, env.pathText(n.args[0].path))
}

func (n *node) checkBounds(env environment) error {
	low, high := n.args[1], n.args[2]
	if low.op == opValue && high.op == opValue {
		l, _ := env.values.get(low.value)
		h, _ := env.values.get(high.value)
		bounds := func() string {
			return fmt.Sprintf("lower bound operand: AttributeValue: {%s:%s}, upper bound operand: AttributeValue: {%s:%s}", l.kind, l, h.kind, h)
		}
		switch {
		case l.kind != h.kind:
			return fmt.Errorf("The BETWEEN operator requires same data type for lower and upper bounds; %s", bounds())
		case l.kind.ordered() && l.compare(h) > 0:
			return fmt.Errorf("The BETWEEN operator requires upper bound to be greater than or equal to lower bound; %s", bounds())
		}
	}
	return n.checkKinds(env, n.args, kind.ordered)
}

func (n *node) checkTypeName(env environment) error {
	name := n.args[1]
	if name.op != opValue {
		return fmt.Errorf("Incorrect operand type for operator or function; operator or function: %s, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}", n.op)
	}
	v, _ := env.values.get(name.value)
	if v.kind != kindString {
		return fmt.Errorf("Incorrect operand type for operator or function; operator or function: %s, operand type: %s", n.op, v.kind)
	}
	if kindOf(v.data) == 0 {
		return fmt.Errorf("Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", v.data)
	}
	return nil
}

// checkProjection finds references that are not defined and paths of which one is within another.
func (x *expression) checkProjection(env environment) error {
	for _, p := range x.paths {
		if err := pathDefined(p, env); err != nil {
			return err
		}
	}
	return x.checkOverlaps(env)
}

// checkOverlaps finds paths of which one is the other, within it, or contradicts it.
func (x *expression) checkOverlaps(env environment) error {
	for i, p := range x.paths {
		for _, q := range x.paths[:i] {
			if err := env.checkApart(q, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e environment) checkApart(one, two []step) error {
	what := "overlap"
	for i := range min(len(one), len(two)) {
		if one[i].isIndex != two[i].isIndex {
			what = "conflict"
			break
		}
		if !e.samePath(one[i:i+1], two[i:i+1]) {
			return nil
		}
	}
	return fmt.Errorf("Two document paths %s with each other; must remove or rewrite one of these paths; path one: %s, path two: %s",
		what, e.pathText(one), e.pathText(two))
}
