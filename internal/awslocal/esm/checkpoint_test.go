package esm

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
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

// survivor holds what is true across restarts: records may come again, but a key's records are never passed over.
type survivor struct {
	mu     sync.Mutex
	put    map[string][]string // names by key
	done   map[string]int      // so many of a key's records are settled
	broken string
}

func (m *survivor) sees(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ahead := map[string]int{}
	for _, name := range names {
		key := name[:1]
		if slices.Index(m.put[key], name) > m.done[key]+ahead[key] {
			m.broken = fmt.Sprintf("%s comes before what precedes it", name)
		}
		ahead[key]++
	}
}

func (m *survivor) settled(s Settled) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range s.Records {
		key := string(r.Data[:1])
		switch i := slices.Index(m.put[key], string(r.Data)); {
		case i > m.done[key]:
			m.broken = fmt.Sprintf("%s is settled before what precedes it", r.Data)
		case i == m.done[key]:
			m.done[key]++
		}
	}
}

func (m *survivor) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := 0
	for key, names := range m.put {
		left += len(names) - m.done[key]
	}
	return left
}

// Whatever a mapping was doing when it was killed, one that goes on from its checkpoints loses nothing.
func TestCheckpoints_KilledAtAnyMoment_NothingIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScenario(rt)
		kills := rapid.SliceOfN(rapid.IntRange(1, 3000), 1, 6).Draw(rt, "milliseconds between kills")
		if broken := s.survive(t, kills); broken != "" {
			rt.Fatal(broken)
		}
	})
}

func (s scenario) survive(t *testing.T, kills []int) (broken string) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.stop()
		m := &survivor{put: map[string][]string{}, done: map[string]int{}}
		chances := newModel(w, s.seed)
		w.cfg, w.opt.Settled = s.cfg, m.settled
		w.fn.script = func(n int, c call) reply {
			m.sees(c.names)
			chance := chances.chance(c.names[0], len(c.names), n)
			if r := (reply{takes: time.Duration(chance%400) * time.Millisecond}); chance/1000%3 > 0 {
				return r
			}
			return crash
		}
		for i, keys := range s.puts {
			s.reshard(w.stream, i)
			var names []string
			for j, key := range keys {
				names = append(names, fmt.Sprintf("%s:%d.%d", key, i, j))
				m.put[key] = append(m.put[key], names[j])
			}
			if len(names) > 1 {
				w.stream.putData(s.shardOf(i, keys[0]), "aggregate", keys[0], aggregate(names...))
			} else {
				w.stream.put(s.shardOf(i, keys[0]), names...)
			}
		}
		w.start()
		for _, ms := range kills {
			w.pass(time.Duration(ms) * time.Millisecond)
			w.again()
		}
		for range 30 {
			if w.pass(24 * time.Hour); m.left() == 0 {
				break
			}
		}
		if broken = m.broken; broken == "" && m.left() > 0 {
			broken = fmt.Sprintf("%d records are lost", m.left())
		}
	})
	return broken
}
