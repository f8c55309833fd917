// Package kinesis is the local endpoint's Kinesis Data Streams: streams, shards and records in memory, behind AWS's wire
// protocol and behind a Go interface for the event source mapping.
//
// Each shard keeps its records in an append-only log of large blocks under a lock of its own. A sequence number is not
// stored: it follows from the shard, the record's place in the log and its arrival. A stream is ACTIVE as soon as it is
// created and gone as soon as it is deleted, and whatever reshards it has done so when it answers. Tags are not here.
package kinesis

import (
	"cmp"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Options configures a Service. The zero value serves us-east-1 and account 000000000000 by the real clock, without
// shard limits.
type Options struct {
	Region  string
	Account string // twelve digits
	// Now is the clock of arrivals, retention, iterators and limits; it must be safe for concurrent use.
	Now func() time.Time
	// Enforce holds every shard to AWS's limits: 1,000 records and 1 MiB a second in, 5 reads and 2 MiB a second out.
	Enforce bool
}

// Service is an emulated Kinesis Data Streams of one account in one region. It is safe for concurrent use.
type Service struct {
	region  string
	account string
	now     func() time.Time
	enforce bool

	mu      sync.RWMutex
	streams map[string]*stream
	created uint64 // streams made so far: tells a stream from an earlier one of the same name
}

// New makes a service without streams.
func New(opt Options) *Service {
	s := &Service{
		region:  cmp.Or(opt.Region, "us-east-1"),
		account: cmp.Or(opt.Account, "000000000000"),
		now:     opt.Now,
		enforce: opt.Enforce,
		streams: map[string]*stream{},
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Wire gives the service in the form in which a wire.Server serves it.
func (s *Service) Wire() *wire.Service {
	return &wire.Service{
		Name:        "Kinesis",
		Target:      "Kinesis_20131202",
		Version:     "1.1",
		ThrottledAs: throttled,
		Operations: map[string]wire.Operation{
			"CreateStream":                  wire.JSON(s.createStream),
			"DeleteStream":                  wire.JSON(s.deleteStream),
			"DescribeStream":                wire.JSON(s.describeStream),
			"DescribeStreamSummary":         wire.JSON(s.describeStreamSummary),
			"ListStreams":                   wire.JSON(s.listStreams),
			"ListShards":                    wire.JSON(s.listShards),
			"IncreaseStreamRetentionPeriod": wire.JSON(s.increaseRetention),
			"DecreaseStreamRetentionPeriod": wire.JSON(s.decreaseRetention),
			"StartStreamEncryption":         wire.JSON(s.startEncryption),
			"StopStreamEncryption":          wire.JSON(s.stopEncryption),
			"UpdateStreamMode":              wire.JSON(s.updateStreamMode),
			"SplitShard":                    wire.JSON(s.splitShard),
			"MergeShards":                   wire.JSON(s.mergeShards),
			"UpdateShardCount":              wire.JSON(s.updateShardCount),
			"RegisterStreamConsumer":        wire.JSON(s.registerStreamConsumer),
			"DescribeStreamConsumer":        wire.JSON(s.describeStreamConsumer),
			"ListStreamConsumers":           wire.JSON(s.listStreamConsumers),
			"DeregisterStreamConsumer":      wire.JSON(s.deregisterStreamConsumer),
			"PutRecord":                     wire.JSON(s.putRecord),
			"PutRecords":                    s.putRecords,
			"GetShardIterator":              wire.JSON(s.getShardIterator),
			"GetRecords":                    s.getRecords,
		},
		Streams: map[string]wire.Stream{"SubscribeToShard": s.subscribeToShard},
	}
}

func (s *Service) nowMillis() int64 { return s.now().UnixMilli() }

// target names a stream in a request, by its name or by its ARN.
type target struct {
	StreamName string
	StreamARN  string
}

// check notes what is wrong with the stream's name, whether there is such a stream or not.
func (t target) check(v *violations) { v.optional(t.StreamName, "streamName") }

// name is the stream's, "" if none is given.
func (t target) name() string {
	_, name, _ := strings.Cut(t.StreamARN, ":stream/")
	return cmp.Or(name, t.StreamName)
}

// empty is the answer of the operations that answer nothing.
type empty struct{}

// find gives the stream that a request names.
func (s *Service) find(t target) (*stream, error) {
	if t.StreamARN != "" {
		st, err := s.stream(t.StreamARN)
		if err == nil && t.StreamName != "" && t.StreamName != st.name {
			return nil, invalid("StreamARN %s and StreamName %s name different streams.", t.StreamARN, t.StreamName)
		}
		return st, err
	}
	if t.StreamName == "" {
		return nil, invalid("Either StreamName or StreamARN should be provided.")
	}
	return s.stream(t.StreamName)
}

// stream gives a stream by its name or its ARN.
func (s *Service) stream(nameOrARN string) (*stream, error) {
	name := nameOrARN
	arn := strings.HasPrefix(name, "arn:")
	if arn {
		_, name, _ = strings.Cut(name, ":stream/")
	}
	s.mu.RLock()
	st := s.streams[name]
	s.mu.RUnlock()
	if st == nil || arn && st.arn != nameOrARN {
		return nil, notFound("Stream %s under account %s not found.", name, s.account)
	}
	return st, nil
}
