package dynamodb

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

// Limits of a BatchGetItem (API reference): what does not fit comes back in UnprocessedKeys.
const (
	maxBatchKeys  = 100
	maxBatchBytes = 16 << 20
)

// batch is a BatchGetItem.
type batch struct {
	tables   []*batchTable
	set      bool
	capacity optional
	invalid  string
}

// batchTable is what a BatchGetItem wants of one table.
type batchTable struct {
	name string
	request
	documents []document // of the keys

	table *table
	keys  []key
	keep  *tree

	items       []document
	unprocessed []document // keys
	units       float64
}

func (b *batch) read(r *reader) error {
	err := r.members(func(name []byte) error {
		switch string(name) {
		case "RequestItems":
			b.set = r.dec.PeekKind() != 'n'
			return r.members(func(name []byte) error {
				t := &batchTable{name: string(name)}
				b.tables = append(b.tables, t)
				return t.read(r)
			})
		case "ReturnConsumedCapacity":
			return r.string(&b.capacity)
		}
		return r.dec.SkipValue()
	})
	b.invalid = r.invalid
	return err
}

func (t *batchTable) read(r *reader) error {
	return r.members(func(name []byte) error {
		if string(name) != "Keys" {
			return t.member(r, name)
		}
		return r.elements(func() error {
			var k optionalDocument
			err := r.attributes(&k)
			t.documents = append(t.documents, k.document)
			return err
		})
	})
}

// batchGetItem answers BatchGetItem. Items come in the order of the keys, which on AWS is not promised.
func (s *Service) batchGetItem(ctx context.Context, in, out []byte) ([]byte, error) {
	var b batch
	if err := decode(in, b.read); err != nil {
		return nil, err
	}
	if err := s.checkBatch(&b); err != nil {
		return nil, err
	}
	for _, t := range b.tables {
		if err := s.resolve(t); err != nil {
			return nil, err
		}
	}
	if err := s.readBatch(&b, fault.Of(ctx) == fault.Partial); err != nil {
		return nil, err
	}
	return b.answer(out), nil
}

// checkBatch checks a batch as far as that can be done without its tables.
func (s *Service) checkBatch(b *batch) error {
	if len(b.tables) == 0 {
		return invalid("The requestItems parameter is required for BatchGetItem")
	}
	var v violations
	v.oneOf(b.capacity, "returnConsumedCapacity", capacityTotals...)
	all := 0
	for _, t := range b.tables {
		all += len(t.documents)
		at := fmt.Sprintf("RequestItems.%s.member.Keys", t.name)
		switch n := len(t.documents); {
		case n == 0:
			v.TooShort("", at, 1)
		case n > maxBatchKeys:
			v.TooLong("", at, maxBatchKeys)
		}
	}
	if err := v.Err(); err != nil {
		return err
	}
	if all > maxBatchKeys {
		return invalid("Too many items requested for the BatchGetItem call")
	}
	for _, t := range b.tables {
		t.invalid = b.invalid
		var err error
		if t.keep, err = s.checkProjected(&t.request); err != nil {
			return err
		}
	}
	return nil
}

// resolve finds a batch's table and where its keys are.
func (s *Service) resolve(t *batchTable) (err error) {
	if t.table, err = s.table(t.name); err != nil {
		return err
	}
	seen := map[key]bool{}
	for _, d := range t.documents {
		k, err := t.table.keyOfKey(d)
		if err != nil {
			return err
		}
		if seen[k] {
			return invalid("Provided list of item keys contains duplicates")
		}
		seen[k] = true
		t.keys = append(t.keys, k)
	}
	return nil
}

// readBatch looks the items up. partial leaves the second half of each table's keys, at least one, unprocessed.
func (s *Service) readBatch(b *batch, partial bool) error {
	bytes := 0
	for _, t := range b.tables {
		for i, k := range t.keys {
			if bytes >= maxBatchBytes || partial && i >= len(t.keys)/2 {
				t.unprocessed = append(t.unprocessed, t.documents[i])
				continue
			}
			item, found, units, err := s.read(t.table, k, t.consistent)
			if err != nil {
				return err
			}
			t.units += units
			if found {
				bytes += item.size()
				t.items = append(t.items, t.keep.apply(item))
			}
		}
	}
	return nil
}

func (b *batch) answer(out []byte) []byte {
	all := newMembers(out)
	all.name("Responses")
	m := newMembers(all.dst)
	for _, t := range b.tables {
		m.name(t.name) // it names a table, so it needs no escapes
		m.dst = appendList(m.dst, t.items, appendDocument)
	}
	all.dst = m.end()
	all.name("UnprocessedKeys")
	m = newMembers(all.dst)
	for _, t := range b.tables {
		if len(t.unprocessed) > 0 {
			m.name(t.name)
			m.dst = t.appendUnprocessed(m.dst)
		}
	}
	all.dst = m.end()
	if wantsCapacity(b.capacity) {
		all.name("ConsumedCapacity")
		all.dst = appendList(all.dst, b.tables, func(dst []byte, t *batchTable) []byte {
			return appendCapacity(dst, t.name, b.capacity, t.units, "")
		})
	}
	return all.end()
}

// appendUnprocessed writes the rest of the request in the form in which it can be sent again.
func (t *batchTable) appendUnprocessed(dst []byte) []byte {
	m := newMembers(dst)
	m.name("Keys")
	m.dst = appendList(m.dst, t.unprocessed, appendDocument)
	if t.consistent {
		m.name("ConsistentRead")
		m.dst = append(m.dst, "true"...)
	}
	if t.projected.set {
		m.name("ProjectionExpression")
		m.dst = appendText(m.dst, t.projected.text)
	}
	if t.names.set {
		m.name("ExpressionAttributeNames")
		names := newMembers(m.dst)
		for d := t.names.document; len(d) > 0; {
			var ref string
			var v value
			ref, v, d = d.cut()
			names.name(ref)
			names.dst = appendText(names.dst, v.data)
		}
		m.dst = names.end()
	}
	return m.end()
}
