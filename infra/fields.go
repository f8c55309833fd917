package main

import (
	"fmt"
	"math"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/config"
)

// Limits of AWS. Each stands with the page that gives it.
const (
	maxShards       = 500                // lowest default quota of an account and region (Kinesis Data Streams, "Quotas and limits")
	maxRetention    = 8760 * time.Hour   // Kinesis Data Streams, "Quotas and limits"
	maxBatch        = 10_000             // the mapping (Lambda API, CreateEventSourceMapping), and the five that follow
	maxWindow       = 5 * time.Minute    // MaximumBatchingWindowInSeconds
	maxLanes        = 10                 // ParallelizationFactor
	maxRetries      = 10_000             // MaximumRetryAttempts
	minRecordAge    = time.Minute        // MaximumRecordAgeInSeconds, where it is a limit
	maxRecordAge    = 7 * 24 * time.Hour // MaximumRecordAgeInSeconds
	minMemory       = 256                // MB, ours: Lambda takes 128, the ledger's memory up to 150 (docs/delivery.md), and there is a batch beside it
	maxMemory       = 10_240             // MB ("Lambda quotas")
	maxTimeout      = 15 * time.Minute   // "Lambda quotas"
	minInterval     = time.Minute        // ours: Firehose takes less (BufferingHints), for objects of a few rows
	maxInterval     = 15 * time.Minute   // Firehose API, BufferingHints
	maxStackName    = 128                // CloudFormation API, CreateStack
	noLimit         = math.MaxInt64
	noLimitOfNumber = math.MaxInt32
)

// logRetentions are the days that CloudWatch Logs can keep logs for (API, PutRetentionPolicy).
var logRetentions = []int{
	1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
}

// field is one setting: what it means, what it may be, and how it is read and written.
type field struct {
	name    string
	meaning string
	allowed string
	why     string // reason of the limits, where one helps
	derived string // what the default follows from, if from other settings

	get   func(Settings) string        // the text that set reads
	set   func(*Settings, string) bool // false: the text cannot be read
	valid func(Settings) bool          // whether the value is allowed
}

// want says what is allowed, and why.
func (f field) want() string {
	if f.why == "" {
		return "want " + f.allowed
	}
	return "want " + f.allowed + ": " + f.why
}

