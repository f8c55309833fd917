package esm

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

func TestCase1_Defaults(t *testing.T) {
	got := DefaultConfig()
	if !got.Enabled || got.BatchSize != 100 || got.MaximumBatchingWindowInSeconds != 0 || got.ParallelizationFactor != 1 ||
		got.MaximumRetryAttempts != -1 || got.MaximumRecordAgeInSeconds != -1 || got.BisectBatchOnFunctionError ||
		len(got.FunctionResponseTypes) != 0 || got.OnFailure != "" || got.StartingPosition != "" {
		t.Errorf("DefaultConfig() = %+v", got)
	}
}

const badDestination = "InvalidParameterValueException: The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination="

const badAge = "InvalidParameterValueException: MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)"

// patternOf gives a pattern of n characters, which are more bytes.
func patternOf(n int) string {
	const around = `{"data":{"a":[""]}}`
	return `{"data":{"a":["` + strings.Repeat("é", n-len(around)) + `"]}}`
}

func TestValidate(t *testing.T) {
	const one = "ValidationException: 1 validation error detected: "
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string // "" is accepted
	}{
		{"minimal", func(*Config) {}, ""},
		{
			"no starting position", func(c *Config) { c.StartingPosition = "" },
			"InvalidParameterValueException: 1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
		},
		{
			"unknown starting position", func(c *Config) { c.StartingPosition = "invalid" },
			one + "Value 'invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]",
		},
		{"a sequence number is no start", func(c *Config) { c.StartingPosition = AtSequence }, one},
		{"large batch without window", func(c *Config) { c.BatchSize = 101 }, ""},
		{"batch size 0", func(c *Config) { c.BatchSize = 0 }, one + "Value '0' at 'batchSize' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"batch size 10001", func(c *Config) { c.BatchSize = 10_001 }, one + "Value '10001' at 'batchSize' failed to satisfy constraint: Member must have value less than or equal to 10000"},
		{"window 301", func(c *Config) { c.MaximumBatchingWindowInSeconds = 301 }, one},
		{"lanes 0", func(c *Config) { c.ParallelizationFactor = 0 }, one},
		{"lanes 11", func(c *Config) { c.ParallelizationFactor = 11 }, one},
		{"retries -2", func(c *Config) { c.MaximumRetryAttempts = -2 }, one},
		{"retries 10001", func(c *Config) { c.MaximumRetryAttempts = 10_001 }, one},
		{"retries 0", func(c *Config) { c.MaximumRetryAttempts = 0 }, ""},
		{"age 59", func(c *Config) { c.MaximumRecordAgeInSeconds = 59 }, badAge},
		{"age 0", func(c *Config) { c.MaximumRecordAgeInSeconds = 0 }, badAge},
		{"age -2", func(c *Config) { c.MaximumRecordAgeInSeconds = -2 }, one + "Value '-2' at 'maximumRecordAgeInSeconds' failed to satisfy constraint: Member must have value greater than or equal to -1"},
		{"age 60", func(c *Config) { c.MaximumRecordAgeInSeconds = 60 }, ""},
		{"age over a week", func(c *Config) { c.MaximumRecordAgeInSeconds = 604_801 }, one},
		{"response types", func(c *Config) { c.FunctionResponseTypes = []string{ReportBatchItemFailures} }, ""},
		{"unknown response type", func(c *Config) { c.FunctionResponseTypes = []string{"x"} }, one},
		{"two at once", func(c *Config) { c.BatchSize, c.ParallelizationFactor = 0, 0 }, "ValidationException: 2 validation errors detected: "},
		{"timestamp missing", func(c *Config) { c.StartingPosition = AtTimestamp }, "InvalidParameterValueException: Need to specify a timestamp"},
		{"timestamp not wanted", func(c *Config) { c.StartingPositionTimestamp = time.Unix(1, 0) }, "InvalidParameterValueException: "},
		{"source is no stream", func(c *Config) { c.EventSourceARN = queueARN }, "InvalidParameterValueException: "},
		{"source is a consumer", func(c *Config) { c.EventSourceARN += "/consumer/c:1" }, ""},
		{"source is a consumer without epoch", func(c *Config) { c.EventSourceARN += "/consumer/c" }, "InvalidParameterValueException: "},
		{"timestamp in the future", func(c *Config) {
			c.StartingPosition, c.StartingPositionTimestamp = AtTimestamp, time.Now().Add(time.Minute)
		}, "InvalidParameterValueException: "},
		{"destination is a FIFO queue", func(c *Config) { c.OnFailure += ".fifo" }, "InvalidParameterValueException: "},
		{"destination is a topic", func(c *Config) { c.OnFailure = topicARN }, ""},
		{"destination is a FIFO topic", func(c *Config) { c.OnFailure = topicARN + ".fifo" }, badDestination},
		{"destination is a subscription", func(c *Config) { c.OnFailure = topicARN + ":1" }, badDestination},
		{"destination is a bucket", func(c *Config) { c.OnFailure = bucketARN }, ""},
		{"destination is a folder of a bucket", func(c *Config) { c.OnFailure = bucketARN + "/x" }, badDestination},
		{"destination is a function", func(c *Config) { c.OnFailure = functionARN }, badDestination},
		{
			"destination of successes", func(c *Config) { c.OnSuccess = queueARN },
			"InvalidParameterValueException: Unsupported DestinationConfig parameter for given event source mapping type.",
		},
		{"metrics", func(c *Config) { c.Metrics = []string{EventCount} }, ""},
		{"metrics of Kafka", func(c *Config) { c.Metrics = []string{"KafkaMetrics"} }, "InvalidParameterValueException: "},
		{"unknown metrics", func(c *Config) { c.Metrics = []string{"x"} }, one},
		{"five filters", func(c *Config) { c.Filters = slices.Repeat([]string{`{"data":{"a":[1]}}`}, 5) }, ""},
		{"six filters", func(c *Config) { c.Filters = slices.Repeat([]string{`{"data":{"a":[1]}}`}, 6) }, "InvalidParameterValueException: "},
		{"a filter that is no pattern", func(c *Config) { c.Filters = []string{`{"data":"a"}`} }, "InvalidParameterValueException: Invalid filter pattern definition."},
		{"a filter that is no JSON", func(c *Config) { c.Filters = []string{`{"data":`} }, "InvalidParameterValueException: Invalid filter pattern definition."},
		{"a filter of 4096 characters", func(c *Config) { c.Filters = []string{patternOf(4096)} }, ""},
		{"a filter of 4097 characters", func(c *Config) { c.Filters = []string{patternOf(4097)} }, one},
		{"tumbling window of 901 s", func(c *Config) { c.TumblingWindowInSeconds = 901 }, one},
		{"no destination", func(c *Config) { c.OnFailure = "" }, ""},
	} {
		cfg := testConfig()
		c.change(&cfg)
		err := cfg.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		case c.want != "" && !errors.As(err, new(*wire.Error)):
			t.Errorf("%s: error is a %T", c.name, err)
		}
	}
}

