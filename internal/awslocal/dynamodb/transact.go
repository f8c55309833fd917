package dynamodb

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Limits of a transaction (API reference).
const (
	maxActions          = 100
	maxTransactionBytes = 4 << 20
	maxToken            = 36
)

// transaction is a TransactWriteItems.
type transaction struct {
	items    []transactItem
	set      bool
	token    optional
	capacity optional
	metrics  optional
	invalid  string

	actions []*action
	reasons []reason
}

// transactItem is one element of TransactItems: one request, under the name of what it does.
type transactItem struct {
	what  string // "Put"
	count int    // of such names: more than one is an error
	request
}

// reason is why one action keeps the transaction from being done; the zero value is that it does not.
type reason struct {
	code, message string
	item          document
}

func (t *transaction) read(r *reader) error {
	err := r.members(func(name []byte) error {
		switch string(name) {
		case "TransactItems":
			t.set = r.dec.PeekKind() != 'n'
			return r.elements(func() error {
				t.items = append(t.items, transactItem{})
				return t.items[len(t.items)-1].read(r)
			})
		case "ClientRequestToken":
			return r.string(&t.token)
		case "ReturnConsumedCapacity":
			return r.string(&t.capacity)
		case "ReturnItemCollectionMetrics":
			return r.string(&t.metrics)
		}
		return r.dec.SkipValue()
	})
	t.invalid = r.invalid
	return err
}

func (i *transactItem) read(r *reader) error {
	return r.members(func(name []byte) error {
		what := string(name)
		if _, ok := transactKinds[what]; !ok {
			return r.dec.SkipValue()
		}
		if null, err := r.null(); null || err != nil {
			return err
		}
		i.what = what
		i.count++
		return r.members(func(name []byte) error { return i.member(r, name) })
	})
}

