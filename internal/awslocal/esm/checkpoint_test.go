package esm

import (
	"testing"
	"testing/synctest"
	"time"
)

// again makes a new mapping that goes on where the world's has stood.
func (w *world) again() {
	w.t.Helper()
	w.stop()
	w.opt.Checkpoints = w.mapping.Status().Shards
	w.start()
}

func TestCheckpoints_ANewMappingGoesOnAfterThem(t *testing.T) {
	for _, position := range []PositionType{TrimHorizon, Latest} {
		play(t, func(w *world) {
			w.cfg.StartingPosition = position
			w.start()
			synctest.Wait()
			w.stream.put(shard0, "r1")
			w.await(1)
			w.stop()
			w.stream.put(shard0, "r2")
			w.again()
			w.await(2)
			w.wantCalls("r1", "r2")
		})
	}
}

func TestCheckpoints_LatestBeforeItsFirstRecord_LosesNothing(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.StartingPosition = Latest
		w.stream.put(shard0, "r0")
		w.pass(time.Second)
		w.start()
		w.pass(time.Second)
		w.stop()
		w.stream.put(shard0, "r1")
		w.again()
		w.await(1)
		w.again() // and once more
		w.stream.put(shard0, "r2")
		w.await(2)
		w.wantCalls("r1", "r2")
	})
}

func TestCheckpoints_UnsettledFirstRecord_ComesAgain(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.StartingPosition = Latest
		w.fn.script = replies(throttle, ok)
		w.start()
		synctest.Wait()
		w.stream.put(shard0, "r1")
		synctest.Wait()
		w.again()
		w.await(1)
		w.wantCalls("r1 #a", "r1 #b")
	})
}

func TestCheckpoints_Lanes_RepeatWhatFollowsTheCheckpoint(t *testing.T) {
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
		w.fn.script = nil
		w.again()
		w.await(3 + 3) // b:2 is settled twice, as on AWS
		w.wantCheckpoint(shard0, a+":3")
	})
}

func TestCheckpoints_Aggregate_ComesAgainWhole(t *testing.T) {
	play(t, func(w *world) {
		w.consumer()
		w.cfg.BatchSize = 1
		w.fn.script = replies(ok, throttle, ok)
		w.putAggregate("A", "a:1", "a:2")
		w.start()
		synctest.Wait()
		w.again()
		w.await(3)
		w.wantCalls("a:1", "a:2", "a:1", "a:2")
	})
}

func TestCheckpoints_Reshard_KeepsParentsBeforeChildren(t *testing.T) {
	play(t, func(w *world) {
		w.stream.put(shard0, "r1")
		w.stream.add("left", shard0, "")
		w.stream.put("left", "r2")
		w.stream.close(shard0)
		w.fn.script = replies(ok, throttle, ok)
		w.start()
		synctest.Wait()
		w.stop()
		w.stream.add("right", shard0, "")
		w.stream.put("right", "r3") // a shard that the earlier mapping has not seen is read from its beginning
		w.cfg.StartingPosition = Latest
		w.again()
		w.await(3)
		if st := w.mapping.Status().Shards; !st[0].Done || w.fn.calls[0].names[0] != "r1" || len(w.fn.calls) != 4 {
			t.Errorf("shards = %+v, calls %+v", st, w.fn.calls)
		}
	})
}

func TestRun_Again_RepeatsNothing(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize = 2
		w.fn.script = replies(ok, throttle, ok)
		w.stream.put(shard0, "r1", "r2", "r3", "r4")
		w.run(2)
		w.stop()
		w.stream.put(shard0, "r5")
		w.resume()
		w.await(5)
		w.wantCalls("r1 r2", "r3 r4", "r3 r4", "r5")
	})
}
