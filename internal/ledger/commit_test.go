package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/internal/meter"
)

func firstMeter(t testing.TB) *meter.Meter { return metersOf(t, oneMeter).Meters[0] }

// Another writer.

func TestCommit_SegmentTaken_ReplansWithoutDuplicates(t *testing.T) {
	m, s := firstMeter(t), newStore()
	zombie, l := ledgerAt(s), ledgerAt(s)
	es := effects(m, 0, 6, ownGroup)
	if _, err := l.Seen(t.Context(), LiveSet, idsOf(es)); err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, mustHand(t, zombie, es[2:4]), "CC")
	wantOutcomes(t, l.Commit(t.Context(), LiveSet, shardB, es), "CC==CC")
	wantOnce(t, s, m, upTo(6)...)
	if st := l.Stats(); st.LostSegments != 1 || st.LostItems != 0 || st.Transactions != 1 {
		t.Errorf("%+v", st)
	}
}

// The events lie in two epochs, so the two writers meet in the aggregate alone.
func TestCommit_AggregateChanged_ReadsItAgain(t *testing.T) {
	m, s := firstMeter(t), newStore()
	other, l := ledgerAt(s), ledgerAt(s)
	wantOutcomes(t, mustHand(t, l, []meter.Effect{effect(m, 0, noon, "g")}), "C")
	wantOutcomes(t, mustHand(t, other, []meter.Effect{effect(m, 1, noon.Add(20*time.Minute), "g")}), "C")
	wantOutcomes(t, mustHand(t, l, []meter.Effect{effect(m, 2, noon, "g")}), "C")
	wantOnce(t, s, m, upTo(3)...)
	if st := l.Stats(); st.LostItems != 1 || st.LostSegments != 0 || st.Transactions != 2 {
		t.Errorf("%+v", st)
	}
}

func TestCommit_SegmentAndAggregateLost_ReadsBothAgain(t *testing.T) {
	m, s := firstMeter(t), newStore()
	other, l := ledgerAt(s), ledgerAt(s)
	es := effects(m, 0, 4, oneGroup)
	wantOutcomes(t, mustHand(t, l, es[:1]), "C")
	if _, err := l.Seen(t.Context(), LiveSet, idsOf(es)); err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, mustHand(t, other, es[1:3]), "CC")
	wantOutcomes(t, l.Commit(t.Context(), LiveSet, shardA, es[1:]), "==C")
	wantOnce(t, s, m, upTo(4)...)
	if st := l.Stats(); st.LostItems != 1 || st.LostSegments != 1 {
		t.Errorf("%+v", st)
	}
}

func TestCommit_OtherWriterWinsEveryTime_LeavesTheRestUnsettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it waits between tries
		m, s := firstMeter(t), newStore()
		g, other := newGate(s), ledgerAt(s)
		n := 1
		g.on[opTransact] = func(_ context.Context, _ int, apply func() error) error {
			wantOutcomes(t, mustHand(t, other, effects(m, n, n+1, oneGroup)), "C")
			n++
			return apply()
		}
		rs := mustHand(t, ledgerAt(g), effects(m, 0, 1, oneGroup))
		wantOutcomes(t, rs, "U")
		if g.calls[opTransact] != maxTries || !strings.Contains(fmt.Sprint(rs[0].Err), "no way through in 16 tries") {
			t.Errorf("%d tries: %v", g.calls[opTransact], rs[0].Err)
		}
		wantOnce(t, s, m, upTo(n)[1:]...)
	})
}

// Answers that are lost, calls that are not applied.

func TestCommit_CallGoesWrong_EndsWithEachEventOnce(t *testing.T) {
	for name, c := range map[string]struct {
		fate hook
		want string
		busy int64
	}{
		"answer lost":        {only(answerLost, 1), "===", 1},
		"answers lost twice": {only(answerLost, 1, 2), "===", 1}, // after the first there is nothing left to commit
		"dropped before":     {only(droppedBefore, 1), "CCC", 1},
		"throttled":          {only(throttled, 1, 2, 3), "CCC", 3},
		"conflict":           {only(inConflict, 1, 2), "CCC", 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := firstMeter(t), newStore()
				g := newGate(s)
				g.on[opTransact] = c.fate
				l := ledgerAt(g)
				es := effects(m, 0, 3, ownGroup)
				wantOutcomes(t, mustHand(t, l, es), c.want)
				wantOnce(t, s, m, upTo(3)...)
				if st := l.Stats(); st.Busy != c.busy {
					t.Errorf("%+v", st)
				}
				wantOutcomes(t, mustHand(t, ledgerAt(s), es), "===")
			})
		})
	}
}

