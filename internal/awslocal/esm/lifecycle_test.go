package esm

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCase18_Latest_BeginsAfterTheActivation(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.StartingPosition = Latest
		w.stream.put(shard0, "r1")
		w.start()
		synctest.Wait()
		w.stream.put(shard0, "r2")
		w.await(1)
		w.wantCalls("r2")
	})
}

func TestLatest_PutBeforeRunIsReached_IsDelivered(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.StartingPosition = Latest
		w.stream.put(shard0, "r1")
		m, err := New(w.cfg, w.stream, w.fn, w.queue, w.opt)
		if err != nil {
			t.Fatal(err)
		}
		w.mapping = m
		w.stream.put(shard0, "r2") // the caller has its answer, and Run's goroutine has not come to run yet
		w.resume()
		w.await(1)
		w.wantCalls("r2")
	})
}

func TestLatest_CreatedDisabled_BeginsWhenItIsEnabled(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.StartingPosition, w.cfg.Enabled = Latest, false
		w.start()
		synctest.Wait()
		w.stream.put(shard0, "r1")
		w.mapping.Enable()
		w.stream.put(shard0, "r2") // though Run has hardly taken notice
		w.await(1)
		w.wantCalls("r2")
	})
}

func TestLatest_UpdatedToEnabled_BeginsThere(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.StartingPosition, w.cfg.Enabled = Latest, false
		w.start()
		synctest.Wait()
		w.stream.put(shard0, "r1")
		cfg := w.mapping.Config()
		cfg.Enabled = true
		if _, err := w.mapping.Update(cfg, nil); err != nil {
			t.Fatal(err)
		}
		w.stream.put(shard0, "r2")
		w.await(1)
		w.wantCalls("r2")
	})
}

func TestLatest_StreamMadeAnew_BeginsWhenItIsEnabledAgain(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.StartingPosition = Latest
		w.start()
		synctest.Wait()
		if err := w.mapping.Disable(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		w.stream.recreate()
		w.stream.put(shard0, "r1")
		w.mapping.Enable()
		w.stream.put(shard0, "r2") // though Run has hardly taken notice
		w.await(1)
		w.wantCalls("r2")
	})
}

func TestCase19_AtTimestamp_BeginsThere(t *testing.T) {
	play(t, func(w *world) {
		w.stream.put(shard0, "r1")
		w.pass(time.Second)
		w.cfg.StartingPosition, w.cfg.StartingPositionTimestamp = AtTimestamp, time.Now()
		w.stream.put(shard0, "r2")
		w.run(1)
		w.wantCalls("r2")
	})
}

func TestCase20_DisableAndEnable_GoesOnAfterTheCheckpoint(t *testing.T) {
	for _, position := range []PositionType{TrimHorizon, Latest} {
		play(t, func(w *world) {
			w.cfg.StartingPosition = position
			w.start()
			synctest.Wait()
			w.stream.put(shard0, "r1")
			w.await(1)
			if err := w.mapping.Disable(w.t.Context()); err != nil {
				t.Fatal(err)
			}
			w.stream.put(shard0, "r2")
			w.pass(time.Hour)
			w.wantCalls("r1")
			w.mapping.Enable()
			w.await(2)
			w.wantCalls("r1", "r2")
		})
	}
}

func TestLatest_DisabledBeforeItsFirstRecord_LosesNothing(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.StartingPosition = Latest
		w.stream.put(shard0, "r0")
		w.start()
		synctest.Wait()
		_ = w.mapping.Disable(w.t.Context())
		w.stream.put(shard0, "r1")
		w.mapping.Enable()
		w.await(1)
		w.wantCalls("r1")
	})
}

func TestCreatedDisabled_StartsWhenEnabled(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Enabled = false
		w.stream.put(shard0, "r1")
		w.start()
		w.pass(time.Hour)
		if got := w.mapping.Status().State; got != Disabled || len(w.fn.calls) != 0 {
			t.Errorf("state = %s after %d invocations", got, len(w.fn.calls))
		}
		w.mapping.Enable()
		w.await(1)
		if got := w.mapping.Status().State; got != Enabled {
			t.Errorf("state = %s", got)
		}
	})
}

func TestNew_IsCreatingUntilRun(t *testing.T) {
	m, err := New(testConfig(), newStream(), &function{}, &queue{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Status(); got.State != Creating || got.LastProcessingResult != ResultNone {
		t.Errorf("status = %+v", got)
	}
}

func TestDisable_WaitsForTheInvocation(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize = 1
		w.fn.script = replies(reply{takes: time.Minute})
		w.stream.put(shard0, "r1", "r2")
		w.start()
		synctest.Wait()
		start := time.Now()
		if err := w.mapping.Disable(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("Disable took %v", took)
		}
		w.wantCalls("r1")
		w.wantCheckpoint(shard0, "r1")
	})
}

func TestDisable_WhileRetrying_BeginsANewBatchAfterEnable(t *testing.T) {
	play(t, func(w *world) {
		w.fn.script = replies(crash, ok)
		w.stream.put(shard0, "r1", "r2")
		w.start()
		synctest.Wait() // it rests after the first attempt
		_ = w.mapping.Disable(w.t.Context())
		w.mapping.Enable()
		w.await(2)
		w.wantCalls("r1 r2 #a", "r1 r2 #b")
	})
}

