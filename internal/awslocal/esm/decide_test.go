package esm

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func batchOf(n int) batch {
	b := batch{id: "id"}
	for i := range n {
		b.records = append(b.records, Record{SequenceNumber: fmt.Sprint(i), Arrival: time.Unix(1000, 0)})
	}
	return b
}

func turnOf(b batch, o outcome) turn {
	return turn{batch: b, outcome: o, now: time.Unix(1001, 0), limit: 24 * time.Hour, maxRest: DefaultMaxRest}
}

func TestDecide_Bisect_LeftIsTheSmallerHalf(t *testing.T) {
	cfg := testConfig()
	cfg.BisectBatchOnFunctionError = true
	for n, want := range map[int][2]int{2: {1, 1}, 3: {1, 2}, 4: {2, 2}, 5: {2, 3}, 1000: {500, 500}} {
		s := decide(&cfg, turnOf(batchOf(n), outcome{verdict: failed}))
		if len(s.next) != 2 || len(s.next[0].records) != want[0] || len(s.next[1].records) != want[1] {
			t.Errorf("%d records: %+v", n, s)
			continue
		}
		if s.rest != 0 || s.settle != 0 || s.next[0].attempts+s.next[1].attempts != 0 || s.next[0].id+s.next[1].id != "" {
			t.Errorf("%d records: the halves are not new batches at once", n)
		}
	}
}

func TestDecide_Rests_DoubleToTheCap(t *testing.T) {
	cfg := testConfig()
	b := batchOf(1)
	want := 200 * time.Millisecond
	for range 100 {
		s := decide(&cfg, turnOf(b, outcome{verdict: failed}))
		if s.rest != want {
			t.Fatalf("rest %d = %v, want %v", b.rests, s.rest, want)
		}
		want = min(2*want, DefaultMaxRest)
		b = s.next[0]
	}
	if b.attempts != 100 || b.id != "id" {
		t.Errorf("after 100 failures: %+v", b)
	}
}

func TestDecide_Jitter_IsATenth(t *testing.T) {
	cfg := testConfig()
	in := turnOf(batchOf(1), outcome{verdict: unreached})
	in.jitter = 0.5
	if s := decide(&cfg, in); s.rest != 210*time.Millisecond {
		t.Errorf("rest = %v", s.rest)
	}
}

func TestDecide_Rest_EndsWhenTheOldestRecordIsTooOld(t *testing.T) {
	cfg := testConfig()
	b := batchOf(3)
	b.rests = 10
	in := turnOf(b, outcome{verdict: failed})
	in.limit = 3 * time.Second
	if s := decide(&cfg, in); s.rest != 2*time.Second {
		t.Errorf("rest = %v, want what is left of the limit", s.rest)
	}
	in.now = in.now.Add(time.Hour)
	if s := decide(&cfg, in); s.rest != 0 {
		t.Errorf("rest = %v after the limit", s.rest)
	}
}

func TestDecide_AgeBoundary_IsExpired(t *testing.T) {
	cfg := testConfig()
	in := turnOf(batchOf(2), outcome{})
	in.limit = time.Second
	if s := decide(&cfg, in); s.settle != 2 || s.fate != RecordAgeExceeded {
		t.Errorf("at the limit: %+v", s)
	}
	in.limit++
	if s := decide(&cfg, in); !s.invoke || s.settle != 0 {
		t.Errorf("just under the limit: %+v", s)
	}
}

func TestDecide_ExpiredPrefix_LeavesANewBatch(t *testing.T) {
	cfg := testConfig()
	b := batchOf(3)
	b.attempts, b.rests = 4, 4
	b.records[1].Arrival = b.records[1].Arrival.Add(time.Second)
	in := turnOf(b, outcome{})
	in.limit = time.Second
	want := step{settle: 1, fate: RecordAgeExceeded, count: 5, next: []batch{{records: b.records[1:]}}}
	if diff := cmp.Diff(want, decide(&cfg, in), cmp.AllowUnexported(step{}, batch{}, Record{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecide_Unreached_NeverExhausts(t *testing.T) {
	cfg := testConfig()
	cfg.MaximumRetryAttempts = 0
	b := batchOf(2)
	for range 50 {
		s := decide(&cfg, turnOf(b, outcome{verdict: unreached}))
		if s.settle != 0 || len(s.next) != 1 || s.rest == 0 {
			t.Fatalf("%+v", s)
		}
		b = s.next[0]
	}
	if b.attempts != 0 {
		t.Errorf("%d attempts were counted", b.attempts)
	}
}

// Whatever happens, what a step settles and what it leaves are the batch, in order, and something always moves.
func TestDecide_LosesNoRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := testConfig()
		cfg.MaximumRetryAttempts = rapid.IntRange(-1, 3).Draw(t, "retries")
		cfg.BisectBatchOnFunctionError = rapid.Bool().Draw(t, "bisect")
		b := batchOf(rapid.IntRange(1, 9).Draw(t, "records"))
		b.attempts = rapid.IntRange(0, 3).Draw(t, "attempts")
		o := outcome{verdict: rapid.SampledFrom([]verdict{untried, succeeded, failed, unreached}).Draw(t, "verdict")}
		if n := len(b.records); n > 1 && rapid.Bool().Draw(t, "partial") {
			o = outcome{verdict: advanced, settled: rapid.IntRange(1, n-1).Draw(t, "settled")}
		}
		in := turnOf(b, o)
		in.limit = time.Duration(rapid.IntRange(0, 5).Draw(t, "limit")) * time.Second
		s := decide(&cfg, in)
		at := s.settle
		for _, next := range s.next {
			for _, r := range next.records {
				if r.SequenceNumber != b.records[at].SequenceNumber {
					t.Fatalf("record %s where %s was", r.SequenceNumber, b.records[at].SequenceNumber)
				}
				at++
			}
		}
		if at != len(b.records) {
			t.Fatalf("%d of %d records are left: %+v", at, len(b.records), s)
		}
		if s.settle == 0 && !s.invoke && len(s.next) == 1 && s.rest == 0 && in.limit > time.Second {
			t.Fatalf("the same batch at once: %+v", s)
		}
	})
}
