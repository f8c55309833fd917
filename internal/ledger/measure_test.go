package ledger

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/internal/awslocal/dynamodb"
	"github.com/millrace/millrace/internal/awslocal/wire"
	"github.com/millrace/millrace/internal/client"
	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/processor"
	"github.com/millrace/millrace/internal/sample"
)

// The measurements behind the defaults (docs/delivery.md): processor and ledger over the SDK's client and the local
// endpoint's DynamoDB. What they report beside ns/op:
//
//	go test -run xxx -bench Measure -benchtime 5x ./internal/ledger

// measured is a table of the local endpoint's, with the units that it has charged.
type measured struct {
	svc    *dynamodb.Service
	client *sdk.Client
	before map[string]dynamodb.Units
}

// newMeasured makes an empty table behind a client that calls the endpoint's handler without a network.
func newMeasured(b *testing.B) *measured {
	b.Helper()
	svc := measuredService(b)
	handler := wire.NewServer(nil, nil, svc.Wire())
	return &measured{svc: svc, client: measuredClient(b, "http://127.0.0.1:1", func(o *sdk.Options) {
		o.HTTPClient = doer(func(q *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, q)
			return w.Result(), nil
		})
	})}
}

// newMeasuredLoopback makes one behind a connection.
func newMeasuredLoopback(b *testing.B) *measured {
	b.Helper()
	svc := measuredService(b)
	server := httptest.NewServer(wire.NewServer(nil, nil, svc.Wire()))
	b.Cleanup(server.Close)
	return &measured{svc: svc, client: measuredClient(b, server.URL)}
}

func measuredService(b *testing.B) *dynamodb.Service {
	b.Helper()
	svc := dynamodb.New(dynamodb.Options{})
	_, err := svc.CreateTable(dynamodb.Table{
		Name: "table", HashKey: dynamodb.Key{Name: attrPK, Type: "S"}, RangeKey: dynamodb.Key{Name: attrSK, Type: "S"}, TTLAttribute: attrExpires,
	})
	if err != nil {
		b.Fatal(err)
	}
	return svc
}

func measuredClient(b *testing.B, url string, options ...func(*sdk.Options)) *sdk.Client {
	b.Helper()
	cfg, err := client.FromEnvironment(func(name string) string {
		if name == "AWS_ENDPOINT_URL" {
			return url
		}
		return "us-east-1" // region, key and secret alike
	})
	if err != nil {
		b.Fatal(err)
	}
	return sdk.NewFromConfig(cfg, options...)
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(q *http.Request) (*http.Response, error) { return d(q) }

// start begins to count units.
func (m *measured) start() { m.before = m.svc.Units("table") }

// since gives the units of one kind of item ("ledger", "meter", "windows") since start.
func (m *measured) since(kind string) dynamodb.Units {
	now, then := m.svc.Units("table")[kind], m.before[kind]
	return dynamodb.Units{Read: now.Read - then.Read, Write: now.Write - then.Write}
}

// report adds the units per 1,000 events since start: w for write, r for read.
func (m *measured) report(b *testing.B, events int) {
	b.Helper()
	k := 1000 / float64(events)
	ledger, meters, windows := m.since("ledger"), m.since("meter"), m.since("windows")
	b.ReportMetric(ledger.Write*k, "w-ledger")
	b.ReportMetric(meters.Write*k, "w-aggr")
	b.ReportMetric(windows.Write*k, "w-windows")
	b.ReportMetric(ledger.Read*k, "r-ledger")
	b.ReportMetric(meters.Read*k, "r-aggr")
}

// processorTime is what this process, both client and server, has used: unlike the wall's it means something on a
// machine that others use too.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measuredMeters is of two groups' sizes: as many as the events have destinations, and one.
const measuredMeters = `{"meters": [{"name": "arrivals", "type": "flight.departed", "by": ["data.destination"], "window": "1h",
	"measures": {"delay": "data.delay", "distance": "data.distance"}}]}`

// record makes event n, of a key, a group and a time.
func record(n int, key, group string, at time.Time) processor.Record {
	f := sample.Flight{Row: n, Date: at, Delay: n % 60, Distance: 100 + n%2000, Origin: key, Destination: group}
	return processor.Record{SequenceNumber: fmt.Sprint(n), PartitionKey: key, Data: f.Event(nil)}
}

// keysOf gives n keys that belong to one of the shards.
func keysOf(shard, shards, n int) []string {
	var keys []string
	for i := 0; len(keys) < n; i++ {
		k := fmt.Sprint("key-", i)
		if cloudevent.KeyHash(k)%uint64(shards) == uint64(shard) {
			keys = append(keys, k)
		}
	}
	return keys
}

// instance is one warm function: a ledger of its own under a processor.
func instance(b *testing.B, db DB, set *meter.Set, layout Layout, s processor.Settings) (*processor.Processor, *Ledger) {
	b.Helper()
	l := New(db, "table", Options{Layout: layout, AnyOrder: true, Log: quiet()})
	return processor.New(set, l, nobody{b}, s), l
}

// mustCount hands a batch over once and demands that all of it is counted.
func mustCount(b *testing.B, p *processor.Processor, batch processor.Batch) {
	b.Helper()
	if r := p.Process(context.Background(), batch); r.Err != nil || r.Counted != len(batch.Records) {
		b.Fatalf("%+v", r)
	}
}

// distant is a table as far away as AWS's is, which refuses, as AWS does, a transaction on an item that another one is
// under way on. (The local endpoint's transactions take effect at one moment and never conflict.) A refused transaction
// does not reach the endpoint and is not among the units; AWS may charge for it.
type distant struct {
	DB
	call, transaction time.Duration // how long an answer takes
	pending           *sync.Map     // keys of the items under transactions
}

func (d distant) Query(ctx context.Context, in *sdk.QueryInput, o ...func(*sdk.Options)) (*sdk.QueryOutput, error) {
	time.Sleep(d.call)
	return d.DB.Query(ctx, in, o...)
}

func (d distant) BatchGetItem(ctx context.Context, in *sdk.BatchGetItemInput, o ...func(*sdk.Options)) (*sdk.BatchGetItemOutput, error) {
	time.Sleep(d.call)
	return d.DB.BatchGetItem(ctx, in, o...)
}

func (d distant) PutItem(ctx context.Context, in *sdk.PutItemInput, o ...func(*sdk.Options)) (*sdk.PutItemOutput, error) {
	time.Sleep(d.call)
	return d.DB.PutItem(ctx, in, o...)
}

func (d distant) TransactWriteItems(ctx context.Context, in *sdk.TransactWriteItemsInput, o ...func(*sdk.Options)) (*sdk.TransactWriteItemsOutput, error) {
	reasons := make([]types.CancellationReason, len(in.TransactItems))
	conflict := false
	var held []string
	for i, t := range in.TransactItems {
		reasons[i].Code = aws.String("None")
		k := strings.Join([]string{stringOf(t.Put.Item[attrPK]), stringOf(t.Put.Item[attrSK])}, " ")
		if _, taken := d.pending.LoadOrStore(k, true); taken {
			reasons[i].Code = aws.String("TransactionConflict")
			conflict = true
			continue
		}
		held = append(held, k)
	}
	defer func() {
		for _, k := range held {
			d.pending.Delete(k)
		}
	}()
	if conflict {
		time.Sleep(d.call)
		return nil, &types.TransactionCanceledException{Message: aws.String("conflict"), CancellationReasons: reasons}
	}
	time.Sleep(d.transaction)
	return d.DB.TransactWriteItems(ctx, in, o...)
}
