package processor

import (
	"bytes"
	"context"
	"testing"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/kpl/kpltest"
	"github.com/millrace/millrace/internal/record"
)

func TestProcess_AggregateGzipAndPlain_AllCount(t *testing.T) {
	f := newFixture(t, Settings{})
	got := f.Process(t.Context(), batchOf(
		"a", event("1"),
		"b", zipped(event("2")),
		"c", aggregate("c1", event("3"), "c2", zipped(event("4")), "c1", event("5")),
		"d", append(zipped(event("6")[:20]), zipped(event("6")[20:])...), // two members, as gzip allows
	))
	want(t, got, 4, 6, 0, 0, 0, 0)
}

func TestProcess_BadUserRecordInAnAggregate_FailsAlone(t *testing.T) {
	f := newFixture(t, Settings{})
	bad := []byte("{bad}")
	got := f.Process(t.Context(), batchOf("k", event("1"), "k", aggregate("u1", event("2"), "u2", bad, "u3", event("3"))))
	want(t, got, 2, 3, 0, 0, 0, 1)
	wantQueue(t, f.sender, "undecodable:2.1")
	if sent := f.sender.taken[0]; sent.PartitionKey != "u2" || !bytes.Equal(sent.Payload, bad) {
		t.Errorf("sent %+v", sent)
	}
}

func TestProcess_WhatNestsDeeper_IsRefused(t *testing.T) {
	for name, data := range map[string][]byte{
		"an aggregate in gzip":          zipped(aggregate("k", event("1"))),
		"an aggregate in an aggregate":  aggregate("k", aggregate("k", event("1"))),
		"gzip in gzip":                  zipped(zipped(event("1"))),
		"a list of events":              append(append([]byte{'['}, event("1")...), ']'),
		"two events":                    append(event("1"), event("2")...),
		"an event and a rest":           append(event("1"), 'x'),
		"gzip with a rest":              append(zipped(event("1")), "rest"...),
		"the first byte of gzip":        {0x1f},
		"gzip in an aggregate in gzip":  zipped(aggregate("k", zipped(event("1")))),
		"the magic bytes of aggregates": {0xF3, 0x89, 0x9A, 0xC2},
	} {
		f := newFixture(t, Settings{})
		got := f.Process(t.Context(), batchOf("k", data))
		if got.Unsettled != 1 || got.Failed[Undecodable]+got.Failed[Invalid] != 1 || got.Counted != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestProcess_InflatesToTheLimit_IsRead(t *testing.T) {
	e := event("1")
	full := append(e, bytes.Repeat([]byte{' '}, record.MaxInflated-len(e))...)
	f := newFixture(t, Settings{})
	want(t, f.Process(t.Context(), batchOf("k", zipped(full), "k", zipped(append(full, ' ')))), 2, 1, 0, 0, 0, 1)
	wantQueue(t, f.sender, "too-large:2.0")
}

func TestProcess_BombInAnAggregate_FailsAlone(t *testing.T) {
	f := newFixture(t, Settings{})
	want(t, f.Process(t.Context(), batchOf("k", aggregate("k", bomb(), "k", event("1")))), 1, 1, 0, 0, 0, 1)
	wantQueue(t, f.sender, "too-large:1.0")
}

func TestProcess_AggregateWithoutUserRecords_IsSettled(t *testing.T) {
	f := newFixture(t, Settings{})
	want(t, f.Process(t.Context(), batchOf("k", kpltest.OneKey("k"), "k", event("1"))), 2, 1, 0, 0, 0, 0)
}

func TestProcess_EmptyBatch_IsSettled(t *testing.T) {
	f := newFixture(t, Settings{})
	want(t, f.Process(t.Context(), Batch{Shard: shard}), 0, 0, 0, 0, 0, 0)
	if len(f.ledger.commits) != 0 || f.sender.calls != 0 {
		t.Error("somebody was asked")
	}
}

// An instance uses its memory again; nothing of a batch may show in the next.
func TestProcess_BatchesOfDifferentSizes_LeaveNoTrace(t *testing.T) {
	f := newFixture(t, Settings{})
	want(t, f.Process(t.Context(), batchOf("a", event("1"), "a", []byte("bad"), "b", typed("2", "other"), "c", event("3"))), 4, 2, 0, 1, 0, 1)
	want(t, f.Process(t.Context(), batchOf("a", event("4"))), 1, 1, 0, 0, 0, 0)
	want(t, f.Process(t.Context(), batchOf("a", typed("5", "other"), "b", event("6"), "c", event("4"))), 3, 1, 1, 1, 0, 0)
}

func FuzzProcess(f *testing.F) {
	f.Add(event("1"), event("2"))
	f.Add(zipped(event("1")), []byte("bad"))
	f.Add(aggregate("k", event("1"), "k", []byte("bad")), zipped(aggregate("k", event("1"))))
	f.Add([]byte{0x1f, 0x8b}, []byte{0xF3, 0x89, 0x9A, 0xC2})
	f.Add(bytes.Replace(event("1"), []byte("11"), []byte("1e400000000"), 1), []byte{})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x := newFixture(t, Settings{Handler: func(context.Context, cloudevent.Event) error { return nil }})
		bytesOf := [][]byte{bytes.Clone(a), bytes.Clone(b)}
		got := x.Process(t.Context(), batchOf("a", a, "b", b))
		outcomes := got.Counted + got.Copies + got.Nothing + got.Held
		for _, n := range got.Failed {
			outcomes += n
		}
		if outcomes != len(x.work.users) || got.Held != 0 || got.Unsettled != 2 || got.Err != nil || len(x.sender.taken) != got.Failed[Undecodable]+got.Failed[Invalid]+got.Failed[TooLarge] {
			t.Errorf("%+v of %d user records", got, len(x.work.users))
		}
		if !bytes.Equal(a, bytesOf[0]) || !bytes.Equal(b, bytesOf[1]) {
			t.Error("a record was changed")
		}
	})
}
