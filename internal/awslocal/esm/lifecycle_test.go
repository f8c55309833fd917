package esm

import (
	"context"
	"crypto/md5"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func md5First(key string) byte { return md5.Sum([]byte(key))[0] }

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

// key gives a key that is in a lane.
func key(lane, lanes int) string {
	for i := 'a'; ; i++ {
		if laneOf(string(i), lanes) == lane {
			return string(i)
		}
	}
}

func TestCase75_ABlockedLaneDoesNotStopAnother(t *testing.T) {
	play(t, func(w *world) {
		a, b := key(0, 2), key(1, 2)
		w.cfg.ParallelizationFactor, w.cfg.BatchSize = 2, 1
		release := make(chan struct{})
		w.fn.script = func(_ int, c call) reply {
			if c.has(a + ":1") {
				return reply{until: release}
			}
			return ok
		}
		w.stream.put(shard0, a+":1", b+":1", a+":2", b+":2")
		w.run(2)
		w.wantCheckpoint(shard0, "")
		close(release)
		w.await(4)
		w.wantCheckpoint(shard0, b+":2")
		order := []string{}
		for _, s := range w.settled {
			order = append(order, string(s.Records[0].Data))
		}
		if want := []string{b + ":1", b + ":2", a + ":1", a + ":2"}; !slices.Equal(order, want) {
			t.Errorf("settled %v, want %v", order, want)
		}
	})
}

func TestLanes_CheckpointStaysBelowTheOldestUnsettled(t *testing.T) {
	play(t, func(w *world) {
		a, b := key(0, 2), key(1, 2)
		w.cfg.ParallelizationFactor, w.cfg.BatchSize = 2, 1
		blocked := a + ":2"
		w.fn.script = func(_ int, c call) reply {
			if c.has(blocked) {
				return throttle
			}
			return ok
		}
		w.stream.put(shard0, a+":1", b+":1", a+":2", b+":2", a+":3")
		w.run(3)
		w.wantCheckpoint(shard0, b+":1")
		// The mapping itself goes on with what is not settled, and with nothing else.
		w.stop()
		w.fn.script = nil
		w.resume()
		w.await(3 + 2)
		w.wantCheckpoint(shard0, a+":3")
	})
}

func TestCase76_OneKey_OneInvocationAtATime(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.ParallelizationFactor, w.cfg.BatchSize = 10, 1
		w.fn.script = replies(reply{takes: time.Second})
		w.stream.put(shard0, "r1", "r2", "r3", "r4", "r5")
		w.run(5)
		if w.fn.most != 1 {
			t.Errorf("%d in flight", w.fn.most)
		}
	})
}

func TestCase78_InFlight_AtMostShardsTimesFactor(t *testing.T) {
	play(t, func(w *world) {
		w.stream.add("shardId-000000000001", "", "")
		w.cfg.ParallelizationFactor, w.cfg.BatchSize = 3, 1
		w.fn.script = replies(reply{takes: time.Second})
		for i := range 50 {
			w.stream.put(shard0, string(rune('A'+i))+":x")
			w.stream.put("shardId-000000000001", string(rune('A'+i))+":x")
		}
		w.run(100)
		if w.fn.most != 6 {
			t.Errorf("%d in flight, want 6", w.fn.most)
		}
	})
}

func TestBlockedLane_StopsTheReaderWhenItIsFull(t *testing.T) {
	play(t, func(w *world) {
		w.fn.script = replies(reply{until: make(chan struct{})})
		w.stream.put(shard0, make([]string, 3*pageRecords)...)
		w.start()
		synctest.Wait()
		if got := w.mapping.Status().Shards[0].Unsettled; got < aheadRecords || got >= aheadRecords+pageRecords {
			t.Errorf("%d records read ahead", got)
		}
	})
}

func TestFullLane_LetsTheOthersGo(t *testing.T) {
	play(t, func(w *world) {
		a, b := key(0, 2), key(1, 2)
		w.cfg.ParallelizationFactor = 2
		w.fn.script = func(_ int, c call) reply {
			if c.has(a + ":") {
				return reply{until: make(chan struct{})}
			}
			return ok
		}
		w.stream.put(shard0, slices.Repeat([]string{a + ":"}, 2*aheadRecords-1)...)
		w.stream.put(shard0, b+":1") // it ends a full page, and the next one fills the first lane
		w.stream.put(shard0, slices.Repeat([]string{a + ":"}, 2*pageRecords)...)
		w.run(1)
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