// The process dies with its commit under way, and what it was handed comes again, to another instance.
func TestCommit_CrashOfTheProcess_NextInstanceEndsWithEachEventOnce(t *testing.T) {
	for name, c := range map[string]struct {
		fate hook
		want string
	}{
		"before the commit": {droppedBefore, "CCC"},
		"after the commit":  {answerLost, "==="},
	} {
		t.Run(name, func(t *testing.T) {
			m, s := firstMeter(t), newStore()
			g := newGate(s)
			ctx, die := context.WithCancel(t.Context())
			g.on[opTransact] = func(ctx context.Context, call int, apply func() error) error {
				defer die()
				return c.fate(ctx, call, apply)
			}
			es := effects(m, 0, 3, ownGroup)
			if rs, err := hand(ctx, ledgerAt(g), LiveSet, shardA, es); err != nil || outcomes(rs) != "UUU" {
				t.Fatalf("outcomes %s: %v", outcomes(rs), err)
			}
			wantOutcomes(t, mustHand(t, ledgerAt(s), es), c.want)
			wantOnce(t, s, m, upTo(3)...)
		})
	}
}

func TestCommit_ThrottledForGood_LeavesAllUnsettledWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := firstMeter(t), newStore()
		g := newGate(s)
		g.on[opTransact] = throttled
		rs := mustHand(t, ledgerAt(g), effects(m, 0, 3, ownGroup))
		wantOutcomes(t, rs, "UUU")
		var api apiError
		if !errors.As(rs[2].Err, &api) || api.code != "ThrottlingException" {
			t.Errorf("reason: %v", rs[2].Err)
		}
		wantOnce(t, s, m)
	})
}

// inTwoWindows gives each effect a second aggregate, so that 49 of them and two segments fill a transaction.
func inTwoWindows(es []meter.Effect) []meter.Effect {
	for i := range es {
		d := es[i].Deltas[0]
		d.Start += 3600
		es[i].Deltas = append(es[i].Deltas, d)
	}
	return es
}

func TestCommit_TimeEndsInTheMiddle_EarlierTransactionsStayCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := firstMeter(t), newStore()
		g := newGate(s)
		g.on[opTransact] = only(timesOut, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		es := inTwoWindows(effects(m, 0, 80, ownGroup))
		rs, err := hand(ctx, ledgerAt(g), LiveSet, shardA, es)
		if err != nil {
			t.Fatal(err)
		}
		wantOutcomes(t, rs, strings.Repeat("C", 49)+strings.Repeat("U", 31))
		if !errors.Is(rs[49].Err, context.DeadlineExceeded) || !errors.Is(rs[79].Err, context.DeadlineExceeded) {
			t.Errorf("reasons: %v, %v", rs[49].Err, rs[79].Err)
		}
		wantOutcomes(t, mustHand(t, ledgerAt(s), es), strings.Repeat("=", 49)+strings.Repeat("C", 31))
		if total := totalOf(t, s, LiveSet, m); total.Count != 160 {
			t.Errorf("%d are counted, want 80 in each of two windows", total.Count)
		}
	})
}

func TestCommit_NoTimeLeft_AsksNobody(t *testing.T) {
	m, g := firstMeter(t), newGate(newStore())
	l := ledgerAt(g)
	mustHand(t, l, effects(m, 0, 1, oneGroup))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := g.calls[opTransact]
	rs := l.Commit(ctx, LiveSet, shardA, effects(m, 1, 3, ownGroup))
	wantOutcomes(t, rs, "UU")
	if !errors.Is(rs[0].Err, context.Canceled) || len(g.in) != before {
		t.Errorf("%d transactions: %v", len(g.in)-before, rs[0].Err)
	}
}

func TestCommit_NotAllowed_StopsAtOnce(t *testing.T) {
	m, s := firstMeter(t), newStore()
	g := newGate(s)
	g.on[opTransact] = only(denied, 2, 3, 4)
	rs := mustHand(t, ledgerAt(g), inTwoWindows(effects(m, 0, 80, ownGroup)))
	wantOutcomes(t, rs, strings.Repeat("C", 49)+strings.Repeat("U", 31))
	if g.calls[opTransact] != 2 || !strings.Contains(fmt.Sprint(rs[79].Err), "AccessDenied") {
		t.Errorf("%d transactions: %v", g.calls[opTransact], rs[79].Err)
	}
	if total := totalOf(t, s, LiveSet, m); total.Count != 2*49 {
		t.Errorf("%d are counted, want 49 in each of two windows", total.Count)
	}
}

