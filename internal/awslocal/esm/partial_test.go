package esm

import (
	"slices"
	"testing"
)

func (w *world) reporting() { w.cfg.FunctionResponseTypes = []string{ReportBatchItemFailures} }

func TestCase37_EmptyResponses_AreSuccess(t *testing.T) {
	for _, payload := range []string{`{"batchItemFailures":[]}`, `{"batchItemFailures":null}`, `{}`, `null`, `[]`, `""`} {
		play(t, func(w *world) {
			w.reporting()
			w.cfg.BatchSize, w.cfg.MaximumRetryAttempts = 1, 2
			w.fn.script = replies(reply{payload: payload})
			w.stream.put(shard0, "r1")
			w.run(1)
			w.wantCalls("r1")
			w.wantDocs()
			w.wantCheckpoint(shard0, "r1")
		})
	}
}

func TestCase38_MalformedResponses_AreCompleteFailures(t *testing.T) {
	for _, entry := range []string{`{"itemIdentifier":""}`, `{"itemIdentifier":null}`, `{"foo":123}`, `{"foo":null}`, `{"itemIdentifier":123}`} {
		play(t, func(w *world) {
			w.reporting()
			w.cfg.BatchSize, w.cfg.MaximumRetryAttempts = 1, 2
			w.fn.script = replies(reply{payload: `{"batchItemFailures":[` + entry + `]}`})
			w.stream.put(shard0, "r1")
			w.run(1)
			w.wantCalls("r1 #a", "r1 #a", "r1 #a")
			w.wantDocs("r1..r1 1 RetryAttemptsExhausted 3 null")
		})
	}
}

func TestCase39_RaisedErrorWhileReporting(t *testing.T) {
	play(t, func(w *world) {
		w.reporting()
		w.cfg.MaximumRetryAttempts = 2
		w.fn.script = replies(crash)
		w.stream.put(shard0, "r1")
		w.run(1)
		w.wantCalls("r1", "r1", "r1")
		w.wantDocs("r1..r1 1 RetryAttemptsExhausted 3 Unhandled")
	})
}

func TestCase41_PartialResponse_RetriesFromLowest(t *testing.T) {
	play(t, func(w *world) {
		w.reporting()
		w.fn.script = func(n int, c call) reply {
			if n == 0 {
				return c.partial("r2")
			}
			w.wantCheckpoint(shard0, "r1")
			w.wantResult(ResultOK)
			return ok
		}
		w.stream.put(shard0, "r1", "r2", "r3", "r4")
		w.run(4)
		w.wantCalls("r1 r2 r3 r4 #a", "r2 r3 r4 #b")
		if w.fn.calls[0].at != w.fn.calls[1].at {
			t.Error("rested after a partial response")
		}
	})
}

func TestCase42_PartialResponse_InAnyOrder(t *testing.T) {
	play(t, func(w *world) {
		w.reporting()
		w.fn.script = func(n int, c call) reply {
			if n == 0 {
				return c.partial("r3", "r2")
			}
			return ok
		}
		w.stream.put(shard0, "r1", "r2", "r3", "r4")
		w.run(4)
		w.wantCalls("r1 r2 r3 r4", "r2 r3 r4")
	})
}

func TestCase44_PartialResponse_NotReporting_IsSuccess(t *testing.T) {
	play(t, func(w *world) {
		w.fn.script = func(_ int, c call) reply { return c.partial("r2") }
		w.stream.put(shard0, "r1", "r2", "r3", "r4")
		w.run(4)
		w.wantCalls("r1 r2 r3 r4")
		w.wantCheckpoint(shard0, "r4")
	})
}

func TestCase47_UnknownRecord_IsACompleteFailure(t *testing.T) {
	play(t, func(w *world) {
		w.reporting()
		w.cfg.MaximumRetryAttempts = 0
		w.fn.script = func(_ int, c call) reply { return c.partial("nobody") }
		w.stream.put(shard0, "r1", "r2", "r3")
		w.run(3)
		w.wantCalls("r1 r2 r3")
		w.wantDocs("r1..r3 3 RetryAttemptsExhausted 1 null")
	})
}

func TestCase48_KnownAndUnknownRecords_AreACompleteFailure(t *testing.T) {
	play(t, func(w *world) {
		w.reporting()
		w.cfg.MaximumRetryAttempts = 0
		w.fn.script = func(_ int, c call) reply { return c.partial("r2", "nobody") }
		w.stream.put(shard0, "r1", "r2", "r3")
		w.run(3)
		w.wantCalls("r1 r2 r3")
		w.wantDocs("r1..r3 3 RetryAttemptsExhausted 1 null")
	})
}

func TestCase49_EmptyResponse_NotReporting_IsSuccess(t *testing.T) {
	play(t, func(w *world) {
		w.stream.put(shard0, "r1")
		w.run(1)
		w.wantCalls("r1")
		w.wantResult(ResultOK)
	})
}

// Recorded with N=3: every partial response that makes progress gives the rest all its attempts again.
func TestPartialProgress_RenewsTheBudget(t *testing.T) {
	play(t, func(w *world) {
		w.reporting()
		w.cfg.MaximumRetryAttempts = 3
		w.fn.script = func(n int, c call) reply {
			if n == 0 {
				return c.partial("r2")
			}
			return c.partial("r2", "r3")
		}
		w.stream.put(shard0, "r1", "r2", "r3")
		w.run(3)
		w.wantCalls(append([]string{"r1 r2 r3 #a"}, slices.Repeat([]string{"r2 r3 #b"}, 4)...)...)
		w.wantDocs("r2..r3 2 RetryAttemptsExhausted 4 null")
	})
}

// Recorded in kinesis_followup: [1 2 3 4] fails from 2, the remainder makes no progress and is split 1 + 2.
func TestPartialNoProgress_Bisects(t *testing.T) {
	play(t, func(w *world) {
		w.reporting()
		w.cfg.MaximumRetryAttempts, w.cfg.BisectBatchOnFunctionError = 1, true
		w.fn.script = func(_ int, c call) reply {
			if c.has("r2") {
				return c.partial("r2")
			}
			return ok
		}
		w.stream.put(shard0, "r1", "r2", "r3", "r4")
		w.run(4)
		w.wantCalls("r1 r2 r3 r4 #a", "r2 r3 r4 #b", "r2 #c", "r2 #c", "r3 r4 #d")
		w.wantDocs("r2..r2 1 RetryAttemptsExhausted 2 null")
	})
}
