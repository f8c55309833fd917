package sqs

import (
	"cmp"
	"container/heap"
	"container/list"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// maxInFlight is how many messages of a standard queue may be received and not deleted.
const maxInFlight = 120_000

// queue is one queue; Service.mu guards it. A message is in exactly one of ready (visible, first in first out) and
// hidden (in flight or delayed, by the time at which it becomes visible).
type queue struct {
	name, arn                 string
	attrs                     attributes
	redrive                   *redrive
	created, modified, purged time.Time

	messages map[string]*message // by id
	ready    *list.List          // of *message
	hidden   hidden
	inFlight int
	sent     uint64
	changed  chan struct{} // closed and replaced when a message may have become visible, or the queue is deleted
}

func newQueue(name, arn string, now time.Time) *queue {
	q := &queue{name: name, arn: arn, attrs: standardAttributes(), created: now, changed: make(chan struct{})}
	q.clear()
	return q
}

func (q *queue) clear() {
	q.messages, q.ready, q.hidden, q.inFlight = map[string]*message{}, list.New(), nil, 0
}

// wake wakes every call that waits for a message.
func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// send takes a message in. delay is the call's own, in seconds; nil is the queue's.
func (q *queue) send(m *message, delay *int, now time.Time) error {
	if limit := q.attrs.number(attrMaxSize); m.size > limit {
		return wire.Errorf(codeParameter, "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
	}
	wait := q.attrs.seconds(attrDelay)
	if delay != nil {
		wait = time.Duration(*delay) * time.Second
	}
	m.sent = now
	q.put(m)
	if wait > 0 {
		q.hide(m, now.Add(wait))
	} else {
		q.show(m)
	}
	return nil
}

func (q *queue) put(m *message) {
	q.sent++
	m.order = q.sent
	q.messages[m.id] = m
}

func (q *queue) hide(m *message, until time.Time) {
	m.visible = until
	heap.Push(&q.hidden, m)
	if m.index == 0 { // who waits must look again at how long
		q.wake()
	}
}

func (q *queue) show(m *message) {
	m.element = q.ready.PushBack(m)
	q.wake()
}

// withdraw takes a message out of ready or hidden.
func (q *queue) withdraw(m *message) {
	if m.element != nil {
		q.ready.Remove(m.element)
		m.element = nil
		return
	}
	heap.Remove(&q.hidden, m.index)
	if m.inFlight {
		m.inFlight = false
		q.inFlight--
	}
}

func (q *queue) remove(m *message) {
	q.withdraw(m)
	delete(q.messages, m.id)
}

// settle shows what has become visible.
func (q *queue) settle(now time.Time) {
	for len(q.hidden) > 0 && !q.hidden[0].visible.After(now) {
		m := q.hidden[0]
		q.withdraw(m)
		q.show(m)
	}
}

func (q *queue) expired(m *message, now time.Time) bool {
	return now.Sub(m.sent) >= q.attrs.seconds(attrRetention)
}

// counts are a queue's messages by state; those past their retention are not counted.
type counts struct{ visible, inFlight, delayed int64 }

func (q *queue) counts(now time.Time) (c counts) {
	q.settle(now)
	for _, m := range q.messages {
		switch {
		case q.expired(m, now):
		case m.element != nil:
			c.visible++
		case m.inFlight:
			c.inFlight++
		default:
			c.delayed++
		}
	}
	return c
}

func (q *queue) peek(now time.Time) []Message {
	q.settle(now)
	var ms []*message
	for _, m := range q.messages {
		if !q.expired(m, now) {
			ms = append(ms, m)
		}
	}
	slices.SortFunc(ms, func(a, b *message) int { return cmp.Compare(a.order, b.order) })
	out := make([]Message, len(ms))
	for i, m := range ms {
		out[i] = Message{ID: m.id, Body: m.body, Sent: m.sent, Receives: m.receives, Visible: m.element != nil}
	}
	return out
}

// next is the time at which the next hidden message becomes visible; zero if there is none.
func (q *queue) next() time.Time {
	if len(q.hidden) == 0 {
		return time.Time{}
	}
	return q.hidden[0].visible
}

// hidden is a heap by visible; a message knows its index.
type hidden []*message

func (h hidden) Len() int           { return len(h) }
func (h hidden) Less(i, j int) bool { return h[i].visible.Before(h[j].visible) }
func (h hidden) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push and Pop are container/heap's.
func (h *hidden) Push(x any) {
	m := x.(*message)
	m.index = len(*h)
	*h = append(*h, m)
}

func (h *hidden) Pop() any {
	old := *h
	m := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return m
}
