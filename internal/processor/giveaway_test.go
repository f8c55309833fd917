package processor

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// boundedSender takes so many calls, and then no more.
type boundedSender struct{ calls, sent int }

func (s *boundedSender) Send(_ context.Context, failures []Failure) error {
	if s.calls == 0 {
		return errors.New("the queue is away")
	}
	s.calls--
	s.sent += len(failures)
	return nil
}

func TestProcess_MoreFailuresThanTimeToSendThem_MakesProgress(t *testing.T) {
	const bad = 3*sendAtOnce + 1
	b := Batch{Shard: "shard"}
	for i := range bad {
		b.Records = append(b.Records, Record{SequenceNumber: fmt.Sprint(i), PartitionKey: "k", Data: []byte("bad")})
	}
	s := &boundedSender{calls: 2}
	p := New(noMeters(t), freshLedger{}, s, Settings{})
	r := p.Process(t.Context(), b)
	if r.Unsettled != 2*sendAtOnce || r.Failed[Undecodable] != 2*sendAtOnce || r.Err == nil {
		t.Fatalf("%+v", r)
	}
	s.calls = 9
	b.Records = b.Records[r.Unsettled:]
	if r = p.Process(t.Context(), b); r.Unsettled != len(b.Records) || s.sent != bad {
		t.Errorf("%+v, %d sent", r, s.sent)
	}
}
