package dynamodb

import (
	"strings"
)

// keyTest is one condition on a key attribute: an operator and its one or two values.
type keyTest struct {
	op     operator // = < <= > >= BETWEEN begins_with
	values []value
}

// keyTests reads the key condition as one test for each attribute that it names. The errors are AWS's texts.
func (n *node) keyTests(env environment) (map[string]keyTest, error) {
	tests := map[string]keyTest{}
	err := n.addKeyTests(tests, env)
	return tests, err
}

func (n *node) addKeyTests(tests map[string]keyTest, env environment) error {
	switch n.op {
	case opAnd:
		for _, a := range n.args {
			if err := a.addKeyTests(tests, env); err != nil {
				return err
			}
		}
		return nil
	case opOr, opNot, opIn, opNotEqual, opExists, opNotExists, opType, opContains:
		return invalid("Invalid operator used in KeyConditionExpression: %s", n.op)
	}
	name, test, err := n.keyTest(env)
	if err != nil {
		return err
	}
	if _, ok := tests[name]; ok {
		return invalid("KeyConditionExpressions must only contain one condition per key")
	}
	tests[name] = test
	return nil
}

// flipped is the operator with its operands exchanged.
var flipped = map[operator]operator{opEqual: opEqual, opLess: opMore, opLessEqual: opMoreEqual, opMore: opLess, opMoreEqual: opLessEqual}

func (n *node) keyTest(env environment) (name string, test keyTest, err error) {
	const bad = "Invalid condition in KeyConditionExpression: "
	if (n.op == opBetween || n.op == opBeginsWith) && n.args[0].op != opPath {
		return "", test, invalid(bad+"%s operator must have the key attribute as its first operand", n.op)
	}
	test.op = n.op
	for i, a := range n.args {
		switch {
		case a.op == opSize:
			return "", test, invalid("KeyConditionExpressions cannot contain nested operations")
		case a.op == opValue:
			v, _ := env.values.get(a.value)
			test.values = append(test.values, v)
			continue
		case name != "":
			return "", test, invalid(bad + "Multiple attribute names used in one condition")
		case len(a.path) > 1:
			return "", test, invalid("KeyConditionExpressions cannot have conditions on nested attributes")
		}
		name = env.name(a.path[0])
		if i > 0 {
			test.op = flipped[n.op]
		}
	}
	if name == "" {
		return "", test, invalid(bad + "No key attribute specified")
	}
	return name, test, nil
}

// keyRange is the part of a partition that a key condition selects: the keys from low to high. A bound that is not set
// does not limit; one that is exclusive is not in the range itself.
type keyRange struct {
	low, high                   string
	lowSet, highSet             bool
	lowExclusive, highExclusive bool
	prefix                      string // every key begins with it
}

// keyConditions checks the tests against the table's key, and gives the hash key and the range.
func (t *table) keyConditions(tests map[string]keyTest) (hash string, keys keyRange, err error) {
	if len(tests) > 2 {
		return "", keys, invalid("Conditions can be of length 1 or 2 only")
	}
	if len(t.schema) == 1 && len(tests) > 1 {
		return "", keys, invalid("Query key condition not supported")
	}
	for i, a := range t.schema {
		test, ok := tests[a.name]
		switch {
		case !ok && (i == 0 || len(tests) > 1):
			return "", keys, invalid("Query condition missed key schema element: %s", a.name)
		case !ok:
			continue
		}
		if err := a.checkTest(test); err != nil {
			return "", keys, err
		}
		if i > 0 {
			keys = test.keyRange()
			continue
		}
		if test.op != opEqual {
			return "", keys, invalid("Query key condition not supported")
		}
		hash = test.values[0].data
	}
	return hash, keys, nil
}

func (a keyAttribute) checkTest(test keyTest) error {
	for _, v := range test.values {
		if v.kind != a.kind {
			return invalid("One or more parameter values were invalid: Condition parameter type does not match schema type")
		}
		if err := a.checkSize(v); err != nil {
			return err
		}
	}
	return nil
}

