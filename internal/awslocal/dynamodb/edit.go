package dynamodb

import (
	"maps"
	"slices"
)

// The texts with which AWS refuses an update that does not suit its item (API reference and dynalite).
var (
	errUpdatePath    = invalid("The document path provided in the update expression is invalid for update")
	errUpdateOperand = invalid("An operand in the update expression has an incorrect data type")
	errUpdateAbsent  = invalid("The provided expression refers to an attribute that does not exist in the item")
	errUpdateNesting = invalid("Nesting Levels have exceeded supported limits")
	errUpdateSize    = invalid("Item size to update has exceeded the maximum allowed size")
)

// edits makes the tree of an update's paths with a clause at each end. All clauses see the item as it was: paths do not
// overlap, list indexes count the elements that were there, and so one walk makes the new item.
func (x *expression) edits(env environment) *tree {
	root := &tree{}
	for i := range x.clauses {
		root.grow(x.clauses[i].path, env).clause = &x.clauses[i]
	}
	return root
}

// editing is the walk of one update over one item.
type editing struct {
	item document // as it was
	env  environment
}

// update gives what becomes of an item. Of an item that is not there yet, item is its key.
func (x *expression) update(item document, env environment) (document, error) {
	w := editing{item, env}
	b, err := w.names(nil, x.edits(env), item)
	if err != nil {
		return "", err
	}
	d := document(b)
	if d.depth() >= maxNesting {
		return "", errUpdateNesting
	}
	return d, nil
}

// names appends a map's attributes as they are after the edit.
func (w editing) names(dst []byte, e *tree, d document) ([]byte, error) {
	seen := map[string]bool{}
	var err error
	for len(d) > 0 {
		name, v, rest := d.cut()
		seen[name] = true
		if dst, err = w.attribute(dst, name, e.names[name], v, true); err != nil {
			return nil, err
		}
		d = rest
	}
	for _, name := range e.order {
		if seen[name] {
			continue
		}
		if dst, err = w.attribute(dst, name, e.names[name], value{}, false); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// attribute appends an attribute as it is after the edit, or nothing when it goes.
func (w editing) attribute(dst []byte, name string, e *tree, v value, found bool) ([]byte, error) {
	began := len(dst)
	dst = appendName(dst, name)
	head := len(dst)
	dst, err := w.value(dst, e, v, found)
	if err == nil && len(dst) == head {
		dst = dst[:began]
	}
	return dst, err
}

// elements appends a list's elements as they are after the edit. What is set beyond the list's end is appended in the
// order of the indexes, without gaps.
func (w editing) elements(dst []byte, e *tree, v value) ([]byte, error) {
	n := 0
	var err error
	for element := range v.elements {
		if dst, err = w.value(dst, e.indexes[n], element, true); err != nil {
			return nil, err
		}
		n++
	}
	for _, i := range slices.Sorted(maps.Keys(e.indexes)) {
		if i < n {
			continue
		}
		if dst, err = w.value(dst, e.indexes[i], value{}, false); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// value appends what becomes of one value, or nothing when it goes.
func (w editing) value(dst []byte, e *tree, v value, found bool) ([]byte, error) {
	switch {
	case e == nil:
		return appendValue(dst, v), nil
	case e.clause != nil:
		after, keep, err := w.apply(e.clause, v, found)
		if err != nil || !keep {
			return dst, err
		}
		return appendValue(dst, after), nil
	}
	began := len(dst)
	dst = beginValue(dst, v.kind)
	var err error
	switch {
	case found && v.kind == kindMap && e.names != nil:
		dst, err = w.names(dst, e, document(v.data))
	case found && v.kind == kindList && e.indexes != nil:
		dst, err = w.elements(dst, e, v)
	default:
		err = errUpdatePath
	}
	if err != nil {
		return nil, err
	}
	endValue(dst, began)
	return dst, nil
}

// apply gives what a clause makes of a value, and whether anything is left.
func (w editing) apply(c *clause, old value, found bool) (after value, keep bool, err error) {
	switch c.verb {
	case verbRemove:
		return value{}, false, nil
	case verbSet:
		after, err = w.evaluate(c.value)
		return after, true, err
	}
	operand, _ := c.value.resolve(w.item, w.env)
	switch {
	case !found:
		return operand, c.verb == verbAdd, nil
	case old.kind != operand.kind:
		return value{}, false, errUpdateOperand
	case old.kind == kindNumber:
		after, err = add(old, operand, false)
		return after, true, err
	case c.verb == verbAdd:
		return old.union(operand), true, nil
	}
	after = old.without(operand)
	return after, after.data != "", nil
}

// evaluate gives the value of what SET gives.
func (w editing) evaluate(n *node) (value, error) {
	switch n.op {
	case opPath, opValue:
		v, ok := n.resolve(w.item, w.env)
		if !ok {
			return value{}, errUpdateAbsent
		}
		return v, nil
	case opIfNotExists:
		if v, ok := n.args[0].resolve(w.item, w.env); ok {
			return v, nil
		}
		return w.evaluate(n.args[1])
	}
	a, err := w.evaluate(n.args[0])
	if err != nil {
		return value{}, err
	}
	b, err := w.evaluate(n.args[1])
	if err != nil {
		return value{}, err
	}
	if n.op != opListAppend {
		return add(a, b, n.op == opMinus)
	}
	if a.kind != kindList || b.kind != kindList {
		return value{}, errUpdateOperand
	}
	return value{kindList, a.data + b.data}, nil
}
