package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/processor"
)

// BenchmarkMeasureCold reports the first batch of an instance, an op, when its log holds 900,000 ids: a full shard's
// quarter of an hour. "far" adds 30 ms to a page of 1 MB and 5 ms to other calls.
func BenchmarkMeasureCold(b *testing.B) {
	for _, segment := range []int{1000, 100} {
		t := newMeasuredLoopback(b)
		fillLog(b, t.client, 900_000, segment)
		for _, far := range []bool{false, true} {
			b.Run(fmt.Sprintf("segment=%d/far=%t", segment, far), func(b *testing.B) { measureCold(b, t, segment, far) })
		}
	}
}

// fillLog writes the log of noon, whose ids are those of derived.
func fillLog(b *testing.B, db DB, ids, segment int) {
	b.Helper()
	layout := Layout{Epoch: 15 * time.Minute}
	for from := 0; from < ids; from += segment {
		i := segmentItem(layout.logPK(LiveSet, logKey{0, noon.Unix()}), uint64(from/segment+1), derived(noon.Unix(), from, from+segment), 0)
		if _, err := db.PutItem(context.Background(), &sdk.PutItemInput{TableName: new("table"), Item: i}); err != nil {
			b.Fatal(err)
		}
	}
}

// farPages is a table whose pages take as long as a megabyte does inside a region.
type farPages struct{ DB }

func (f farPages) Query(ctx context.Context, in *sdk.QueryInput, o ...func(*sdk.Options)) (*sdk.QueryOutput, error) {
	out, err := f.DB.Query(ctx, in, o...)
	if time.Sleep(farCall); err == nil && len(out.Items) > 10 {
		time.Sleep(farPage - farCall)
	}
	return out, err
}

const farPage = 30 * time.Millisecond

func measureCold(b *testing.B, t *measured, segment int, far bool) {
	set := metersOf(b, sampleMeters)
	var db DB = t.client
	if far {
		db = farPages{db}
	}
	var st Stats
	t.start()
	cpu := processorTime(b)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	for k := range b.N {
		batch := processor.Batch{Shard: "shardId-000000000000"}
		for i := range segment {
			n := int(time.Now().UnixNano()&0xffffffffff)<<10 + k*segment + i
			batch.Records = append(batch.Records, record(n, fmt.Sprint("key-", i%60), "X", noon.Add(time.Second)))
		}
		p, l := instance(b, db, set, Layout{Epoch: 15 * time.Minute}, processor.Settings{})
		mustCount(b, p, batch)
		st = l.Stats()
	}
	b.StopTimer()
	runtime.ReadMemStats(&after)
	n := float64(b.N)
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/n, "ms/op")
	b.ReportMetric(float64((processorTime(b)-cpu).Milliseconds())/n, "cpu-ms/op")
	b.ReportMetric(float64(st.Queries), "queries")
	b.ReportMetric(t.since("ledger").Read/n, "r-ledger/op")
	b.ReportMetric(t.since("meter").Read/n, "r-aggr/op")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/n/(1<<20), "alloc-MB/op")
}

// derived makes the ids from to to-1 of an epoch: the same ones whenever it is asked.
func derived(epoch int64, from, to int) []cloudevent.Fingerprint {
	ids := make([]cloudevent.Fingerprint, to-from)
	for i := range ids {
		x := uint64(epoch)<<32 + uint64(from+i)
		binary.LittleEndian.PutUint64(ids[i][:], mixed(x))
		binary.LittleEndian.PutUint64(ids[i][8:], mixed(^x))
	}
	return ids
}

