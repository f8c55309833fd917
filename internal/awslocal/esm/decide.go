package esm

import (
	"slices"
	"time"
)

// Fate is how a record was settled. RetryAttemptsExhausted and RecordAgeExceeded are the conditions of a failure document.
type Fate string

// The fates.
const (
	Processed              Fate = "Processed"              // the function took it
	RetryAttemptsExhausted Fate = "RetryAttemptsExhausted" // given up after MaximumRetryAttempts
	RecordAgeExceeded      Fate = "RecordAgeExceeded"      // given up for its age, or trimmed by the stream's retention
	FilteredOut            Fate = "FilteredOut"            // it matched no filter
	OutOfRange             Fate = "OutOfRange"             // in an aggregate with a key of another shard, which is dropped whole
)

// Rests between attempts. AWS documents nothing; the first rest was recorded as 222 ms.
const (
	firstRest      = 200 * time.Millisecond
	DefaultMaxRest = time.Minute
	jitterShare    = 10 // a rest is longer by up to a tenth
)

// batch is a run of a lane's records that is invoked as one.
type batch struct {
	records  []Record
	id       string // request id; it stays while the records stay
	attempts int    // that counted
	rests    int    // since it became a batch, those after attempts that did not count included
}

// turn is all that decides what happens next to a batch.
type turn struct {
	batch   batch
	outcome outcome
	now     time.Time
	limit   time.Duration // age at which a record is given up
	maxRest time.Duration
	jitter  float64 // 0 to 1
}

// step is what happens next: the first settle records leave with a fate; next takes the batch's place.
type step struct {
	settle   int
	fate     Fate
	count    int       // a discard's approximateInvokeCount
	response *response // a discard's responseContext, nil when it has none
	next     []batch
	invoke   bool          // next is the batch itself, and its attempt is now
	rest     time.Duration // before next
}

// decide is the retry engine (section 7 of the design): a function of values, without clock or chance of its own.
func decide(cfg *Config, t turn) step {
	b, n := t.batch, len(t.batch.records)
	switch t.outcome.verdict {
	case untried:
		return begin(t)
	case succeeded:
		return step{settle: n, fate: Processed}
	case advanced:
		// What remains is a batch of its own: it has all its attempts, and is tried at once.
		k := t.outcome.settled
		return step{settle: k, fate: Processed, next: []batch{{records: b.records[k:]}}}
	case unreached:
		return again(t, b)
	}
	b.attempts++
	if cfg.BisectBatchOnFunctionError && n > 1 {
		return step{next: []batch{{records: b.records[:n/2]}, {records: b.records[n/2:]}}}
	}
	if cfg.MaximumRetryAttempts != unlimited && b.attempts > cfg.MaximumRetryAttempts {
		return step{settle: n, fate: RetryAttemptsExhausted, count: b.attempts, response: t.outcome.response}
	}
	return again(t, b)
}

// begin gives up the records at the front that are too old, and only those; a batch that has none is invoked. Giving up
// counts as an attempt, as AWS counts: 1 for records that the function never saw.
func begin(t turn) step {
	records := t.batch.records
	old := slices.IndexFunc(records, func(r Record) bool { return t.now.Sub(r.Arrival) < t.limit })
	switch old {
	case 0:
		return step{invoke: true, next: []batch{t.batch}}
	case -1:
		old = len(records)
	}
	s := step{settle: old, fate: RecordAgeExceeded, count: t.batch.attempts + 1}
	if old < len(records) {
		s.next = []batch{{records: records[old:]}}
	}
	return s
}

// again rests twice as long as the last time, but not beyond the moment at which the oldest record is given up.
func again(t turn, b batch) step {
	rest := t.maxRest
	if doubled := firstRest << min(b.rests, 20); doubled < rest {
		rest = doubled
	}
	rest = min(rest+time.Duration(t.jitter*float64(rest/jitterShare)), t.maxRest)
	b.rests++
	left := b.records[0].Arrival.Add(t.limit).Sub(t.now)
	return step{next: []batch{b}, rest: max(0, min(rest, left))}
}
