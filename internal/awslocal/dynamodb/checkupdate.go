package dynamodb

import "fmt"

// checkUpdate finds what is wrong with an update given the request's names and values, whatever the item, in the order
// in which AWS does: references, overlapping paths, operands.
func (x *expression) checkUpdate(env environment) error {
	for _, c := range x.clauses {
		if err := pathDefined(c.path, env); err != nil {
			return err
		}
		if c.value == nil {
			continue
		}
		if err := c.value.defined(env); err != nil {
			return err
		}
	}
	if err := x.checkOverlaps(env); err != nil {
		return err
	}
	for _, c := range x.clauses {
		if err := c.check(env); err != nil {
			return err
		}
	}
	return nil
}

// kindWords are the kinds as AWS names them in a refusal of ADD and DELETE.
var kindWords = map[kind]string{
	kindString: "STRING", kindNumber: "NUMBER", kindBinary: "BINARY", kindBool: "BOOLEAN", kindNull: "NULL", kindList: "LIST", kindMap: "MAP",
}

// check checks the number and the types of a clause's operands.
func (c clause) check(env environment) error {
	switch c.verb {
	case verbSet:
		return c.value.checkValue(env)
	case verbAdd, verbDelete:
		k := c.value.constantKind(env)
		if word := kindWords[k]; word != "" && !(c.verb == verbAdd && k == kindNumber) {
			return fmt.Errorf("Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%[1]s_OPERAND", c.verb, word)
		}
	}
	return nil
}

// checkValue checks what SET gives.
func (n *node) checkValue(env environment) error {
	for _, a := range n.args {
		if err := a.checkValue(env); err != nil {
			return err
		}
	}
	if n.op == opIfNotExists || n.op == opListAppend {
		if len(n.args) != 2 {
			return fmt.Errorf("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", n.op, len(n.args))
		}
	}
	switch n.op {
	case opIfNotExists:
		if n.args[0].op != opPath {
			return fmt.Errorf("Operator or function requires a document path; operator or function: %s", n.op)
		}
	case opListAppend:
		return n.checkKinds(env, n.args, func(k kind) bool { return k == kindList })
	case opPlus, opMinus:
		return n.checkKinds(env, n.args, func(k kind) bool { return k == kindNumber })
	}
	return nil
}