// mixed is splitmix64's.
func mixed(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// derivedTable takes one writer's calls, holds nothing, and reads back segments whose ids it makes anew: so that the
// heap is the ledger's alone.
type derivedTable struct {
	*store
	segment  int            // ids
	versions map[string]int // of logs, by partition key
	queries  int
	units    float64 // read
}

func (d *derivedTable) TransactWriteItems(_ context.Context, in *sdk.TransactWriteItemsInput, _ ...func(*sdk.Options)) (*sdk.TransactWriteItemsOutput, error) {
	for _, t := range in.TransactItems {
		if _, ok := t.Put.Item[attrIDs]; ok {
			d.versions[stringOf(t.Put.Item[attrPK])]++
		}
	}
	return &sdk.TransactWriteItemsOutput{}, nil
}

func (d *derivedTable) Query(_ context.Context, in *sdk.QueryInput, _ ...func(*sdk.Options)) (*sdk.QueryOutput, error) {
	pk, after := stringOf(in.ExpressionAttributeValues[":pk"]), stringOf(in.ExpressionAttributeValues[":sk"])
	if in.ExclusiveStartKey != nil {
		after = stringOf(in.ExclusiveStartKey[attrSK])
	}
	version, err := strconv.Atoi(after)
	if err != nil {
		return nil, err
	}
	epoch, err := time.Parse(time.RFC3339, pk[strings.LastIndexByte(pk, '#')+1:])
	if err != nil {
		return nil, err
	}
	bucket, err := strconv.Atoi(strings.Split(pk, "#")[2])
	if err != nil {
		return nil, err
	}
	out, size := &sdk.QueryOutput{}, 0
	for ; version < d.versions[pk] && size < 1<<20; version++ {
		ids := derived(epoch.Unix()+int64(bucket), version*d.segment, (version+1)*d.segment)
		out.Items = append(out.Items, segmentItem(pk, uint64(version+1), ids, 0))
		size += d.segment * fingerprint
	}
	if version < d.versions[pk] {
		out.LastEvaluatedKey = map[string]types.AttributeValue{attrPK: text(pk), attrSK: text(versionSK(uint64(version)))}
	}
	d.queries++
	units := float64(max(1, (size+4095)/4096))
	if !*in.ConsistentRead {
		units /= 2
	}
	d.units += units
	return out, nil
}

// BenchmarkMeasureWandering reports one instance of many that share a stream's full shards, of which each batch, an op,
// goes to any instance, in an epoch's last tenth: it has read all logs, and kept what its memory holds.
// An op is a second, so more than a tenth of the epoch makes logs longer than they are.
func BenchmarkMeasureWandering(b *testing.B) {
	for _, shards := range []int{1, 2, 8, 32} {
		for _, epoch := range []time.Duration{15 * time.Minute, 5 * time.Minute, time.Minute} {
			b.Run(fmt.Sprintf("shards=%d/epoch=%s", shards, epoch), func(b *testing.B) { measureWandering(b, shards, epoch) })
		}
	}
}

func measureWandering(b *testing.B, shards int, width time.Duration) {
	const rate = 1000
	m := metersOf(b, measuredMeters).Meters[0]
	d := &derivedTable{store: newStore(), segment: rate, versions: map[string]int{}}
	layout := Layout{Bits: bits.Len(uint(shards)) - 1, Epoch: width}
	l := New(d, "table", Options{Layout: layout, Log: quiet()})
	seconds := int(width / time.Second)
	batch := func(shard, second int) {
		k := logKey{shard, noon.Unix()}
		ids := derived(k.epoch+int64(shard), second*rate, (second+1)*rate)
		es := make([]meter.Effect, rate)
		for i, id := range ids {
			es[i] = meter.Effect{ID: cloudevent.Identity{Fingerprint: id, KeyHash: uint64(shard) << (64 - layout.Bits), Time: noon}, Deltas: []meter.Delta{{
				Meter: m, Start: noon.Unix(), Group: "g", Values: make([]meter.Decimal, 2),
			}}}
		}
		for s := range shards { // the other instances write as much
			d.versions[layout.logPK(LiveSet, logKey{s, k.epoch})] = second
		}
		rs, err := hand(context.Background(), l, LiveSet, "shard", es)
		if err != nil {
			b.Fatal(err)
		}
		wantOutcomes(b, rs, strings.Repeat("C", rate))
	}
	for s := range shards { // it begins with all of the epoch's first part, as far as it can hold it
		batch(s, seconds*9/10)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	queries, units, cpu := d.queries, d.units, processorTime(b)
	b.ResetTimer()
	for i := range b.N {
		batch(rng.IntN(shards), seconds*9/10+1+i)
	}
	n := float64(b.N)
	b.ReportMetric(float64(d.queries-queries)/n, "pages/batch")
	b.ReportMetric((d.units-units)/n, "r-ledger/batch")
	b.ReportMetric(float64((processorTime(b)-cpu).Milliseconds())/n, "cpu-ms/batch")
	b.ReportMetric(float64(remembered(l))/1e6, "M-ids")
}

// BenchmarkMeasureMemory runs a warm instance for MILLRACE_MINUTES (10) of a shard's traffic, a batch a second, and prints
// what it holds and how long a batch takes by the minute at which something changes. A quarter of an hour that outgrows
// the memory ends it, for each batch then reads its log again.
func BenchmarkMeasureMemory(b *testing.B) {
	minutes := 10
	if v, err := strconv.Atoi(os.Getenv("MILLRACE_MINUTES")); err == nil {
		minutes = v
	}
	for _, rate := range []int{1000, 10_000} {
		for _, bound := range []int{DefaultMemory, 50_000_000} {
			b.Run(fmt.Sprintf("rate=%d/bound=%d", rate, bound), func(b *testing.B) {
				for range b.N {
					measureMemory(b, rate, bound, minutes)
				}
			})
		}
	}
}

func measureMemory(b *testing.B, rate, bound, minutes int) {
	m := metersOf(b, measuredMeters).Meters[0]
	d := &derivedTable{store: newStore(), segment: rate, versions: map[string]int{}}
	l := New(d, "table", Options{Layout: Layout{Epoch: 15 * time.Minute}, Memory: bound, Log: quiet()})
	base := heap()
	var slowest, forgot time.Duration
	for second := 0; second < 60*minutes; second++ {
		epoch, into := noon.Unix()+int64(second/900*900), second%900*rate
		es := make([]meter.Effect, rate)
		for i, id := range derived(epoch, into, into+rate) {
			es[i] = meter.Effect{ID: cloudevent.Identity{Fingerprint: id, Time: time.Unix(epoch, 0)}, Deltas: []meter.Delta{{
				Meter: m, Start: m.Start(time.Unix(epoch, 0)).Unix(), Group: "g", Values: make([]meter.Decimal, 2),
			}}}
		}
		queries, cpu := d.queries, processorTime(b)
		if rs, err := hand(context.Background(), l, LiveSet, "shard", es); err != nil || reasons(rs) != nil || rs[0].Outcome != meter.Counted {
			b.Fatalf("second %d: %v %v %v", second, err, reasons(rs), rs[0].Outcome)
		}
		took := processorTime(b) - cpu
		if d.queries-queries > 2 { // one to begin with
			if forgot += took; forgot > 3*time.Second {
				b.Logf("second %d: each batch reads %d pages again and takes %s: stopped", second, d.queries-queries, took)
				break
			}
		}
		slowest = max(slowest, took)
		if second%900 == 899 || d.queries-queries > 2 && forgot == took {
			live := heap() - base
			b.Logf("second %d: %.1fM ids, %.0f MB live, this batch %s with %d queries, slowest %s", second, float64(remembered(l))/1e6, live, took, d.queries-queries, slowest)
			slowest = 0
		}
	}
	live := heap() - base
	b.ReportMetric(live, "live-MB")
	b.ReportMetric(live*(1<<20)/float64(remembered(l)), "B/id")
	b.ReportMetric(peak(b), "peak-MB") // of the process so far: true of the first
	runtime.KeepAlive(l)
}

// peak is the most memory that the process has had, in MB.
func peak(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Maxrss) / 1024
}

func remembered(l *Ledger) (n int) {
	for _, g := range l.memory.logs {
		n += len(g.ids)
	}
	return n
}

// heap is what is alive, in MB.
func heap() float64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return float64(s.HeapAlloc) / (1 << 20)
}