// fieldNamed gives a setting by its name, nil if there is none.
func fieldNamed(name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// fields are all settings, in the order of docs/settings.md.
var fields = []field{
	custom("stack", func(s *Settings) *string { return &s.Stack },
		"name of the CloudFormation stack, which the commands take as `-stack`",
		fmt.Sprintf("a letter, then letters, digits and hyphens, at most %d in all; not default or primary", maxStackName), validStack).
		because("CloudFormation takes no other, and Glue and Athena have those two already"),
	choice("architecture", func(s *Settings) *string { return &s.Architecture },
		"instruction set of the functions; arm64 is a fifth cheaper", ARM64, X86),
	choice("encryption", func(s *Settings) *string { return &s.Encryption },
		"keys of what is at rest: one key of the stack's own, or each service's own key. Choose it once: records that are in the stream keep the key that they came under, which the functions may no longer use", CustomerKey, AWSKey),
	toggle("keepData", func(s *Settings) *bool { return &s.KeepData },
		"whether stream, table, failure queue, archive and key outlive the stack, and the table cannot be deleted"),

	choice("capacity", func(s *Settings) *string { return &s.Capacity },
		"the stream has a number of shards, or Kinesis chooses them", Provisioned, OnDemand),
	number("shards", func(s *Settings) *int { return &s.Shards }, 1, maxShards,
		"open shards of a provisioned stream; each takes 1,000 records or 1 MB a second. A deployment may at most double or halve them").
		because("500 is the lowest default quota of an account"),
	length("streamRetention", func(s *Settings) *time.Duration { return &s.StreamRetention }, minRetention, maxRetention, time.Hour,
		"how long the stream keeps a record").because("Kinesis takes no other"),

	custom("startingPosition", func(s *Settings) *string { return &s.StartingPosition },
		"where a new mapping begins to read: at the oldest record, behind the newest, or at a time. CloudFormation cannot change it of a mapping that is there",
		TrimHorizon+", "+Latest+", or a time past in RFC 3339 and whole seconds, as in 2026-11-23T21:00:00Z", validPosition),
	number("batchSize", func(s *Settings) *int { return &s.BatchSize }, 1, maxBatch,
		"records of an invocation, at most").because("Lambda takes no other"),
	length("batchingWindow", func(s *Settings) *time.Duration { return &s.BatchingWindow }, time.Second, maxWindow, time.Second,
		"how long the mapping waits for a batch to fill").orNone("no waiting").because("Lambda takes no other"),
	number("parallelizationFactor", func(s *Settings) *int { return &s.ParallelizationFactor }, 1, maxLanes,
		"lanes of a shard: batches of one shard that are in work at once; more than 1 only helps a handler that waits for others").
		because("Lambda takes no other"),
	number("retries", func(s *Settings) *int { return &s.Retries }, -1, maxRetries,
		"attempts after the first; 60 are about an hour, -1 is until the record is too old").because("Lambda takes no other"),
	length("recordAge", func(s *Settings) *time.Duration { return &s.RecordAge }, minRecordAge, maxRecordAge, time.Second,
		"age at which Lambda gives a record up, to the failure queue").
		because("Lambda takes no other").from("80 % of streamRetention, at most 7d"),
	toggle("bisect", func(s *Settings) *bool { return &s.Bisect },
		"whether a batch that fails as a whole is halved"),
	toggle("fanOut", func(s *Settings) *bool { return &s.FanOut },
		"whether the mapping reads by enhanced fan-out: throughput of its own, at a price that the synthesis says. To switch it makes a new mapping, so give a startingPosition some minutes before: it reads again from there, and counts nothing twice"),

	number("memory", func(s *Settings) *int { return &s.Memory }, minMemory, maxMemory,
		"MB of the processor; what it remembers of the ledger takes about 150").
		because("Lambda takes no more, and with less the processor has no room beside what it remembers of the ledger"),
	length("timeout", func(s *Settings) *time.Duration { return &s.Timeout }, time.Second, maxTimeout, time.Second,
		"how long an invocation of the processor may take").because("Lambda takes no other"),
	number("reservedConcurrency", func(s *Settings) *int { return &s.ReservedConcurrency }, 0, noLimitOfNumber,
		"instances that are kept for the processor, and its most: with one a lane, redrive and replay wait for a free one; 0 takes them as the account has them, of which 100 must stay unreserved"),
	spans("logRetention", func(s *Settings) *time.Duration { return &s.LogRetention },
		"how long logs are kept", daysList(logRetentions)+", or none (for ever)", validLogRetention).
		because("CloudWatch Logs takes no other"),
	choice("failuresTo", func(s *Settings) *string { return &s.FailuresTo },
		"where Lambda reports what it gives up: the failure queue, or an SNS topic that the failure queue is subscribed to, "+
			"so that others can listen too; what the processor itself gives up goes straight to the queue", ToQueue, ToTopic),
	custom("alarmEmail", func(s *Settings) *string { return &s.AlarmEmail },
		"who is told of an alarm, once the address is confirmed", "an e-mail address, or empty (nobody)", validEmail),
	choice("archiveFormat", func(s *Settings) *string { return &s.ArchiveFormat },
		"objects of the archive: Parquet by Firehose's conversion, for which it charges by the gigabyte, or gzipped JSON lines. Choose it once: the table reads one format", Parquet, JSON),
	length("archiveInterval", func(s *Settings) *time.Duration { return &s.ArchiveInterval }, minInterval, maxInterval, time.Second,
		"how long Firehose gathers an object, at most").because("Firehose takes no more, and less makes objects of a few rows"),

	length("horizon", func(s *Settings) *time.Duration { return (*time.Duration)(&s.Processor.Horizon) }, time.Hour, noLimit, time.Second,
		"an event whose time lies further back is late: it goes to the failure queue, uncounted").
		orNone("the ledger is kept for ever").because("a shorter one refuses what a retry brings"),
	length("meterRetention", func(s *Settings) *time.Duration { return (*time.Duration)(&s.Processor.Retention) }, time.Hour, noLimit, time.Second,
		"how long an aggregate is kept after its window's end").orNone("for ever"),
	length("patience", func(s *Settings) *time.Duration { return &s.Processor.Patience }, time.Second, noLimit, time.Second,
		"how long an instance must have seen an event fail before it gives it up").orNone("at the fifth failure"),
	length("epoch", func(s *Settings) *time.Duration { return &s.Processor.Epoch }, config.MinEpoch, config.MaxEpoch, time.Second,
		"how much event time one log of the ledger covers; 5m for 8 full shards, 1m for 32").
		because("a shorter one scatters each batch, a longer one makes a cold start slow"),
	number("bits", func(s *Settings) *int { return &s.Processor.Bits }, 0, config.MaxBits,
		"log2 of the ledger's buckets: as many as the shards need").from("what the shards need, at least 1"),
}

// because gives a setting's limits a reason.
func (f field) because(why string) field {
	f.why = why
	return f
}

// from says what a setting's default follows from.
func (f field) from(what string) field {
	f.derived = what
	return f
}

// orNone lets a span be none too, and says what that means.
func (f field) orNone(meaning string) field {
	inRange, get := f.valid, f.get
	f.valid = func(s Settings) bool { return get(s) == config.None.String() || inRange(s) }
	f.allowed += ", or none (" + meaning + ")"
	return f
}

// custom is a setting whose text is its value.
func custom(name string, at func(*Settings) *string, meaning, allowed string, valid func(string) bool) field {
	return field{
		name: name, meaning: meaning, allowed: allowed,
		get:   func(s Settings) string { return *at(&s) },
		set:   func(s *Settings, text string) bool { *at(s) = text; return true },
		valid: func(s Settings) bool { return valid(*at(&s)) },
	}
}

func choice(name string, at func(*Settings) *string, meaning string, options ...string) field {
	return custom(name, at, meaning, strings.Join(options, " or "), func(v string) bool { return slices.Contains(options, v) })
}

func toggle(name string, at func(*Settings) *bool, meaning string) field {
	return field{
		name: name, meaning: meaning, allowed: "true or false",
		get: func(s Settings) string { return strconv.FormatBool(*at(&s)) },
		set: func(s *Settings, text string) bool {
			*at(s) = text == "true"
			return text == "true" || text == "false"
		},
		valid: func(Settings) bool { return true },
	}
}

func number(name string, at func(*Settings) *int, low, high int, meaning string) field {
	f := field{
		name: name, meaning: meaning, allowed: fmt.Sprintf("a whole number, %d to %d", low, high),
		get: func(s Settings) string { return strconv.Itoa(*at(&s)) },
		set: func(s *Settings, text string) (ok bool) {
			n, err := strconv.Atoi(text)
			*at(s) = n
			return err == nil
		},
		valid: func(s Settings) bool { n := *at(&s); return low <= n && n <= high },
	}
	if high == noLimitOfNumber {
		f.allowed = fmt.Sprintf("a whole number, %d or more", low)
	}
	return f
}

// spans is a setting that is a config.Span.
func spans(name string, at func(*Settings) *time.Duration, meaning, allowed string, valid func(time.Duration) bool) field {
	return field{
		name: name, meaning: meaning, allowed: allowed,
		get: func(s Settings) string { return config.Span(*at(&s)).String() },
		set: func(s *Settings, text string) bool {
			span, err := config.ParseSpan(text)
			*at(s) = time.Duration(span)
			return err == nil
		},
		valid: func(s Settings) bool { return valid(*at(&s)) },
	}
}

// length is a span between two bounds, in whole units.
func length(name string, at func(*Settings) *time.Duration, low, high, unit time.Duration, meaning string) field {
	allowed := fmt.Sprintf("%v to %v", config.Span(low), config.Span(high))
	if high == noLimit {
		allowed = fmt.Sprintf("%v or more", config.Span(low))
	}
	if unit == time.Hour {
		allowed += " in whole hours"
	} else {
		allowed += " in whole seconds"
	}
	return spans(name, at, meaning, allowed, func(d time.Duration) bool { return low <= d && d <= high && d%unit == 0 })
}

var stackName = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z][A-Za-z0-9-]{0,%d}$`, maxStackName-1))

// validStack leaves out the names of what every account has: the stack's Glue database and Athena workgroup are named
// after it.
func validStack(name string) bool {
	return stackName.MatchString(name) && !strings.EqualFold(name, "default") && !strings.EqualFold(name, "primary")
}

func validPosition(text string) bool {
	if text == TrimHorizon || text == Latest {
		return true
	}
	at, err := time.Parse(time.RFC3339, text)
	return err == nil && at.Unix() > 0 && at.Nanosecond() == 0 && at.Before(time.Now()) // Lambda refuses a time to come
}

func validLogRetention(d time.Duration) bool {
	const day = 24 * time.Hour
	return d == 0 || d%day == 0 && slices.Contains(logRetentions, int(d/day))
}

func daysList(days []int) string {
	texts := make([]string, len(days))
	for i, n := range days {
		texts[i] = strconv.Itoa(n) + "d"
	}
	return strings.Join(texts, ", ")
}

// validEmail tells a bare address from what is none; whether somebody reads it, SNS finds out.
func validEmail(text string) bool {
	address, err := mail.ParseAddress(text)
	return text == "" || err == nil && address.Address == text && emailDomain.MatchString(text)
}

var emailDomain = regexp.MustCompile(`@[^@]+\.[^@.]+$`)
