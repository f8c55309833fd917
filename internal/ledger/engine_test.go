package ledger

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/processor"
	"github.com/millrace/millrace/internal/sample"
)

// The engine and the ledger together, over a table in memory.

const sampleMeters = `{"meters": [
	{"name": "departures", "type": "flight.departed", "by": ["data.origin"], "window": "1d", "measures": {"delay": "data.delay", "distance": "data.distance"}},
	{"name": "network", "type": "flight.departed", "window": "1h"}]}`

func metersOf(t testing.TB, file string) *meter.Set {
	t.Helper()
	set, err := meter.Parse("meters.json", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// nobody takes no failures.
type nobody struct{ t testing.TB }

func (n nobody) Send(_ context.Context, failures []processor.Failure) error {
	n.t.Errorf("failures: %+v", failures)
	return nil
}

// sampleBatches gives the sample week as two shards would hand it over, in batches.
func sampleBatches(t testing.TB, size int) []processor.Batch {
	open := [2]processor.Batch{{Shard: "shardId-000000000000"}, {Shard: "shardId-000000000001"}}
	var out []processor.Batch
	for f, err := range sample.All() {
		if err != nil {
			t.Fatal(err)
		}
		b := &open[cloudevent.KeyHash(f.Origin)>>63]
		b.Records = append(b.Records, processor.Record{SequenceNumber: strconv.Itoa(f.Row), PartitionKey: f.Origin, Data: f.Event(nil)})
		if len(b.Records) == size {
			out = append(out, *b)
			b.Records = nil
		}
	}
	return append(out, open[:]...)
}

func BenchmarkEngine(b *testing.B) {
	batches := sampleBatches(b, 1000)
	set := metersOf(b, sampleMeters)
	events := 0
	b.ReportAllocs()
	b.ResetTimer()
	var l *Ledger
	var p *processor.Processor
	for n := 0; b.Loop(); n++ {
		if n%len(batches) == 0 { // the whole week was counted: begin again with an empty table
			l = New(newStore(), "table", Options{Layout: Layout{Bits: 1, Epoch: 15 * time.Minute}})
			p = processor.New(set, l, nobody{b}, processor.Settings{})
		}
		batch := batches[n%len(batches)]
		r := p.Process(context.Background(), batch)
		if r.Err != nil || r.Counted != len(batch.Records) {
			b.Fatalf("%+v", r)
		}
		events += r.Counted
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
}
