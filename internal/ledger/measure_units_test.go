package ledger

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/processor"
)

// traffic makes a stream's batches: a warm instance for each shard.
type traffic struct {
	shards, batch, groups int
	layout                Layout
	scattered             bool // times over a day, not in order
}

func (c traffic) String() string {
	times := "inorder"
	if c.scattered {
		times = "scattered"
	}
	return fmt.Sprintf("shards=%d/bits=%d/batch=%d/groups=%d/%s", c.shards, c.layout.Bits, c.batch, c.groups, times)
}

// next makes the shard's batch of one round, a thousand events a second.
func (c traffic) next(rng *rand.Rand, keys []string, shard, round int) processor.Batch {
	b := processor.Batch{Shard: fmt.Sprintf("shardId-%012d", shard)}
	for i := range c.batch {
		n := (round*c.shards+shard)*c.batch + i
		at := noon.Add(time.Duration(round*c.batch+i) * time.Millisecond)
		if c.scattered {
			at = noon.Add(-12 * time.Hour).Add(rand.N(aDay))
		}
		b.Records = append(b.Records, record(n, keys[rng.IntN(len(keys))], fmt.Sprint("group-", (round*c.batch+i)%c.groups), at))
	}
	return b
}

// BenchmarkMeasureUnits reports the units per 1,000 events. An op is a batch of every shard; before the first
// each instance has met all groups.
func BenchmarkMeasureUnits(b *testing.B) {
	for _, shards := range []int{1, 2, 8, 32} {
		for _, batch := range []int{100, 1000} {
			for _, groups := range []int{1, 1000} {
				for _, scattered := range []bool{false, true} {
					c := traffic{shards, batch, groups, Layout{Bits: bits.Len(uint(shards)) - 1, Epoch: 15 * time.Minute}, scattered}
					b.Run(c.String(), func(b *testing.B) { measureUnits(b, c) })
				}
			}
		}
	}
}

// BenchmarkMeasureBits reports what more, and fewer, buckets than the shards need cost.
func BenchmarkMeasureBits(b *testing.B) {
	for _, shards := range []int{2, 8} {
		for _, more := range []int{0, 1, 3, 5} {
			for _, scattered := range []bool{false, true} {
				for _, batch := range []int{100, 1000} {
					c := traffic{shards, batch, 1, Layout{Bits: more, Epoch: 15 * time.Minute}, scattered}
					b.Run(c.String(), func(b *testing.B) { measureUnits(b, c) })
				}
			}
		}
	}
}

func measureUnits(b *testing.B, c traffic) {
	t, set := newMeasured(b), metersOf(b, measuredMeters)
	rng := rand.New(rand.NewPCG(1, 2))
	ps := make([]*processor.Processor, c.shards)
	ls := make([]*Ledger, c.shards)
	keys := make([][]string, c.shards)
	for i := range 200 * c.shards {
		k := fmt.Sprint("key-", i)
		s := int(cloudevent.KeyHash(k) >> 32 * uint64(c.shards) >> 32) // Kinesis's: equal ranges of the hash
		keys[s] = append(keys[s], k)
	}
	round := 0
	all := func() {
		for s, p := range ps {
			mustCount(b, p, c.next(rng, keys[s], s, round))
		}
		round++
	}
	for s := range ps {
		ps[s], ls[s] = instance(b, t.client, set, c.layout, processor.Settings{})
	}
	for range 1 + 1000/c.batch { // until all groups are known
		all()
	}
	t.start()
	before, cpu := totals(ls), processorTime(b)
	b.ResetTimer()
	for range b.N {
		all()
	}
	events := b.N * c.shards * c.batch
	st := totals(ls)
	t.report(b, events)
	batches := float64(b.N * c.shards)
	b.ReportMetric(float64(st.Transactions-before.Transactions)/batches, "tx/batch")
	b.ReportMetric(float64(st.Segments-before.Segments)/batches, "seg/batch")
	b.ReportMetric(float64(st.LostSegments-before.LostSegments)/batches, "lostseg/batch")
	b.ReportMetric(float64((processorTime(b)-cpu).Microseconds())/float64(events), "cpu-µs/event")
}

func totals(ls []*Ledger) (sum Stats) {
	for _, l := range ls {
		st := l.Stats()
		sum.Transactions += st.Transactions
		sum.Segments += st.Segments
		sum.Aggregates += st.Aggregates
		sum.LostSegments += st.LostSegments
		sum.LostItems += st.LostItems
		sum.Busy += st.Busy
		sum.Queries += st.Queries
		sum.Gets += st.Gets
	}
	return sum
}

// BenchmarkMeasureSample reports the units of the sample week; an op is all of it, from an empty table.
func BenchmarkMeasureSample(b *testing.B) {
	for _, batch := range []int{1000, 100} {
		batches := sampleBatches(b, batch)
		for _, epoch := range []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour} {
			b.Run(fmt.Sprintf("batch=%d/epoch=%s", batch, epoch), func(b *testing.B) {
				measureSample(b, batches, Layout{Bits: 1, Epoch: epoch})
			})
		}
	}
}

func measureSample(b *testing.B, batches []processor.Batch, layout Layout) {
	set := metersOf(b, sampleMeters)
	for range b.N {
		b.StopTimer()
		t, events := newMeasured(b), 0
		ps, ls := map[string]*processor.Processor{}, []*Ledger{}
		cpu := processorTime(b)
		b.StartTimer()
		for _, batch := range batches {
			if ps[batch.Shard] == nil {
				p, l := instance(b, t.client, set, layout, processor.Settings{})
				ps[batch.Shard], ls = p, append(ls, l)
			}
			mustCount(b, ps[batch.Shard], batch)
			events += len(batch.Records)
		}
		st := totals(ls)
		t.report(b, events)
		b.ReportMetric(float64(st.Segments)/float64(len(batches)), "seg/batch")
		b.ReportMetric(float64(st.Transactions)/float64(len(batches)), "tx/batch")
		b.ReportMetric(float64((processorTime(b)-cpu).Microseconds())/float64(events), "cpu-µs/event")
	}
}
