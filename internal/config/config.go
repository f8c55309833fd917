// Package config holds the names and settings that the stack (infra) and the code that runs in it must agree on: what
// infra writes into a function's environment and into the stack's outputs is what the function and the commands read.
package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultStack is the CloudFormation stack that commands look for when -stack is not given.
const DefaultStack = "Millrace"

// MetersFile declares the meters, below the repository's folder. It is compiled into the processor function; the commands
// read it there.
const MetersFile = "functions/processor/meters.json"

// The stack's outputs, by which the commands find its resources.
const (
	OutputStream       = "StreamName"      // Kinesis stream that producers write to
	OutputTable        = "TableName"       // DynamoDB table of ledger and aggregates
	OutputFailureQueue = "FailureQueueUrl" // URL of the failure queue
	OutputProcessor    = "ProcessorName"   // name of the processor function
	OutputMapping      = "MappingId"       // UUID of the event source mapping
	OutputArchive      = "ArchiveName"     // S3 bucket of the archive
	OutputDelivery     = "DeliveryName"    // Firehose delivery stream from stream to archive
	OutputTransform    = "TransformName"   // name of the transform function
	OutputDatabase     = "DatabaseName"    // Glue database of the archive
	OutputWorkGroup    = "WorkGroupName"   // Athena workgroup with the archive's queries
	OutputDashboard    = "DashboardName"   // CloudWatch dashboard
)

// The processor's environment.
const (
	EnvTable        = "MILLRACE_TABLE"         // name of the DynamoDB table
	EnvFailureQueue = "MILLRACE_FAILURE_QUEUE" // URL of the failure queue
	EnvHorizon      = "MILLRACE_HORIZON"       // a Span
	EnvRetention    = "MILLRACE_RETENTION"     // a Span
	EnvPatience     = "MILLRACE_PATIENCE"      // a Span
	EnvEpoch        = "MILLRACE_EPOCH"         // a Span
	EnvBits         = "MILLRACE_BITS"          // whole number
)

// Bounds of the settings.
const (
	MaxBits  = 8              // 256 buckets: an eight-shard stream needs 3 bits
	MinEpoch = time.Minute    // shorter epochs scatter a batch over more segments than it has events
	MaxEpoch = 24 * time.Hour // longer ones make a cold start read more than a partition gives in a second
)

// Processor is what may be set of the processor. The zero value is not valid: start from DefaultProcessor.
type Processor struct {
	Horizon   Span          // an event older than this is late; None keeps the ledger for ever
	Retention Span          // how long an aggregate is kept after its window's end, at least Horizon; None is for ever
	Patience  time.Duration // how long an instance must have seen an event fail before it gives it up
	Epoch     time.Duration // how much event time one ledger log covers: shorter for more than four full shards (docs/delivery.md)
	Bits      int           // log2 of the number of buckets: as many as the shard count needs
}

// DefaultProcessor gives the defaults, with the reasons for them in docs/delivery.md.
func DefaultProcessor() Processor {
	return Processor{
		Horizon:   Span(21 * 24 * time.Hour),
		Retention: None,
		Patience:  10 * time.Minute,
		Epoch:     15 * time.Minute,
		Bits:      1,
	}
}

// Environment gives the settings as the processor's environment.
func (p Processor) Environment() map[string]string {
	return map[string]string{
		EnvHorizon:   p.Horizon.String(),
		EnvRetention: p.Retention.String(),
		EnvPatience:  Span(p.Patience).String(),
		EnvEpoch:     Span(p.Epoch).String(),
		EnvBits:      strconv.Itoa(p.Bits),
	}
}

// ReadProcessor reads the settings from an environment: what is not set has its default. Every wrong value is named in
// the one error.
func ReadProcessor(getenv func(string) string) (Processor, error) {
	p := DefaultProcessor()
	var errs []error
	read := func(name string, set func(string) error) {
		if v := getenv(name); v != "" {
			if err := set(v); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	span := func(to *Span) func(string) error {
		return func(v string) (err error) { *to, err = ParseSpan(v); return err }
	}
	duration := func(to *time.Duration) func(string) error {
		return func(v string) error { s, err := ParseSpan(v); *to = time.Duration(s); return err }
	}
	read(EnvHorizon, span(&p.Horizon))
	read(EnvRetention, span(&p.Retention))
	read(EnvPatience, duration(&p.Patience))
	read(EnvEpoch, duration(&p.Epoch))
	read(EnvBits, func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return fmt.Errorf("%q: want a whole number", v)
		}
		p.Bits = n
		return nil
	})
	if len(errs) == 0 {
		errs = append(errs, p.Validate())
	}
	return p, errors.Join(errs...)
}

// Validate names every setting that is out of its range.
func (p Processor) Validate() error {
	var errs []error
	bad := func(name string, value any, want string) {
		errs = append(errs, fmt.Errorf("%s is %v: want %s", name, value, want))
	}
	if p.Horizon != None && p.Horizon < Span(time.Hour) {
		bad("horizon", p.Horizon, "none, or an hour or more: a shorter one refuses what a retry brings")
	}
	if p.Retention != None && (p.Horizon == None || p.Retention < p.Horizon) {
		bad("retention", p.Retention, "none, or at least the horizon ("+p.Horizon.String()+"): an accepted event must find its window")
	}
	if p.Patience < 0 {
		bad("patience", p.Patience, "none (0: give up at the fifth failure) or more")
	}
	if p.Epoch < MinEpoch || p.Epoch > MaxEpoch || p.Epoch%time.Second != 0 {
		bad("epoch", p.Epoch, "whole seconds, one minute to one day")
	}
	if p.Bits < 0 || p.Bits > MaxBits {
		bad("bits", p.Bits, "0 to "+strconv.Itoa(MaxBits))
	}
	return errors.Join(errs...)
}

// Span is a length of time that may be without end. In text it is "none", whole days as in "21d", or what
// time.ParseDuration reads.
type Span time.Duration

// None is the span without end.
const None Span = 0

// day is what the d of a span stands for: 24 hours, whatever the calendar says.
const day = Span(24 * time.Hour)

// ParseSpan reads a span. Negative ones are refused, and so is nought: who means no end has to say "none".
func ParseSpan(s string) (Span, error) {
	if s == "none" {
		return None, nil
	}
	span, err := parseLength(s)
	if err != nil || span <= 0 {
		return None, fmt.Errorf("span %q: want none, days as in 21d, or a duration as in 36h", s)
	}
	return span, nil
}

func parseLength(s string) (Span, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16) // 16 bits of days are 179 years, and 292 fit
		return Span(n) * day, err
	}
	d, err := time.ParseDuration(s)
	return Span(d), err
}

// String gives the text that ParseSpan reads.
func (s Span) String() string {
	switch {
	case s == None:
		return "none"
	case s%day == 0:
		return strconv.Itoa(int(s/day)) + "d"
	}
	text := time.Duration(s).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