func TestCommit_IndexOfWindowsNotWritten_CountsNothing(t *testing.T) {
	m, s := firstMeter(t), newStore()
	g := newGate(s)
	g.on[opPut] = only(denied, 2) // the first writes the layout
	l := ledgerAt(g)
	wantOutcomes(t, mustHand(t, l, effects(m, 0, 2, ownGroup)), "UU")
	if g.calls[opTransact] != 0 {
		t.Error("the transaction was sent")
	}
	wantOutcomes(t, mustHand(t, l, effects(m, 0, 2, ownGroup)), "CC")
	wantOnce(t, s, m, upTo(2)...)
}

// What is sent.

func TestCommit_EachCallHasAnInputOfItsOwnAndNoTokenOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := firstMeter(t), newStore()
		g := newGate(s)
		g.on[opTransact] = only(throttled, 1, 3)
		wantOutcomes(t, mustHand(t, ledgerAt(g), inTwoWindows(effects(m, 0, 80, ownGroup))), strings.Repeat("C", 80))
		inputs := map[*dynamodb.TransactWriteItemsInput]bool{}
		for i, in := range g.in {
			if inputs[in] || g.token[i] != nil {
				t.Errorf("call %d: input used before %t, token %v", i+1, inputs[in], g.token[i])
			}
			inputs[in] = true
		}
		if len(g.in) != 4 {
			t.Errorf("%d calls, want 4", len(g.in))
		}
	})
}

func TestCommit_LongestNames_MakeNoKeyLongerThanDynamoDBAllows(t *testing.T) {
	name := strings.Repeat("n", meter.MaxName)
	m := metersOf(t, `{"meters":[{"name":"`+name+`","type":"t","by":["subject"],"window":"1h","measures":{"v":"data.v"}}]}`).Meters[0]
	s := newStore()
	l := ledgerAt(s, func(o *Options) { o.Layout.Bits = maxBits })
	rs := l.Commit(t.Context(), LiveSet, strings.Repeat("s", maxShard), []meter.Effect{effect(m, 0, noon, strings.Repeat("g", meter.MaxGroup))})
	wantOutcomes(t, rs, "C")
	for pk, p := range s.partitions {
		for sk := range p.items {
			if len(pk) > 2048 || len(sk) > 1024 { // DynamoDB's limits
				t.Errorf("keys of %d and %d bytes: %s %s", len(pk), len(sk), pk, sk)
			}
		}
	}
	wantOnce(t, s, m, 0)
}

func TestCommit_WritesItemsAsDesigned(t *testing.T) {
	m, s := firstMeter(t), newStore()
	s.now = func() time.Time { return noon }
	l := ledgerAt(s, func(o *Options) { o.Layout.Horizon, o.Retention = 21*24*time.Hour, 30*24*time.Hour })
	e := effect(m, 0, noon.Add(-time.Second), "LAX")
	e.Deltas[0].Values[0] = mustSum(t, "-12.50")
	wantOutcomes(t, mustHand(t, l, []meter.Effect{e}), "C")
	bucket := e.ID.KeyHash >> 63
	segment := s.get(fmt.Sprintf("ledger#live#%d#2026-01-01T11:45:00Z", bucket), "000000000001")
	wantItem(t, segment, map[string]string{
		"ids":     string(e.ID.Fingerprint[:]),
		"expires": fmt.Sprint(noon.Add(22 * 24 * time.Hour).Unix()), // epoch's end, horizon, a day
	})
	window := noon.Add(-time.Hour).Format(time.RFC3339)
	aggregate := s.get(fmt.Sprintf("meter#live#%s#%s#%04d", m.ID(), window, l.layout.part("LAX")), "LAX#"+shardA)
	wantItem(t, aggregate, map[string]string{
		"count": "1", "v.sum": "-12.5", "v.min": "-12.5", "v.max": "-12.5", "version": "1",
		"expires": fmt.Sprint(noon.Add(31 * 24 * time.Hour).Unix()), // window's end, retention, a day
	})
	wantItem(t, s.get("windows#live#"+m.ID(), window), map[string]string{"expires": fmt.Sprint(noon.Add(31 * 24 * time.Hour).Unix())})
	wantItem(t, s.get("layout", "0"), map[string]string{"bits": "1", "epoch": "900", "horizon": "1814400", "parts": "16"})
}

