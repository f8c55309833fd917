package esm

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestCase27_OneRetry_TwoInvocationsAndADocument(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts, w.cfg.BatchSize = 1, 1
		w.fn.script = replies(crash)
		w.stream.put(shard0, "r1")
		w.run(1)
		w.wantCalls("r1 #a", "r1 #a")
		w.wantDocs("r1..r1 1 RetryAttemptsExhausted 2 Unhandled")
		w.wantCheckpoint(shard0, "r1")
		if d := parseDocument(t, w.queue.docs[0]); d.RequestContext.RequestID != w.fn.calls[1].id {
			t.Errorf("document has request id %s, the last attempt %s", d.RequestContext.RequestID, w.fn.calls[1].id)
		}
	})
}

func TestCase28_NoRetries_OneInvocation(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts = 0
		w.fn.script = replies(crash)
		w.stream.put(shard0, "r1")
		w.run(1)
		w.wantCalls("r1")
		w.wantDocs("r1..r1 1 RetryAttemptsExhausted 1 Unhandled")
	})
}

func TestCase29_RetriesKeepBatchAndRequestID(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts, w.cfg.BatchSize = 2, 3
		w.fn.script = replies(crash, crash, ok)
		w.stream.put(shard0, "r1", "r2", "r3", "r4")
		w.run(4)
		w.wantCalls("r1 r2 r3 #a", "r1 r2 r3 #a", "r1 r2 r3 #a", "r4 #b")
		w.wantDocs()
		w.wantCheckpoint(shard0, "r4")
	})
}

func TestCase30_UnlimitedRetries_BlockTheShard(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize = 1
		w.fn.script = func(n int, _ call) reply {
			if n < 20 {
				return crash
			}
			return ok
		}
		w.stream.put(shard0, "r1", "r2")
		w.run(2)
		w.wantCalls(append(slices.Repeat([]string{"r1 #a"}, 21), "r2 #b")...)
		w.wantDocs()
		calls := w.fn.calls
		if last := calls[20].at.Sub(calls[19].at); last != DefaultMaxRest {
			t.Errorf("last rest = %v, want the cap", last)
		}
	})
}

func TestCase31_NoDestination_DiscardsSilently(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts, w.cfg.BatchSize, w.cfg.OnFailure = 1, 1, ""
		w.fn.script = replies(crash, crash, ok)
		w.stream.put(shard0, "r1", "r2")
		w.run(2)
		w.wantCalls("r1 #a", "r1 #a", "r2 #b")
		if c := w.mapping.Status().Counters; c.Dropped != 0 || c.Delivered != 0 || c.Settled != 2 {
			t.Errorf("counters = %+v", c)
		}
	})
}

func TestCase32_TimeoutCountsLikeAnError(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts = 1
		timeout := reply{payload: `{"errorType":"Sandbox.Timedout"}`, crash: true, takes: 3 * time.Second}
		w.fn.script = replies(timeout)
		w.stream.put(shard0, "r1")
		w.run(1)
		w.wantCalls("r1", "r1")
		w.wantDocs("r1..r1 1 RetryAttemptsExhausted 2 Unhandled")
	})
}

func TestCase33_ThrottlesCostNoRetries(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts = 0
		w.fn.script = replies(throttle, throttle, throttle, throttle, throttle, ok)
		w.stream.put(shard0, "r1")
		w.run(1)
		w.wantCalls(slices.Repeat([]string{"r1 #a"}, 6)...)
		w.wantDocs()
		c := w.mapping.Status().Counters
		if c.Invocations != 1 || c.Invoked != 1 || c.FailedInvoke != 5 {
			t.Errorf("counters = %+v", c)
		}
	})
}

func TestCase35_AFailingShardDoesNotStopAnother(t *testing.T) {
	play(t, func(w *world) {
		w.stream.add("shardId-000000000001", "", "")
		w.cfg.BatchSize = 1
		w.fn.script = func(_ int, c call) reply {
			if c.has("a1") {
				return crash
			}
			return ok
		}
		w.stream.put(shard0, "a1", "a2")
		w.stream.put("shardId-000000000001", "b1", "b2", "b3")
		w.run(3)
		w.wantCheckpoint(shard0, "")
		w.wantCheckpoint("shardId-000000000001", "b3")
	})
}

func TestDiscard_DestinationFails_CountsAndGoesOn(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts, w.cfg.BatchSize = 0, 3
		w.queue.fail = errors.New("denied")
		w.fn.script = replies(crash, ok)
		w.stream.put(shard0, "r1", "r2", "r3", "r4")
		w.run(4)
		w.wantCheckpoint(shard0, "r4")
		if c := w.mapping.Status().Counters; c.Dropped != 3 || c.DeliveryFailures != 1 || c.Delivered != 0 {
			t.Errorf("counters = %+v", c)
		}
	})
}

func TestOversizeRecord_ConsumesRetriesWithoutInvocation(t *testing.T) {
	for retries, doc := range map[int]string{
		0: "big..big 1 RetryAttemptsExhausted 1 -",
		2: "big..big 1 RetryAttemptsExhausted 3 -",
	} {
		play(t, func(w *world) {
			w.cfg.MaximumRetryAttempts = retries
			w.stream.put(shard0, "r0", "big "+string(make([]byte, 5<<20)), "r1")
			w.run(3)
			w.wantCalls("r0", "r1")
			w.wantDocs(doc)
			if c := w.mapping.Status().Counters; c.Invocations != 2 || c.Delivered != 1 {
				t.Errorf("counters = %+v", c)
			}
		})
	}
}

