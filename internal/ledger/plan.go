package ledger

import (
	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

// Bounds of one transaction. DynamoDB allows 100 actions and 4 MB; a segment of 20,000 fingerprints has 320 of the 400
// KB that an item may have.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const (
	maxActions = 100
	maxBytes   = 4_000_000
	maxIDs     = 20_000
)

// limits of one plan.
type limits struct {
	actions, bytes, ids int
	events              int // at most so many events; 0: no bound of its own
}

var fullLimits = limits{actions: maxActions, bytes: maxBytes, ids: maxIDs}

// transaction is what is committed at once: a run of the pending events, with all that they do.
type transaction struct {
	events   []int // positions in the effects, in order
	copies   []int // pending events passed on the way that were counted before
	repeats  []int // pending events passed on the way that are copies of one in events: they wait for what becomes of it
	segments []segment
	writes   []write
	// rest is where in pending the next plan begins.
	rest int
}

// segment is the next one of a log.
type segment struct {
	log *log
	ids []cloudevent.Fingerprint
}

// write is an aggregate's next value.
type write struct {
	aggregate *aggregate
	next      meter.Aggregate
}

// target is where an effect goes: the log that marks it, and the aggregate of each of its deltas.
type target struct {
	log        *log
	aggregates []*aggregate
}

// plan folds as many of the pending effects, in order, as one transaction may hold. It decides only: no clock, no I/O,
// and nothing it is given is changed. targets are those of the effects; the aggregates of the pending must be known.
func plan(effects []meter.Effect, targets []target, pending []int, lim limits) transaction {
	p := planner{lim: lim, segmentOf: map[*log]int{}, writeOf: map[*aggregate]int{}}
	p.taken = make(map[cloudevent.Fingerprint]struct{}, len(pending))
	p.tx.events = make([]int, 0, len(pending))
	for _, i := range pending {
		if !p.add(i, &effects[i], &targets[i]) {
			break
		}
		p.tx.rest++
	}
	for _, s := range p.tx.segments {
		sortIDs(s.ids)
	}
	return p.tx
}

type planner struct {
	lim       limits
	tx        transaction
	segmentOf map[*log]int
	writeOf   map[*aggregate]int
	taken     map[cloudevent.Fingerprint]struct{}
	bytes     int
	places    []int // of the writes of the event at hand
}

// add takes one more event in; false: it does not fit, and the transaction ends before it.
func (p *planner) add(i int, e *meter.Effect, to *target) bool {
	if to.log.holds(e.ID.Fingerprint) {
		p.tx.copies = append(p.tx.copies, i)
		return true
	}
	if _, ok := p.taken[e.ID.Fingerprint]; ok {
		p.tx.repeats = append(p.tx.repeats, i)
		return true
	}
	if !p.fits(e, to) {
		return false
	}
	p.taken[e.ID.Fingerprint] = struct{}{}
	p.tx.events = append(p.tx.events, i)
	s := p.segment(to.log)
	s.ids = append(s.ids, e.ID.Fingerprint)
	for k, a := range to.aggregates {
		if p.places[k] < 0 {
			p.places[k] = p.open(a)
		}
		p.tx.writes[p.places[k]].next.Observe(e.Deltas[k].Values)
	}
	return true
}

// fits reckons what the event would add, and books the bytes if it is taken. It leaves where the event's writes are in
// places, -1 for those that are still to be opened.
func (p *planner) fits(e *meter.Effect, to *target) bool {
	actions, bytes := len(p.tx.segments)+len(p.tx.writes), p.bytes+fingerprint
	if k, ok := p.segmentOf[to.log]; !ok {
		actions++
		bytes += segmentSize(0)
	} else if len(p.tx.segments[k].ids) >= p.lim.ids {
		return false
	}
	p.places = p.places[:0]
	for k, a := range to.aggregates {
		place, ok := p.writeOf[a]
		if !ok {
			place = -1
			actions++
			bytes += aggregateSize(e.Deltas[k].Meter, e.Deltas[k].Group)
		}
		p.places = append(p.places, place)
	}
	if actions > p.lim.actions || bytes > p.lim.bytes || p.lim.events > 0 && len(p.tx.events) >= p.lim.events {
		return false
	}
	p.bytes = bytes
	return true
}

func (p *planner) segment(g *log) *segment {
	k, ok := p.segmentOf[g]
	if !ok {
		k = len(p.tx.segments)
		p.segmentOf[g] = k
		p.tx.segments = append(p.tx.segments, segment{log: g})
	}
	return &p.tx.segments[k]
}

// open begins an aggregate's next value.
func (p *planner) open(a *aggregate) int {
	if place, ok := p.writeOf[a]; ok { // by an earlier delta of the same event
		return place
	}
	place := len(p.tx.writes)
	p.writeOf[a] = place
	p.tx.writes = append(p.tx.writes, write{a, a.value.Clone()})
	return place
}
