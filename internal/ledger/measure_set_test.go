package ledger

import (
	"testing"
	"time"

	"github.com/millrace/millrace/internal/processor"
)

// BenchmarkMeasureSet counts the sample week into the live set and into one beside it, by direct calls, and drops that.
// It reports the set's units for 1,000 events as the others do, those of its index (w-index) and entry (r-entry), and the
// items and units of the drop.
func BenchmarkMeasureSet(b *testing.B) {
	batches := sampleBatches(b, 1000)
	for b.Loop() {
		t, set := newMeasured(b), metersOf(b, sampleMeters)
		p, _ := instance(b, t.client, set, Layout{Bits: 1, Epoch: 15 * time.Minute}, processor.Settings{})
		events := 0
		for _, in := range []string{LiveSet, again} {
			t.start()
			events = 0
			for _, batch := range batches {
				batch.Set, batch.Direct = in, true
				mustCount(b, p, batch)
				events += len(batch.Records)
			}
		}
		t.report(b, events)
		k := 1000 / float64(events)
		b.ReportMetric(t.since("set").Write*k, "w-index")
		b.ReportMetric(t.since("sets").Read*k, "r-entry")
		t.start()
		items, began := 0, time.Now()
		if err := Drop(b.Context(), t.client, "table", again, func(n int) { items += n }); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(items), "dropped")
		b.ReportMetric(float64(items)/time.Since(began).Seconds(), "dropped/s")
		b.ReportMetric((t.since("set").Write+t.since("ledger").Write+t.since("meter").Write+t.since("windows").Write)*k, "w-drop")
	}
}
