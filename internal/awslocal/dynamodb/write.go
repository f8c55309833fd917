package dynamodb

import (
	"cmp"
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// actionKind is what a write does to its item.
type actionKind byte

const (
	actionPut actionKind = iota
	actionUpdate
	actionDelete
	actionCheck // a transaction's ConditionCheck
)

// action is a write that has been decoded and checked; only the state of its item decides what becomes of it.
type action struct {
	kind actionKind
	target
	name      string      // the table's
	item      document    // of a put; of an update what it comes to, set by derive
	size      int         // of item
	update    *expression // nil for none
	condition *node       // nil for none
	env       environment
	returnOld bool // the item, should the condition fail

	keyDocument document // of an update

	old     document // set by examine; "" for none
	oldSize int
}

// target is which item an action is about.
type target struct {
	table *table
	key   key
}

// prepare makes an action of a request, as far as that can be done without its table.
func (s *Service) prepare(kind actionKind, q *request) (*action, error) {
	update, condition := s.updateOf(q), s.conditionOf("ConditionExpression", q.condition)
	parameters := []*parameter{&condition}
	if kind == actionUpdate {
		parameters = []*parameter{&update, &condition}
	}
	if err := q.checkValues(parameters...); err != nil {
		return nil, err
	}
	if kind != actionUpdate && q.returnValues.set && q.returnValues.text != "ALL_OLD" && q.returnValues.text != "NONE" {
		return nil, invalid("ReturnValues can only be ALL_OLD or NONE")
	}
	a := &action{kind: kind, name: q.table.text, env: q.environment(), returnOld: q.onFailure.text == "ALL_OLD"}
	if kind == actionPut {
		a.item = q.item.document
		if a.size = a.item.size(); a.size > maxItem {
			return nil, errItemSize
		}
	}
	if err := q.expressions(parameters...); err != nil {
		return nil, err
	}
	a.condition, a.update = condition.root(), update.expression
	return a, nil
}

// locate finds the key of the action's item in its table.
func (a *action) locate(q *request) (err error) {
	if a.kind == actionPut {
		a.key, err = a.table.keyOfItem(a.item)
		return err
	}
	if a.key, err = a.table.keyOfKey(q.key.document); err != nil || a.kind != actionUpdate {
		return err
	}
	a.keyDocument = q.key.document
	return a.table.updateKeyError(a.update, a.env)
}

// examine looks at the item as it is and tells whether the action may be done. The lock is held.
func (a *action) examine(now int64) bool {
	a.old, a.oldSize = "", 0
	if e := a.table.find(a.key, now); e != nil {
		a.old, a.oldSize = e.item, int(e.size)
	}
	return a.condition == nil || a.condition.matches(a.old, a.env)
}

// derive finds what an update comes to. The lock is held, the item has been examined.
func (a *action) derive() (err error) {
	if a.kind != actionUpdate {
		return nil
	}
	a.item = cmp.Or(a.old, a.keyDocument)
	if a.update != nil {
		if a.item, err = a.update.update(a.item, a.env); err != nil {
			return err
		}
	}
	if a.size = a.item.size(); a.size > maxItem {
		return errUpdateSize
	}
	return nil
}

// apply does the action. The lock is held.
func (a *action) apply(now int64) {
	switch a.kind {
	case actionPut, actionUpdate:
		a.table.put(a.key, a.item, a.size, now)
	case actionDelete:
		a.table.remove(a.key)
	}
}

// units is what the action costs: the larger of the item before and after, also when its condition fails.
func (a *action) units() float64 { return writeUnits(max(a.size, a.oldSize)) }

// putItem answers PutItem.
func (s *Service) putItem(_ context.Context, in, out []byte) ([]byte, error) {
	return s.write(actionPut, in, out)
}

// updateItem answers UpdateItem.
func (s *Service) updateItem(_ context.Context, in, out []byte) ([]byte, error) {
	return s.write(actionUpdate, in, out)
}

// deleteItem answers DeleteItem.
func (s *Service) deleteItem(_ context.Context, in, out []byte) ([]byte, error) {
	return s.write(actionDelete, in, out)
}

func (s *Service) write(kind actionKind, in, out []byte) ([]byte, error) {
	var q request
	if err := decode(in, q.read); err != nil {
		return nil, err
	}
	a, err := s.checkWrite(kind, &q)
	if err != nil {
		return nil, err
	}
	units, err := s.perform(a)
	if err != nil {
		return nil, err
	}
	m := newMembers(out)
	if d := a.returned(q.returnValues.text); d != "" {
		m.name("Attributes")
		m.dst = appendDocument(m.dst, d)
	}
	if wantsCapacity(q.capacity) {
		m.name("ConsumedCapacity")
		m.dst = appendCapacity(m.dst, a.name, q.capacity, units, "")
	}
	return m.end(), nil
}

// returned is what a value of ReturnValues asks for, "" for nothing.
func (a *action) returned(values string) document {
	of := map[string]document{"ALL_OLD": a.old, "UPDATED_OLD": a.old, "ALL_NEW": a.item, "UPDATED_NEW": a.item}[values]
	if values == "ALL_OLD" || values == "ALL_NEW" {
		return of
	}
	if a.update == nil {
		return ""
	}
	return a.update.project(a.env).apply(of)
}

// checkWrite checks a PutItem, UpdateItem or DeleteItem.
func (s *Service) checkWrite(kind actionKind, q *request) (*action, error) {
	var v violations
	v.tableName(q.table, 1)
	if kind == actionPut {
		v.required(q.item.set, "item")
	} else {
		v.required(q.key.set, "key")
	}
	q.enums(&v)
	if err := v.Err(); err != nil {
		return nil, err
	}
	a, err := s.prepare(kind, q)
	if err != nil {
		return nil, err
	}
	if a.table, err = s.table(a.name); err != nil {
		return nil, err
	}
	return a, a.locate(q)
}

const textConditionFailed = "The conditional request failed"

// perform does one action by itself.
func (s *Service) perform(a *action) (units float64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.table.dropped {
		return 0, errNoTable
	}
	now := s.now()
	allowed := a.examine(now)
	if allowed {
		if err := a.derive(); err != nil {
			return 0, err
		}
	}
	units = a.units()
	a.table.consumed.add(a.key.hash, Units{Write: units})
	if !allowed {
		return 0, a.conditionFailed()
	}
	a.apply(now)
	a.table.sweep(now)
	return units, nil
}

func (a *action) conditionFailed() error {
	e := &wire.Error{Code: "ConditionalCheckFailedException", Message: textConditionFailed}
	if a.returnOld && a.old != "" {
		e.Fields = map[string]any{"Item": jsontext.Value(appendDocument(nil, a.old))}
	}
	return e
}
