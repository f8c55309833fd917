// Package sqs is the local endpoint's Simple Queue Service: standard queues in memory, behind AWS's wire protocol and
// behind a Go interface for the event source mapping's failure destination.
//
// A queue exists as soon as it is created and is gone as soon as it is deleted. FIFO queues, permissions, message move
// tasks and tags are not here.
package sqs

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Options configures a Service. The zero value serves us-east-1 and account 000000000000 by the real clock.
type Options struct {
	Region  string
	Account string // twelve digits
	// BaseURL is the endpoint's own URL, without a slash at the end; queue URLs begin with it. "" is
	// http://127.0.0.1:4566.
	BaseURL string
	// Now is the clock of visibility, delay and retention; it must be safe for concurrent use. How long a call waits for
	// messages is always real time.
	Now func() time.Time
}

// Service is an emulated SQS of one account in one region. It is safe for concurrent use.
type Service struct {
	region  string
	account string
	baseURL string
	now     func() time.Time

	mu     sync.Mutex // guards the queues and all that is in them: a redrive policy joins two of them
	queues map[string]*queue
}

// New makes a service without queues.
func New(opt Options) *Service {
	s := &Service{
		region:  cmp.Or(opt.Region, "us-east-1"),
		account: cmp.Or(opt.Account, "000000000000"),
		baseURL: cmp.Or(opt.BaseURL, "http://127.0.0.1:4566"),
		now:     opt.Now,
		queues:  map[string]*queue{},
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Wire gives the service in the form in which a wire.Server serves it.
func (s *Service) Wire() *wire.Service {
	return &wire.Service{
		Name:        "SQS",
		Target:      "AmazonSQS",
		Version:     "1.0",
		ThrottledAs: "ThrottlingException",
		QueryCodes:  queryCodes,
		Operations: map[string]wire.Operation{
			"CreateQueue":                  wire.JSON(s.createQueue),
			"DeleteQueue":                  wire.JSON(s.deleteQueue),
			"GetQueueUrl":                  wire.JSON(s.getQueueURL),
			"ListQueues":                   wire.JSON(s.listQueues),
			"GetQueueAttributes":           wire.JSON(s.getQueueAttributes),
			"SetQueueAttributes":           wire.JSON(s.setQueueAttributes),
			"PurgeQueue":                   wire.JSON(s.purgeQueue),
			"SendMessage":                  wire.JSON(s.sendMessage),
			"SendMessageBatch":             wire.JSON(s.sendMessageBatch),
			"ReceiveMessage":               wire.JSON(s.receiveMessage),
			"DeleteMessage":                wire.JSON(s.deleteMessage),
			"DeleteMessageBatch":           wire.JSON(s.deleteMessageBatch),
			"ChangeMessageVisibility":      wire.JSON(s.changeMessageVisibility),
			"ChangeMessageVisibilityBatch": wire.JSON(s.changeMessageVisibilityBatch),
		},
	}
}

// queryCodes are the codes of SQS's old protocol, from the service's public API model.
var queryCodes = map[string]string{
	"BatchEntryIdsNotDistinct":     "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
	"BatchRequestTooLong":          "AWS.SimpleQueueService.BatchRequestTooLong",
	"EmptyBatchRequest":            "AWS.SimpleQueueService.EmptyBatchRequest",
	"InvalidBatchEntryId":          "AWS.SimpleQueueService.InvalidBatchEntryId",
	"MessageNotInflight":           "AWS.SimpleQueueService.MessageNotInflight",
	"PurgeQueueInProgress":         "AWS.SimpleQueueService.PurgeQueueInProgress",
	"QueueDoesNotExist":            "AWS.SimpleQueueService.NonExistentQueue",
	"QueueNameExists":              "QueueAlreadyExists",
	"TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
}

// Message is what Peek tells of a message.
type Message struct {
	ID       string
	Body     string
	Sent     time.Time
	Receives int  // how often it has been received
	Visible  bool // it is neither delayed nor in flight
}

// CreateQueue makes a queue, or finds the one of that name if it has the same attributes. Attributes are named and
// written as in the SQS API. Errors are *wire.Error.
func (s *Service) CreateQueue(name string, attrs map[string]string) (url, arn string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.create(name, attrs)
	if err != nil {
		return "", "", err
	}
	return s.url(q), s.arn(q.name), nil
}

// Send puts a message with no attributes into the queue of that ARN.
func (s *Service) Send(queueARN, body string) error {
	m, err := newMessage(body, nil, nil)
	if err != nil {
		return fmt.Errorf("send to %s: %w", queueARN, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(queueARN)
	if err == nil {
		err = q.send(m, nil, s.now())
	}
	if err != nil {
		return fmt.Errorf("send to %s: %w", queueARN, err)
	}
	return nil
}

// Peek lists the messages of a queue, named by its name, URL or ARN, in the order in which they were sent. It receives
// nothing. A queue that does not exist has none.
func (s *Service) Peek(queue string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(queue)
	if err != nil {
		return nil
	}
	return q.peek(s.now())
}

// find gives a queue by its name, its ARN, or its URL, whatever the URL's host: the endpoint may have several names.
func (s *Service) find(queue string) (*queue, error) {
	if queue == "" {
		return nil, missing("QueueUrl")
	}
	name := queue
	switch {
	case strings.HasPrefix(queue, "arn:"):
		name = strings.TrimPrefix(queue, s.arn(""))
	case strings.Contains(queue, "/"):
		u, err := url.Parse(queue)
		if err != nil {
			return nil, errNoQueue
		}
		name = strings.TrimPrefix(u.Path, "/"+s.account+"/")
	}
	if q := s.queues[name]; q != nil {
		return q, nil
	}
	return nil, errNoQueue
}

func (s *Service) arn(name string) string {
	return "arn:aws:sqs:" + s.region + ":" + s.account + ":" + name
}

func (s *Service) url(q *queue) string {
	return s.baseURL + "/" + s.account + "/" + q.name
}
