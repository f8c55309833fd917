package sqs

import (
	"context"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// sendEntry is what SendMessage and an entry of SendMessageBatch have in common.
type sendEntry struct {
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]attribute
	MessageSystemAttributes map[string]attribute
	MessageGroupID          string `json:"MessageGroupId"` // fair queues: taken, and of no effect
}

func (e *sendEntry) message() (*message, error) {
	if err := within(e.DelaySeconds, attrDelay, 0, maxDelay); err != nil {
		return nil, err
	}
	return newMessage(e.MessageBody, e.MessageAttributes, e.MessageSystemAttributes)
}

// sent is what is answered for a message, with the digests that the SDKs check.
type sent struct {
	MessageID                    string `json:"MessageId"`
	MD5OfMessageBody             string
	MD5OfMessageAttributes       string `json:",omitempty"`
	MD5OfMessageSystemAttributes string `json:",omitempty"`
}

func (m *message) sentAs() sent {
	return sent{m.id, m.md5, attributesMD5(m.attrs), attributesMD5(m.system)}
}

type sendMessageInput struct {
	QueueURL string `json:"QueueUrl"`
	sendEntry
}

func (s *Service) sendMessage(_ context.Context, in *sendMessageInput) (*sent, error) {
	m, err := in.message()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := q.send(m, in.DelaySeconds, s.now()); err != nil {
		return nil, err
	}
	out := m.sentAs()
	return &out, nil
}

type sendBatchEntry struct {
	ID string `json:"Id"`
	sendEntry
}

type sentBatchEntry struct {
	ID string `json:"Id"`
	sent
}

type sendBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []sendBatchEntry
}

func (s *Service) sendMessageBatch(ctx context.Context, in *sendBatchInput) (*batchOutput[sentBatchEntry], error) {
	if err := checkBatch(in.Entries, "SendMessageBatchRequestEntry", func(e *sendBatchEntry) string { return e.ID }); err != nil {
		return nil, err
	}
	messages, errs, err := in.messages()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	out := new(batchOutput[sentBatchEntry])
	for i := range in.Entries {
		e, err := &in.Entries[i], errs[i]
		if err == nil && fault.Of(ctx) == fault.Partial && i%2 == 0 {
			out.Failed = append(out.Failed, batchError{ID: e.ID, Code: "InternalError", Message: "injected: internal error"})
			continue
		}
		if err == nil {
			err = q.send(messages[i], e.DelaySeconds, s.now())
		}
		if err != nil {
			out.fail(e.ID, err)
			continue
		}
		out.Successful = append(out.Successful, sentBatchEntry{e.ID, messages[i].sentAs()})
	}
	return out, nil
}

// messages makes the entries' messages, with an error for each that has a wrong one. All together must not be larger
// than one message may be.
func (in *sendBatchInput) messages() ([]*message, []error, error) {
	messages, errs, size := make([]*message, len(in.Entries)), make([]error, len(in.Entries)), 0
	for i := range in.Entries {
		m, err := in.Entries[i].message()
		messages[i], errs[i] = m, err
		if err == nil {
			size += m.size
		}
	}
	if size > maxMessage {
		return nil, nil, wire.Errorf("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessage, size)
	}
	return messages, errs, nil
}
