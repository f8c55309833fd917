package sqs

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// newHandle makes the receipt handle of a message's nth receive.
func newHandle(queue, id string, receive int) string {
	return base64.StdEncoding.EncodeToString([]byte(queue + " " + id + " " + strconv.Itoa(receive)))
}

// parseHandle reads a receipt handle.
func parseHandle(handle string) (queue, id string, receive int, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(handle)
	if err != nil {
		return "", "", 0, false
	}
	parts := strings.Split(string(b), " ")
	if len(parts) != 3 {
		return "", "", 0, false
	}
	receive, err = strconv.Atoi(parts[2])
	return parts[0], parts[1], receive, err == nil && receive > 0
}

// received gives the message of a handle: nil if it has been deleted, or received again since.
func (q *queue) received(handle string) (*message, error) {
	if handle == "" {
		return nil, missing("ReceiptHandle")
	}
	name, id, receive, ok := parseHandle(handle)
	if !ok || name != q.name {
		return nil, errHandle
	}
	if m := q.messages[id]; m != nil && m.receives == receive {
		return m, nil
	}
	return nil, nil
}

// receiptEntry is what the calls on one received message, and the entries of those on several, have in common.
type receiptEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

type receiptInput struct {
	QueueURL string `json:"QueueUrl"`
	receiptEntry
}

type receiptBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []receiptEntry
}

type idOutput struct {
	ID string `json:"Id"`
}

// delete deletes a message. That it is gone, or was received again by somebody else, is no error.
func (s *Service) delete(q *queue, e *receiptEntry) error {
	m, err := q.received(e.ReceiptHandle)
	if err == nil && m != nil {
		q.remove(m)
	}
	return err
}

// changeVisibility sets how long from now a message in flight stays hidden.
func (s *Service) changeVisibility(q *queue, e *receiptEntry) error {
	if e.VisibilityTimeout == nil {
		return missing(attrVisibility)
	}
	if err := within(e.VisibilityTimeout, attrVisibility, 0, maxVisibility); err != nil {
		return err
	}
	m, err := q.received(e.ReceiptHandle)
	if err != nil {
		return err
	}
	now := s.now()
	q.settle(now)
	if m == nil {
		return wire.Errorf(codeParameter, "Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", e.ReceiptHandle)
	}
	if !m.inFlight {
		return wire.Errorf("MessageNotInflight", "The specified message isn't in flight.")
	}
	q.withdraw(m)
	m.inFlight = true
	q.inFlight++
	q.hide(m, now.Add(time.Duration(*e.VisibilityTimeout)*time.Second))
	return nil
}

func (s *Service) deleteMessage(_ context.Context, in *receiptInput) (*empty, error) {
	return s.one(in, s.delete)
}

func (s *Service) changeMessageVisibility(_ context.Context, in *receiptInput) (*empty, error) {
	return s.one(in, s.changeVisibility)
}

func (s *Service) deleteMessageBatch(_ context.Context, in *receiptBatchInput) (*batchOutput[idOutput], error) {
	return s.several(in, "DeleteMessageBatchRequestEntry", s.delete)
}

func (s *Service) changeMessageVisibilityBatch(_ context.Context, in *receiptBatchInput) (*batchOutput[idOutput], error) {
	return s.several(in, "ChangeMessageVisibilityBatchRequestEntry", s.changeVisibility)
}

func (s *Service) one(in *receiptInput, do func(*queue, *receiptEntry) error) (*empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := do(q, &in.receiptEntry); err != nil {
		return nil, err
	}
	return &empty{}, nil
}

func (s *Service) several(in *receiptBatchInput, name string, do func(*queue, *receiptEntry) error) (*batchOutput[idOutput], error) {
	if err := checkBatch(in.Entries, name, func(e *receiptEntry) string { return e.ID }); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	out := new(batchOutput[idOutput])
	for i := range in.Entries {
		e := &in.Entries[i]
		if err := do(q, e); err != nil {
			out.fail(e.ID, err)
			continue
		}
		out.Successful = append(out.Successful, idOutput{e.ID})
	}
	return out, nil
}