// transactWriteItems answers TransactWriteItems: all actions or none take effect, at one moment.
func (s *Service) transactWriteItems(ctx context.Context, in, out []byte) ([]byte, error) {
	var t transaction
	if err := decode(in, t.read); err != nil {
		return nil, err
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	if err := s.prepareAll(&t); err != nil {
		return nil, err
	}
	if fault.Of(ctx) == fault.Partial {
		t.reasons[0] = reason{code: "TransactionConflict", message: "Transaction is ongoing for the item"}
	}
	if t.cancelled() {
		return nil, t.cancellation()
	}
	replayed, err := s.commit(&t)
	if err != nil {
		return nil, err
	}
	return t.answer(out, replayed), nil
}

// check checks the members of the transaction as such.
func (t *transaction) check() error {
	var v violations
	v.oneOf(t.capacity, "returnConsumedCapacity", capacityTotals...)
	v.oneOf(t.metrics, "returnItemCollectionMetrics", "SIZE", "NONE")
	switch n := len(t.items); {
	case !t.set:
		v.Null("transactItems")
	case n == 0:
		v.TooShort("'[]'", "transactItems", 1)
	case n > maxActions:
		v.TooLong("'["+strings.Repeat("TransactWriteItem, ", n-1)+"TransactWriteItem]'", "transactItems", maxActions)
	}
	if n := len(t.token.text); t.token.set && n == 0 {
		v.TooShort("''", "clientRequestToken", 1)
	} else if n > maxToken {
		v.TooLong(wire.Quoted(t.token.text), "clientRequestToken", maxToken)
	}
	for i := range t.items {
		t.items[i].check(&v, i+1)
	}
	return v.Err()
}

// check notes what is missing in one action, the n-th.
func (i *transactItem) check(v *violations, n int) {
	if i.count != 1 {
		return // refused when the action is prepared
	}
	var own violations
	own.required(i.table.set, "tableName")
	switch i.what {
	case "Put":
		own.required(i.item.set, "item")
	case "Update":
		own.required(i.update.set, "updateExpression")
		own.required(i.key.set, "key")
	case "ConditionCheck":
		own.required(i.condition.set, "conditionExpression")
		fallthrough
	default:
		own.required(i.key.set, "key")
	}
	own.oneOf(i.onFailure, "returnValuesOnConditionCheckFailure", "ALL_OLD", "NONE")
	for _, text := range own.Violations {
		at := fmt.Sprintf(" at 'transactItems.%d.member.%s%s.", n, strings.ToLower(i.what[:1]), i.what[1:])
		v.Violations = append(v.Violations, strings.Replace(text, " at '", at, 1))
	}
}

var transactKinds = map[string]actionKind{"Put": actionPut, "Update": actionUpdate, "Delete": actionDelete, "ConditionCheck": actionCheck}

// prepareAll makes the transaction's actions. A key that does not suit its table is a reason for cancellation.
func (s *Service) prepareAll(t *transaction) error {
	bytes := 0
	for i := range t.items {
		a, err := s.prepareItem(&t.items[i], t.invalid)
		if err != nil {
			return err
		}
		bytes += a.size
		t.actions = append(t.actions, a)
	}
	if bytes > maxTransactionBytes {
		return invalid("The aggregate size of the items in the transaction cannot exceed 4 MB")
	}
	t.reasons = make([]reason, len(t.actions))
	seen := make(map[target]bool, len(t.actions))
	for i, a := range t.actions {
		var err error
		if a.table, err = s.table(a.name); err != nil {
			return err
		}
		if err := a.locate(&t.items[i].request); err != nil {
			if t.reasons[i], err = keyReason(err); err != nil {
				return err
			}
			continue
		}
		if seen[a.target] {
			return invalid("Transaction request cannot include multiple operations on one item")
		}
		seen[a.target] = true
	}
	return nil
}

// keyReason makes a reason of a key that does not suit its table. An empty key is refused outright (moto, aws_verified).
func keyReason(err error) (reason, error) {
	e, ok := err.(*wire.Error)
	if !ok || strings.HasPrefix(e.Message, "One or more parameter values are not valid.") {
		return reason{}, err
	}
	return reason{code: "ValidationError", message: e.Message}, nil
}

func (s *Service) prepareItem(i *transactItem, refusal string) (*action, error) {
	if i.count != 1 {
		return nil, invalid("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	i.invalid = refusal
	return s.prepare(transactKinds[i.what], &i.request)
}

// commit does the transaction, or finds that it has been done before with this token.
func (s *Service) commit(t *transaction) (replayed bool, err error) {
	print := t.fingerprint()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if done, known := s.tokens.find(t.token, now); known {
		if done != print {
			return false, errTokenReused
		}
		t.charge(now, true)
		return true, nil
	}
	for i, a := range t.actions {
		if a.table.dropped {
			return false, errNoTable
		}
		t.reasons[i] = a.objection(now)
	}
	t.charge(now, false)
	if t.cancelled() {
		return false, t.cancellation()
	}
	for _, a := range t.actions {
		a.apply(now)
	}
	for _, a := range t.actions {
		a.table.sweep(now)
	}
	s.tokens.add(t.token, print, now)
	return false, nil
}

// objection is why an action cannot be done as its item is. The lock is held.
func (a *action) objection(now int64) (r reason) {
	if !a.examine(now) {
		r = reason{code: "ConditionalCheckFailed", message: textConditionFailed}
		if a.returnOld {
			r.item = a.old
		}
		return r
	}
	if err := a.derive(); err != nil {
		return reason{code: "ValidationError", message: message(err)}
	}
	return r
}

// charge adds what the transaction consumes: twice what its writes would, done or not; of a replay, twice the reads.
func (t *transaction) charge(now int64, replay bool) {
	for _, a := range t.actions {
		if replay {
			a.examine(now)
			a.table.consumed.add(a.key.hash, Units{Read: a.replayUnits()})
			continue
		}
		a.table.consumed.add(a.key.hash, Units{Write: transactionFactor * a.units()})
	}
}

func (a *action) replayUnits() float64 { return transactionFactor * readUnits(a.oldSize, true) }

func (t *transaction) cancelled() bool {
	for _, r := range t.reasons {
		if r.code != "" {
			return true
		}
	}
	return false
}

// cancellation makes the error that has one reason for each action, in the request's order.
func (t *transaction) cancellation() error {
	codes := make([]string, len(t.reasons))
	for i, r := range t.reasons {
		codes[i] = r.name()
	}
	return &wire.Error{
		Code:    "TransactionCanceledException",
		Message: "Transaction cancelled, please refer cancellation reasons for specific reasons [" + strings.Join(codes, ", ") + "]",
		Fields:  map[string]any{"CancellationReasons": jsontext.Value(appendList(nil, t.reasons, appendReason))},
	}
}

// name is the reason's code, also of an action that nothing keeps.
func (r reason) name() string { return cmp.Or(r.code, "None") }

func appendReason(dst []byte, r reason) []byte {
	m := newMembers(dst)
	m.name("Code")
	m.dst = appendText(m.dst, r.name())
	if r.message != "" {
		m.name("Message")
		m.dst = appendText(m.dst, r.message)
	}
	if r.item != "" {
		m.name("Item")
		m.dst = appendDocument(m.dst, r.item)
	}
	return m.end()
}

// answer writes what the transaction consumed, a table at a time in the order of the actions.
func (t *transaction) answer(out []byte, replayed bool) []byte {
	m := newMembers(out)
	if !wantsCapacity(t.capacity) {
		return m.end()
	}
	kind := "WriteCapacityUnits"
	units := map[string]float64{}
	var order []string
	for _, a := range t.actions {
		if _, ok := units[a.name]; !ok {
			order = append(order, a.name)
		}
		if replayed {
			kind = "ReadCapacityUnits"
			units[a.name] += a.replayUnits()
		} else {
			units[a.name] += transactionFactor * a.units()
		}
	}
	m.name("ConsumedCapacity")
	m.dst = appendList(m.dst, order, func(dst []byte, name string) []byte {
		return appendCapacity(dst, name, t.capacity, units[name], kind)
	})
	return m.end()
}
