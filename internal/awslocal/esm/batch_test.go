package esm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCase8_OnePut_OneInvocation(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize = 100
		w.start()
		w.pass(time.Hour)
		w.stream.put(shard0, "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10")
		w.await(10)
		w.wantCalls("r1 r2 r3 r4 r5 r6 r7 r8 r9 r10")
	})
}

func TestCase9_TwoMappings_EachGetsEveryRecord(t *testing.T) {
	play(t, func(w *world) {
		other := newWorld(w.t)
		defer other.stop()
		other.stream = w.stream
		w.start()
		other.start()
		w.stream.put(shard0, "r1")
		w.await(1)
		other.await(1)
		w.wantCalls("r1")
		other.wantCalls("r1")
	})
}

func TestCase11_Backlog_FillsBatches(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize = 3
		w.stream.put(shard0, "r1", "r2", "r3", "r4", "r5", "r6", "r7")
		w.run(7)
		w.wantCalls("r1 r2 r3", "r4 r5 r6", "r7")
	})
}

func TestCase12_Window_GathersUntilItsEnd(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize, w.cfg.MaximumBatchingWindowInSeconds = 100, 5
		w.start()
		start := time.Now()
		for _, r := range []string{"r1", "r2", "r3"} {
			w.stream.put(shard0, r)
			w.pass(time.Second)
		}
		w.await(3)
		w.wantCalls("r1 r2 r3")
		if at := w.fn.calls[0].at.Sub(start); at != 5*time.Second {
			t.Errorf("invoked after %v", at)
		}
	})
}

func TestMaxWindow_BoundsTheWindow(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize, w.cfg.MaximumBatchingWindowInSeconds = 100, 5
		w.opt.MaxWindow = 100 * time.Millisecond
		start := time.Now()
		w.stream.put(shard0, "r1", "r2")
		w.run(2)
		w.wantCalls("r1 r2")
		if at := w.fn.calls[0].at.Sub(start); at != 100*time.Millisecond {
			t.Errorf("invoked after %v", at)
		}
	})
}

func TestWindow_StartsWhenTheInvocationCompletes(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize, w.cfg.MaximumBatchingWindowInSeconds = 2, 5
		w.fn.script = replies(reply{takes: 3 * time.Second}, ok)
		start := time.Now()
		w.stream.put(shard0, "r1", "r2", "r3")
		w.run(3)
		w.wantCalls("r1 r2", "r3")
		if at := w.fn.calls[1].at.Sub(start); at != 8*time.Second {
			t.Errorf("r3 invoked after %v, want the 3 s of the first invocation and a window of 5 s", at)
		}
	})
}

func TestWindow_AfterSilence_GathersToo(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumBatchingWindowInSeconds = 5
		w.start()
		start := time.Now()
		w.pass(61 * time.Second)
		w.stream.put(shard0, "r1")
		w.pass(time.Second)
		w.stream.put(shard0, "r2")
		w.await(2)
		w.wantCalls("r1 r2")
		if at := w.fn.calls[0].at.Sub(start); at != 65*time.Second {
			t.Errorf("invoked after %v", at)
		}
	})
}

func TestCase13_FullBatch_DoesNotWaitForTheWindow(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize, w.cfg.MaximumBatchingWindowInSeconds = 2, 300
		start := time.Now()
		w.stream.put(shard0, "r1", "r2")
		w.run(2)
		w.wantCalls("r1 r2")
		if !w.fn.calls[0].at.Equal(start) {
			t.Error("waited")
		}
	})
}

func TestCase14_EventSize_CutsTheBatch(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize, w.cfg.MaximumBatchingWindowInSeconds = 100, 300
		ballast := " " + strings.Repeat("x", 1<<20-3)
		for _, r := range []string{"r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"} {
			w.stream.put(shard0, r+ballast)
		}
		start := time.Now()
		w.run(8)
		w.wantCalls("r1 r2 r3 r4", "r5 r6 r7 r8")
		for _, c := range w.fn.calls {
			if c.size > MaxEvent || !c.at.Equal(start) {
				t.Errorf("event of %d bytes after %v: the rest of a cut batch does not wait for the window", c.size, c.at.Sub(start))
			}
		}
	})
}

func TestWindow_LongerThanTheRecordAge_DoesNotDelayTheDiscard(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumBatchingWindowInSeconds, w.cfg.MaximumRecordAgeInSeconds = 300, 60
		start := time.Now()
		w.stream.put(shard0, "r1")
		w.run(1)
		w.wantDocs("r1..r1 1 RecordAgeExceeded 1 -")
		if took := time.Since(start); took != time.Minute {
			t.Errorf("given up after %v", took)
		}
	})
}

func TestShardEnd_ClosesTheBatch(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.MaximumBatchingWindowInSeconds = 300
		start := time.Now()
		w.stream.put(shard0, "r1")
		w.stream.close(shard0)
		w.run(1)
		if took := time.Since(start); took != 0 {
			t.Errorf("waited %v", took)
		}
	})
}

