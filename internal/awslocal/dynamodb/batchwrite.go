package dynamodb

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

// maxBatchWrites is how many writes a BatchWriteItem has at most, over all tables (API reference).
const maxBatchWrites = 25

// writeBatch is a BatchWriteItem.
type writeBatch struct {
	writes   []batchWrite
	counts   map[string]int // of writes, by table
	tables   []string       // in the request's order
	capacity optional
	metrics  optional
	invalid  string
}

// batchWrite is one PutRequest or DeleteRequest.
type batchWrite struct {
	request
	kinds  []actionKind // more or less than one is an error
	action *action
}

func (b *writeBatch) read(r *reader) error {
	b.counts = map[string]int{}
	err := r.members(func(name []byte) error {
		switch string(name) {
		case "RequestItems":
			return r.members(func(name []byte) error { return b.readTable(r, string(name)) })
		case "ReturnConsumedCapacity":
			return r.string(&b.capacity)
		case "ReturnItemCollectionMetrics":
			return r.string(&b.metrics)
		}
		return r.dec.SkipValue()
	})
	b.invalid = r.invalid
	return err
}

func (b *writeBatch) readTable(r *reader, table string) error {
	b.tables = append(b.tables, table)
	b.counts[table] = 0
	return r.elements(func() error {
		b.counts[table]++
		b.writes = append(b.writes, batchWrite{request: request{table: optional{table, true}}})
		w := &b.writes[len(b.writes)-1]
		return r.members(func(name []byte) error {
			kind, ok := map[string]actionKind{"PutRequest": actionPut, "DeleteRequest": actionDelete}[string(name)]
			if !ok {
				return r.dec.SkipValue()
			}
			if null, err := r.null(); null || err != nil {
				return err
			}
			w.kinds = append(w.kinds, kind)
			return r.members(func(name []byte) error { return w.member(r, name) })
		})
	})
}

// batchWriteItem answers BatchWriteItem: each write takes effect by itself.
func (s *Service) batchWriteItem(ctx context.Context, in, out []byte) ([]byte, error) {
	var b writeBatch
	if err := decode(in, b.read); err != nil {
		return nil, err
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	if err := s.prepareBatch(&b); err != nil {
		return nil, err
	}
	done := len(b.writes)
	if fault.Of(ctx) == fault.Partial {
		done /= 2
	}
	units := map[string]float64{}
	for _, w := range b.writes[:done] {
		u, err := s.perform(w.action)
		if err != nil {
			return nil, err
		}
		units[w.action.name] += u
	}
	return b.answer(out, b.writes[done:], units), nil
}

// check checks the members of the batch as such.
func (b *writeBatch) check() error {
	if len(b.tables) == 0 {
		return invalid("The requestItems parameter is required for BatchWriteItem")
	}
	var v violations
	v.oneOf(b.capacity, "returnConsumedCapacity", capacityTotals...)
	v.oneOf(b.metrics, "returnItemCollectionMetrics", "SIZE", "NONE")
	for _, table := range b.tables {
		at := fmt.Sprintf("requestItems.%s.member", table)
		switch n := b.counts[table]; {
		case n == 0:
			v.TooShort("'[]'", at, 1)
		case n > maxBatchWrites:
			v.TooLong(fmt.Sprintf("'[%d WriteRequests]'", n), at, maxBatchWrites)
		}
	}
	for i := range b.writes {
		w := &b.writes[i]
		if len(w.kinds) == 1 && w.kinds[0] == actionPut {
			v.required(w.item.set, "requestItems."+w.table.text+".member.putRequest.item")
		} else if len(w.kinds) == 1 {
			v.required(w.key.set, "requestItems."+w.table.text+".member.deleteRequest.key")
		}
	}
	if err := v.Err(); err != nil {
		return err
	}
	if len(b.writes) > maxBatchWrites {
		return invalid("Too many items requested for the BatchWriteItem call")
	}
	return nil
}

// prepareBatch makes the batch's actions: nothing is written before all are known to be good.
func (s *Service) prepareBatch(b *writeBatch) (err error) {
	seen := map[target]bool{}
	for i := range b.writes {
		w := &b.writes[i]
		if len(w.kinds) != 1 {
			return invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
		}
		w.invalid = b.invalid
		if w.action, err = s.prepare(w.kinds[0], &w.request); err != nil {
			return err
		}
		if w.action.table, err = s.table(w.action.name); err != nil {
			return err
		}
		if err := w.action.locate(&w.request); err != nil {
			return err
		}
		if seen[w.action.target] {
			return invalid("Provided list of item keys contains duplicates")
		}
		seen[w.action.target] = true
	}
	return nil
}

func (b *writeBatch) answer(out []byte, left []batchWrite, units map[string]float64) []byte {
	all := newMembers(out)
	all.name("UnprocessedItems")
	m := newMembers(all.dst)
	for _, table := range b.tables {
		own := slices.DeleteFunc(slices.Clone(left), func(w batchWrite) bool { return w.action.name != table })
		if len(own) > 0 {
			m.name(table) // it names a table, so it needs no escapes
			m.dst = appendList(m.dst, own, appendWrite)
		}
	}
	all.dst = m.end()
	if wantsCapacity(b.capacity) {
		all.name("ConsumedCapacity")
		all.dst = appendList(all.dst, b.tables, func(dst []byte, table string) []byte {
			return appendCapacity(dst, table, b.capacity, units[table], "")
		})
	}
	return all.end()
}

// appendWrite writes a write in the form in which it can be sent again.
func appendWrite(dst []byte, w batchWrite) []byte {
	what, member, d := "DeleteRequest", "Key", w.key.document
	if w.action.kind == actionPut {
		what, member, d = "PutRequest", "Item", w.item.document
	}
	outer := newMembers(dst)
	outer.name(what)
	inner := newMembers(outer.dst)
	inner.name(member)
	inner.dst = appendDocument(inner.dst, d)
	outer.dst = inner.end()
	return outer.end()
}
