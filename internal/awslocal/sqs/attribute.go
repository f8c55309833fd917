package sqs

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Names of the attributes that this package acts on.
const (
	attrDelay      = "DelaySeconds"
	attrMaxSize    = "MaximumMessageSize"
	attrRetention  = "MessageRetentionPeriod"
	attrWait       = "ReceiveMessageWaitTimeSeconds"
	attrVisibility = "VisibilityTimeout"
	attrRedrive    = "RedrivePolicy"
	attrFIFO       = "FifoQueue"
	all            = "All"
)

// Limits of the SQS API.
const (
	maxDelay      = 900     // seconds
	maxVisibility = 43_200  // seconds: twelve hours
	maxWait       = 20      // seconds
	maxMessage    = 1 << 20 // bytes: 1 MiB since August 2025
	maxReceives   = 1000    // of a redrive policy
)

// numbers are the attributes that are numbers, with their range and standard value.
var numbers = map[string]struct{ low, high, standard int }{
	attrDelay:                      {0, maxDelay, 0},
	attrMaxSize:                    {1024, maxMessage, maxMessage},
	attrRetention:                  {60, 1_209_600, 345_600},
	attrWait:                       {0, maxWait, 0},
	attrVisibility:                 {0, maxVisibility, 30},
	"KmsDataKeyReusePeriodSeconds": {60, 86_400, 300},
}

// texts are the attributes that are kept and given back, and else mean nothing here.
var texts = map[string]bool{"Policy": true, "RedriveAllowPolicy": true, "KmsMasterKeyId": true, "SqsManagedSseEnabled": true}

// measured are the attributes that GetQueueAttributes works out.
var measured = map[string]func(*queue, counts) int64{
	"ApproximateNumberOfMessages":           func(_ *queue, c counts) int64 { return c.visible },
	"ApproximateNumberOfMessagesNotVisible": func(_ *queue, c counts) int64 { return c.inFlight },
	"ApproximateNumberOfMessagesDelayed":    func(_ *queue, c counts) int64 { return c.delayed },
	"CreatedTimestamp":                      func(q *queue, _ counts) int64 { return q.created.Unix() },
	"LastModifiedTimestamp":                 func(q *queue, _ counts) int64 { return q.modified.Unix() },
}

// attributes are a queue's settings as the API writes them, each of them valid.
type attributes map[string]string

func standardAttributes() attributes {
	a := attributes{"SqsManagedSseEnabled": "true"}
	for name, n := range numbers {
		if name != "KmsDataKeyReusePeriodSeconds" { // shown only with a key
			a[name] = strconv.Itoa(n.standard)
		}
	}
	return a
}

func (a attributes) number(name string) int {
	n, _ := strconv.Atoi(a[name]) // it was checked when it was set
	return n
}

func (a attributes) seconds(name string) time.Duration {
	return time.Duration(a.number(name)) * time.Second
}

// redrive is a redrive policy.
type redrive struct {
	Target      string `json:"deadLetterTargetArn"`
	MaxReceives int    `json:"maxReceiveCount"`
}

// check validates attributes that are to be set.
func (s *Service) check(attrs map[string]string) error {
	for name, value := range attrs {
		n, isNumber := numbers[name]
		switch {
		case name == attrFIFO:
			if value == "true" {
				return errFIFO
			}
			return wire.Errorf("InvalidAttributeName", "Unknown Attribute FifoQueue.")
		case name == attrRedrive:
			if _, err := s.redrive(value); err != nil {
				return err
			}
		case isNumber:
			if v, err := strconv.Atoi(value); err != nil || v < n.low || v > n.high {
				return wire.Errorf("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
			}
		case !texts[name]:
			return wire.Errorf("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	return nil
}

// redrive reads a redrive policy, nil for the empty one that removes it. maxReceiveCount may be a number or a string of
// one.
func (s *Service) redrive(policy string) (*redrive, error) {
	if policy == "" {
		return nil, nil
	}
	bad := func(reason string) error {
		return wire.Errorf(codeParameter, "Value %s for parameter RedrivePolicy is invalid. Reason: %s", policy, reason)
	}
	r := new(redrive)
	if json.Unmarshal([]byte(policy), r) != nil && json.Unmarshal([]byte(policy), r, json.StringifyNumbers(true)) != nil {
		return nil, bad("Redrive policy is not a valid JSON map.")
	}
	if r.MaxReceives < 1 || r.MaxReceives > maxReceives {
		return nil, bad("Invalid value for maxReceiveCount: " + strconv.Itoa(r.MaxReceives) + ", valid values are from 1 to 1000 both inclusive.")
	}
	if _, err := s.find(r.Target); err != nil {
		return nil, bad("Dead letter target does not exist.")
	}
	return r, nil
}

// set changes attributes, which have been checked.
func (s *Service) set(q *queue, attrs map[string]string) {
	maps.Copy(q.attrs, attrs)
	maps.DeleteFunc(q.attrs, func(_, value string) bool { return value == "" })
	q.redrive, _ = s.redrive(q.attrs[attrRedrive])
	q.modified = s.now()
	q.wake()
}

type getQueueAttributesInput struct {
	QueueURL       string `json:"QueueUrl"`
	AttributeNames []string
}

type getQueueAttributesOutput struct {
	Attributes map[string]string `json:",omitempty"`
}

func (s *Service) getQueueAttributes(_ context.Context, in *getQueueAttributesInput) (*getQueueAttributesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	everything := s.attributesOf(q)
	out := &getQueueAttributesOutput{Attributes: map[string]string{}}
	for _, name := range in.AttributeNames {
		if name == all {
			out.Attributes = everything
			break
		}
		if _, known := everything[name]; !known && !knownAttribute(name) {
			return nil, wire.Errorf("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
		if v, ok := everything[name]; ok {
			out.Attributes[name] = v
		}
	}
	return out, nil
}

func knownAttribute(name string) bool {
	_, number := numbers[name]
	return number || texts[name] || name == attrRedrive || name == attrFIFO
}

func (s *Service) attributesOf(q *queue) map[string]string {
	out := maps.Clone(q.attrs)
	out["QueueArn"] = s.arn(q.name)
	c := q.counts(s.now())
	for name, f := range measured {
		out[name] = strconv.FormatInt(f(q, c), 10)
	}
	return out
}

type setQueueAttributesInput struct {
	QueueURL   string `json:"QueueUrl"`
	Attributes map[string]string
}

type empty struct{}

func (s *Service) setQueueAttributes(_ context.Context, in *setQueueAttributesInput) (*empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := s.check(in.Attributes); err != nil {
		return nil, err
	}
	s.set(q, in.Attributes)
	return &empty{}, nil
}
