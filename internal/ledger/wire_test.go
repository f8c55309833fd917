package ledger

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/millrace/millrace/internal/awslocal/dynamodb"
	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
	"github.com/millrace/millrace/internal/client"
	"github.com/millrace/millrace/internal/meter"
)

// The same ledger over the SDK's client, against the local endpoint's DynamoDB.

// retrying waits shorter than the SDK's own, and retries as it does; 1 attempt leaves everything to the ledger.
func retrying(attempts int) func(*sdk.Options) {
	return func(o *sdk.Options) {
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff = attempts, time.Millisecond
		})
	}
}

// localTable serves an empty table and gives clients for it.
func localTable(t testing.TB, through func(http.Handler) http.Handler, rules ...fault.Rule) (func(...func(*sdk.Options)) *sdk.Client, *fault.Injector) {
	t.Helper()
	svc := dynamodb.New(dynamodb.Options{})
	if _, err := svc.CreateTable(dynamodb.Table{
		Name: "table", HashKey: dynamodb.Key{Name: attrPK, Type: "S"}, RangeKey: dynamodb.Key{Name: attrSK, Type: "S"}, TTLAttribute: attrExpires,
	}); err != nil {
		t.Fatal(err)
	}
	faults := fault.New(1, rules...)
	var handler http.Handler = wire.NewServer(faults, nil, svc.Wire())
	if through != nil {
		handler = through(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg, err := client.FromEnvironment(func(name string) string {
		if name == "AWS_ENDPOINT_URL" {
			return server.URL
		}
		return "us-east-1" // region, key and secret alike
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(options ...func(*sdk.Options)) *sdk.Client { return sdk.NewFromConfig(cfg, options...) }, faults
}

func dynamoDB(op string, k fault.Kind, p float64, count int) fault.Rule {
	return fault.Rule{Operation: "DynamoDB." + op, Kind: k, Probability: p, Count: count}
}

// handUntilSettled hands batches over again and again, as a mapping does, and demands that it comes to an end.
func handUntilSettled(t testing.TB, ledgers func() *Ledger, shard string, es []meter.Effect) {
	t.Helper()
	for range 50 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		rs, err := hand(ctx, ledgers(), LiveSet, shard, es)
		cancel()
		if err == nil && strings.Trim(outcomes(rs), "C=") == "" {
			return
		}
	}
	t.Errorf("a batch does not settle in 50 hand-overs")
}

func TestWire_NoFaults_CountsAndReadsBack(t *testing.T) {
	m := firstMeter(t)
	dial, _ := localTable(t, nil)
	db := dial()
	es := effects(m, 0, 90, fewGroups)
	l := ledgerAt(db)
	wantOutcomes(t, mustHand(t, l, es[:40]), strings.Repeat("C", 40))
	wantOutcomes(t, mustHand(t, ledgerAt(db), es[20:60]), strings.Repeat("=", 20)+strings.Repeat("C", 20))
	wantOutcomes(t, mustHand(t, l, es[30:]), strings.Repeat("=", 30)+strings.Repeat("C", 30))
	wantOnce(t, db, m, upTo(90)...)
	if st := l.Stats(); st.Busy+st.LostSegments != 0 || st.LostItems == 0 {
		t.Errorf("%+v", st)
	}
}

// Two writers for each of two shards, every kind of fault, and no retry but the ledger's own.
func TestWire_EveryFault_EndsWithEachEventOnce(t *testing.T) {
	for name, attempts := range map[string]int{"the ledger retries": 1, "the SDK retries too": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := firstMeter(t)
			dial, faults := localTable(t, nil,
				dynamoDB(opTransact, fault.DropAfter, 1, 3), dynamoDB(opTransact, fault.Partial, 1, 3),
				dynamoDB(opTransact, fault.Throttle, 1, 2), dynamoDB(opTransact, fault.Error, 1, 2), dynamoDB(opTransact, fault.DropAfter, 1, 1),
				dynamoDB(opQuery, fault.Throttle, 1, 2), dynamoDB(opQuery, fault.DropAfter, 1, 2), dynamoDB(opQuery, fault.Partial, 0.5, 0),
				dynamoDB(opGet, fault.Throttle, 1, 2), dynamoDB(opGet, fault.Partial, 1, 3),
				dynamoDB(opPut, fault.DropAfter, 1, 1), dynamoDB(opPut, fault.Throttle, 1, 1),
			)
			es := effects(m, 0, 90, fewGroups)
			finished := make(chan struct{})
			for w := range 4 {
				go func() {
					defer func() { finished <- struct{}{} }()
					db := dial(retrying(attempts))
					warm := ledgerAt(db)
					ledgers := func() *Ledger { return warm }
					if w == 3 { // one instance after another
						ledgers = func() *Ledger { return ledgerAt(db) }
					}
					for batch := range slices.Chunk(es, 15) {
						handUntilSettled(t, ledgers, []string{shardA, shardB}[w%2], batch)
					}
				}()
			}
			for range 4 {
				<-finished
			}
			for _, f := range faults.Report() {
				if f.Times == 0 {
					t.Errorf("%s of %s never came", f.Kind, f.Operation)
				}
			}
			faults.Clear()
			wantOnce(t, dial(), m, upTo(90)...)
		})
	}
}

// The SDK can send a request twice without anybody's knowledge (local.md, "A trap in the SDK"): here it always does.
func TestWire_EveryRequestIsSentTwice_CountsOnce(t *testing.T) {
	for name, forget := range map[string]bool{"with its token": false, "and the token is forgotten": true} {
		t.Run(name, func(t *testing.T) {
			m := firstMeter(t)
			var sent atomic.Int64
			dial, _ := localTable(t, func(h http.Handler) http.Handler { return doubling{h, forget, &sent} })
			db := dial(retrying(1))
			l := ledgerAt(db)
			es := effects(m, 0, 60, ownGroup)
			rs := append(mustHand(t, l, es[:20]), mustHand(t, l, es[20:])...)
			want := strings.Repeat("C", 60)
			if forget { // what the second of the two is told: another writer was first
				want = strings.Repeat("=", 60)
			}
			wantOutcomes(t, rs, want)
			wantOnce(t, db, m, upTo(60)...)
			if sent.Load() == 0 {
				t.Error("no request was sent twice")
			}
		})
	}
}

// doubling serves each write twice and answers as it did the second time.
type doubling struct {
	http.Handler
	forget bool // the ClientRequestToken
	sent   *atomic.Int64
}

var tokenMember = regexp.MustCompile(`"ClientRequestToken":"[^"]*",?`)

func (d doubling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if op != opPut && op != opTransact {
		d.Handler.ServeHTTP(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	if d.forget {
		body = tokenMember.ReplaceAll(body, nil)
	}
	again := func(w http.ResponseWriter) {
		q := r.Clone(r.Context())
		q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		d.Handler.ServeHTTP(w, q)
	}
	again(httptest.NewRecorder())
	d.sent.Add(1)
	again(w)
}

// An answer that never came is retried by the SDK with the same token, which DynamoDB knows: counted, not a copy.
func TestWire_AnswerLost_SDKRetriesWithItsToken(t *testing.T) {
	m := firstMeter(t)
	dial, faults := localTable(t, nil, dynamoDB(opTransact, fault.DropAfter, 1, 1))
	db := dial(retrying(3))
	wantOutcomes(t, mustHand(t, ledgerAt(db), effects(m, 0, 5, ownGroup)), "CCCCC")
	wantOnce(t, db, m, upTo(5)...)
	if faults.Report()[0].Times != 1 {
		t.Error("no answer was lost")
	}
}

func TestWire_AnswerLost_WithoutTheSDKsRetry_IsACopy(t *testing.T) {
	m := firstMeter(t)
	dial, _ := localTable(t, nil, dynamoDB(opTransact, fault.DropAfter, 1, 1))
	db := dial(retrying(1))
	wantOutcomes(t, mustHand(t, ledgerAt(db), effects(m, 0, 5, ownGroup)), "=====")
	wantOnce(t, db, m, upTo(5)...)
}

// The answer does not come before the caller's time ends; the batch comes again.
func TestWire_CommitTimesOut_NextHandOverEndsWithEachEventOnce(t *testing.T) {
	m := firstMeter(t)
	hang := dynamoDB(opTransact, fault.Hang, 1, 1)
	hang.Delay = time.Minute
	dial, _ := localTable(t, nil, hang)
	db := dial()
	es := effects(m, 0, 5, ownGroup)
	l := ledgerAt(db)
	mustHand(t, l, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	rs, err := hand(ctx, l, LiveSet, shardA, es)
	if err != nil || outcomes(rs) != "UUUUU" {
		t.Errorf("outcomes %s; %v", outcomes(rs), err)
	}
	wantOutcomes(t, mustHand(t, l, es), "=====")
	wantOnce(t, db, m, upTo(5)...)
}

// What the local DynamoDB, and so AWS, would refuse of the longest keys and numbers it takes.
func TestWire_LongestNamesAndNumbers_AreTaken(t *testing.T) {
	name := strings.Repeat("n", meter.MaxName)
	m := metersOf(t, `{"meters":[{"name":"`+name+`","type":"t","by":["subject"],"window":"1h","measures":{"`+name+`":"data.v"}}]}`).Meters[0]
	dial, _ := localTable(t, nil)
	db := dial()
	var es []meter.Effect
	for n, v := range []string{"-99999999999999999999999999999.999999999", "999999999999999.999999999", "0.000000001", "0"} {
		e := effect(m, n, noon, strings.Repeat("g", meter.MaxGroup))
		e.Deltas[0].Values[0] = mustSum(t, v)
		es = append(es, e)
	}
	shard := strings.Repeat("s", maxShard)
	rs, err := hand(t.Context(), ledgerAt(db), LiveSet, shard, es)
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, rs, "CCCC")
	row, err := openMeters(t, db, LiveSet).Group(t.Context(), m, noon, strings.Repeat("g", meter.MaxGroup))
	if err != nil || row.Count != 4 || row.Stats[0].Sum != row.Stats[0].Min.Add(mustSum(t, "1000000000000000")) {
		t.Errorf("%+v, %v", row, err)
	}
}

func TestWire_ValueRefused_OnlyItsEventIs(t *testing.T) {
	m := firstMeter(t)
	dial, _ := localTable(t, nil)
	db := dial()
	es := effects(m, 0, 20, ownGroup)
	es[7].Deltas[0].Values[0] = power(97).Add(mustSum(t, "0.000000001")) // 39 digits, which package meter lets nobody measure
	rs := mustHand(t, ledgerAt(db), es)
	wantOutcomes(t, rs, "CCCCCCCRCCCCCCCCCCCC")
	if !strings.Contains(fmt.Sprint(rs[7].Err), "ValidationException") {
		t.Errorf("reason: %v", rs[7].Err)
	}
	wantOnce(t, db, m, append(upTo(20)[:7:7], upTo(20)[8:]...)...)
}

func TestWire_NoSuchTable_StopsAtOnce(t *testing.T) {
	m := firstMeter(t)
	dial, _ := localTable(t, nil)
	l := New(dial(), "another", Options{Layout: quarterHours, Log: quiet()})
	if _, err := hand(t.Context(), l, LiveSet, shardA, effects(m, 0, 1, oneGroup)); err == nil ||
		!strings.HasPrefix(err.Error(), "open ledger in table another: ") || !strings.Contains(err.Error(), "ResourceNotFoundException") {
		t.Errorf("error %v", err)
	}
}
