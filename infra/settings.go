package main

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/millrace/millrace/internal/config"
)

// Lambda's names of the instruction sets.
const (
	ARM64 = "arm64" // a fifth cheaper per second than x86_64
	X86   = "x86_64"
)

// Capacity modes of the stream.
const (
	Provisioned = "provisioned" // a number of shards, paid by the hour
	OnDemand    = "on-demand"   // Kinesis chooses the shards; paid by the gigabyte, and by the hour
)

// Keys that encrypt what is at rest.
const (
	CustomerKey = "customer" // one key of the stack's own, with a policy of its own; about a dollar a month, and its calls
	AWSKey      = "aws"      // each service's own key: nothing to pay, nothing to decide
)

// Where a new mapping begins to read; the third way is a time, in RFC 3339.
const (
	TrimHorizon = "TRIM_HORIZON" // at the oldest record that the stream holds
	Latest      = "LATEST"       // behind the newest one
)

// Where what Lambda gives up is reported.
const (
	ToQueue = "queue" // the failure queue
	ToTopic = "topic" // an SNS topic that the failure queue is subscribed to, so that others can listen too
)

// Formats of the archive.
const (
	Parquet = "parquet" // columns; Firehose converts by the Glue table
	JSON    = "json"    // JSON lines, gzipped
)

// Bounds of a Kinesis stream (AWS: "Quotas and limits", Kinesis Data Streams).
const (
	maxShards    = 500 // the lowest default quota of an account and region
	minRetention = 24 * time.Hour
	maxRetention = 8760 * time.Hour
)

// Settings is what may be chosen of a deployment. The zero value is not valid: start from DefaultSettings.
type Settings struct {
	Stack        string // name of the CloudFormation stack
	Architecture string // instruction set of the functions: ARM64 or X86
	Encryption   string // CustomerKey or AWSKey
	KeepData     bool   // whether stream, table, failure queue, archive and key outlive the stack

	Capacity        string        // Provisioned or OnDemand
	Shards          int           // open shards of a provisioned stream when it is created
	StreamRetention time.Duration // how long the stream keeps a record, whole hours

	StartingPosition      string        // TrimHorizon, Latest, or a time in RFC 3339
	BatchSize             int           // records of an invocation, at most
	BatchingWindow        time.Duration // how long the mapping waits for a batch to fill, whole seconds
	ParallelizationFactor int           // lanes of a shard: batches of one shard that are in work at once
	Retries               int           // attempts after the first, or -1: until the record is too old
	RecordAge             time.Duration // age at which Lambda gives a record up, whole seconds
	Bisect                bool          // whether a batch that fails is halved
	FanOut                bool          // whether the mapping reads by enhanced fan-out

	Memory              int           // of the processor, in MB
	Timeout             time.Duration // of the processor, whole seconds
	ReservedConcurrency int           // instances kept for the processor, and its most; 0: as the account has them
	LogRetention        time.Duration // how long logs are kept: one of the lengths that CloudWatch Logs knows, or 0: for ever
	FailuresTo          string        // ToQueue or ToTopic
	AlarmEmail          string        // who is told of an alarm; empty: nobody
	ArchiveFormat       string        // Parquet or JSON
	ArchiveInterval     time.Duration // how long Firehose gathers an object at most, whole seconds

	Processor config.Processor // what the processor is told by its environment
}

// DefaultSettings gives the settings of a production deployment; docs/delivery.md has the reasons for those of the mapping
// and the processor.
func DefaultSettings() Settings {
	return Settings{
		Stack:        config.DefaultStack,
		Architecture: ARM64,
		Encryption:   CustomerKey,
		KeepData:     true,

		Capacity:        Provisioned,
		Shards:          2,
		StreamRetention: minRetention,

		StartingPosition:      TrimHorizon,
		BatchSize:             1000, // a full second of a full shard
		BatchingWindow:        time.Second,
		ParallelizationFactor: 1,
		Retries:               60, // about an hour of backoff: an outage must not drain a healthy stream into the queue
		RecordAge:             recordAge(minRetention),
		Bisect:                true,

		Memory:          512,
		Timeout:         time.Minute,
		LogRetention:    30 * 24 * time.Hour,
		FailuresTo:      ToQueue,
		ArchiveFormat:   Parquet,
		ArchiveInterval: 5 * time.Minute,

		Processor: config.DefaultProcessor(),
	}
}

// Validate names every setting that is out of its range.
func (s Settings) Validate() error {
	var errs []error
	if s.Architecture != ARM64 && s.Architecture != X86 {
		errs = append(errs, fmt.Errorf("architecture is %q: want %s or %s", s.Architecture, ARM64, X86))
	}
	if s.Shards < 1 || s.Shards > maxShards {
		errs = append(errs, fmt.Errorf("shards is %d: want 1 to %d", s.Shards, maxShards))
	}
	if s.StreamRetention < minRetention || s.StreamRetention > maxRetention || s.StreamRetention%time.Hour != 0 {
		errs = append(errs, fmt.Errorf("retention is %v: want whole hours, %v to %v", s.StreamRetention, minRetention, maxRetention))
	}
	if err := s.Processor.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("processor: %w", err))
	}
	if want := min(bits.Len(uint(s.Shards-1)), config.MaxBits); s.Shards > 0 && s.Processor.Bits < want {
		errs = append(errs, fmt.Errorf("processor: bits is %d: want %d or more for %d shards; the table keeps what it was first used with", s.Processor.Bits, want, s.Shards))
	}
	return errors.Join(errs...)
}