// wantItem compares an item's attributes beside its keys.
func wantItem(t testing.TB, i item, want map[string]string) {
	t.Helper()
	if i == nil {
		t.Errorf("there is no item with %v", want)
		return
	}
	got := map[string]string{}
	for name, v := range i {
		switch v := v.(type) {
		case *types.AttributeValueMemberN:
			got[name] = v.Value
		case *types.AttributeValueMemberB:
			got[name] = string(v.Value)
		case *types.AttributeValueMemberS:
			if name != attrPK && name != attrSK {
				t.Errorf("attribute %s is a string", name)
			}
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("item %v, want %v", got, want)
	}
}

// Handled without anything to count.

func TestCommit_EffectWithoutDeltas_IsMarkedAndCountsNothing(t *testing.T) {
	m, s := firstMeter(t), newStore()
	l := ledgerAt(s)
	e := effect(m, 0, noon, "g")
	e.Deltas = nil
	wantOutcomes(t, mustHand(t, l, []meter.Effect{e, e}), "C=")
	wantOutcomes(t, mustHand(t, ledgerAt(s), []meter.Effect{e}), "=")
	if keys := s.keysWith("meter#"); len(keys) > 0 {
		t.Errorf("aggregates: %v", keys)
	}
}

func TestCommit_CopiesInOneBatch_FirstThatCommitsCounts(t *testing.T) {
	m, s := firstMeter(t), newStore()
	e := effects(m, 0, 3, ownGroup)
	wantOutcomes(t, mustHand(t, ledgerAt(s), []meter.Effect{e[0], e[1], e[0], e[2], e[1], e[1]}), "CC=C==")
	wantOnce(t, s, m, upTo(3)...)
}

func TestCommit_Nothing_AsksOnlyForTheLayout(t *testing.T) {
	g := newGate(newStore())
	l := ledgerAt(g)
	if seen, err := l.Seen(t.Context(), LiveSet, nil); err != nil || len(seen) != 0 {
		t.Errorf("%v, %v", seen, err)
	}
	if rs := l.Commit(t.Context(), LiveSet, shardA, nil); len(rs) != 0 || g.calls[opTransact]+g.calls[opQuery] > 0 {
		t.Errorf("%v, calls %v", rs, g.calls)
	}
}

func TestCommit_WithoutSeenBefore_StillCountsOnce(t *testing.T) {
	m, s := firstMeter(t), newStore()
	es := effects(m, 0, 5, fewGroups)
	wantOutcomes(t, mustHand(t, ledgerAt(s), es[:3]), "CCC")
	wantOutcomes(t, ledgerAt(s).Commit(t.Context(), LiveSet, shardA, es), "===CC")
	wantOnce(t, s, m, upTo(5)...)
}

func TestCommit_GivesUp_WhatIsKnownToBeACopyStaysOne(t *testing.T) {
	m, s := firstMeter(t), newStore()
	es := effects(m, 0, 3, ownGroup)
	g := newGate(s)
	l := ledgerAt(g)
	wantOutcomes(t, mustHand(t, l, es[:1]), "C")
	g.on[opTransact] = denied
	wantOutcomes(t, l.Commit(t.Context(), LiveSet, shardA, es), "=UU")
}

// Tries are counted for each transaction: a long batch over a busy table goes on as long as some get through.
func TestCommit_EveryTransactionThrottledForAWhile_AllAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := firstMeter(t), newStore()
		g := newGate(s)
		g.on[opTransact] = func(ctx context.Context, call int, apply func() error) error {
			if call%10 > 0 {
				return throttled(ctx, call, apply)
			}
			return apply()
		}
		es := inTwoWindows(effects(m, 0, 90, ownGroup))
		wantOutcomes(t, mustHand(t, ledgerAt(g), es), strings.Repeat("C", 90))
		if g.calls[opTransact] != 20 {
			t.Errorf("%d calls, want 9 throttled before each of two transactions", g.calls[opTransact])
		}
	})
}

// Copies must have the same time; but what can be seen to be one event at once is not counted twice for it.
func TestCommit_CopiesOfDifferentTimesInOneTransaction_CountOnce(t *testing.T) {
	m, s := firstMeter(t), newStore()
	es := []meter.Effect{effect(m, 0, noon, "g"), effect(m, 0, noon.Add(time.Hour), "g")}
	wantOutcomes(t, mustHand(t, ledgerAt(s), es), "C=")
	wantOnce(t, s, m, 0)
}
