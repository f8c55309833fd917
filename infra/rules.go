package main

import (
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/config"
)

// rule is what settings owe to each other.
type rule struct {
	fields []string // that it is about
	says   string
	least  func(Settings) string // what says comes to for these settings; nil: nothing to work out
	why    string
	holds  func(Settings) bool
}

// want says what is allowed, and why.
func (r rule) want(s Settings) string {
	text := "want " + r.says
	if r.least != nil {
		text += ", here " + r.least(s)
	}
	return text + ": " + r.why
}

// about names the rule's settings as they count: those of an on-demand stream are its capacity in place of its shards.
func (r rule) about(s Settings) []string {
	names := slices.Clone(r.fields)
	if i := slices.Index(names, "shards"); i >= 0 && s.Capacity == OnDemand {
		names[i] = "capacity"
	}
	return names
}

// rules are checked where each of their settings is in its range.
var rules = []rule{
	{
		fields: []string{"recordAge", "streamRetention"},
		says:   "recordAge at most nine tenths of streamRetention",
		least:  func(s Settings) string { return "at most " + config.Span(s.StreamRetention/10*9).String() },
		why:    "a record that Lambda gives up is read back from the stream, and somebody has to come and do it",
		holds:  func(s Settings) bool { return s.RecordAge <= s.StreamRetention/10*9 },
	},
	{
		fields: []string{"batchingWindow", "recordAge"},
		says:   "batchingWindow shorter than recordAge",
		why:    "a record must not be too old before its batch is handed over",
		holds:  func(s Settings) bool { return s.BatchingWindow < s.RecordAge },
	},
	{
		fields: []string{"timeout", "batchSize"},
		says:   "timeout at least 5s and 10ms for each record of batchSize",
		least:  func(s Settings) string { return config.Span(neededTimeout(s)).String() },
		why:    "the processor stops a second before its time ends, and what it has not got through comes again",
		holds:  func(s Settings) bool { return s.Timeout >= neededTimeout(s) },
	},
	{
		fields: []string{"reservedConcurrency", "shards", "parallelizationFactor"},
		says:   "reservedConcurrency 0, or at least an instance for each lane: shards times parallelizationFactor (an on-demand stream begins with 4 shards)",
		least:  func(s Settings) string { return strconv.Itoa(lanes(s)) },
		why:    "with fewer instances shards wait for each other, and their batches are throttled",
		holds:  func(s Settings) bool { return s.ReservedConcurrency == 0 || s.ReservedConcurrency >= lanes(s) },
	},
	{
		fields: []string{"horizon", "recordAge"},
		says:   "horizon none, or longer than recordAge and the failure queue's " + config.Span(queueRetention).String() + " together",
		least:  func(s Settings) string { return "more than " + config.Span(s.RecordAge+queueRetention).String() },
		why:    "a record that is given up, and put back at the end of the queue's life, must not be late",
		holds: func(s Settings) bool {
			return s.Processor.Horizon == config.None || time.Duration(s.Processor.Horizon) > s.RecordAge+queueRetention
		},
	},
	{
		fields: []string{"meterRetention", "horizon"},
		says:   "meterRetention none, or at least horizon (and none where that is none)",
		why:    "an event that is accepted must find its window",
		holds: func(s Settings) bool {
			p := s.Processor
			return p.Retention == config.None || p.Horizon != config.None && p.Retention >= p.Horizon
		},
	},
	{
		fields: []string{"bits", "shards"},
		says:   "bits enough for a bucket a shard: log2 of shards, at most " + strconv.Itoa(config.MaxBits) + " (an on-demand stream: 2)",
		least:  func(s Settings) string { return strconv.Itoa(s.neededBits()) },
		why:    "shards that share a log of the ledger hinder each other, and the table keeps the bits that it was first used with",
		holds:  func(s Settings) bool { return s.Processor.Bits >= s.neededBits() },
	},
}

// neededTimeout is time for a cold start that reads a full log, and for each record. In docs/delivery.md's measurements one
// took well below a millisecond: the rest is for a handler, and for a table that throttles.
func neededTimeout(s Settings) time.Duration {
	return 5*time.Second + time.Duration(s.BatchSize)*10*time.Millisecond
}

// lanes is how many batches can be in work at once.
func lanes(s Settings) int { return s.shards() * s.ParallelizationFactor }