func TestRunEnds_CancelsTheInvocationAndResumes(t *testing.T) {
	play(t, func(w *world) {
		w.fn.script = replies(ok, reply{until: make(chan struct{})}, ok)
		w.stream.put(shard0, "r1")
		w.run(1)
		w.stream.put(shard0, "r2")
		synctest.Wait()
		w.stop()
		w.wantCheckpoint(shard0, "r1")
		if c := w.mapping.Status().Counters; c.FailedInvoke != 0 || c.Settled != 1 {
			t.Errorf("counters = %+v", c)
		}
		w.resume()
		w.await(2)
		w.wantCalls("r1", "r2 #b", "r2 #c")
	})
}

func TestRun_StreamCannotBeRead_EndsWithTheError(t *testing.T) {
	play(t, func(w *world) {
		w.start()
		synctest.Wait()
		w.stream.update(func() { w.stream.shards[0].closed, w.stream.shards = true, nil })
		if err := <-w.ended; err == nil || !strings.Contains(err.Error(), "list shards") {
			t.Errorf("Run = %v", err)
		}
		w.cancel()
		w.cancel = nil
	})
}

func TestCase4_UnknownStream_IsNamed(t *testing.T) {
	s := newStream()
	s.shards = nil
	_, err := New(testConfig(), s, &function{}, &queue{}, Options{})
	if err == nil || err.Error() != "InvalidParameterValueException: Stream not found: "+streamARN {
		t.Errorf("New = %v", err)
	}
}

func TestCase21_ParentsBeforeChildren(t *testing.T) {
	play(t, func(w *world) {
		s := w.stream
		s.put(shard0, "r1")
		s.add("left", shard0, "")
		s.add("right", shard0, "")
		s.add("merged", "left", "right")
		s.put("left", "r2")
		s.put("right", "r3")
		s.put("merged", "r4")
		s.close(shard0, "left", "right", "merged")
		w.cfg.BatchSize = 1
		w.fn.script = replies(reply{takes: 2 * time.Second})
		start := time.Now()
		w.run(4)
		at := map[string]time.Duration{}
		for _, c := range w.fn.calls {
			at[c.names[0]] = c.at.Sub(start)
		}
		if at["r1"] != 0 || at["r2"] != 2*time.Second || at["r3"] != 2*time.Second || at["r4"] != 4*time.Second {
			t.Errorf("invoked at %v", at)
		}
	})
}

func TestReshard_WhileRunning_ReadsChildrenFromTheirBeginning(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.StartingPosition = Latest
		w.fn.script = replies(crash, crash, ok)
		w.start()
		synctest.Wait()
		w.stream.put(shard0, "r1")
		w.stream.add("left", shard0, "")
		w.stream.put("left", "r2")
		w.stream.close(shard0)
		w.await(2)
		w.wantCalls("r1", "r1", "r1", "r2")
		if st := w.mapping.Status().Shards; !st[0].Done || st[1].Done {
			t.Errorf("shards = %+v", st)
		}
	})
}

func TestDisable_AtTheEndOfAShard_KeepsWhatIsUnsettled(t *testing.T) {
	play(t, func(w *world) {
		w.fn.script = replies(crash, ok)
		w.stream.put(shard0, "r1")
		w.stream.add("left", shard0, "")
		w.stream.put("left", "r2")
		w.stream.close(shard0)
		w.start()
		synctest.Wait() // it rests after the first attempt
		_ = w.mapping.Disable(w.t.Context())
		w.mapping.Enable()
		w.await(2)
		w.wantCalls("r1", "r1", "r2")
	})
}

func TestCase84_LastProcessingResult(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumRetryAttempts, w.cfg.BatchSize = 0, 1
		w.fn.script = replies(ok, crash)
		w.start()
		w.wantResult(ResultNone)
		w.stream.put(shard0, "r1")
		w.await(1)
		w.wantResult(ResultOK)
		w.stream.put(shard0, "r2")
		w.await(2)
		w.wantResult(ResultProblem)
		w.wantDocs("r2..r2 1 RetryAttemptsExhausted 1 Unhandled")
	})
}

func TestStatus_CountsRecordsAndIteratorAge(t *testing.T) {
	play(t, func(w *world) {
		w.reporting()
		w.fn.script = func(n int, c call) reply {
			if n == 0 {
				return c.partial("r2")
			}
			return ok
		}
		w.stream.put(shard0, "r1", "r2", "r3")
		w.pass(90 * time.Second)
		w.run(3)
		st := w.mapping.Status()
		want := Counters{Polled: 3, Invoked: 5, FailedInvoke: 2, Settled: 3, Invocations: 2}
		if st.Counters != want {
			t.Errorf("counters = %+v, want %+v", st.Counters, want)
		}
		if age := st.Shards[0].IteratorAge; age != 90*time.Second {
			t.Errorf("iterator age = %v", age)
		}
	})
}

func TestDisable_ContextEnds_GivesItsError(t *testing.T) {
	play(t, func(w *world) {
		w.fn.script = replies(reply{takes: time.Hour})
		w.stream.put(shard0, "r1")
		w.start()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		if err := w.mapping.Disable(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Disable = %v", err)
		}
	})
}