func TestCase51_Bisect_NarrowsToTheBadRecord(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts, w.cfg.BisectBatchOnFunctionError = 0, true
		w.fn.script = func(_ int, c call) reply {
			if c.has("r3") {
				return crash
			}
			return ok
		}
		w.stream.put(shard0, "r1", "r2", "r3", "r4")
		w.run(4)
		w.wantCalls("r1 r2 r3 r4 #a", "r1 r2 #b", "r3 r4 #c", "r3 #d", "r4 #e")
		w.wantDocs("r3..r3 1 RetryAttemptsExhausted 1 Unhandled")
		if calls := w.fn.calls; calls[4].at != calls[0].at {
			t.Error("bisecting rested")
		}
	})
}

func TestCase54_Bisect_BothBad(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts, w.cfg.BisectBatchOnFunctionError = 0, true
		w.fn.script = replies(crash)
		w.stream.put(shard0, "r1", "r2")
		w.run(2)
		w.wantCalls("r1 r2", "r1", "r2")
		w.wantDocs("r1..r1 1 RetryAttemptsExhausted 1 Unhandled", "r2..r2 1 RetryAttemptsExhausted 1 Unhandled")
	})
}

func TestCase55_NoBisect_GivesUpTheWholeBatch(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts = 1
		w.fn.script = replies(crash)
		w.stream.put(shard0, "r1", "r2", "r3", "r4")
		w.run(4)
		w.wantCalls("r1 r2 r3 r4 #a", "r1 r2 r3 r4 #a")
		w.wantDocs("r1..r4 4 RetryAttemptsExhausted 2 Unhandled")
	})
}

func TestCase56_Bisect_OneRecord_OrdinaryRetries(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts, w.cfg.BisectBatchOnFunctionError = 2, true
		w.fn.script = replies(crash)
		w.stream.put(shard0, "r1")
		w.run(1)
		w.wantCalls("r1 #a", "r1 #a", "r1 #a")
		w.wantDocs("r1..r1 1 RetryAttemptsExhausted 3 Unhandled")
	})
}

func TestCase59_AfterBisect_NextBatchIsFull(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize, w.cfg.BisectBatchOnFunctionError = 4, true
		w.fn.script = replies(crash, ok)
		w.stream.put(shard0, "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8")
		w.run(8)
		w.wantCalls("r1 r2 r3 r4", "r1 r2", "r3 r4", "r5 r6 r7 r8")
	})
}

func TestCase60_ExpiredBeforeTheFirstInvocation(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRecordAgeInSeconds, w.cfg.MaximumRetryAttempts = 60, 0
		w.stream.putAt(shard0, time.Now().Add(-61*time.Second), "r1")
		w.run(1)
		w.wantCalls()
		w.wantDocs("r1..r1 1 RecordAgeExceeded 1 -")
		w.wantCheckpoint(shard0, "r1")
		w.wantResult(ResultNone)
	})
}

func TestRecordAge_DiscardsTheExpiredPrefixOnly(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRecordAgeInSeconds, w.cfg.MaximumRetryAttempts = 60, 0
		w.stream.putAt(shard0, time.Now().Add(-80*time.Second), "r1")
		w.stream.put(shard0, "r2", "r3", "r4", "r5", "r6")
		w.run(6)
		w.wantCalls("r2 r3 r4 r5 r6")
		w.wantDocs("r1..r1 1 RecordAgeExceeded 1 -")
	})
}

func TestRecordAge_WhileRetrying_CountsEveryAttempt(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRecordAgeInSeconds = 60
		w.fn.script = replies(crash)
		w.stream.put(shard0, "r1")
		start := time.Now()
		w.run(1)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("given up after %v: the rest must end when the record is too old", took)
		}
		n := len(w.fn.calls)
		if n < 7 {
			t.Errorf("%d invocations in a minute", n)
		}
		d := parseDocument(t, w.queue.docs[0])
		if d.RequestContext.ApproximateInvokeCount != n+1 || d.ResponseContext != nil || d.RequestContext.Condition != "RecordAgeExceeded" {
			t.Errorf("after %d invocations: %s", n, w.queue.docs[0])
		}
		w.wantResult(ResultProblem)
	})
}

func TestCase63_RetriesEndBeforeTheAge(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRecordAgeInSeconds, w.cfg.MaximumRetryAttempts = 60, 1
		w.fn.script = replies(crash)
		w.stream.put(shard0, "r1")
		w.run(1)
		w.wantDocs("r1..r1 1 RetryAttemptsExhausted 2 Unhandled")
	})
}

func TestRetention_EndsUnlimitedRetries(t *testing.T) {
	play(t, func(w *world) {
		w.fn.script = replies(crash)
		w.stream.put(shard0, "r1")
		start := time.Now()
		w.run(1)
		if took := time.Since(start); took != 24*time.Hour {
			t.Errorf("given up after %v, want the stream's retention", took)
		}
	})
}
