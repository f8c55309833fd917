package sqs

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// maxReceived is how many messages one ReceiveMessage may ask for.
const maxReceived = 10

type receiveMessageInput struct {
	QueueURL                    string `json:"QueueUrl"`
	MaxNumberOfMessages         *int
	WaitTimeSeconds             *int
	VisibilityTimeout           *int
	AttributeNames              []string
	MessageSystemAttributeNames []string // the newer name of AttributeNames
	MessageAttributeNames       []string
}

type receivedMessage struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string    `json:",omitempty"`
	MD5OfMessageAttributes string               `json:",omitempty"`
	MessageAttributes      map[string]attribute `json:",omitempty"`
}

type receiveMessageOutput struct {
	Messages []receivedMessage `json:",omitempty"`
}

func (in *receiveMessageInput) check() error {
	if err := within(in.MaxNumberOfMessages, "MaxNumberOfMessages", 1, maxReceived); err != nil {
		return err
	}
	if err := within(in.WaitTimeSeconds, "WaitTimeSeconds", 0, maxWait); err != nil {
		return err
	}
	return within(in.VisibilityTimeout, attrVisibility, 0, maxVisibility)
}

// receiveMessage waits, if it may, until there is a message, ctx ends, or the queue is deleted.
func (s *Service) receiveMessage(ctx context.Context, in *receiveMessageInput) (*receiveMessageOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	wait := s.waitTime(in)
	deadline, stop := context.WithTimeout(ctx, wait)
	defer stop()
	for {
		out, changed, next, err := s.receive(in)
		if err != nil || len(out.Messages) > 0 || wait == 0 || deadline.Err() != nil {
			return out, err
		}
		var due <-chan time.Time
		if !next.IsZero() {
			due = time.After(next.Sub(s.now()))
		}
		select {
		case <-changed:
		case <-due:
		case <-deadline.Done():
		}
		if ctx.Err() != nil { // nobody is there to take a message
			return out, nil
		}
	}
}

func (s *Service) waitTime(in *receiveMessageInput) time.Duration {
	if in.WaitTimeSeconds != nil {
		return time.Duration(*in.WaitTimeSeconds) * time.Second
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return 0 // receive says so
	}
	return q.attrs.seconds(attrWait)
}

// receive takes what is visible. changed and next tell when there may be more: when it is closed, and at that time.
func (s *Service) receive(in *receiveMessageInput) (out *receiveMessageOutput, changed <-chan struct{}, next time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, nil, time.Time{}, err
	}
	if q.inFlight >= maxInFlight {
		return nil, nil, time.Time{}, wire.Errorf("OverLimit", "Too many messages in flight: the limit of a standard queue is %d.", maxInFlight)
	}
	limit := 1
	if in.MaxNumberOfMessages != nil {
		limit = *in.MaxNumberOfMessages
	}
	out = new(receiveMessageOutput)
	now := s.now()
	q.settle(now)
	for len(out.Messages) < limit {
		m := s.take(q, in.VisibilityTimeout, now)
		if m == nil {
			break
		}
		out.Messages = append(out.Messages, in.received(q, m, s.account))
	}
	return out, q.changed, q.next(), nil
}

// take receives the next visible message, if there is one. On the way those past their retention are dropped, and those
// that were received too often moved to the dead-letter queue.
func (s *Service) take(q *queue, visibility *int, now time.Time) *message {
	hide := q.attrs.seconds(attrVisibility)
	if visibility != nil {
		hide = time.Duration(*visibility) * time.Second
	}
	for e := q.ready.Front(); e != nil; e = q.ready.Front() {
		m := e.Value.(*message)
		if q.expired(m, now) {
			q.remove(m)
			continue
		}
		if s.moveToDeadLetters(q, m) {
			continue
		}
		q.withdraw(m)
		m.receives++
		if m.receives == 1 {
			m.first = now
		}
		m.inFlight = true
		q.inFlight++
		q.hide(m, now.Add(hide))
		return m
	}
	return nil
}

// moveToDeadLetters moves a message that has been received maxReceiveCount times. It keeps its id and the time of its
// sending, from which the dead-letter queue's retention counts, and its number of receives.
func (s *Service) moveToDeadLetters(q *queue, m *message) bool {
	if q.redrive == nil || m.receives < q.redrive.MaxReceives {
		return false
	}
	target, err := s.find(q.redrive.Target)
	if err != nil || target == q {
		return false
	}
	q.remove(m)
	m.source = q.arn
	target.put(m)
	target.show(m)
	return true
}

func (in *receiveMessageInput) received(q *queue, m *message, account string) receivedMessage {
	attrs := map[string]attribute{}
	for name, a := range m.attrs {
		if wantsAttribute(in.MessageAttributeNames, name) {
			attrs[name] = a
		}
	}
	return receivedMessage{
		MessageID: m.id, ReceiptHandle: newHandle(q.name, m.id, m.receives), MD5OfBody: m.md5, Body: m.body,
		Attributes:        in.systemAttributes(m, account),
		MessageAttributes: attrs, MD5OfMessageAttributes: attributesMD5(attrs),
	}
}

// wantsAttribute tells whether names, which may hold "All", ".*" or a prefix as in "trace.*", select an attribute.
func wantsAttribute(names []string, name string) bool {
	return slices.ContainsFunc(names, func(want string) bool {
		prefix, isPrefix := strings.CutSuffix(want, ".*")
		return want == all || want == name || isPrefix && strings.HasPrefix(name, prefix)
	})
}

func (in *receiveMessageInput) systemAttributes(m *message, account string) map[string]string {
	names := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	if len(names) == 0 {
		return nil
	}
	have := map[string]string{
		"SenderId":                         account,
		"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.receives),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
	}
	if m.source != "" {
		have["DeadLetterQueueSourceArn"] = m.source
	}
	for name, a := range m.system {
		have[name] = a.value()
	}
	if slices.Contains(names, all) {
		return have
	}
	out := map[string]string{}
	for _, name := range names {
		if v, ok := have[name]; ok {
			out[name] = v
		}
	}
	return out
}
