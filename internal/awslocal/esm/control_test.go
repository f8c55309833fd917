package esm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// update changes the running mapping's settings and waits for it.
func (w *world) update(invoker Invoker, f func(*Config)) {
	w.t.Helper()
	cfg := w.mapping.Config()
	f(&cfg)
	if _, err := w.mapping.Update(cfg, invoker); err != nil {
		w.t.Fatal(err)
	}
	w.wait()
}

func (w *world) wait() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Hour)
	defer cancel()
	if err := w.mapping.Wait(ctx); err != nil {
		w.t.Fatalf("Wait = %v in state %s", err, w.mapping.Status().State)
	}
}

func (w *world) wantState(want State) {
	w.t.Helper()
	if got := w.mapping.Status().State; got != want {
		w.t.Errorf("state = %s, want %s", got, want)
	}
}

func TestUpdate_Running_InvocationFinishesWithTheOldSettings(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize = 2
		w.fn.script = replies(reply{takes: time.Minute}, ok)
		w.stream.put(shard0, "r1", "r2", "r3", "r4", "r5")
		w.start()
		synctest.Wait()
		cfg := w.mapping.Config()
		cfg.BatchSize = 3
		start := time.Now()
		state, err := w.mapping.Update(cfg, nil)
		if state != Updating || err != nil {
			t.Fatalf("Update = %s, %v", state, err)
		}
		w.wantState(Updating)
		if got := w.mapping.Config().BatchSize; got != 3 {
			t.Errorf("Config has BatchSize %d", got)
		}
		w.wait()
		w.wantState(Enabled)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("Update took %v", took)
		}
		w.await(5)
		w.wantCalls("r1 r2", "r3 r4 r5")
	})
}

func TestUpdate_MoreLanes_RepartitionsWithoutLossOrCopy(t *testing.T) {
	play(t, func(w *world) {
		a, b := key(0, 2), key(1, 2)
		w.cfg.BatchSize = 1
		release := make(chan struct{})
		w.fn.script = func(_ int, c call) reply {
			if c.has(a + ":1") {
				return reply{until: release}
			}
			return reply{takes: time.Second}
		}
		w.stream.put(shard0, a+":1", b+":1", a+":2", b+":2", a+":3", b+":3")
		w.start()
		synctest.Wait()
		cfg := w.mapping.Config()
		cfg.ParallelizationFactor = 2
		if _, err := w.mapping.Update(cfg, nil); err != nil {
			t.Fatal(err)
		}
		close(release)
		w.await(6)
		if w.fn.most != 2 {
			t.Errorf("%d in flight", w.fn.most)
		}
		var as, bs []string
		for _, c := range w.fn.calls {
			if strings.HasPrefix(c.names[0], a) {
				as = append(as, c.names[0])
			} else {
				bs = append(bs, c.names[0])
			}
		}
		if !slices.Equal(as, []string{a + ":1", a + ":2", a + ":3"}) || !slices.Equal(bs, []string{b + ":1", b + ":2", b + ":3"}) {
			t.Errorf("invoked %v and %v", as, bs)
		}
		w.wantCheckpoint(shard0, b+":3")
	})
}

func TestUpdate_FewerLanes_KeepsTheOrderOfTheShard(t *testing.T) {
	play(t, func(w *world) {
		a, b := key(0, 2), key(1, 2)
		w.cfg.ParallelizationFactor, w.cfg.BatchSize = 2, 10
		w.fn.script = func(_ int, c call) reply {
			if c.has(b + ":1") {
				return ok
			}
			return throttle
		}
		w.stream.put(shard0, b+":1", a+":1")
		w.run(1)
		w.stream.put(shard0, b+":2", a+":2", b+":3")
		w.pass(time.Second) // both lanes retry
		calls := len(w.fn.calls)
		w.fn.script = nil
		w.update(nil, func(c *Config) { c.ParallelizationFactor = 1 })
		w.await(5)
		if got := w.fn.calls[calls:]; len(got) != 1 || !slices.Equal(got[0].names, []string{a + ":1", b + ":2", a + ":2", b + ":3"}) {
			t.Errorf("invoked %v", got)
		}
	})
}

func TestUpdate_WhileRetrying_NewLimitsApply(t *testing.T) {
	play(t, func(w *world) {
		w.fn.script = replies(crash)
		w.stream.put(shard0, "r1")
		w.start()
		w.pass(10 * time.Second)
		tries := len(w.fn.calls)
		w.update(nil, func(c *Config) { c.MaximumRetryAttempts = 0 })
		w.await(1)
		if got := len(w.fn.calls); got != tries+1 {
			t.Errorf("%d attempts after the change", got-tries)
		}
		w.wantDocs("r1..r1 1 RetryAttemptsExhausted 1 Unhandled")
	})
}

func TestUpdate_Function_ChangesTheInvoker(t *testing.T) {
	play(t, func(w *world) {
		other := &function{}
		w.stream.put(shard0, "r1")
		w.run(1)
		w.update(other, func(c *Config) { c.FunctionARN += "2" })
		w.update(nil, func(c *Config) { c.BatchSize = 1 }) // the new function stays
		w.stream.put(shard0, "r2")
		w.await(2)
		w.wantCalls("r1")
		if len(other.calls) != 1 || !other.calls[0].has("r2") {
			t.Errorf("the new function got %v", other.calls)
		}
	})
}

func TestUpdate_TwiceBeforeItTakesEffect_TheLastCounts(t *testing.T) {
	play(t, func(w *world) {
		other := &function{}
		w.fn.script = replies(reply{takes: time.Minute})
		w.stream.put(shard0, "r1")
		w.start()
		synctest.Wait()
		for i, invoker := range []Invoker{other, nil} {
			cfg := w.mapping.Config()
			cfg.BatchSize = 1 + i
			if _, err := w.mapping.Update(cfg, invoker); err != nil {
				t.Fatal(err)
			}
		}
		w.wait()
		w.stream.put(shard0, "r2", "r3")
		w.await(3)
		if len(other.calls) != 1 || len(other.calls[0].names) != 2 {
			t.Errorf("the new function got %v", other.calls)
		}
	})
}

