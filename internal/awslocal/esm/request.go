package esm

import (
	"math"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// request is the document of CreateEventSourceMapping and of UpdateEventSourceMapping. What is nil was not given.
type request struct {
	BatchSize                      *int
	BisectBatchOnFunctionError     *bool
	DestinationConfig              *destinationConfig
	Enabled                        *bool
	EventSourceARN                 *string `json:"EventSourceArn"`
	FilterCriteria                 *filterCriteria
	FunctionName                   *string
	FunctionResponseTypes          *[]string
	KMSKeyARN                      *string `json:"KMSKeyArn"`
	MaximumBatchingWindowInSeconds *int
	MaximumRecordAgeInSeconds      *int
	MaximumRetryAttempts           *int
	MetricsConfig                  *metricsConfig
	ParallelizationFactor          *int
	StartingPosition               *PositionType
	StartingPositionTimestamp      *float64 // Unix seconds
	Tags                           map[string]string
	TumblingWindowInSeconds        *int

	// The mappings of other sources have these (API reference, and aws-sdk-go-v2's comments). What stands in them does not
	// matter.
	AmazonManagedKafkaEventSourceConfig, DocumentDBEventSourceConfig, LoggingConfig, ProvisionedPollerConfig, Queues,
	ScalingConfig, SelfManagedEventSource, SelfManagedKafkaEventSourceConfig, SourceAccessConfigurations, Topics jsontext.Value
}

// readRequest reads a request, and refuses one that asks for what a stream's mapping does not have.
func readRequest(r *http.Request) (in request, err error) {
	if err := wire.ReadREST(r, maxRequest, errTooLong, &in); err != nil {
		return in, err
	}
	return in, in.checkOthers()
}

// checkOthers names the first parameter of another source. AWS was seen to use these words, and to name the parameter so,
// when a parameter of streams is given for Kafka (https://github.com/pulumi/pulumi-aws/issues/1418,
// https://github.com/aws/aws-cdk/issues/17934); that it does the other way round is inferred. What is null or empty is as
// good as not given.
func (in *request) checkOthers() error {
	for _, p := range []struct {
		name  string
		value jsontext.Value
	}{
		{"amazonManagedKafkaEventSourceConfig", in.AmazonManagedKafkaEventSourceConfig},
		{"documentDBEventSourceConfig", in.DocumentDBEventSourceConfig},
		{"loggingConfig", in.LoggingConfig},
		{"provisionedPollerConfig", in.ProvisionedPollerConfig},
		{"queues", in.Queues},
		{"scalingConfig", in.ScalingConfig},
		{"selfManagedEventSource", in.SelfManagedEventSource},
		{"selfManagedKafkaEventSourceConfig", in.SelfManagedKafkaEventSourceConfig},
		{"sourceAccessConfigurations", in.SourceAccessConfigurations},
		{"topics", in.Topics},
	} {
		if v := string(p.value); v != "" && v != "null" && v != "[]" && v != "{}" {
			return invalid("Unsupported '" + p.name + "' parameter for given event source mapping type.")
		}
	}
	return nil
}

// farSeconds is a time, in Unix seconds, that is refused anyway.
const farSeconds = 1e12

// apply gives cfg with what was given.
func (in *request) apply(cfg Config) Config {
	wire.Given(&cfg.BatchSize, in.BatchSize)
	wire.Given(&cfg.BisectBatchOnFunctionError, in.BisectBatchOnFunctionError)
	wire.Given(&cfg.Enabled, in.Enabled)
	wire.Given(&cfg.EventSourceARN, in.EventSourceARN)
	wire.Given(&cfg.FunctionResponseTypes, in.FunctionResponseTypes)
	wire.Given(&cfg.KMSKeyARN, in.KMSKeyARN)
	wire.Given(&cfg.MaximumBatchingWindowInSeconds, in.MaximumBatchingWindowInSeconds)
	wire.Given(&cfg.MaximumRecordAgeInSeconds, in.MaximumRecordAgeInSeconds)
	wire.Given(&cfg.MaximumRetryAttempts, in.MaximumRetryAttempts)
	wire.Given(&cfg.ParallelizationFactor, in.ParallelizationFactor)
	wire.Given(&cfg.StartingPosition, in.StartingPosition)
	wire.Given(&cfg.TumblingWindowInSeconds, in.TumblingWindowInSeconds)
	if t := in.StartingPositionTimestamp; t != nil {
		bounded := max(-farSeconds, min(*t, farSeconds)) // beyond, the conversion means nothing
		cfg.StartingPositionTimestamp = time.UnixMilli(int64(math.Round(bounded * 1000)))
	}
	if c := in.DestinationConfig; c != nil {
		if c.OnFailure != nil {
			cfg.OnFailure = c.OnFailure.Destination
		}
		if c.OnSuccess != nil {
			cfg.OnSuccess = c.OnSuccess.Destination
		}
	}
	if c := in.FilterCriteria; c != nil {
		cfg.Filters = nil
		for _, f := range c.Filters {
			cfg.Filters = append(cfg.Filters, f.Pattern)
		}
	}
	if in.MetricsConfig != nil {
		cfg.Metrics = in.MetricsConfig.Metrics
	}
	return cfg
}
