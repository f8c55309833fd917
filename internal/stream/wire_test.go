package stream

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/kinesis"
	"github.com/millrace/millrace/internal/awslocal/wire"
	"github.com/millrace/millrace/internal/client"
)

const putRecords = "Kinesis.PutRecords"

// dial makes an SDK client as our binaries make it.
func dial(t testing.TB, endpoint string) *sdk.Client {
	cfg, err := client.FromEnvironment(func(name string) string {
		if name == "AWS_ENDPOINT_URL" {
			return endpoint
		}
		return "us-east-1" // region, key and secret alike
	})
	if err != nil {
		t.Fatal(err)
	}
	return sdk.NewFromConfig(cfg)
}

// localStream serves an empty stream of two shards.
func localStream(t testing.TB, rules ...fault.Rule) (*sdk.Client, *fault.Injector) {
	faults := fault.New(1, rules...)
	srv := httptest.NewServer(wire.NewServer(faults, nil, kinesis.New(kinesis.Options{}).Wire()))
	t.Cleanup(srv.Close)
	api := dial(t, srv.URL)
	if _, err := api.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	return api, faults
}

// readAll gives what the stream holds, shard by shard.
func readAll(t *testing.T, api *sdk.Client) (out []Record) {
	t.Helper()
	shards, err := api.ListShards(t.Context(), &sdk.ListShardsInput{StreamName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shards.Shards {
		it, err := api.GetShardIterator(t.Context(), &sdk.GetShardIteratorInput{
			StreamName: aws.String("s"), ShardId: s.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		for next := it.ShardIterator; ; {
			page, err := api.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: next})
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Records) == 0 {
				break
			}
			for _, r := range page.Records {
				out = append(out, Record{Key: *r.PartitionKey, Data: r.Data})
			}
			next = page.NextShardIterator
		}
	}
	return out
}

func TestProducer_EveryFaultOfTheWire_EveryRecordArrives_InOrderOfItsKey(t *testing.T) {
	rule := func(k fault.Kind) fault.Rule {
		return fault.Rule{Operation: putRecords, Kind: k, Probability: 0.3, Count: 3}
	}
	api, faults := localStream(t, rule(fault.Partial), rule(fault.Throttle), rule(fault.Error), rule(fault.DropAfter))
	p := NewProducer(api, "s", Options{})
	defer p.Close()
	mustPut(t, p, 4000, 150)
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := &fakeStream{taken: readAll(t, api)}
	total := 0
	for key, data := range f.firsts() {
		total += len(data)
		if !slices.IsSorted(data) {
			t.Errorf("key %s arrived as %v", key, data)
		}
	}
	for _, fired := range faults.Report() {
		if fired.Times == 0 {
			t.Errorf("fault %s never fired", fired.Kind)
		}
	}
	if st := p.Stats(); total != 4000 || st.Acknowledged != 4000 {
		t.Errorf("%d arrived; %+v", total, st)
	}
}

func TestProducer_NoFaults_NoCopies(t *testing.T) {
	api, _ := localStream(t)
	p := NewProducer(api, "s", Options{Unordered: true})
	defer p.Close()
	mustPut(t, p, 20_000, 150)
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(readAll(t, api)); n != 20_000 || p.Stats().Retried != 0 {
		t.Errorf("%d records in the stream; %+v", n, p.Stats())
	}
}

func TestPut_NoData_IsAnEmptyRecord(t *testing.T) {
	api, _ := localStream(t)
	p := NewProducer(api, "s", Options{})
	defer p.Close()
	if err := errors.Join(p.Put(t.Context(), Record{Key: "k"}), p.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, api); len(got) != 1 || len(got[0].Data) != 0 {
		t.Errorf("in the stream: %v", got)
	}
}

func TestProducer_NoSuchStream_SaysSo(t *testing.T) {
	api, _ := localStream(t)
	p := NewProducer(api, "other", Options{})
	defer p.Close()
	mustPut(t, p, 1, 1)
	err := p.Flush(t.Context())
	var notFound *types.ResourceNotFoundException
	if !errors.As(err, &notFound) || !strings.HasPrefix(err.Error(), "put on stream other: ") {
		t.Errorf("Flush: %v", err)
	}
}

func TestIsTransient_OfWhatTheWireGives(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		}
	}
	for name, c := range map[string]struct {
		handler             http.HandlerFunc
		transient, throttle bool
	}{
		"connection dropped":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true, false},
		"answer cut short":      {cutShort, true, false},
		"answer is no JSON":     {answer(200, "<html>"), true, false},
		"500":                   {answer(500, `{"__type":"InternalFailure"}`), true, false},
		"503":                   {answer(503, ``), true, false},
		"throttled":             {answer(400, `{"__type":"ProvisionedThroughputExceededException"}`), true, true},
		"KMS throttled":         {answer(400, `{"__type":"KMSThrottlingException"}`), true, false},
		"too few results":       {answer(200, `{"FailedRecordCount":0,"Records":[]}`), true, false},
		"no such stream":        {answer(400, `{"__type":"ResourceNotFoundException"}`), false, false},
		"not allowed":           {answer(400, `{"__type":"AccessDeniedException"}`), false, false},
		"validation":            {answer(400, `{"__type":"ValidationException"}`), false, false},
		"a thing unimplemented": {answer(501, `{"__type":"NotImplemented"}`), false, false},
	} {
		srv := httptest.NewServer(c.handler)
		p := NewProducer(dial(t, srv.URL), "s", Options{})
		_, err := p.call([]types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte("x")}})
		if err == nil || isTransient(err) != c.transient || isThrottle(err) != c.throttle {
			t.Errorf("%s: transient %v, throttle %v: %v", name, isTransient(err), isThrottle(err), err)
		}
		p.Close()
		srv.Close()
	}
}

// cutShort promises more than it sends.
func cutShort(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = fmt.Fprint(w, `{"Records":`)
}

func TestIsTransient_NobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	p := NewProducer(dial(t, "http://"+l.Addr().String()), "s", Options{})
	defer p.Close()
	if _, err := p.call([]types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte("x")}}); err == nil || !isTransient(err) {
		t.Errorf("error %v", err)
	}
}

// BenchmarkProducer_Wire puts over loopback into the local endpoint. One op is one record of 200 bytes.
func BenchmarkProducer_Wire(b *testing.B) {
	for _, c := range []struct {
		name string
		keys int
		opt  Options
	}{{"ordered-10000-keys", 10_000, Options{}}, {"ordered-223-keys", 223, Options{}}, {"unordered-223-keys", 223, Options{Unordered: true}}} {
		b.Run(c.name, func(b *testing.B) {
			api, _ := localStream(b)
			p := NewProducer(api, "s", c.opt)
			defer p.Close()
			data := make([]byte, 200)
			b.ResetTimer()
			for n := range b.N {
				if err := p.Put(b.Context(), Record{Key: fmt.Sprint("key-", n%c.keys), Data: data}); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(b.N)/float64(p.Stats().Requests), "records/request")
		})
	}
}
