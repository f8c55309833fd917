package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

// gate is the table as one process sees it: a test may decide what happens to each call.
type gate struct {
	*store
	// on decides for an operation. call counts its calls from 1; apply has the store answer. A call whose context has
	// ended goes nowhere, as with the SDK.
	on map[string]func(ctx context.Context, call int, apply func() error) error

	mu    sync.Mutex
	calls map[string]int
	in    []*dynamodb.TransactWriteItemsInput
	token []*string // as the calls of in brought it
	// strong tells of each Query whether it was strongly consistent.
	strong []bool
}

const (
	opTransact = "TransactWriteItems"
	opPut      = "PutItem"
	opDelete   = "DeleteItem"
	opQuery    = "Query"
	opGet      = "BatchGetItem"
)

type hook = func(ctx context.Context, call int, apply func() error) error

func newGate(s *store) *gate {
	return &gate{store: s, on: map[string]hook{}, calls: map[string]int{}}
}

// onAll decides for all operations.
func (g *gate) onAll(h hook) {
	for _, op := range []string{opTransact, opPut, opDelete, opQuery, opGet} {
		g.on[op] = h
	}
}

func (g *gate) pass(ctx context.Context, op string, apply func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	g.calls[op]++
	n, f := g.calls[op], g.on[op]
	g.mu.Unlock()
	if f == nil {
		return apply()
	}
	return f(ctx, n, apply)
}

