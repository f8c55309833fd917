package dynamodb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// batchWriter makes transactions as the ledger does: a segment of 16 KB, and 99 aggregates of some 300 bytes, each
// written whole under the version that was seen.
type batchWriter struct {
	lane, version int
	ids           []byte
}

func newBatchWriter(lane int) *batchWriter {
	w := &batchWriter{lane: lane, ids: make([]byte, 16<<10)}
	rng := rand.New(rand.NewPCG(1, uint64(lane)))
	for i := range w.ids {
		w.ids[i] = byte(rng.Uint32())
	}
	return w
}

func (w *batchWriter) next() *sdk.TransactWriteItemsInput {
	w.version++
	in := &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{{Put: &types.Put{
		TableName: aws.String("ledger"),
		Item: item{
			"pk": str(fmt.Sprintf("ledger#live#%d#1760000000", w.lane)), "sk": str(fmt.Sprintf("%010d", w.version)),
			"ids": bin(w.ids...), "expires": num("4000000000"),
		},
		ConditionExpression: aws.String("attribute_not_exists(pk)"),
	}}}}
	for i := range 99 {
		p := &types.Put{TableName: aws.String("ledger"), Item: w.aggregate(i), ConditionExpression: aws.String("attribute_not_exists(pk)")}
		if w.version > 1 {
			p.ConditionExpression = aws.String("version = :v")
			p.ExpressionAttributeValues = item{":v": num(strconv.Itoa(w.version - 1))}
		}
		in.TransactItems = append(in.TransactItems, types.TransactWriteItem{Put: p})
	}
	return in
}

func (w *batchWriter) aggregate(i int) item {
	return item{
		"pk":      str(fmt.Sprintf("meter#live#orders-by-country#2026-11-23T10:00:00Z#%d", i%8)),
		"sk":      str(fmt.Sprintf("country=%02d&channel=web#shardId-%012d", i, w.lane)),
		"count":   num(strconv.Itoa(w.version * 10)),
		"sum":     object(item{"amount": num("123456.789"), "weight": num("98765.4321")}),
		"min":     object(item{"amount": num("1.5"), "weight": num("0.001")}),
		"max":     object(item{"amount": num("999.99"), "weight": num("123.456")}),
		"version": num(strconv.Itoa(w.version)), "expires": num("4000000000"),
	}
}

// BenchmarkTransactWriteItems commits 100-action transactions through the SDK over loopback; each is one op.
func BenchmarkTransactWriteItems(b *testing.B) {
	c := serve(b, newLedger(b, Options{}), nil)
	var lanes atomic.Int64
	b.ResetTimer()
	before := processorTime(b)
	b.RunParallel(func(pb *testing.PB) {
		w := newBatchWriter(int(lanes.Add(1)))
		for pb.Next() {
			if _, err := c.TransactWriteItems(context.Background(), w.next()); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	b.ReportMetric((processorTime(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
}

// processorTime is what this process, client and server, has used: unlike the time on the wall it means something on
// a machine that others use too.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTransactServerOnly runs the same without SDK and network: decode, check, commit, answer.
func BenchmarkTransactServerOnly(b *testing.B) {
	requests := recordRequests(b, 64)
	svc := newLedger(b, Options{})
	var out []byte
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%len(requests) == 0 {
			b.StopTimer()
			svc = newLedger(b, Options{})
			b.StartTimer()
		}
		var err error
		if out, err = svc.transactWriteItems(context.Background(), requests[i%len(requests)], out[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkQuery reads the tail of a long partition, as the ledger does (half a page of nothing new), and a whole page of
// 16 KB segments.
func BenchmarkQuery(b *testing.B) {
	svc := newLedger(b, Options{})
	t := svc.tables["ledger"]
	ids := value{kindBinary, string(make([]byte, 16<<10))}
	for i := range 100_000 {
		d := keyed("short", fmt.Sprintf("%010d", i))
		t.put(key{"short", fmt.Sprintf("%010d", i)}, d, d.size(), 0)
	}
	for i := range 200 {
		d := document(appendValue(appendName([]byte(keyed("log", fmt.Sprintf("%010d", i))), "ids"), ids))
		t.put(key{"log", fmt.Sprintf("%010d", i)}, d, d.size(), 0)
	}
	c := serve(b, svc, nil)
	for _, q := range []struct{ name, pk, after string }{{"tail", "short", "0000099998"}, {"page", "log", "0000000010"}} {
		b.Run(q.name, func(b *testing.B) {
			in := &sdk.QueryInput{
				TableName: aws.String("ledger"), KeyConditionExpression: aws.String("pk = :p AND sk > :s"), ConsistentRead: aws.Bool(true),
				ExpressionAttributeValues: item{":p": str(q.pk), ":s": str(q.after)},
			}
			for b.Loop() {
				if _, err := c.Query(context.Background(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkItem stores aggregates, a few in each partition; B/item is the heap that one takes.
func BenchmarkItem(b *testing.B) {
	requests := recordRequests(b, 1)
	var tx transaction
	if err := decode(requests[0], tx.read); err != nil {
		b.Fatal(err)
	}
	aggregate := tx.items[1].item.document
	t := newTestTable()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	for i := range b.N {
		d := document(strings.Clone(string(aggregate)))
		sk, _ := d.get("sk")
		t.put(key{fmt.Sprintf("meter#live#orders#%d", i/8), sk.data + strconv.Itoa(i%8)}, d, 300, 0)
	}
	b.StopTimer()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "heap-B/item")
	b.ReportMetric(float64(len(aggregate)), "item-B")
	runtime.KeepAlive(t)
}
