package main

import (
	"cmp"
	"errors"
	"math/bits"
	"slices"
	"strings"
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

// minRetention is the shortest that a stream keeps a record (AWS: "Quotas and limits", Kinesis Data Streams).
const minRetention = 24 * time.Hour

// queueRetention is how long the failure queue keeps a message: the longest that SQS does.
const queueRetention = 14 * 24 * time.Hour

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

// recordAge is the age at which Lambda gives a record up when nothing else is said: early enough that what the queue points
// to can still be read from a stream of that retention. At most what Lambda takes.
func recordAge(retention time.Duration) time.Duration {
	const share = 80 // per cent
	return min(retention*share/100, maxRecordAge)
}

// onDemandShards is what an on-demand stream begins with (AWS: "Choose the right mode", Kinesis Data Streams).
const onDemandShards = 4

// shards is how many shards the stream has when it is created.
func (s Settings) shards() int {
	if s.Capacity == OnDemand {
		return onDemandShards
	}
	return s.Shards
}

// neededBits is the number of bits that give each shard a bucket of its own, as far as there are any.
func (s Settings) neededBits() int {
	return min(bits.Len(uint(max(s.shards(), 1)-1)), config.MaxBits)
}

// Validate names every setting that is out of its range or does not go with another, one a line.
func (s Settings) Validate() error {
	var errs []error
	for _, p := range s.problems() {
		errs = append(errs, errors.New(p.text(s, func(string) string { return "" })))
	}
	return errors.Join(errs...)
}

// problems gives what is wrong with the settings. What is out of its range is not held against the rules as well.
func (s Settings) problems() []problem {
	var found []problem
	wrong := map[string]bool{}
	for _, f := range fields {
		if !f.valid(s) {
			wrong[f.name] = true
			found = append(found, problem{fields: []string{f.name}, want: f.want()})
		}
	}
	for _, r := range rules {
		if !slices.ContainsFunc(r.fields, func(name string) bool { return wrong[name] }) && !r.holds(s) {
			found = append(found, problem{fields: r.about(s), want: r.want(s)})
		}
	}
	return found
}

// problem is something wrong with settings.
type problem struct {
	fields []string // by name
	want   string   // what is allowed, and why
}

// text is the problem in a line: each setting with its value, and where that is from, if that is known.
func (p problem) text(s Settings, origin func(name string) string) string {
	parts := make([]string, len(p.fields))
	for i, name := range p.fields {
		parts[i] = name + " is " + cmp.Or(fieldNamed(name).get(s), "empty")
		if from := origin(name); from != "" {
			parts[i] += " (" + from + ")"
		}
	}
	return strings.Join(parts, ", ") + ": " + p.want
}
