package record

import (
	"bytes"
	"compress/gzip"
	"errors"
	"testing"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/kpl/kpltest"
)

const event = `{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-01-01T00:00:00Z"}`

func zipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// aggregate makes a KPL aggregate of user records, all with the key k.
func aggregate(data ...string) []byte {
	users := make([][]byte, len(data))
	for i := range data {
		users[i] = []byte(data[i])
	}
	return kpltest.OneKey("k", users...)
}

func TestUsers_PlainRecord_IsItself(t *testing.T) {
	var d Decoder
	users, err := d.Users("key", []byte(event))
	if err != nil || len(users) != 1 || users[0].PartitionKey != "key" || string(users[0].Data) != event || users[0].Sub != 0 {
		t.Errorf("%+v, %v", users, err)
	}
}

func TestUsers_Aggregate_GivesItsUserRecords(t *testing.T) {
	var d Decoder
	users, err := d.Users("key", aggregate("a", "b"))
	if err != nil || len(users) != 2 || users[1].PartitionKey != "k" || string(users[1].Data) != "b" || users[1].Sub != 1 {
		t.Errorf("%+v, %v", users, err)
	}
	if users, err := d.Users("key", aggregate()); err != nil || len(users) != 0 {
		t.Errorf("of an empty one: %+v, %v", users, err)
	}
	damaged := aggregate("a", "b")
	damaged[6]++
	if users, err := d.Users("key", damaged); err == nil || users != nil {
		t.Errorf("of a damaged one: %+v, %v", users, err)
	}
	if users, err := d.Users("key", []byte("c")); err != nil || len(users) != 1 || string(users[0].Data) != "c" {
		t.Errorf("after a damaged one: %+v, %v", users, err)
	}
}

func TestEvent_Gzip_GivesTheTextThatWasPut(t *testing.T) {
	for _, reuse := range []bool{false, true} {
		d := Decoder{Reuse: reuse}
		var e cloudevent.Event
		first, err := d.Event(&e, zipped(t, []byte(event+" \n")))
		if err != nil || e.ID != "1" || string(first) != event+" \n" {
			t.Fatalf("%q, %+v, %v", first, e, err)
		}
		second, err := d.Event(&e, zipped(t, []byte(event)))
		if err != nil || string(second) != event {
			t.Fatalf("%q, %v", second, err)
		}
		if shared := &first[0] == &second[0]; shared != reuse {
			t.Errorf("reuse %v: both texts are in one memory: %v", reuse, shared)
		}
	}
}

func TestEvent_WhatIsNoEvent_SaysWhy(t *testing.T) {
	for in, want := range map[string]error{"{}": cloudevent.ErrInvalid, "{": nil, "": nil, "\x1f\x8b": nil, string(zipped(t, []byte("[]"))): cloudevent.ErrInvalid} {
		var d Decoder
		var e cloudevent.Event
		if _, err := d.Event(&e, []byte(in)); err == nil || errors.Is(err, cloudevent.ErrInvalid) != (want != nil) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestEvent_Bombs_EndAtTheBatchsBound(t *testing.T) {
	d := Decoder{Reuse: true}
	bomb := zipped(t, make([]byte, MaxInflated+1))
	var e cloudevent.Event
	n := 0
	for ; !d.Full(); n++ {
		if _, err := d.Event(&e, bomb); !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
	}
	if want := MaxBatchInflated/(MaxInflated+1) + 1; n != want {
		t.Errorf("full after %d bombs, want %d", n, want)
	}
	if _, err := d.Event(&e, zipped(t, []byte(event))); !errors.Is(err, ErrFull) {
		t.Errorf("gzip in a full batch: %v", err)
	}
	if _, err := d.Event(&e, []byte(event)); err != nil {
		t.Errorf("plain in a full batch: %v", err)
	}
	d.Begin()
	if _, err := d.Event(&e, zipped(t, []byte(event))); err != nil {
		t.Errorf("in the next batch: %v", err)
	}
}

// FuzzEvent decodes with a decoder that has seen anything before: it must give what a new one gives.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(event))
	f.Add(zipped(f, []byte(event)))
	f.Add(aggregate("a", event))
	old := Decoder{Reuse: true}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		var fresh Decoder
		old.Begin()
		users, err := fresh.Users("key", data)
		again, errAgain := old.Users("key", data)
		if (err == nil) != (errAgain == nil) || len(users) != len(again) {
			t.Fatalf("%d and %d user records, %v and %v", len(users), len(again), err, errAgain)
		}
		for i, u := range users {
			var e, eAgain cloudevent.Event
			text, err := fresh.Event(&e, u.Data)
			textAgain, errAgain := old.Event(&eAgain, again[i].Data)
			if (err == nil) != (errAgain == nil) || err == nil && (!bytes.Equal(text, textAgain) || e.ID != eAgain.ID || !e.Time.Equal(eAgain.Time)) {
				t.Fatalf("%q and %q, %v and %v", text, textAgain, err, errAgain)
			}
		}
		if !bytes.Equal(data, before) {
			t.Error("the record was changed")
		}
	})
}
