package dynamodb

import (
	"context"
	"strconv"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

// maxPage is how many bytes of items a Query evaluates: the item that reaches it is the page's last.
const maxPage = 1 << 20

// plan is a Query that has been checked.
type plan struct {
	table      *table
	hash       string
	keys       keyRange
	backward   bool
	consistent bool
	limit      int // of items evaluated
	filter     *node
	keep       *tree
	env        environment
}

// page is what a Query has found.
type page struct {
	items   []document
	scanned int
	size    int
	last    document // the last item evaluated, "" when there can be no more
	units   float64
}

// query answers Query.
func (s *Service) query(ctx context.Context, in, out []byte) ([]byte, error) {
	var q request
	if err := decode(in, q.read); err != nil {
		return nil, err
	}
	p, err := s.planQuery(&q)
	if err != nil {
		return nil, err
	}
	if fault.Of(ctx) == fault.Partial {
		p.limit = 1
	}
	g, err := s.readPage(p)
	if err != nil {
		return nil, err
	}
	return g.answer(&q, p, out), nil
}

// planQuery checks a Query.
func (s *Service) planQuery(q *request) (*plan, error) {
	var v violations
	v.tableName(q.table, 1)
	q.enums(&v)
	if q.limit != nil && *q.limit < 1 {
		v.Add("", "Limit", "Member must have value greater than or equal to 1")
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	projected, filter, keys := s.projectionOf(q), s.conditionOf("FilterExpression", q.filter), s.conditionOf("KeyConditionExpression", q.keyCondition)
	if err := q.checkValues(&projected, &filter, &keys); err != nil {
		return nil, err
	}
	if !q.keyCondition.set {
		return nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	if err := q.expressions(&keys, &filter, &projected); err != nil {
		return nil, err
	}
	p := &plan{backward: q.backward, consistent: q.consistent, filter: filter.root(), env: q.environment()}
	if q.limit != nil {
		p.limit = *q.limit
	}
	if err := q.checkSelect(); err != nil {
		return nil, err
	}
	tests, err := keys.root().keyTests(p.env)
	if err != nil {
		return nil, err
	}
	if p.table, err = s.table(q.table.text); err != nil {
		return nil, err
	}
	if err := p.project(&projected); err != nil {
		return nil, err
	}
	return p, p.bound(q, tests)
}

// project sets what is kept of each item.
func (p *plan) project(projected *parameter) error {
	if projected.expression == nil {
		return nil
	}
	p.keep = projected.expression.project(p.env)
	return p.table.keyPathError(projected.expression.paths, p.env)
}

// checkSelect checks what may be selected of a table, with and without a projection.
func (q *request) checkSelect() error {
	switch {
	case q.selected.text == "ALL_PROJECTED_ATTRIBUTES":
		return invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	case q.selected.text == "SPECIFIC_ATTRIBUTES" && !q.projected.set:
		return invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case q.projected.set && q.selected.set && q.selected.text != "SPECIFIC_ATTRIBUTES":
		return invalid("Cannot specify the ProjectionExpression when choosing to get %s", q.selected.text)
	}
	return nil
}

// bound sets which keys the query has to look at.
func (p *plan) bound(q *request, tests map[string]keyTest) (err error) {
	if p.hash, p.keys, err = p.table.keyConditions(tests); err != nil {
		return err
	}
	if err := p.table.filterKeyError(p.filter, p.env); err != nil {
		return err
	}
	if !q.startKey.set {
		return nil
	}
	start, err := p.table.startKey(q.startKey.document, p.hash, p.keys, len(tests) > 1)
	if err != nil {
		return err
	}
	p.keys = p.keys.after(start, p.backward)
	return nil
}

// readPage evaluates items in the order of their keys and charges for all of them together. Items are immutable, so the
// lock is held no longer than it takes to find them.
func (s *Service) readPage(p *plan) (*page, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p.table.dropped {
		return nil, errNoTable
	}
	g := &page{}
	if in := p.table.partitions[p.hash]; in != nil {
		p.scan(in, s.now(), g)
	}
	g.units = readUnits(g.size, p.consistent)
	p.table.consumed.add(p.hash, Units{Read: g.units})
	return g, nil
}

func (p *plan) scan(in *partition, now int64, g *page) {
	step := in.next
	if p.backward {
		step = in.previous
	}
	for pos := p.keys.first(in, p.backward); in.valid(pos); pos = step(pos) {
		e := in.at(pos)
		if !p.keys.holds(e.key) {
			return
		}
		if p.table.expired(e, now) {
			continue
		}
		g.scanned++
		g.size += int(e.size)
		if p.filter == nil || p.filter.matches(e.item, p.env) {
			g.items = append(g.items, e.item)
		}
		if g.scanned == p.limit || g.size >= maxPage {
			g.last = e.item
			return
		}
	}
}

func (g *page) answer(q *request, p *plan, out []byte) []byte {
	m := newMembers(out)
	if q.selected.text != "COUNT" {
		m.name("Items")
		m.dst = appendList(m.dst, g.items, func(dst []byte, d document) []byte { return appendDocument(dst, p.keep.apply(d)) })
	}
	m.name("Count")
	m.dst = strconv.AppendInt(m.dst, int64(len(g.items)), 10)
	m.name("ScannedCount")
	m.dst = strconv.AppendInt(m.dst, int64(g.scanned), 10)
	if g.last != "" {
		m.name("LastEvaluatedKey")
		m.dst = appendDocument(m.dst, p.table.keyDocument(g.last))
	}
	if wantsCapacity(q.capacity) {
		m.name("ConsumedCapacity")
		m.dst = appendCapacity(m.dst, q.table.text, q.capacity, g.units, "")
	}
	return m.end()
}
