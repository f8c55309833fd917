package processor

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/kpl"
	"github.com/millrace/millrace/internal/kpl/kpltest"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/record"
)

const shard = "shardId-000000000000"

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// metersOf counts events of type "t" by subject, with a measure.
func metersOf(t testing.TB) *meter.Set {
	t.Helper()
	set, err := meter.Parse("meters.json", []byte(`{"meters":[
		{"name":"m","type":"t","by":["subject"],"window":"1h","measures":{"n":"data.n"}},
		{"name":"all","type":"t","window":"1h"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// fakeLedger counts in memory.
type fakeLedger struct {
	counted map[string]int  // by event id
	late    map[string]bool // events beyond the horizon
	refused map[string]bool // events whose values the store refuses
	seenErr error
	// upTo is how many effects a commit settles before it gives the rest up; negative: all.
	upTo      int
	commitErr error // why it gives them up
	commits   [][]meter.Effect
	byPrint   map[cloudevent.Fingerprint]string
}

func newLedger() *fakeLedger {
	return &fakeLedger{
		counted: map[string]int{}, late: map[string]bool{}, refused: map[string]bool{},
		upTo: -1, commitErr: errors.New("the table is busy"), byPrint: fingerprints(),
	}
}

// fingerprints gives the ids of all events that the tests make, by their fingerprints.
var fingerprints = sync.OnceValue(func() map[cloudevent.Fingerprint]string {
	out := map[cloudevent.Fingerprint]string{}
	for n := range 100 {
		id := fmt.Sprint(n)
		out[(&cloudevent.Event{ID: id, Source: "/test"}).Identity().Fingerprint] = id
	}
	return out
})

// bomb inflates to one byte more than is allowed.
var bomb = sync.OnceValue(func() []byte { return zipped(make([]byte, record.MaxInflated+1)) })

func (l *fakeLedger) Seen(_ context.Context, set string, ids []cloudevent.Identity) ([]meter.Outcome, error) {
	if l.seenErr != nil {
		return nil, l.seenErr
	}
	out := make([]meter.Outcome, len(ids))
	for i, id := range ids {
		switch name := l.byPrint[id.Fingerprint]; {
		case set != "live":
			return nil, fmt.Errorf("set %q", set)
		case l.counted[name] > 0:
			out[i] = meter.Copy
		case l.late[name]:
			out[i] = meter.Late
		}
	}
	return out, nil
}

func (l *fakeLedger) Commit(ctx context.Context, set, at string, effects []meter.Effect) []meter.Result {
	l.commits = append(l.commits, slices.Clone(effects))
	out := make([]meter.Result, len(effects))
	for i, e := range effects {
		name := l.byPrint[e.ID.Fingerprint]
		switch {
		case set != "live" || at != shard || ctx.Err() != nil || l.upTo >= 0 && i >= l.upTo:
			out[i].Err = errors.Join(l.commitErr, ctx.Err())
		case l.counted[name] > 0:
			out[i].Outcome = meter.Copy
		case l.refused[name]:
			out[i] = meter.Result{Outcome: meter.Refused, Err: errors.New("the store refuses " + name)}
		default:
			out[i].Outcome = meter.Counted
			l.counted[name]++
		}
	}
	return out
}

// fakeSender is the failure queue.
type fakeSender struct {
	taken []Failure
	calls int
	err   error
}

func (s *fakeSender) Send(ctx context.Context, failures []Failure) error {
	s.calls++
	if err := errors.Join(s.err, ctx.Err()); err != nil {
		return err
	}
	for _, f := range failures {
		f.Payload = bytes.Clone(f.Payload)
		s.taken = append(s.taken, f)
	}
	return nil
}

// classes lists what was taken: class and sequence number, with the place in an aggregate.
func (s *fakeSender) classes() string {
	var out []string
	for _, f := range s.taken {
		out = append(out, fmt.Sprintf("%s:%s.%d", f.Class, f.SequenceNumber, f.Sub))
	}
	return strings.Join(out, " ")
}

// event is that of an id, with the id's digits as its measure.
func event(id string) []byte { return typed(id, "t") }

func typed(id, kind string) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"/test","type":%q,"subject":"s","time":"2026-01-01T12:00:00Z","data":{"n":%s}}`,
		id, kind, "1"+id)
}

// batchOf makes records with the sequence numbers 1, 2, ... A key and a payload each.
func batchOf(keyed ...any) Batch {
	b := Batch{Shard: shard}
	for i := 0; i < len(keyed); i += 2 {
		b.Records = append(b.Records, Record{
			SequenceNumber: fmt.Sprint(i/2 + 1), PartitionKey: keyed[i].(string), Data: keyed[i+1].([]byte), Arrival: noon.Add(time.Duration(i) * time.Second),
		})
	}
	return b
}

// from is what a mapping hands over again.
func (b Batch) from(n int) Batch { b.Records = b.Records[n:]; return b }

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

// aggregate packs user records, each a key and its data.
func aggregate(keyed ...any) []byte {
	var users []kpl.UserRecord
	for i := 0; i < len(keyed); i += 2 {
		users = append(users, kpl.UserRecord{PartitionKey: keyed[i].(string), Data: keyed[i+1].([]byte)})
	}
	return kpltest.Aggregate(users...)
}

// fixture is a processor with all that it asks.
type fixture struct {
	*Processor
	ledger *fakeLedger
	sender *fakeSender
	now    time.Time
}

func newFixture(t testing.TB, settings Settings) *fixture {
	f := &fixture{ledger: newLedger(), sender: &fakeSender{}, now: noon}
	if settings.Now == nil {
		settings.Now = func() time.Time { return f.now }
	}
	f.Processor = New(metersOf(t), f.ledger, f.sender, settings)
	return f
}

// want compares a report: counts of user records, the classes in the queue, the first unsettled record.
func want(t testing.TB, got Report, unsettled, counted, copies, nothing, held, failed int) {
	t.Helper()
	sum := 0
	for _, n := range got.Failed {
		sum += n
	}
	if got.Unsettled != unsettled || got.Counted != counted || got.Copies != copies || got.Nothing != nothing || got.Held != held || sum != failed {
		t.Errorf("%+v; want unsettled %d, counted %d, copies %d, nothing %d, held %d, failed %d", got, unsettled, counted, copies, nothing, held, failed)
	}
	if (got.Err != nil) != (held > 0) {
		t.Errorf("%d are held, and the error is %v", held, got.Err)
	}
}

func wantQueue(t testing.TB, s *fakeSender, want string) {
	t.Helper()
	if got := s.classes(); got != want {
		t.Errorf("in the queue: %s; want %s", got, want)
	}
}