func (g *gate) PutItem(ctx context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (out *dynamodb.PutItemOutput, err error) {
	err = g.pass(ctx, opPut, func() error { out, err = g.store.PutItem(ctx, in); return err })
	return out, err
}

func (g *gate) DeleteItem(ctx context.Context, in *dynamodb.DeleteItemInput, _ ...func(*dynamodb.Options)) (out *dynamodb.DeleteItemOutput, err error) {
	err = g.pass(ctx, opDelete, func() error { out, err = g.store.DeleteItem(ctx, in); return err })
	return out, err
}

// TransactWriteItems does to its input what the SDK does: it puts a token where there is none.
func (g *gate) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (out *dynamodb.TransactWriteItemsOutput, err error) {
	g.mu.Lock()
	g.in, g.token = append(g.in, in), append(g.token, in.ClientRequestToken)
	if in.ClientRequestToken == nil {
		in.ClientRequestToken = aws.String(fmt.Sprint("token ", len(g.in)))
	}
	g.mu.Unlock()
	err = g.pass(ctx, opTransact, func() error { out, err = g.store.TransactWriteItems(ctx, in); return err })
	return out, err
}

func (g *gate) Query(ctx context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (out *dynamodb.QueryOutput, err error) {
	g.mu.Lock()
	g.strong = append(g.strong, aws.ToBool(in.ConsistentRead))
	g.mu.Unlock()
	err = g.pass(ctx, opQuery, func() error { out, err = g.store.Query(ctx, in); return err })
	return out, err
}

func (g *gate) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (out *dynamodb.BatchGetItemOutput, err error) {
	err = g.pass(ctx, opGet, func() error { out, err = g.store.BatchGetItem(ctx, in); return err })
	return out, err
}

// The fates that most tests need.
var (
	// answerLost applies the call, and nobody learns of it.
	answerLost hook = func(_ context.Context, _ int, apply func() error) error { _ = apply(); return errDropped }
	// droppedBefore does not apply it, and nobody learns of that either.
	droppedBefore hook = func(context.Context, int, func() error) error { return errDropped }
	throttled     hook = func(context.Context, int, func() error) error {
		return apiError{"ThrottlingException", "rate exceeded"}
	}
	inConflict hook = func(context.Context, int, func() error) error {
		return &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{
			{Code: aws.String("TransactionConflict")}, {Code: aws.String("None")},
		}}
	}
	denied hook = func(context.Context, int, func() error) error {
		return apiError{"AccessDeniedException", "not authorized to perform dynamodb:" + opTransact}
	}
	// timesOut waits until the caller's time has ended.
	timesOut hook = func(ctx context.Context, _ int, _ func() error) error { <-ctx.Done(); return ctx.Err() }
)

// only gives one fate to the calls at those positions, from 1, and lets the others pass.
func only(f hook, calls ...int) hook {
	return func(ctx context.Context, call int, apply func() error) error {
		if slices.Contains(calls, call) {
			return f(ctx, call, apply)
		}
		return apply()
	}
}

// first does something else before the first call, and then lets all pass.
func first(f func()) hook {
	return func(_ context.Context, call int, apply func() error) error {
		if call == 1 {
			f()
		}
		return apply()
	}
}

const (
	shardA = "shardId-000000000000"
	shardB = "shardId-000000000001"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const oneMeter = `{"meters":[{"name":"m","type":"t","by":["subject"],"window":"1h","measures":{"v":"data.v"}}]}`

var quarterHours = Layout{Bits: 1, Epoch: 15 * time.Minute}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// ledgerAt makes a process's ledger at noon, with a layout of quarter hours and no horizon.
func ledgerAt(db DB, change ...func(*Options)) *Ledger {
	opt := Options{Layout: quarterHours, Now: func() time.Time { return noon }, Log: quiet()}
	for _, f := range change {
		f(&opt)
	}
	return New(db, "table", opt)
}

// effect is that of event n on a meter: it adds 2^n to the measure. So many events whose sum is 2^n - 1 and whose
// count is n were each counted once: no other n powers of two have that sum.
func effect(m *meter.Meter, n int, at time.Time, group string) meter.Effect {
	e := cloudevent.Event{ID: fmt.Sprint(n), Source: "test", Type: m.Type, Subject: group, Time: at}
	return meter.Effect{ID: e.Identity(), Deltas: []meter.Delta{{
		Meter: m, Start: m.Start(at).Unix(), Group: group, Values: []meter.Decimal{power(n)},
	}}}
}

func power(n int) meter.Decimal {
	d := meter.DecimalOf(1)
	for range n {
		d = d.Add(d)
	}
	return d
}

// effects are those of events from to to-1, one second apart.
func effects(m *meter.Meter, from, to int, group func(n int) string) []meter.Effect {
	var out []meter.Effect
	for n := from; n < to; n++ {
		out = append(out, effect(m, n, noon.Add(time.Duration(n)*time.Second), group(n)))
	}
	return out
}

func oneGroup(int) string    { return "g" }
func ownGroup(n int) string  { return fmt.Sprint("g", n) }
func fewGroups(n int) string { return fmt.Sprint("g", n%5) }
func idsOf(es []meter.Effect) []cloudevent.Identity {
	ids := make([]cloudevent.Identity, len(es))
	for i := range es {
		ids[i] = es[i].ID
	}
	return ids
}

// hand hands effects over as the processor does: what Seen settles is not committed.
func hand(ctx context.Context, l *Ledger, set, shard string, es []meter.Effect) ([]meter.Result, error) {
	seen, err := l.Seen(ctx, set, idsOf(es))
	if err != nil {
		return nil, err
	}
	out := make([]meter.Result, len(es))
	var open []meter.Effect
	var of []int
	for i, o := range seen {
		if out[i].Outcome = o; o == meter.Unsettled {
			open, of = append(open, es[i]), append(of, i)
		}
	}
	for k, r := range l.Commit(ctx, set, shard, open) {
		out[of[k]] = r
	}
	return out, nil
}

func mustHand(t testing.TB, l *Ledger, es []meter.Effect) []meter.Result {
	t.Helper()
	out, err := hand(t.Context(), l, LiveSet, shardA, es)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// outcomes words results in short: one letter each of Counted, Copy (=), Late, Refused, Unsettled.
func outcomes(rs []meter.Result) string {
	var b strings.Builder
	for _, r := range rs {
		b.WriteByte("UC=LR"[r.Outcome])
	}
	return b.String()
}

func wantOutcomes(t testing.TB, rs []meter.Result, want string) {
	t.Helper()
	if got := outcomes(rs); got != want {
		t.Errorf("outcomes %s, want %s; %v", got, want, reasons(rs))
	}
}

func reasons(rs []meter.Result) error {
	var errs []error
	for _, r := range rs {
		errs = append(errs, r.Err)
	}
	return errors.Join(errs...)
}

// totalOf merges all that a set holds of a meter.
func totalOf(t testing.TB, db Reader, set string, m *meter.Meter) (total meter.Aggregate) {
	t.Helper()
	ctx := context.Background()
	r, err := OpenMeters(ctx, db, "table", set)
	if errors.Is(err, ErrEmpty) || errors.Is(err, ErrNoSet) {
		return total
	}
	if err != nil {
		t.Fatal(err)
	}
	starts, err := r.Windows(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range starts {
		rows, err := r.Window(ctx, m, start)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			total.Merge(row.Aggregate)
		}
	}
	return total
}

// wantOnce demands that exactly those events stand in the live set, each once.
func wantOnce(t testing.TB, db Reader, m *meter.Meter, events ...int) {
	t.Helper()
	var want meter.Aggregate
	for _, n := range events {
		want.Observe([]meter.Decimal{power(n)})
	}
	got := totalOf(t, db, LiveSet, m)
	if got.Count != want.Count || got.Count > 0 && got.Stats[0] != want.Stats[0] {
		t.Errorf("the table holds %d events %v, want %d %v", got.Count, got.Stats, want.Count, want.Stats)
	}
}

func upTo(n int) []int { return all(n) }

// partial is a table whose BatchGetItem leaves half of the keys unprocessed.
type partial struct {
	DB
	left int
}

func (p *partial) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	asked := in.RequestItems["table"]
	n := (len(asked.Keys) + 1) / 2
	left := asked.Keys[n:]
	asked.Keys = asked.Keys[:n]
	out, err := p.DB.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"table": asked}})
	if len(left) > 0 {
		p.left += len(left)
		asked.Keys = left
		out.UnprocessedKeys = map[string]types.KeysAndAttributes{"table": asked}
	}
	return out, err
}
