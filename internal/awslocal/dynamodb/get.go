package dynamodb

import "context"

// getItem answers GetItem.
func (s *Service) getItem(_ context.Context, in, out []byte) ([]byte, error) {
	var q request
	if err := decode(in, q.read); err != nil {
		return nil, err
	}
	keep, err := s.checkGet(&q)
	if err != nil {
		return nil, err
	}
	t, err := s.table(q.table.text)
	if err != nil {
		return nil, err
	}
	k, err := t.keyOfKey(q.key.document)
	if err != nil {
		return nil, err
	}
	item, found, units, err := s.read(t, k, q.consistent)
	if err != nil {
		return nil, err
	}
	m := newMembers(out)
	if found {
		m.name("Item")
		m.dst = appendDocument(m.dst, keep.apply(item))
	}
	if wantsCapacity(q.capacity) {
		m.name("ConsumedCapacity")
		m.dst = appendCapacity(m.dst, q.table.text, q.capacity, units, "")
	}
	return m.end(), nil
}

// checkGet checks a GetItem as far as that can be done without its table.
func (s *Service) checkGet(q *request) (*tree, error) {
	var v violations
	v.tableName(q.table, 1)
	v.required(q.key.set, "key")
	q.enums(&v)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return s.checkProjected(q)
}

// checkProjected checks a request whose only expression is a projection, nil for none.
func (s *Service) checkProjected(q *request) (*tree, error) {
	p := s.projectionOf(q)
	if err := q.checkValues(&p); err != nil {
		return nil, err
	}
	if err := q.expressions(&p); err != nil || p.expression == nil {
		return nil, err
	}
	return p.expression.project(q.environment()), nil
}

// read looks one item up and charges for it. It fails when the table has been deleted since it was found.
func (s *Service) read(t *table, k key, consistent bool) (item document, found bool, units float64, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t.dropped {
		return "", false, 0, errNoTable
	}
	size := 0
	if e := t.find(k, s.now()); e != nil {
		item, size, found = e.item, int(e.size), true
	}
	units = readUnits(size, consistent)
	t.consumed.add(k.hash, Units{Read: units})
	return item, found, units, nil
}
