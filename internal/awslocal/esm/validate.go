package esm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/awslocal/esm/pattern"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Limits of CreateEventSourceMapping's parameters for a Kinesis stream (API reference).
const (
	maxBatchSize = 10_000
	maxWindow    = 300 // seconds
	maxLanes     = 10
	maxRetries   = 10_000
	minRecordAge = 60 // seconds, unless it is unlimited
	maxRecordAge = 604_800
	maxResponses = 1
	maxMetrics   = 3
	maxTumbling  = 900  // seconds
	maxFilters   = 5    // AWS's quota, which it raises to 10 for those who ask
	maxPattern   = 4096 // characters
)

// codeParameter is of errors for what values come to together; for each by itself there is wire.Violations.
const codeParameter = "InvalidParameterValueException"

// Validate gives AWS's error, a *wire.Error, for what is missing or out of its range. A batching window is not asked
// for with a BatchSize over 10: the API's page says so, AWS does not do it for streams.
func (c *Config) Validate() error {
	if c.StartingPosition == "" {
		return invalid("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
	}
	if err := c.checkMembers(); err != nil {
		return err
	}
	if err := c.checkTimestamp(time.Now()); err != nil {
		return err
	}
	if c.MaximumRecordAgeInSeconds != unlimited && c.MaximumRecordAgeInSeconds < minRecordAge {
		// Seen on AWS: https://github.com/hashicorp/terraform-provider-aws/pull/16113.
		return invalid("MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)")
	}
	if err := c.checkTumbling(); err != nil {
		return err
	}
	if err := c.checkSource(); err != nil {
		return err
	}
	if err := c.checkFilters(); err != nil {
		return err
	}
	if slices.ContainsFunc(c.Metrics, func(m string) bool { return m != EventCount }) {
		return invalid("Only the metrics EventCount are there for the mapping of a Kinesis stream.")
	}
	return c.checkDestinations()
}

// checkMembers checks each member by itself.
func (c *Config) checkMembers() error {
	var v wire.Violations
	v.OneOf(string(c.StartingPosition), "startingPosition", string(Latest), string(AtTimestamp), string(TrimHorizon))
	v.Within(c.BatchSize, "batchSize", 1, maxBatchSize)
	v.Within(c.MaximumBatchingWindowInSeconds, "maximumBatchingWindowInSeconds", 0, maxWindow)
	v.Within(c.ParallelizationFactor, "parallelizationFactor", 1, maxLanes)
	v.Within(c.MaximumRetryAttempts, "maximumRetryAttempts", unlimited, maxRetries)
	v.Within(c.MaximumRecordAgeInSeconds, "maximumRecordAgeInSeconds", unlimited, maxRecordAge)
	v.Within(c.TumblingWindowInSeconds, "tumblingWindowInSeconds", 0, maxTumbling)
	if len(c.FunctionResponseTypes) > maxResponses {
		v.TooLong(list(c.FunctionResponseTypes), "functionResponseTypes", maxResponses)
	}
	for _, t := range c.FunctionResponseTypes {
		v.OneOf(t, "functionResponseTypes", ReportBatchItemFailures)
	}
	if len(c.Metrics) > maxMetrics {
		v.TooLong(list(c.Metrics), "metricsConfig.metrics", maxMetrics)
	}
	for _, m := range c.Metrics {
		v.OneOf(m, "metricsConfig.metrics", EventCount, "ErrorCount", "KafkaMetrics")
	}
	for i, f := range c.Filters {
		if utf8.RuneCountInString(f) > maxPattern {
			v.TooLong(wire.Quoted(f), fmt.Sprintf("filterCriteria.filters.%d.member.pattern", i+1), maxPattern)
		}
	}
	return v.Err()
}

// list writes values as AWS's errors do.
func list(values []string) string { return "'[" + strings.Join(values, ", ") + "]'" }

func (c *Config) checkTimestamp(now time.Time) error {
	timed := !c.StartingPositionTimestamp.IsZero()
	switch {
	case c.StartingPosition != AtTimestamp && timed:
		return invalid("StartingPositionTimestamp can only be given with the starting position AT_TIMESTAMP.")
	case c.StartingPosition != AtTimestamp:
		return nil
	case !timed: // seen on AWS: https://github.com/serverless/serverless/issues/12111
		return invalid("Need to specify a timestamp")
	case c.StartingPositionTimestamp.After(now):
		return invalid("StartingPositionTimestamp cannot be in the future.")
	case c.StartingPositionTimestamp.Unix() < 0:
		return invalid("StartingPositionTimestamp cannot be negative.")
	}
	return nil
}

// checkTumbling refuses what AWS refuses together with a tumbling window, and then the window itself.
func (c *Config) checkTumbling() error {
	switch {
	case c.TumblingWindowInSeconds == 0:
		return nil
	case c.ParallelizationFactor > 1:
		return invalid("TumblingWindowInSeconds cannot be set together with a ParallelizationFactor over 1.")
	case len(c.Filters) > 0:
		return invalid("TumblingWindowInSeconds cannot be set together with FilterCriteria.")
	}
	return wire.Unimplemented("tumbling windows")
}

// sourceResource is the last part of the ARN of a stream, or of one of its consumers: .../consumer/NAME:EPOCH.
var sourceResource = regexp.MustCompile(`^stream/[a-zA-Z0-9_.-]+(/consumer/[a-zA-Z0-9_.-]+:[0-9]+)?$`)

func (c *Config) checkSource() error {
	if resource, ok := arnResource(c.EventSourceARN, "kinesis"); !ok || !sourceResource.MatchString(resource) {
		return invalid("Unrecognized event source, must be the ARN of a Kinesis stream or of one of its consumers: " + c.EventSourceARN)
	}
	return nil
}

func (c *Config) checkFilters() error {
	if len(c.Filters) > maxFilters {
		return invalid(fmt.Sprintf("%d filters are more than the %d that a mapping may have.", len(c.Filters), maxFilters))
	}
	for _, f := range c.Filters {
		if _, err := pattern.Parse(f); err != nil {
			return invalid("Invalid filter pattern definition.")
		}
	}
	return nil
}

// checkDestinations takes a standard queue, a standard topic or a bucket for failures, and nothing for successes.
func (c *Config) checkDestinations() error {
	if c.OnSuccess != "" {
		return invalid("Unsupported DestinationConfig parameter for given event source mapping type.")
	}
	if c.OnFailure != "" && !isDestination(c.OnFailure) {
		return invalid("The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=" +
			c.OnFailure + ")) is invalid.")
	}
	return nil
}

func isDestination(arn string) bool {
	if bucket, ok := arnResource(arn, "s3"); ok {
		return isBucket(arn) && !strings.ContainsAny(bucket, "/:")
	}
	name, ok := arnResource(arn, "sqs")
	if !ok {
		name, ok = arnResource(arn, "sns")
	}
	return ok && !strings.HasSuffix(name, ".fifo") && !strings.ContainsAny(name, "/:")
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
