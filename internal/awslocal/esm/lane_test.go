package esm

import (
	"crypto/md5"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func md5First(key string) byte { return md5.Sum([]byte(key))[0] }

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

func TestBlockedRecord_HoldsTheCheckpointWhateverPassesIt(t *testing.T) {
	const n = 6 * pageRecords
	for _, filtered := range []bool{true, false} {
		play(t, func(w *world) {
			a, b := key(0, 2), key(1, 2)
			w.cfg.BatchSize, w.cfg.ParallelizationFactor, w.cfg.StartingPosition = maxBatchSize, 2, Latest
			if filtered {
				w.cfg.Filters = []string{`{"partitionKey":["` + a + `"]}`}
			}
			release := make(chan struct{})
			w.fn.script = func(_ int, c call) reply {
				if c.has(a + ":blocked") {
					return reply{until: release}
				}
				return ok
			}
			w.start()
			synctest.Wait()
			w.stream.put(shard0, b+":before", a+":blocked")
			for range n / pageRecords {
				w.stream.put(shard0, slices.Repeat([]string{b + ":x"}, pageRecords)...)
				synctest.Wait()
			}
			w.await(n + 1)
			w.wantCheckpoint(shard0, b+":before")
			close(release)
			w.stream.put(shard0, b+":last")
			w.await(n + 3)
			w.wantCheckpoint(shard0, b+":last")
		})
	}
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
