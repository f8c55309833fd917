// Package sns is the local AWS endpoint's SNS: standard topics with SQS queues subscribed to them, and Publish, in memory.
// It speaks the AWS Query protocol. FIFO topics, other protocols than sqs, filter policies, message attributes, batches
// and encryption it does not have; a request for one of these is answered NotImplemented.
package sns

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Limits of topics and messages (API reference, "CreateTopic", "Publish").
const (
	MaxMessage = 256 << 10 // bytes
	maxSubject = 99        // characters: "less than 100"
)

// Options are a service's settings. Deliver is required.
type Options struct {
	Region  string // in ARNs; default us-east-1
	Account string // in ARNs; default 000000000000
	BaseURL string // of the endpoint, in envelopes
	// Deliver puts a message into the queue of that ARN. It is called without locks, and may be called concurrently.
	Deliver func(queueARN, body string) error
	Log     *slog.Logger     // of deliveries that failed: as on AWS, who publishes is not told; nil discards
	Now     func() time.Time // default time.Now
}

// Service holds topics and their subscriptions. It is safe for concurrent use.
type Service struct {
	opt           Options
	mu            sync.Mutex
	topics        map[string]*topic        // by ARN
	subscriptions map[string]*subscription // by ARN
}

type topic struct {
	arn        string
	attributes map[string]string
}

type subscription struct {
	arn, topic, queue string // ARNs
	raw               bool
	made              uint64 // in the order of making
}

// New makes a service without topics.
func New(opt Options) *Service {
	opt.Region = cmp.Or(opt.Region, "us-east-1")
	opt.Account = cmp.Or(opt.Account, "000000000000")
	opt.Log = cmp.Or(opt.Log, slog.New(slog.DiscardHandler))
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Service{opt: opt, topics: map[string]*topic{}, subscriptions: map[string]*subscription{}}
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,256}$`)

// topicAttributes are those of CreateTopic that are kept and shown. Only the name that people see has an effect on AWS
// that this endpoint could lack, and it is for e-mail.
var topicAttributes = []string{"DisplayName", "Policy", "DeliveryPolicy", "TracingConfig", "SignatureVersion"}

// CreateTopic makes a topic, or finds the one of that name. Attributes are named as in the SNS API. Errors are
// *wire.Error.
func (s *Service) CreateTopic(name string, attributes map[string]string) (arn string, err error) {
	switch {
	case strings.HasSuffix(name, ".fifo"), attributes["FifoTopic"] == "true":
		return "", wire.Unimplemented("FIFO topics")
	case !topicName.MatchString(name):
		return "", invalid("Topic Name")
	}
	for attribute := range attributes {
		if attribute != "FifoTopic" && !slices.Contains(topicAttributes, attribute) {
			return "", wire.Unimplemented("the SNS topic attribute " + attribute)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	arn = s.arn(name)
	switch known := s.topics[arn]; {
	case known == nil:
		s.topics[arn] = &topic{arn, maps.Clone(attributes)}
	case !maps.Equal(known.attributes, attributes) && len(attributes) > 0:
		return "", invalid("Attributes Reason: Topic already exists with different attributes")
	}
	return arn, nil
}

// Subscribe has a topic's messages delivered to an SQS queue, whether that exists or not: as they are (raw) or in an
// envelope. To subscribe a queue again gives the subscription that it has. Errors are *wire.Error.
func (s *Service) Subscribe(topicARN, queueARN string, raw bool) (arn string, err error) {
	if !strings.HasPrefix(queueARN, "arn:aws:sqs:") {
		return "", invalid("SQS endpoint ARN")
	}
	if strings.HasSuffix(queueARN, ".fifo") {
		return "", invalid("Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics[topicARN] == nil {
		return "", errNoTopic
	}
	for _, known := range s.of(topicARN) {
		if known.queue != queueARN {
			continue
		}
		if known.raw != raw {
			return "", invalid("Attributes Reason: Subscription already exists with different attributes")
		}
		return known.arn, nil
	}
	sub := &subscription{SubscriptionARN(topicARN, queueARN), topicARN, queueARN, raw, 0}
	for _, other := range s.subscriptions {
		sub.made = max(sub.made, other.made+1)
	}
	s.subscriptions[sub.arn] = sub
	return sub.arn, nil
}

// SubscriptionARN is the ARN of a queue's subscription to a topic, whether there is one or not.
func SubscriptionARN(topicARN, queueARN string) string {
	return topicARN + ":" + wire.IDOf(topicARN+" "+queueARN)
}

// Publish delivers a message without a subject to all subscriptions of a topic before it returns.
func (s *Service) Publish(topicARN, message string) error {
	if _, err := s.publish(topicARN, "", message); err != nil {
		return fmt.Errorf("publish to %s: %w", topicARN, err)
	}
	return nil
}

func (s *Service) publish(topicARN, subject, text string) (id string, err error) {
	switch {
	case text == "":
		return "", invalid("Empty message")
	case len(text) > MaxMessage:
		return "", invalid("Message too long")
	case len([]rune(subject)) > maxSubject || strings.ContainsAny(subject, "\n\r"):
		return "", invalid("Subject")
	}
	s.mu.Lock()
	known, subscriptions := s.topics[topicARN] != nil, s.of(topicARN)
	s.mu.Unlock()
	if !known {
		return "", errNoTopic
	}
	n := notification{id: wire.NewID(), topic: topicARN, subject: subject, message: text, at: s.opt.Now()}
	for _, sub := range subscriptions {
		body := text
		if !sub.raw {
			body = n.envelope(s.opt.BaseURL, sub.arn)
		}
		if err := s.opt.Deliver(sub.queue, body); err != nil {
			s.opt.Log.Warn("message of a topic is not delivered", "topic", topicARN, "queue", sub.queue, "error", err)
		}
	}
	return n.id, nil
}

// of gives a topic's subscriptions, or with "" all, in the order in which they were made. The lock is held.
func (s *Service) of(topicARN string) []*subscription {
	var all []*subscription
	for _, sub := range s.subscriptions {
		if topicARN == "" || sub.topic == topicARN {
			all = append(all, sub)
		}
	}
	slices.SortFunc(all, func(a, b *subscription) int { return cmp.Compare(a.made, b.made) })
	return all
}

func (s *Service) arn(name string) string {
	return "arn:aws:sns:" + s.opt.Region + ":" + s.opt.Account + ":" + name
}

var (
	errNoTopic        = &wire.Error{Code: "NotFound", Message: "Topic does not exist", Status: 404}
	errNoSubscription = &wire.Error{Code: "NotFound", Message: "Subscription does not exist", Status: 404}
)

// invalid makes the error of a parameter that AWS would refuse.
func invalid(what string) *wire.Error {
	return wire.Errorf("InvalidParameter", "Invalid parameter: %s", what)
}

// raw reads a RawMessageDelivery, "" being false.
func raw(text string) (bool, error) {
	b, err := strconv.ParseBool(cmp.Or(strings.ToLower(text), "false"))
	if err != nil {
		return false, invalid("Attributes Reason: RawMessageDelivery: Invalid value [" + text + "]. Must be true or false.")
	}
	return b, nil
}