func (test keyTest) keyRange() keyRange {
	v := sortable(test.values[0])
	switch test.op {
	case opLess:
		return keyRange{high: v, highSet: true, highExclusive: true}
	case opLessEqual:
		return keyRange{high: v, highSet: true}
	case opMore:
		return keyRange{low: v, lowSet: true, lowExclusive: true}
	case opMoreEqual:
		return keyRange{low: v, lowSet: true}
	case opBetween:
		return keyRange{low: v, lowSet: true, high: sortable(test.values[1]), highSet: true}
	case opBeginsWith:
		return keyRange{low: v, lowSet: true, prefix: v}
	}
	return keyRange{low: v, lowSet: true, high: v, highSet: true}
}

// holds tells whether a key is in the range.
func (r keyRange) holds(key string) bool {
	switch {
	case r.lowSet && (key < r.low || r.lowExclusive && key == r.low):
		return false
	case r.highSet && (key > r.high || r.highExclusive && key == r.high):
		return false
	}
	return strings.HasPrefix(key, r.prefix)
}

// first finds where in a partition a query of the range begins.
func (r keyRange) first(p *partition, backward bool) position {
	if !backward {
		pos := position{}
		if r.lowSet {
			var found bool
			if pos, found = p.seek(r.low); found && r.lowExclusive {
				pos = p.next(pos)
			}
		}
		return pos
	}
	end := position{chunk: len(p.chunks)}
	switch {
	case r.highSet:
		pos, found := p.seek(r.high)
		if found && !r.highExclusive {
			return pos
		}
		return p.previous(pos)
	case r.prefix != "":
		return p.previous(p.seekPast(r.prefix))
	}
	return p.previous(end)
}

// seekPast finds the first entry after those whose keys begin with prefix.
func (p *partition) seekPast(prefix string) position {
	last := len(prefix) - 1
	for last >= 0 && prefix[last] == 0xff {
		last--
	}
	if last < 0 {
		return position{chunk: len(p.chunks)}
	}
	pos, _ := p.seek(prefix[:last] + string([]byte{prefix[last] + 1}))
	return pos
}

// after moves the range's beginning behind a key that a query has already come to.
func (r keyRange) after(key string, backward bool) keyRange {
	if backward {
		r.high, r.highSet, r.highExclusive = key, true, true
	} else {
		r.low, r.lowSet, r.lowExclusive = key, true, true
	}
	return r
}

// keyAmong names the key attribute that the first of the paths with more than so many steps begins with, "" for none.
func (t *table) keyAmong(paths [][]step, env environment, steps int) string {
	for _, a := range t.schema {
		for _, p := range paths {
			if len(p) > steps && env.name(p[0]) == a.name {
				return a.name
			}
		}
	}
	return ""
}

// keyPathError refuses a path into a key attribute.
func (t *table) keyPathError(paths [][]step, env environment) error {
	if name := t.keyAmong(paths, env, 1); name != "" {
		return invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: %s", name)
	}
	return nil
}

// updateKeyError refuses an update, nil for none, of a key attribute or of what would be in it (as dynalite does).
func (t *table) updateKeyError(x *expression, env environment) error {
	if x == nil {
		return nil
	}
	if name := t.keyAmong(x.paths, env, 0); name != "" {
		return invalid("One or more parameter values were invalid: Cannot update attribute %s. This attribute is part of the key", name)
	}
	return nil
}

// filterKeyError refuses a filter on a key attribute.
func (t *table) filterKeyError(filter *node, env environment) error {
	if filter == nil {
		return nil
	}
	if name := t.keyAmong(filter.appendPaths(nil), env, 0); name != "" {
		return invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", name)
	}
	return nil
}

// appendPaths appends the paths below a node.
func (n *node) appendPaths(paths [][]step) [][]step {
	if n.op == opPath {
		return append(paths, n.path)
	}
	for _, a := range n.args {
		paths = a.appendPaths(paths)
	}
	return paths
}

// startKey reads where a query is to go on.
func (t *table) startKey(d document, hash string, keys keyRange, hasRange bool) (string, error) {
	if d.count() != len(t.schema) {
		return "", invalid("The provided starting key is invalid")
	}
	k, err := t.keyOfKey(d)
	switch {
	case err != nil:
		return "", invalid("The provided starting key is invalid: %s", message(err))
	case hasRange && !keys.holds(k.sort):
		return "", invalid("The provided starting key does not match the range key predicate")
	case k.hash != hash && hasRange:
		return "", invalid("The query can return at most one row and cannot be restarted")
	case k.hash != hash:
		return "", invalid("The provided starting key is outside query boundaries based on provided conditions")
	}
	return k.sort, nil
}
