package dynamodb

import (
	"cmp"
	"context"
	"hash/maphash"
	"math/bits"
	"slices"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

// maxSegments is the largest TotalSegments (API reference, "Scan").
const maxSegments = 1_000_000

// scanPlan is a Scan that has been checked.
type scanPlan struct {
	plan
	segment segment
	start   *place   // of the key after which to go on, nil for the beginning
	sort    keyRange // of the keys in the partition where it goes on
}

// place is where a partition stands in a Scan: by the hash of its key, an order that means as little as AWS's.
type place struct {
	hash uint64
	key  string
}

func placeOf(key string) place { return place{maphash.String(seed, key), key} }

func (a place) compare(b place) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.key, b.key))
}

// segment is one of the ranges of one width into which a parallel Scan cuts the hashes.
type segment struct{ index, of uint64 }

func (s segment) holds(p place) bool {
	index, _ := bits.Mul64(p.hash, s.of)
	return index == s.index
}

// scan answers Scan. Within a partition items come in the order of their keys.
func (s *Service) scan(ctx context.Context, in, out []byte) ([]byte, error) {
	var q request
	if err := decode(in, q.read); err != nil {
		return nil, err
	}
	p, err := s.planScan(&q)
	if err != nil {
		return nil, err
	}
	if fault.Of(ctx) == fault.Partial {
		p.limit = 1
	}
	g, err := s.scanPage(p)
	if err != nil {
		return nil, err
	}
	return g.answer(&q, &p.plan, out), nil
}

// planScan checks a Scan.
func (s *Service) planScan(q *request) (*scanPlan, error) {
	var v violations
	v.tableName(q.table, 1)
	q.enums(&v)
	v.atLeast(q.limit, "limit", 1)
	v.atLeast(q.segment, "segment", 0)
	v.within(q.segments, "totalSegments", 1, maxSegments)
	if err := v.Err(); err != nil {
		return nil, err
	}
	projected, filter := s.projectionOf(q), s.conditionOf("FilterExpression", q.filter)
	if err := q.checkValues(&projected, &filter); err != nil {
		return nil, err
	}
	p := &scanPlan{plan: plan{consistent: q.consistent, env: q.environment()}}
	var err error
	if p.segment, err = q.scanSegment(); err != nil {
		return nil, err
	}
	if err := q.expressions(&projected, &filter); err != nil {
		return nil, err
	}
	if err := q.checkSelect(); err != nil {
		return nil, err
	}
	p.filter = filter.root()
	if q.limit != nil {
		p.limit = *q.limit
	}
	if p.table, err = s.table(q.table.text); err != nil {
		return nil, err
	}
	return p, p.bound(q, &projected)
}

// scanSegment reads the two parameters of a parallel Scan; a plain one is the only segment of one.
func (q *request) scanSegment() (segment, error) {
	const missing = "The %s parameter is required but was not present in the request when %s is present"
	switch {
	case q.segment == nil && q.segments == nil:
		return segment{0, 1}, nil
	case q.segments == nil:
		return segment{}, invalid(missing, "TotalSegments", "Segment parameter")
	case q.segment == nil:
		return segment{}, invalid(missing, "Segment", "parameter TotalSegments")
	case *q.segment >= *q.segments:
		return segment{}, invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d",
			*q.segment, *q.segments)
	}
	return segment{uint64(*q.segment), uint64(*q.segments)}, nil
}

// bound sets what the table decides: the projection, and where to go on.
func (p *scanPlan) bound(q *request, projected *parameter) error {
	if q.startKey.set {
		k, err := p.table.keyOfKey(q.startKey.document)
		if err != nil {
			return invalid("The provided starting key is invalid: %s", message(err))
		}
		at := placeOf(k.hash)
		if !p.segment.holds(at) {
			return invalid("The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: %d Segment: %d",
				p.segment.of, p.segment.index)
		}
		p.start, p.sort = &at, keyRange{}.after(k.sort, false)
	}
	if p.filter != nil {
		if err := p.table.keyPathError(p.filter.appendPaths(nil), p.env); err != nil {
			return err
		}
	}
	return p.project(projected)
}

// scanPage evaluates a page of items and charges for all of them together.
func (s *Service) scanPage(p *scanPlan) (*page, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p.table.dropped {
		return nil, errNoTable
	}
	now := s.now()
	g := &page{}
	for _, at := range p.places() {
		p.keys = keyRange{}
		if p.start != nil && at == *p.start {
			p.keys = p.sort
		}
		p.plan.scan(p.table.partitions[at.key], now, g)
		if g.last != "" {
			break
		}
	}
	g.units = readUnits(g.size, p.consistent)
	p.table.consumed.add("", Units{Read: g.units})
	return g, nil
}

// places lists the partitions that the Scan has yet to read, in its order.
func (p *scanPlan) places() []place {
	var all []place
	for key := range p.table.partitions {
		if at := placeOf(key); p.segment.holds(at) && (p.start == nil || at.compare(*p.start) >= 0) {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, place.compare)
	return all
}
