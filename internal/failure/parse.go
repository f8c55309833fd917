package failure

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// probe finds out what kind of message a body is.
type probe struct {
	Millrace *int           `json:"millrace"`         // ours
	Batch    jsontext.Value `json:"KinesisBatchInfo"` // the mapping's
	Type     string         `json:"Type"`             // "Notification": an SNS envelope
	Message  string         `json:"Message"`          // what it carries
}

// Parse reads a message of the failure queue, of either kind, also when SNS has wrapped it. Members that it does not
// know are passed over. What is no such message gives an error that says why; it never panics.
func Parse(body string) (Message, error) {
	p, err := parseProbe(body)
	if err == nil && p.Type == "Notification" {
		if body = p.Message; body == "" {
			return Message{}, errors.New("SNS notification without a message")
		}
		p, err = parseProbe(body)
	}
	switch {
	case err != nil:
		return Message{}, err
	case p.Millrace != nil && *p.Millrace != Version:
		return Message{}, fmt.Errorf("version %d of Millrace's message: this build reads version %d", *p.Millrace, Version)
	case p.Millrace != nil:
		r, err := parseRecord(body)
		return Message{Record: r}, err
	case p.Batch != nil:
		b, err := parseBatch(body)
		return Message{Batch: b}, err
	}
	return Message{}, errors.New(`unknown message: neither Millrace's (member "millrace") nor a mapping's (member "KinesisBatchInfo")`)
}

func parseProbe(body string) (p probe, err error) {
	if err := unmarshal(body, &p); err != nil {
		return probe{}, fmt.Errorf("unknown message: %w", err)
	}
	return p, nil
}

// unmarshal reads JSON. Bad UTF-8 is replaced: it can only be in text, and a failure must be shown.
func unmarshal(body string, into any) error {
	return json.Unmarshal([]byte(body), into, jsontext.AllowInvalidUTF8(true))
}

// batchDocument is the mapping's document, as recorded on AWS (docs/local.md). responseContext is absent unless the
// function was the cause; its functionError is null when the function answered.
type batchDocument struct {
	Request struct {
		Function    string `json:"functionArn"`
		Condition   string `json:"condition"`
		Invocations int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	Response struct {
		FunctionError string `json:"functionError"`
	} `json:"responseContext"`
	Timestamp time.Time `json:"timestamp"`
	Batch     struct {
		Shard        string    `json:"shardId"`
		First        string    `json:"startSequenceNumber"`
		Last         string    `json:"endSequenceNumber"`
		FirstArrival time.Time `json:"approximateArrivalOfFirstRecord"`
		LastArrival  time.Time `json:"approximateArrivalOfLastRecord"`
		Size         int       `json:"batchSize"`
		StreamARN    string    `json:"streamArn"`
	} `json:"KinesisBatchInfo"`
}

// parseBatch reads the mapping's document.
func parseBatch(body string) (*Batch, error) {
	var d batchDocument
	if err := unmarshal(body, &d); err != nil {
		return nil, fmt.Errorf("read the mapping's document: %w", err)
	}
	b := d.Batch
	if !isShard(b.Shard) || !isSequence(b.First) || !isSequence(b.Last) || compareSequence(b.First, b.Last) > 0 {
		return nil, fmt.Errorf("read the mapping's document: shard %q, sequence numbers %q to %q name no records", b.Shard, b.First, b.Last)
	}
	return &Batch{
		Stream:        StreamName(b.StreamARN),
		StreamARN:     b.StreamARN,
		Shard:         b.Shard,
		First:         b.First,
		Last:          b.Last,
		FirstArrival:  b.FirstArrival,
		LastArrival:   b.LastArrival,
		Size:          b.Size,
		Function:      d.Request.Function,
		Condition:     d.Request.Condition,
		Invocations:   d.Request.Invocations,
		FunctionError: d.Response.FunctionError,
		Discarded:     d.Timestamp,
	}, nil
}

// StreamName reads the name out of arn:aws:kinesis:REGION:ACCOUNT:stream/NAME, or .../NAME/consumer/CONSUMER:EPOCH.
func StreamName(arn string) string {
	_, name, _ := strings.Cut(arn, ":stream/")
	name, _, _ = strings.Cut(name, "/")
	return name
}
