package esm

import (
	"math"
	"slices"
	"strings"
	"time"
)

// ReportBatchItemFailures is the one value that FunctionResponseTypes takes: the function may answer with the records
// that it could not process.
const ReportBatchItemFailures = "ReportBatchItemFailures"

// EventCount is the one value that Metrics takes.
const EventCount = "EventCount"

// consumerPart stands in a fan-out consumer's ARN between the stream's and the consumer's own name.
const consumerPart = "/consumer/"

// unlimited, of retries and of seconds of age.
const unlimited = -1

// Config is what may be set of a mapping. The fields are named, and counted, as in CreateEventSourceMapping. The zero
// value is not valid: start from DefaultConfig.
type Config struct {
	EventSourceARN string // of the stream, or of one of its fan-out consumers
	FunctionARN    string // as configured, with its qualifier if it has one
	RoleARN        string // the function's execution role, which the event names as invokeIdentityArn

	StartingPosition          PositionType // required: TrimHorizon, Latest or AtTimestamp
	StartingPositionTimestamp time.Time    // with AtTimestamp only

	Enabled                        bool
	BatchSize                      int // records, 1 to 10,000
	MaximumBatchingWindowInSeconds int // 0 to 300
	ParallelizationFactor          int // lanes a shard, 1 to 10
	MaximumRetryAttempts           int // after the first, to 10,000; -1: until the record expires
	MaximumRecordAgeInSeconds      int // 60 to 604,800; -1: the stream's retention
	BisectBatchOnFunctionError     bool
	FunctionResponseTypes          []string // ReportBatchItemFailures or nothing
	OnFailure                      string   // ARN of the SQS queue, SNS topic or S3 bucket for failure documents; "" is none
	OnSuccess                      string   // what DestinationConfig.OnSuccess names: a stream's mapping must not have one
	Filters                        []string // patterns of which a record must match one; none lets all pass
	KMSKeyARN                      string   // told again, without effect: nothing is encrypted
	Metrics                        []string // EventCount or nothing
	TumblingWindowInSeconds        int      // 0: tumbling windows are not implemented
}

// DefaultConfig gives what AWS assumes for everything that is not required.
func DefaultConfig() Config {
	return Config{
		Enabled:                   true,
		BatchSize:                 100,
		ParallelizationFactor:     1,
		MaximumRetryAttempts:      unlimited,
		MaximumRecordAgeInSeconds: unlimited,
	}
}

func (c *Config) reportsFailures() bool {
	return slices.Contains(c.FunctionResponseTypes, ReportBatchItemFailures)
}

// StreamARN is the ARN of the stream behind EventSourceARN, which may name one of the stream's fan-out consumers.
func (c *Config) StreamARN() string {
	stream, _, _ := strings.Cut(c.EventSourceARN, consumerPart)
	return stream
}

// isConsumer tells whether the source is a fan-out consumer.
func (c *Config) isConsumer() bool { return strings.Contains(c.EventSourceARN, consumerPart) }

// ageLimit is the age at which a record is given up: the configured one, or the stream's retention, 0 if it is not known,
// if that is shorter.
func (c *Config) ageLimit(retention time.Duration) time.Duration {
	if retention <= 0 {
		retention = math.MaxInt64
	}
	limit := time.Duration(c.MaximumRecordAgeInSeconds) * time.Second
	if c.MaximumRecordAgeInSeconds == unlimited || retention < limit {
		return retention
	}
	return limit
}