func TestPages_AreNotBatchBorders(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize, w.fn.counts = 7_000, true
		w.stream.put(shard0, make([]string, 2*pageRecords+500)...)
		w.run(2*pageRecords + 500)
		want := []int{7_000, 7_000, 6_500}
		for i, c := range w.fn.calls {
			if i >= len(want) || len(c.names) != want[i] {
				t.Fatalf("invocation %d has %d records", i, len(c.names))
			}
		}
	})
}

func TestLanes_WaitForTheNextPage(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize, w.cfg.ParallelizationFactor = maxBatchSize, 2
		w.stream.readTakes, w.fn.counts = time.Millisecond, true
		names := []string{key(0, 2) + ":", key(1, 2) + ":"}
		w.stream.put(shard0, slices.Repeat(names, pageRecords)...)
		w.run(2 * pageRecords)
		if n := len(w.fn.calls); n != 2 {
			t.Errorf("%d invocations, want one full batch a lane", n)
		}
	})
}

func TestLane_GathersWhileAnInvocationRuns(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.BatchSize = 100
		w.fn.script = replies(reply{takes: time.Second}, ok)
		w.stream.put(shard0, "r1")
		start := time.Now()
		w.start()
		for _, r := range []string{"r2", "r3", "r4"} {
			w.pass(100 * time.Millisecond)
			w.stream.put(shard0, r)
		}
		w.await(4)
		w.wantCalls("r1", "r2 r3 r4")
		if at := w.fn.calls[1].at.Sub(start); at != time.Second {
			t.Errorf("second invocation after %v", at)
		}
	})
}

func TestIdle_NothingIsPolled(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.ParallelizationFactor, w.cfg.MaximumBatchingWindowInSeconds = 4, 5
		w.start()
		w.pass(24 * time.Hour)
		w.stream.put(shard0, "r1")
		w.await(1)
		w.pass(24 * time.Hour)
		if w.stream.reads > 3 { // at first, the record, and then nothing more
			t.Errorf("%d reads", w.stream.reads)
		}
	})
}

func TestPollInterval_ReadsOnItsTicks(t *testing.T) {
	play(t, func(w *world) {
		w.opt.PollInterval = time.Second
		w.start()
		start := time.Now()
		w.pass(1200 * time.Millisecond)
		w.stream.put(shard0, "r1")
		w.pass(300 * time.Millisecond)
		w.stream.put(shard0, "r2")
		w.await(2)
		w.wantCalls("r1 r2")
		if at := w.fn.calls[0].at.Sub(start); at != 2*time.Second {
			t.Errorf("polled after %v", at)
		}
	})
}

func TestCut_IsGreedyAndWithinBothLimits(t *testing.T) {
	cfg := testConfig()
	enc := newEncoder(&cfg, shard0)
	sizes := rapid.SliceOfN(rapid.IntRange(0, 3<<20), 1, 12)
	rapid.Check(t, func(t *rapid.T) {
		var queue []Record
		for _, n := range sizes.Draw(t, "sizes") {
			queue = append(queue, Record{SequenceNumber: "1", PartitionKey: "k", Data: make([]byte, n), Arrival: time.UnixMilli(1)})
		}
		limit := rapid.IntRange(1, 12).Draw(t, "limit")
		n, full := cut(&enc, queue, limit)
		if n < 1 || n > limit || n > len(queue) {
			t.Fatalf("cut %d of %d, limit %d", n, len(queue), limit)
		}
		size := func(records []Record) int { // as TestEvent_SizeAndRoundTrip has it
			sum := len(eventStart) + len(eventEnd) + len(records) - 1
			for i := range records {
				sum += enc.size(&records[i])
			}
			return sum
		}
		if got := size(queue[:n]); got > MaxEvent && n > 1 {
			t.Fatalf("%d records make %d bytes", n, got)
		}
		if n < len(queue) && n < limit {
			if got := size(queue[:n+1]); got <= MaxEvent {
				t.Fatalf("one more makes %d bytes only", got)
			}
		}
		if want := n == limit || n < len(queue) || size(queue[:n]) > MaxEvent; full != want {
			t.Fatalf("full = %v with %d of %d", full, n, len(queue))
		}
	})
}

func TestLaneOf_UsesEveryLaneOfEveryShard(t *testing.T) {
	const lanes = 10
	// Keys of one shard share the high end of their hash.
	var seen [lanes]bool
	for i, found := 0, 0; found < 200; i++ {
		key := time.Duration(i).String()
		if md5First(key) >= 0x10 {
			continue
		}
		found++
		seen[laneOf(key, lanes)] = true
	}
	for i, ok := range seen {
		if !ok {
			t.Errorf("lane %d is never used", i)
		}
	}
}
