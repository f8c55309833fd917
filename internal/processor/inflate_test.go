package processor

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/record"
)

// swollen is a gzipped event of nearly MaxInflated bytes.
func swollen(t *testing.T, id int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := fmt.Fprintf(z, `{"specversion":"1.0","id":"%d","source":"s","type":"t","time":"2026-01-01T00:00:00Z","x":"%s"}`, id, strings.Repeat(" ", record.MaxInflated-1000))
	if err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestProcess_BatchThatInflatesTooFar_LeavesTheRestForTheNext(t *testing.T) {
	const records = 12 // seven of them pass the bound
	all := Batch{Shard: "shard"}
	for i := range records {
		all.Records = append(all.Records, Record{SequenceNumber: fmt.Sprint(i), PartitionKey: "k", Data: swollen(t, i)})
	}
	p := New(noMeters(t), freshLedger{}, nil, Settings{})
	for rounds := 0; len(all.Records) > 0; rounds++ {
		r := p.Process(context.Background(), all)
		if r.Unsettled == 0 || rounds == 3 {
			t.Fatalf("no progress: %+v", r)
		}
		if done := r.Unsettled == len(all.Records); done != (r.Err == nil) || r.Nothing != r.Unsettled {
			t.Fatalf("%+v", r)
		}
		all.Records = all.Records[r.Unsettled:]
	}
}

func TestProcess_HandlerThatEndsItsGoroutine_IsAPanic(t *testing.T) {
	if err := (&Processor{settings: Settings{Handler: goexit}}).call(context.Background(), new(userRecord)); !strings.Contains(fmt.Sprint(err), "panicked") {
		t.Error(err)
	}
}

func goexit(context.Context, cloudevent.Event) error {
	runtime.Goexit()
	return nil
}

// noMeters counts nothing of what these tests hand over.
func noMeters(t *testing.T) *meter.Set {
	t.Helper()
	set, err := meter.Parse("f", []byte(`{"meters":[{"name":"m","type":"other","window":"1d"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// freshLedger knows no event.
type freshLedger struct{ Ledger }

func (freshLedger) Seen(_ context.Context, _ string, ids []cloudevent.Identity) ([]meter.Outcome, error) {
	return make([]meter.Outcome, len(ids)), nil
}
