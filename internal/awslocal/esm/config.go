package esm

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// ReportBatchItemFailures is the one value that FunctionResponseTypes takes: the function may answer with the records
// that it could not process.
const ReportBatchItemFailures = "ReportBatchItemFailures"

// Limits of CreateEventSourceMapping's parameters for a Kinesis stream (API reference).
const (
	maxBatchSize = 10_000
	maxWindow    = 300 // seconds
	maxLanes     = 10
	maxRetries   = 10_000
	minRecordAge = 60 // seconds; the API's page says -1, but AWS refuses 0 to 59
	maxRecordAge = 604_800
	unlimited    = -1 // retries, and seconds of age
	maxResponses = 1
)

// Codes of the API's errors: for one value by itself, and for what values come to together.
const (
	codeValidation = "ValidationException"
	codeParameter  = "InvalidParameterValueException"
)

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

// Validate gives AWS's error, a *wire.Error, for what is missing or out of its range. A batching window is not asked
// for with a BatchSize over 10: the API's page says so, AWS does not do it for streams.
func (c *Config) Validate() error {
	if c.StartingPosition == "" {
		return invalid("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
	}
	if bad := c.constraints(); len(bad) > 0 {
		noun := "error"
		if len(bad) > 1 {
			noun = "errors"
		}
		return wire.Errorf(codeValidation, "%d validation %s detected: %s", len(bad), noun, strings.Join(bad, "; "))
	}
	if timed := !c.StartingPositionTimestamp.IsZero(); timed != (c.StartingPosition == AtTimestamp) {
		return invalid("StartingPositionTimestamp must be given with the starting position AT_TIMESTAMP, and with no other.")
	}
	if c.TumblingWindowInSeconds != 0 {
		return wire.Unimplemented("tumbling windows")
	}
	if err := c.checkSource(); err != nil {
		return err
	}
	return c.checkDestination()
}

func (c *Config) constraints() []string {
	var bad []string
	fail := func(value any, name, want string) {
		bad = append(bad, fmt.Sprintf("Value '%v' at '%s' failed to satisfy constraint: Member must %s", value, name, want))
	}
	within := func(value int, name string, low, high int) {
		if value < low {
			fail(value, name, "have value greater than or equal to "+strconv.Itoa(low))
		}
		if value > high {
			fail(value, name, "have value less than or equal to "+strconv.Itoa(high))
		}
	}
	if !slices.Contains([]PositionType{TrimHorizon, Latest, AtTimestamp}, c.StartingPosition) {
		fail(c.StartingPosition, "startingPosition", "satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]")
	}
	within(c.BatchSize, "batchSize", 1, maxBatchSize)
	within(c.MaximumBatchingWindowInSeconds, "maximumBatchingWindowInSeconds", 0, maxWindow)
	within(c.ParallelizationFactor, "parallelizationFactor", 1, maxLanes)
	within(c.MaximumRetryAttempts, "maximumRetryAttempts", unlimited, maxRetries)
	if c.MaximumRecordAgeInSeconds != unlimited {
		within(c.MaximumRecordAgeInSeconds, "maximumRecordAgeInSeconds", minRecordAge, maxRecordAge)
	}
	if len(c.FunctionResponseTypes) > maxResponses {
		fail(c.FunctionResponseTypes, "functionResponseTypes", "have length less than or equal to 1")
	}
	for _, t := range c.FunctionResponseTypes {
		if t != ReportBatchItemFailures {
			fail(t, "functionResponseTypes", "satisfy enum value set: ["+ReportBatchItemFailures+"]")
		}
	}
	return bad
}

func (c *Config) checkSource() error {
	resource, ok := arnResource(c.EventSourceARN, "kinesis")
	if !ok || !strings.HasPrefix(resource, "stream/") {
		return invalid("Unrecognized event source, must be the ARN of a Kinesis stream: " + c.EventSourceARN)
	}
	if strings.Contains(resource, "/consumer/") {
		return wire.Unimplemented("mappings of fan-out consumers: " + c.EventSourceARN)
	}
	return nil
}

func (c *Config) checkDestination() error {
	if c.OnFailure == "" {
		return nil
	}
	name, ok := arnResource(c.OnFailure, "sqs")
	if !ok {
		return wire.Unimplemented("destinations of failure documents other than SQS queues: " + c.OnFailure)
	}
	if strings.HasSuffix(name, ".fifo") {
		return invalid("Invalid destination: a FIFO queue cannot be the destination of a stream's failures: " + c.OnFailure)
	}
	return nil
}

// invalid is the error that the Lambda API marks as the caller's own.
func invalid(message string) error {
	return &wire.Error{Code: codeParameter, Message: message, Fields: map[string]any{"Type": "User"}}
}

// arnResource gives the last part of an ARN of service: arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE.
func arnResource(arn, service string) (string, bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || parts[2] != service || parts[5] == "" {
		return "", false
	}
	return parts[5], true
}

func (c *Config) reportsFailures() bool {
	return slices.Contains(c.FunctionResponseTypes, ReportBatchItemFailures)
}

func (c *Config) window() time.Duration {
	return time.Duration(c.MaximumBatchingWindowInSeconds) * time.Second
}

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
