package esm

import (
	"crypto/md5"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// aggregate packs user records as the Kinesis Producer Library does. A name is key:rest, or key=hash:rest with an
// explicit hash key.
func aggregate(names ...string) []byte {
	field := func(dst []byte, number uint64, value []byte) []byte {
		dst = binary.AppendUvarint(dst, number<<3|2)
		dst = binary.AppendUvarint(dst, uint64(len(value)))
		return append(dst, value...)
	}
	message := field(nil, 3<<10, nil) // readers pass over fields that they do not know
	for i, name := range names {
		key, _, _ := strings.Cut(name, ":")
		key, hash, explicit := strings.Cut(key, "=")
		message = field(message, 1, []byte(key))
		message = field(message, 2, []byte(hash))
		user := binary.AppendUvarint([]byte{1 << 3}, uint64(i))
		if explicit {
			user = binary.AppendUvarint(append(user, 2<<3), uint64(i))
		}
		message = field(message, 3, field(user, 3, []byte(name)))
	}
	sum := md5.Sum(message)
	return slices.Concat([]byte{0xF3, 0x89, 0x9A, 0xC2}, message, sum[:])
}

func (w *world) consumer() { w.cfg.EventSourceARN = streamARN + "/consumer/c:1" }

func (w *world) putAggregate(name string, users ...string) {
	w.stream.putData(shard0, name, "outer", aggregate(users...))
}

func TestStreamSource_DeliversAnAggregateAsOneRecord(t *testing.T) {
	play(t, func(w *world) {
		w.putAggregate("A", "a:1", "b:1")
		w.run(1)
		if len(w.fn.calls) != 1 || len(w.fn.calls[0].ids) != 1 {
			t.Errorf("calls = %+v", w.fn.calls)
		}
	})
}

func TestConsumer_UserRecordsShareNumberAndEventID(t *testing.T) {
	play(t, func(w *world) {
		w.consumer()
		var event string
		w.fn.seen = func(in Invocation) { event = string(in.Payload) }
		w.putAggregate("A", "a:1", "b:1", "a:2")
		w.stream.put(shard0, "c:1")
		w.run(4)
		w.wantCalls("a:1 b:1 a:2 c:1")
		ids := w.fn.calls[0].ids
		if ids[0] != ids[1] || ids[1] != ids[2] || ids[2] == ids[3] {
			t.Errorf("sequence numbers = %v", ids)
		}
		if n := strings.Count(event, `"eventID":"`+shard0+":"+ids[0]+`"`); n != 3 {
			t.Errorf("%d records have the aggregate's eventID: %s", n, event)
		}
		if !strings.Contains(event, `"eventSourceARN":"`+streamARN+`/consumer/c:1"`) || !strings.Contains(event, `"partitionKey":"b"`) {
			t.Errorf("event = %s", event)
		}
		w.wantCheckpoint(shard0, "c:1")
		if c := w.mapping.Status().Counters; c.Polled != 4 || c.Settled != 4 {
			t.Errorf("counters = %+v", c)
		}
	})
}

func TestConsumer_DamagedAggregates_AreDeliveredRaw(t *testing.T) {
	play(t, func(w *world) {
		w.consumer()
		damaged := aggregate("a:1")
		damaged[len(damaged)-1]++
		w.stream.putData(shard0, "damaged", "k", damaged)
		w.stream.putData(shard0, "magic", "k", damaged[:4])
		w.stream.putData(shard0, "hash key", "k", aggregate("a=x:1"))
		w.run(3)
		if len(w.fn.calls) != 1 || len(w.fn.calls[0].ids) != 3 {
			t.Errorf("calls = %+v", w.fn.calls)
		}
	})
}

func TestConsumer_EmptyAggregate_IsPassedOver(t *testing.T) {
	play(t, func(w *world) {
		w.consumer()
		w.putAggregate("A")
		w.stream.put(shard0, "r1")
		w.run(1)
		w.wantCalls("r1")
		w.wantCheckpoint(shard0, "r1")
	})
}

// halve gives the first shard the lower half of the hash keys.
func (w *world) halve() { w.stream.shards[0].Last = [16]byte{0x7F} }

// keyIn gives a key whose hash is in the lower half, or above.
func keyIn(lower bool) string {
	for i := 'a'; ; i++ {
		if (md5First(string(i)) < 0x7F) == lower {
			return string(i)
		}
	}
}

func TestConsumer_KeyOfAnotherShard_DropsTheWholeAggregate(t *testing.T) {
	mine, other := keyIn(true), keyIn(false)
	low, high := "5", new(big.Int).Lsh(big.NewInt(1), 127).String()
	for _, c := range []struct {
		name  string
		users []string
		calls []string
	}{
		{"all in range", []string{mine + ":1", mine + ":2"}, []string{mine + ":1 " + mine + ":2 z"}},
		{"one out of range", []string{mine + ":1", other + ":1", mine + ":2"}, []string{"z"}},
		{"explicit hash in range", []string{other + "=" + low + ":1"}, []string{other + "=5:1 z"}},
		{"explicit hash out of range", []string{mine + ":1", mine + "=" + high + ":2"}, []string{"z"}},
	} {
		play(t, func(w *world) {
			w.consumer()
			w.halve()
			w.putAggregate("A", c.users...)
			w.stream.put(shard0, "z")
			w.run(len(c.users) + 1)
			w.wantCalls(c.calls...)
			w.wantDocs()
			w.wantCheckpoint(shard0, "z")
			dropped := int64(0)
			if len(c.calls[0]) == 1 {
				dropped = int64(len(c.users))
			}
			want := Counters{Polled: int64(len(c.users)) + 1, OutOfRange: dropped, Invoked: int64(len(c.users)) + 1 - dropped, Settled: int64(len(c.users)) + 1 - dropped, Invocations: 1}
			if got := w.mapping.Status().Counters; got != want {
				t.Errorf("%s: counters = %+v, want %+v", c.name, got, want)
			}
		})
	}
}

func TestConsumer_BatchSizeCountsUserRecords_AndTheCheckpointWaitsForTheLast(t *testing.T) {
	play(t, func(w *world) {
		w.consumer()
		w.cfg.BatchSize = 2
		release := make(chan struct{})
		w.fn.script = replies(ok, ok, reply{until: release})
		w.stream.put(shard0, "r1")
		w.putAggregate("A", "a:1", "a:2", "a:3", "a:4")
		w.run(4)
		w.wantCheckpoint(shard0, "r1")
		if next := w.mapping.Status().Shards[0].Next; next.Type != AfterSequence || w.name(next.SequenceNumber) != "r1" {
			t.Errorf("a new mapping would go on at %v", next)
		}
		close(release)
		w.await(5)
		w.wantCalls("r1 a:1", "a:2 a:3", "a:4")
		w.wantCheckpoint(shard0, "A")
	})
}

func TestConsumer_PartialResponse_RetriesFromTheFirstRecordWithTheNumber(t *testing.T) {
	play(t, func(w *world) {
		w.consumer()
		w.reporting()
		w.fn.script = func(n int, c call) reply {
			if n == 0 {
				return c.partial("a:3") // its number is the one of a:1, a:2 and a:3
			}
			return ok
		}
		w.stream.put(shard0, "r1")
		w.putAggregate("A", "a:1", "a:2", "a:3")
		w.stream.put(shard0, "r2")
		w.run(5)
		w.wantCalls("r1 a:1 a:2 a:3 r2 #a", "a:1 a:2 a:3 r2 #b")
		w.wantDocs()
	})
}

func TestConsumer_PartialResponse_WhenTheBatchBeginsInAnAggregate(t *testing.T) {
	play(t, func(w *world) {
		w.consumer()
		w.reporting()
		w.cfg.BatchSize, w.cfg.MaximumRetryAttempts = 2, 0
		w.fn.script = func(_ int, c call) reply {
			if c.has("a:3") {
				return c.partial("a:4") // the first with that number in this batch is a:3: no progress
			}
			return ok
		}
		w.putAggregate("A", "a:1", "a:2", "a:3", "a:4")
		w.run(4)
		w.wantCalls("a:1 a:2", "a:3 a:4")
		w.wantDocs("A..A 2 RetryAttemptsExhausted 1 null")
		w.wantCheckpoint(shard0, "A")
	})
}

func TestConsumer_Bisect_InTheMiddleOfAnAggregate(t *testing.T) {
	play(t, func(w *world) {
		w.consumer()
		w.cfg.BisectBatchOnFunctionError, w.cfg.MaximumRetryAttempts = true, 0
		var checkpoints []string
		w.opt.Settled = func(s Settled) {
			checkpoints = append(checkpoints, w.name(w.mapping.Status().Shards[0].Checkpoint))
			w.onSettled(s)
		}
		w.fn.script = func(_ int, c call) reply {
			if c.has("a:3") {
				return crash
			}
			return ok
		}
		w.stream.put(shard0, "r0")
		w.putAggregate("A", "a:1", "a:2", "a:3")
		w.run(4)
		w.wantCalls("r0 a:1 a:2 a:3", "r0 a:1", "a:2 a:3", "a:2", "a:3")
		w.wantDocs("A..A 1 RetryAttemptsExhausted 1 Unhandled")
		if want := []string{"r0", "r0", "A"}; !slices.Equal(checkpoints, want) {
			t.Errorf("checkpoints = %v, want %v", checkpoints, want)
		}
	})
}

func TestConsumer_RecordAge_GivesUpAnAggregateTogether(t *testing.T) {
	play(t, func(w *world) {
		w.consumer()
		w.cfg.MaximumRecordAgeInSeconds = 60
		w.putAggregate("A", "a:1", "a:2")
		w.pass(61 * time.Second)
		w.stream.put(shard0, "r1")
		w.run(3)
		w.wantCalls("r1")
		w.wantDocs("A..A 2 RecordAgeExceeded 1 -")
		if d := w.queue.docs[0]; !strings.Contains(d, `"streamArn":"`+streamARN+`/consumer/c:1"`) {
			t.Errorf("document %s does not name the consumer", d)
		}
	})
}

func TestConsumer_Lanes_TakeUserRecordsByTheirOwnKeys(t *testing.T) {
	play(t, func(w *world) {
		a, b := key(0, 2), key(1, 2)
		w.consumer()
		w.cfg.ParallelizationFactor, w.cfg.BatchSize = 2, 1
		release := make(chan struct{})
		w.fn.script = func(_ int, c call) reply {
			if c.has(a + ":1") {
				return reply{until: release}
			}
			return ok
		}
		w.putAggregate("A", a+":1", b+":1", b+":2", a+":2")
		w.stream.put(shard0, b+":3")
		w.run(3)
		w.wantCheckpoint(shard0, "")
		if next := w.mapping.Status().Shards[0].Next; next.Type != AtSequence || w.name(next.SequenceNumber) != "A" {
			t.Errorf("a new mapping would go on at %v", next)
		}
		close(release)
		w.await(5)
		w.wantCheckpoint(shard0, b+":3")
	})
}

func TestConsumer_ManyUserRecords_AreNotUnpackedAllAtOnce(t *testing.T) {
	play(t, func(w *world) {
		w.consumer()
		w.fn.script = replies(reply{until: make(chan struct{})})
		users := slices.Repeat([]string{"a:x"}, 1000)
		for range 100 {
			w.putAggregate("A", users...)
		}
		w.start()
		synctest.Wait()
		if got := w.mapping.Status().Counters.Polled; got < aheadRecords || got > aheadRecords+pageRecords {
			t.Errorf("%d user records read ahead", got)
		}
	})
}

func TestConsumer_IsPushedTo_WhateverThePollInterval(t *testing.T) {
	play(t, func(w *world) {
		w.consumer()
		w.opt.PollInterval = time.Second
		w.start()
		w.pass(1200 * time.Millisecond)
		start := time.Now()
		w.stream.put(shard0, "r1")
		w.await(1)
		if took := time.Since(start); took != 0 {
			t.Errorf("waited %v", took)
		}
	})
}

// Whatever a page holds, each of its records is taken, and what it carries is kept in order or dropped as a whole.
func TestUnpack_TakesEverythingInOrder(t *testing.T) {
	shard := &Shard{ID: shard0, Last: [16]byte{0x7F}}
	users := rapid.SliceOfN(rapid.SampledFrom([]string{"a:1", "b:1", "c:1", "d:1", "e:1"}), 0, 5)
	rapid.Check(t, func(t *rapid.T) {
		var page []Record
		want, dropped := 0, 0
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			if rapid.Bool().Draw(t, "plain") {
				page, want = append(page, Record{Data: []byte("plain")}), want+1
				continue
			}
			names := users.Draw(t, "users")
			page = append(page, Record{Data: aggregate(names...)})
			if slices.ContainsFunc(names, func(n string) bool { return md5First(n[:1]) >= 0x7F }) {
				dropped += len(names)
			} else {
				want += len(names)
			}
		}
		limit := rapid.IntRange(1, 10).Draw(t, "limit")
		gotRecords, gotDropped := 0, 0
		for len(page) > 0 {
			u := unpack(shard, page, limit)
			if u.taken == 0 {
				t.Fatal("nothing taken")
			}
			page = page[u.taken:]
			gotRecords, gotDropped = gotRecords+len(u.records), gotDropped+len(u.dropped)
		}
		if gotRecords != want || gotDropped != dropped {
			t.Fatalf("%d records and %d dropped, want %d and %d", gotRecords, gotDropped, want, dropped)
		}
	})
}