func TestAgeLimit_RetentionBoundsIt(t *testing.T) {
	cfg := testConfig()
	if got := cfg.ageLimit(24 * time.Hour); got != 24*time.Hour {
		t.Errorf("without a limit: %v", got)
	}
	cfg.MaximumRecordAgeInSeconds = 604_800
	if got := cfg.ageLimit(24 * time.Hour); got != 24*time.Hour {
		t.Errorf("limit over retention: %v", got)
	}
	cfg.MaximumRecordAgeInSeconds = 60
	if got := cfg.ageLimit(0); got != time.Minute {
		t.Errorf("retention not known: %v", got)
	}
	if got := cfg.ageLimit(24 * time.Hour); got != time.Minute {
		t.Errorf("limit under retention: %v", got)
	}
}

// wantError checks the error of New.
func wantError(t *testing.T, change func(*Config), want string) {
	t.Helper()
	cfg := testConfig()
	change(&cfg)
	_, err := New(cfg, newStream(), &function{}, &queue{}, Options{})
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("New = %v, want %s", err, want)
	}
}

func TestCase2_NoStartingPosition_IsAskedFor(t *testing.T) {
	wantError(t, func(c *Config) { c.StartingPosition = "" }, "InvalidParameterValueException: "+
		"1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
}

func TestCase3_UnknownStartingPosition_IsRefused(t *testing.T) {
	wantError(t, func(c *Config) { c.StartingPosition = "invalid" }, "ValidationException: 1 validation error detected: "+
		"Value 'invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]")
}

func TestCase6_LargeBatchWithoutWindow_IsAccepted(t *testing.T) {
	cfg := testConfig()
	cfg.BatchSize = 101
	if _, err := New(cfg, newStream(), &function{}, &queue{}, Options{}); err != nil {
		t.Error(err)
	}
}

func TestCase64_RecordAge_IsUnlimitedOrAtLeastAMinute(t *testing.T) {
	for _, age := range []int{0, 1, 59} {
		wantError(t, func(c *Config) { c.MaximumRecordAgeInSeconds = age }, badAge)
	}
	for _, age := range []int{-2, 604_801} {
		wantError(t, func(c *Config) { c.MaximumRecordAgeInSeconds = age }, "ValidationException: 1 validation error detected: ")
	}
	for _, age := range []int{-1, 60, 604_800} {
		cfg := testConfig()
		cfg.MaximumRecordAgeInSeconds = age
		if err := cfg.Validate(); err != nil {
			t.Errorf("age %d: %v", age, err)
		}
	}
}

func TestCase79_TumblingWindow_IsRefused(t *testing.T) {
	wantError(t, func(c *Config) { c.TumblingWindowInSeconds = 60 }, "NotImplemented: ")
}

func TestCase80_TumblingWindowWithRetries_IsRefused(t *testing.T) {
	wantError(t, func(c *Config) { c.TumblingWindowInSeconds, c.MaximumRetryAttempts = 60, 0 }, "NotImplemented: ")
}

func TestCase83_TumblingWindowWithFiltersOrLanes_IsRejected(t *testing.T) {
	wantError(t, func(c *Config) { c.TumblingWindowInSeconds, c.ParallelizationFactor = 60, 2 }, "InvalidParameterValueException: ")
	wantError(t, func(c *Config) {
		c.TumblingWindowInSeconds, c.Filters = 60, []string{`{"data":{"a":[1]}}`}
	}, "InvalidParameterValueException: ")
}
