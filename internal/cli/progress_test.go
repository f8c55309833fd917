package cli

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestProgress_NoTerminal_IsALineNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		p := NewProgress(&w, "put", "record", 113_493)
		<-time.After(time.Second)
		p.Add(10_000)
		<-time.After(9500 * time.Millisecond)
		p.Add(103_493)
		p.End()
		p.end()
		const want = "put 10,000 of 113,493 records (8 %), 2,000/s, 51.7 s left\n" +
			"put 10,000 of 113,493 records (8 %), 1,000/s, 1m43s left\n" +
			"put 113,493 records in 10.5 s, 10,808/s\n"
		if diff := cmp.Diff(want, w.String()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestStateOf_WhatIsNotKnown_IsNotSaid(t *testing.T) {
	for want, got := range map[string]string{
		"put 0 of 10 records (0 %)":              stateOf("put", "record", 0, 10, 0, time.Second),
		"put 12 records, 6/s":                    stateOf("put", "record", 12, 0, 0, 2*time.Second),
		"put 1 record, 1/s":                      stateOf("put", "record", 1, 0, 0, time.Second),
		"put 1 record, 0.08/s":                   stateOf("put", "record", 1, 0, 0, 12*time.Second), // and does not stand still
		"put 1 of 1 record (100 %), 1/s":         stateOf("put", "record", 1, 1, 0, time.Second),
		"put 0 records":                          stateOf("put", "record", 0, 0, 0, 0),
		"put 10 of 10 records (100 %), 10/s":     stateOf("put", "record", 10, 10, 0, time.Second),
		"put 29 of 100 records (29 %)":           stateOf("put", "record", 29, 100, 0, 0),
		"put 12 records (25 %), 6/s, 6.0 s left": stateOf("put", "record", 12, 0, 0.25, 2*time.Second),
		"put 1 record (0 %), 1/s":                stateOf("put", "record", 1, 0, 1e-10, time.Second), // in 317 years
		"put 12 records (100 %), 6/s":            stateOf("put", "record", 12, 0, 1, 2*time.Second),
		"put 20 of 20 records (100 %), 20/s":     stateOf("put", "record", 20, 10, 0, time.Second),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestProgress_Terminal_IsABar_GoneAtTheEnd(t *testing.T) {
	for _, total := range []int64{100, 0} {
		synctest.Test(t, func(t *testing.T) {
			var w bytes.Buffer
			p := newProgress(&w, "put", "record", total, true)
			p.Add(40)
			<-time.After(time.Second)
			p.End()
			got := w.String()
			bar, last, _ := strings.Cut(got, "put 40 records in 1.0 s, 40/s\n")
			if !strings.Contains(bar, "\r") || !strings.Contains(bar, "40") || last != "" {
				t.Errorf("%q", got)
			}
			if total > 0 && !strings.Contains(bar, "40%") {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestProgress_Reached_IsToldWhereNobodyKnowsTheTotal(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var w bytes.Buffer
			p := newProgress(&w, "read", "record", 0, terminal)
			p.Add(40)
			p.Reach(0.2)
			<-time.After(10 * time.Second)
			p.End()
			if got := w.String(); !strings.Contains(got, "(20 %)") || !strings.Contains(got, ", 20.0 s left") {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestProgress_ConcurrentAdds_AllCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		p := NewProgress(&w, "put", "record", 0)
		for range 10 {
			go func() {
				for range 100 {
					p.Add(1)
				}
			}()
		}
		synctest.Wait()
		p.End()
		if !strings.HasPrefix(w.String(), "put 1,000 records in") {
			t.Error(w.String())
		}
	})
}
