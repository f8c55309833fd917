package sqs

import (
	"context"
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// maxListed is how many queues ListQueues gives at most.
const maxListed = 1000

// purgeInterval is how long PurgeQueue is refused after a PurgeQueue.
const purgeInterval = time.Minute

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// create makes the queue, or finds it; s.mu is held.
func (s *Service) create(name string, attrs map[string]string) (*queue, error) {
	if strings.HasSuffix(name, ".fifo") {
		return nil, errFIFO
	}
	if !queueName.MatchString(name) {
		return nil, wire.Errorf(codeParameter, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	if err := s.check(attrs); err != nil {
		return nil, err
	}
	if q := s.queues[name]; q != nil {
		for attr, value := range attrs {
			if q.attrs[attr] != value {
				return nil, wire.Errorf("QueueNameExists", "A queue already exists with the same name and a different value for attribute %s", attr)
			}
		}
		return q, nil
	}
	q := newQueue(name, s.arn(name), s.now())
	s.set(q, attrs)
	s.queues[name] = q
	return q, nil
}

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string
}

type queueURLOutput struct {
	QueueURL string `json:"QueueUrl"`
}

func (s *Service) createQueue(_ context.Context, in *createQueueInput) (*queueURLOutput, error) {
	url, _, err := s.CreateQueue(in.QueueName, in.Attributes)
	if err != nil {
		return nil, err
	}
	return &queueURLOutput{url}, nil
}

type queueInput struct {
	QueueURL string `json:"QueueUrl"`
}

func (s *Service) deleteQueue(_ context.Context, in *queueInput) (*empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	delete(s.queues, q.name)
	q.wake()
	return &empty{}, nil
}

type getQueueURLInput struct {
	QueueName string
	Owner     string `json:"QueueOwnerAWSAccountId"`
}

func (s *Service) getQueueURL(_ context.Context, in *getQueueURLInput) (*queueURLOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[in.QueueName]
	if q == nil || in.Owner != "" && in.Owner != s.account {
		return nil, errNoQueue
	}
	return &queueURLOutput{s.url(q)}, nil
}

type listQueuesInput struct {
	QueueNamePrefix string
	MaxResults      *int
	NextToken       string // base64 of the last name of the page before
}

type listQueuesOutput struct {
	QueueURLs []string `json:"QueueUrls,omitempty"`
	NextToken string   `json:",omitempty"`
}

func (s *Service) listQueues(_ context.Context, in *listQueuesInput) (*listQueuesOutput, error) {
	if err := within(in.MaxResults, "MaxResults", 1, maxListed); err != nil {
		return nil, err
	}
	after, err := base64.StdEncoding.DecodeString(in.NextToken)
	if err != nil {
		return nil, wire.Errorf(codeParameter, "Invalid or expired next token.")
	}
	limit := maxListed
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := new(listQueuesOutput)
	last := ""
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if name <= string(after) || !strings.HasPrefix(name, in.QueueNamePrefix) {
			continue
		}
		if len(out.QueueURLs) == limit {
			if in.MaxResults != nil { // without it AWS gives no token
				out.NextToken = base64.StdEncoding.EncodeToString([]byte(last))
			}
			break
		}
		out.QueueURLs, last = append(out.QueueURLs, s.url(s.queues[name])), name
	}
	return out, nil
}

func (s *Service) purgeQueue(_ context.Context, in *queueInput) (*empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	now := s.now()
	if !q.purged.IsZero() && now.Sub(q.purged) < purgeInterval {
		return nil, wire.Errorf("PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name)
	}
	q.purged = now
	q.clear()
	return &empty{}, nil
}
