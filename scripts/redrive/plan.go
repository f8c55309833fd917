package main

import (
	"errors"
	"slices"

	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/stream"
)

// plan is what is to be done with a snapshot of the queue. It is made without clock or network.
type plan struct {
	shards  []*work                // in the order of their ids: a child's is higher than its parents'
	items   []*item                // of all shards, in order
	others  []*item                // failures that the filter leaves out
	strange []*item                // failures of another stream
	foreign []failure.Received     // messages that are not ours
	known   map[string]failureText // what the queue holds of single records, by id, whoever is meant
	part    bool                   // the queue has more than was read
}

// failureText is what a message says of a record's failure.
type failureText struct {
	class failure.Class
	text  string
}

// item is one failure, with what has become of it.
type item struct {
	failure.Failure
	progress
}

// work is what is to be done for one shard.
type work struct {
	shard    string
	payloads []*item // that have their record with them, in order
	readings []reading
}

// reading is a span that must be read back, and the failures that wait for it. The spans of a shard are in order, and
// have no record in common.
type reading struct {
	span     stream.Span
	ranges   []*item // documents of the mapping: all records between two
	pointers []*item // messages of ours without payload: one record each
}

// waiting are the failures whose records must be read back.
func (w *work) waiting() (items []*item) {
	for _, r := range w.readings {
		items = append(append(items, r.ranges...), r.pointers...)
	}
	return items
}

// newPlan folds the copies of each failure, and sorts what is left: by shard, and then by sequence number.
func newPlan(messages []failure.Received, streamName string, f filter) *plan {
	p := &plan{known: map[string]failureText{}}
	for _, m := range messages {
		if m.Err != nil {
			p.foreign = append(p.foreign, m)
		}
	}
	for _, x := range failure.Fold(messages) {
		it := &item{Failure: x}
		switch {
		case x.Stream() != streamName:
			p.strange = append(p.strange, it)
			continue
		case !f.passes(&x):
			p.others = append(p.others, it)
		default:
			p.add(it)
		}
		if r := x.Record; r != nil {
			p.known[x.ID()] = failureText{r.Class, r.Text}
		}
	}
	return p
}

// add adds a failure behind those before it.
func (p *plan) add(it *item) {
	p.items = append(p.items, it)
	if n := len(p.shards); n == 0 || p.shards[n-1].shard != shardOf(it.Message) {
		p.shards = append(p.shards, &work{shard: shardOf(it.Message)})
	}
	w := p.shards[len(p.shards)-1]
	if it.Record != nil && it.Record.Payload != nil {
		w.payloads = append(w.payloads, it)
		return
	}
	span := spanOf(it.Message)
	n := len(w.readings)
	if n == 0 || stream.CompareSequence(span.First, w.readings[n-1].span.Last) > 0 {
		w.readings = append(w.readings, reading{span: stream.Span{Shard: w.shard, First: span.First, Last: span.First}})
		n++
	}
	r := &w.readings[n-1]
	if stream.CompareSequence(span.Last, r.span.Last) > 0 {
		r.span.Last = span.Last
	}
	r.span.Records += span.Records // of ranges that overlap too many, which does no harm
	if it.Record != nil {
		r.pointers = append(r.pointers, it)
	} else {
		r.ranges = append(r.ranges, it)
	}
}

// spanOf is what must be read to have all records of a failure.
func spanOf(m failure.Message) stream.Span {
	if m.Record != nil {
		return stream.Span{Shard: m.Record.Shard, First: m.Record.Sequence, Last: m.Record.Sequence, Records: 1}
	}
	return stream.Span{Shard: m.Batch.Shard, First: m.Batch.First, Last: m.Batch.Last, Records: m.Batch.Size}
}

// records is about how many records are to be handed over.
func (p *plan) records() (n int) {
	for _, w := range p.shards {
		n += len(w.payloads)
		for _, r := range w.readings {
			n += r.span.Records
		}
	}
	return n
}

// left gives the ids of the messages that nothing is to be done with.
func (p *plan) left() (ids []string) {
	for _, it := range slices.Concat(p.others, p.strange) {
		ids = append(ids, it.MessageIDs...)
	}
	for _, m := range p.foreign {
		ids = append(ids, m.MessageID)
	}
	return ids
}

// unseen is an error when nothing is planned because all messages were hidden, so many of them.
func (p *plan) unseen(hidden int) error {
	if hidden == 0 || len(p.items)+len(p.others)+len(p.strange)+len(p.foreign) > 0 {
		return nil
	}
	return errors.New("all that is in the queue is hidden: redrive again when it appears")
}