func TestUpdate_Filters_ApplyToWhatWasReadBefore(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize = 1
		w.fn.script = replies(reply{takes: time.Minute}, ok)
		w.stream.put(shard0, "r1", "a:r2", "b:r3", "a:r4")
		w.start()
		synctest.Wait()
		w.update(nil, func(c *Config) { c.Filters = []string{`{"partitionKey":["a"]}`} })
		w.await(4)
		w.wantCalls("r1", "a:r2", "a:r4")
		w.wantCheckpoint(shard0, "a:r4")
		if c := w.mapping.Status().Counters; c.FilteredOut != 1 || c.Polled != 4 || c.Settled != 3 {
			t.Errorf("counters = %+v", c)
		}
	})
}

func TestUpdate_Enabled_IsTheStateItBeginsWith(t *testing.T) {
	play(t, func(w *world) {
		w.start()
		synctest.Wait()
		for _, c := range []struct {
			enabled     bool
			begins, end State
		}{
			{false, Disabling, Disabled},
			{false, Updating, Disabled},
			{true, Enabling, Enabled},
			{true, Updating, Enabled},
		} {
			cfg := w.mapping.Config()
			cfg.Enabled = c.enabled
			if got, err := w.mapping.Update(cfg, nil); got != c.begins || err != nil {
				t.Errorf("Update = %s, %v, want %s", got, err, c.begins)
			}
			w.wait()
			w.wantState(c.end)
			if got := w.mapping.Config().Enabled; got != c.enabled {
				t.Errorf("Config has Enabled %v", got)
			}
		}
		w.stream.put(shard0, "r1")
		w.await(1)
	})
}

func TestUpdate_Refused_ChangesNothing(t *testing.T) {
	play(t, func(w *world) {
		w.start()
		synctest.Wait()
		before := w.mapping.Config()
		for _, f := range []func(*Config){
			func(c *Config) { c.BatchSize = 0 },
			func(c *Config) { c.Filters = []string{"x"} },
			func(c *Config) { c.EventSourceARN += "2" },
			func(c *Config) { c.StartingPosition = Latest },
			func(c *Config) { c.StartingPosition, c.StartingPositionTimestamp = AtTimestamp, time.Now() },
		} {
			cfg := w.mapping.Config()
			f(&cfg)
			if _, err := w.mapping.Update(cfg, nil); err == nil {
				t.Errorf("%+v is taken", cfg)
			}
			w.wantState(Enabled)
		}
		if got := w.mapping.Config(); got.BatchSize != before.BatchSize || got.Filters != nil {
			t.Errorf("Config = %+v", got)
		}
	})
}

func TestUpdate_BeforeRun_TakesEffectWithIt(t *testing.T) {
	play(t, func(w *world) {
		m, err := New(w.cfg, w.stream, w.fn, w.queue, w.opt)
		if err != nil {
			t.Fatal(err)
		}
		w.mapping = m
		cfg := m.Config()
		cfg.BatchSize = 1
		if _, err := m.Update(cfg, nil); err != nil {
			t.Fatal(err)
		}
		w.stream.put(shard0, "r1", "r2")
		w.resume()
		w.await(2)
		w.wantCalls("r1", "r2")
	})
}

func TestDelete_InvocationFinishes_AndRunEnds(t *testing.T) {
	play(t, func(w *world) {
		w.fn.script = replies(reply{takes: time.Minute})
		w.stream.put(shard0, "r1")
		w.start()
		synctest.Wait()
		start := time.Now()
		w.mapping.Delete()
		w.wantState(Deleting)
		w.wait()
		if took := time.Since(start); took != time.Minute {
			t.Errorf("Delete took %v", took)
		}
		w.wantCheckpoint(shard0, "r1")
		w.mapping.Enable()
		w.wantState(Deleting)
		if err := w.mapping.Disable(w.t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := w.mapping.Update(w.mapping.Config(), nil); err == nil || !strings.HasPrefix(err.Error(), "ResourceNotFoundException") {
			t.Errorf("Update = %v", err)
		}
		w.stop() // Run has given nil
	})
}

func TestDelete_WhileDisabled_EndsRun(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Enabled = false
		w.start()
		synctest.Wait()
		w.mapping.Delete()
		w.wait()
	})
}

func TestWait_ContextEnds_GivesItsError(t *testing.T) {
	play(t, func(w *world) {
		w.fn.script = replies(reply{takes: time.Hour})
		w.stream.put(shard0, "r1")
		w.start()
		synctest.Wait()
		w.mapping.Delete()
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		if err := w.mapping.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v", err)
		}
	})
}

func TestActivationDelay_StaysInTheStatesOfAWS(t *testing.T) {
	play(t, func(w *world) {
		w.opt.ActivationDelay = time.Minute
		w.cfg.StartingPosition = Latest
		w.start()
		synctest.Wait()
		w.wantState(Creating)
		w.stream.put(shard0, "r0") // LATEST is when the mapping becomes active
		w.pass(time.Minute)
		w.wantState(Enabled)
		w.stream.put(shard0, "r1")
		w.await(1)
		if _, err := w.mapping.Update(w.mapping.Config(), nil); err != nil {
			t.Fatal(err)
		}
		w.pass(59 * time.Second)
		w.wantState(Updating)
		w.pass(time.Second)
		w.wantState(Enabled)
		w.wantCalls("r1")
	})
}
