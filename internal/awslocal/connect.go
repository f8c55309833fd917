package awslocal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/awslocal/esm"
	"github.com/millrace/millrace/internal/awslocal/kinesis"
	"github.com/millrace/millrace/internal/awslocal/lambda"
	"github.com/millrace/millrace/internal/awslocal/s3"
	"github.com/millrace/millrace/internal/awslocal/sns"
	"github.com/millrace/millrace/internal/awslocal/sqs"
)

// outside is what the mappings of the endpoint touch.
type outside struct {
	kinesis *kinesis.Service
	lambda  *lambda.Service
	destination
}

// Source gives the stream that an ARN names, itself or by one of its consumers. A consumer that is not there is a stream
// that is not there.
func (w outside) Source(arn string) esm.Source {
	of := esm.Config{EventSourceARN: arn}
	if stream := of.StreamARN(); stream != arn {
		return source{w.kinesis, stream, arn}
	}
	return source{w.kinesis, arn, ""}
}

// Function finds a function, and keeps the qualifier that it was asked for with.
func (w outside) Function(ref string) (esm.Target, bool) {
	f, ok := w.lambda.Function(ref)
	if !ok {
		return esm.Target{}, false
	}
	name := f.Name
	if _, qualifier := lambda.SplitName(ref); qualifier != "" {
		name += ":" + qualifier
	}
	return esm.Target{ARN: w.lambda.ARN(name), RoleARN: f.RoleARN, Invoker: invoker{w.lambda, name}}, true
}

// source is a Kinesis stream as a mapping reads it: in the process, without limits and without polling.
type source struct {
	kinesis  *kinesis.Service
	stream   string // ARN
	consumer string // ARN of the fan-out consumer that reads, "" for none
}

// Shards lists the stream's shards. To a consumer that is not registered any more there are none.
func (s source) Shards() ([]esm.Shard, error) {
	if s.consumer != "" {
		if _, err := s.kinesis.Consumer(s.consumer); err != nil {
			return nil, err
		}
	}
	all, err := s.kinesis.Shards(s.stream)
	if err != nil {
		return nil, err
	}
	out := make([]esm.Shard, len(all))
	for i, sh := range all {
		out[i] = esm.Shard(sh)
	}
	return out, nil
}

// Open places a cursor in a shard.
func (s source) Open(shard string, from esm.Position) (esm.Cursor, error) {
	at := kinesis.Position{Type: kinesis.PositionType(from.Type), Timestamp: from.Timestamp, SequenceNumber: from.SequenceNumber}
	var c *kinesis.Cursor
	var err error
	if s.consumer != "" {
		c, err = s.kinesis.OpenFor(s.consumer, shard, at)
	} else {
		c, err = s.kinesis.Open(s.stream, shard, at)
	}
	if err != nil {
		return nil, err
	}
	return cursor{c}, nil
}

// Retention is the stream's, and none when the stream has gone: then nothing can be read either.
func (s source) Retention() time.Duration {
	d, err := s.kinesis.Retention(s.stream)
	if err != nil {
		return 0
	}
	return d
}

// Generation tells streams of one name apart.
func (s source) Generation() (uint64, error) { return s.kinesis.Generation(s.stream) }

type cursor struct{ *kinesis.Cursor }

// Read gives the next records.
func (c cursor) Read(max int) ([]esm.Record, bool) {
	records, end := c.Cursor.Read(max)
	out := make([]esm.Record, len(records))
	for i, r := range records {
		out[i] = esm.Record{SequenceNumber: r.SequenceNumber, PartitionKey: r.PartitionKey, Data: r.Data, Arrival: r.Arrival}
	}
	return out, end
}

// invoker runs a mapping's function.
type invoker struct {
	lambda   *lambda.Service
	function string // name, with its qualifier
}

// Invoke runs the function. When ctx ends first the invocation still reads the payload, and the mapping leaves it alone.
func (i invoker) Invoke(ctx context.Context, in esm.Invocation) (esm.Answer, error) {
	a, err := i.lambda.Invoke(ctx, i.function, lambda.Invocation{RequestID: in.RequestID, Payload: in.Payload})
	return esm.Answer{Payload: a.Payload, FunctionError: a.FunctionError, ExecutedVersion: a.ExecutedVersion}, err
}

// destination takes failure documents to the service that their ARN names.
type destination struct {
	sqs *sqs.Service
	sns *sns.Service
	s3  *s3.Service
}

// documentType is the Content-Type that AWS gives a failure document in a bucket, though it is JSON: recorded by
// radkawar/stackd.
const documentType = "application/octet-stream"

// Send delivers one document. Only S3 has use for the key.
func (d destination) Send(arn, key, body string) error {
	switch service := serviceOfARN(arn); service {
	case "sqs":
		return d.sqs.Send(arn, body)
	case "sns":
		return d.sns.Publish(arn, body)
	case "s3":
		return d.s3.Put(arn, key, []byte(body), documentType)
	default:
		return fmt.Errorf("destination %s: the local endpoint sends to sqs, sns and s3, not to %q", arn, service)
	}
}

// serviceOfARN gives the third part of an ARN, "" of what is none.
func serviceOfARN(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[2]
}
