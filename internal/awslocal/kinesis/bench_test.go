package kinesis

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// full is a PutRecords of 500 events of about 250 bytes, with keys of 36.
func full() []types.PutRecordsRequestEntry {
	entries := make([]types.PutRecordsRequestEntry, maxEntries)
	for i := range entries {
		entries[i] = entryOf(fmt.Sprintf("device-%029d", i), strings.Repeat("x", 250))
	}
	return entries
}

// BenchmarkPutRecords is PutRecords x500 through the SDK over loopback, client included.
func BenchmarkPutRecords(b *testing.B) {
	svc := New(Options{})
	newStream(b, svc, 4)
	c := serve(b, svc)
	in := &sdk.PutRecordsInput{StreamName: new("s"), Records: full()}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.PutRecords(context.Background(), in); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)*maxEntries/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkPutRecords_Served is the endpoint's part of it, without SDK and HTTP.
func BenchmarkPutRecords_Served(b *testing.B) {
	svc := New(Options{})
	newStream(b, svc, 4)
	request := requestOf("s", full())
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		var err error
		if out, err = svc.putRecords(context.Background(), request, out[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*maxEntries/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkGetRecords reads pages of 10,000 through the SDK over loopback, client included.
func BenchmarkGetRecords(b *testing.B) {
	svc := New(Options{})
	st := newStream(b, svc, 1)
	fill(b, st, maxPageRecords)
	c := serve(b, svc)
	it := iteratorFor(b, c, sdk.GetShardIteratorInput{StreamName: &st.name, ShardId: new(shardID(0)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			out, err := c.GetRecords(context.Background(), &sdk.GetRecordsInput{ShardIterator: it})
			if err != nil || len(out.Records) != maxPageRecords {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)*maxPageRecords/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkGetRecords_Served is the endpoint's part of it.
func BenchmarkGetRecords_Served(b *testing.B) {
	svc := New(Options{})
	st := newStream(b, svc, 1)
	fill(b, st, maxPageRecords)
	it := iterator{made: svc.nowMillis(), stream: st.serial, name: st.name}
	request := []byte(`{"ShardIterator":"` + string(it.append(nil)) + `"}`)
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if out, err = svc.getRecords(context.Background(), request, out[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*maxPageRecords/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkCursor_Read reads a shard as the event source mapping does.
func BenchmarkCursor_Read(b *testing.B) {
	const batch = 1000
	svc := New(Options{})
	st := newStream(b, svc, 1)
	fill(b, st, batch)
	b.ReportAllocs()
	for b.Loop() {
		c := must[*Cursor](b)(svc.Open("s", shardID(0), Position{Type: TrimHorizon}))
		if records, _ := c.Read(batch); len(records) != batch {
			b.Fatal(len(records))
		}
	}
	b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkMemory tells what a stored record of 250 bytes costs.
func BenchmarkMemory(b *testing.B) {
	const records = 300_000
	for b.Loop() {
		svc := New(Options{})
		st := newStream(b, svc, 4)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		fill(b, st, records)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/records, "B/record")
		runtime.KeepAlive(svc)
	}
}

// fill puts events of 250 bytes with keys of 36.
func fill(t testing.TB, st *stream, n int) {
	data := []byte(strings.Repeat("x", 250))
	entries := make([]putEntry, 0, maxEntries)
	for i := 0; i < n; i += len(entries) {
		entries = entries[:0]
		for j := range min(maxEntries, n-i) {
			key := fmt.Appendf(nil, "device-%029d", i+j)
			entries = append(entries, putEntry{key: key, data: data, hash: hashOf(key)})
		}
		st.put(entries)
	}
}
