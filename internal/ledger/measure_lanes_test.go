package ledger

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/processor"
)

// lanes are the writers of one shard.
type lanes struct {
	n, batch int
	own      bool          // each lane names its aggregates for itself
	near     bool          // the table answers at once, without conflicts
	handler  time.Duration // of the application's own work for a batch
}

func (c lanes) String() string {
	s := fmt.Sprintf("n=%d/batch=%d/own=%t", c.n, c.batch, c.own)
	if c.near {
		s += "/near"
	}
	if c.handler > 0 {
		s += "/handler=" + c.handler.String()
	}
	return s
}

// BenchmarkMeasureLanes has n writers of one shard take their batches, an op each: 1,000 events a second in order, 60
// keys a lane, a group for each key and one of all. per commit: lost-seg, lost-aggr and busy transactions; again is how often a
// batch had to be handed over again.
func BenchmarkMeasureLanes(b *testing.B) {
	for _, batch := range []int{100, 1000} {
		for _, own := range []bool{false, true} {
			for _, n := range []int{1, 2, 5, 10} {
				c := lanes{n: n, batch: batch, own: own}
				b.Run(c.String(), func(b *testing.B) { measureLanes(b, c) })
			}
		}
	}
	for _, n := range []int{1, 2, 5, 10} {
		c := lanes{n: n, batch: 1000, own: true, near: true}
		b.Run(c.String(), func(b *testing.B) { measureLanes(b, c) })
	}
	for _, n := range []int{1, 2, 5, 10} {
		c := lanes{n: n, batch: 100, handler: 200 * time.Millisecond}
		b.Run(c.String(), func(b *testing.B) { measureLanes(b, c) })
	}
}

// How long DynamoDB takes to answer a call, and a transaction of some ten to a hundred actions, inside a region.
const (
	farCall        = 5 * time.Millisecond
	farTransaction = 20 * time.Millisecond
)

func measureLanes(b *testing.B, c lanes) {
	t, set := newMeasured(b), metersOf(b, sampleMeters)
	var pending sync.Map
	var db DB = distant{t.client, farCall, farTransaction, &pending}
	if c.near {
		db = t.client
	}
	ps, ls := make([]*processor.Processor, c.n), make([]*Ledger, c.n)
	settings := processor.Settings{}
	for i := range ps {
		if c.handler > 0 {
			settings.Handler = func(_ context.Context, e cloudevent.Event) error {
				if e.Data[len(e.Data)-2] == '0' { // one event of ten
					time.Sleep(10 * c.handler / time.Duration(c.batch))
				}
				return nil
			}
		}
		ps[i], ls[i] = instance(b, db, set, Layout{Epoch: 15 * time.Minute}, settings)
		mustCount(b, ps[i], c.next(i, i))
	}
	var taken, again atomic.Int64
	t.start()
	before, cpu := totals(ls), processorTime(b)
	b.ResetTimer()
	var wg sync.WaitGroup
	for i, p := range ps {
		wg.Go(func() {
			for k := int(taken.Add(1)); k <= b.N; k = int(taken.Add(1)) {
				again.Add(c.settle(p, c.next(i, c.n+k)))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	st := totals(ls)
	commits := float64(st.Transactions - before.Transactions)
	b.ReportMetric(float64(st.LostSegments-before.LostSegments)/commits, "lost-seg/commit")
	b.ReportMetric(float64(st.LostItems-before.LostItems)/commits, "lost-aggr/commit")
	b.ReportMetric(float64(st.Busy-before.Busy)/commits, "busy/commit")
	b.ReportMetric(float64(again.Load())/float64(b.N), "again/batch")
	b.ReportMetric(float64(b.N*c.batch)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((processorTime(b)-cpu).Microseconds())/float64(b.N*c.batch), "cpu-µs/event")
	t.report(b, b.N*c.batch)
}

// next makes the k-th batch, which is the lane's: keys of its own.
func (c lanes) next(lane, k int) processor.Batch {
	b := processor.Batch{Shard: "shardId-000000000000"}
	if c.own {
		b.Shard += fmt.Sprint(".", lane)
	}
	keys := keysOf(lane, c.n, 60)
	for i := range c.batch {
		n := k*c.batch + i
		b.Records = append(b.Records, record(n, keys[n%len(keys)], "X", noon.Add(time.Duration(n)*time.Millisecond)))
	}
	return b
}

// settle hands a batch over until it is counted, and tells how often that was in vain.
func (c lanes) settle(p *processor.Processor, batch processor.Batch) (again int64) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		r := p.Process(ctx, batch)
		cancel()
		if r.Unsettled == len(batch.Records) {
			return again
		}
		again++
		batch.Records = batch.Records[r.Unsettled:]
	}
}
