package ledger

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/meter"
)

// Values that DynamoDB refuses.

// refusing makes the table refuse what goes into those groups.
func refusing(s *store, groups ...string) {
	s.refuse = func(i item) bool {
		for _, g := range groups {
			if groupOf(stringOf(i[attrSK])) == g {
				return true
			}
		}
		return false
	}
}

func TestCommit_ValueRefused_OnlyItsEventIs(t *testing.T) {
	for _, bad := range [][]int{{0}, {37}, {79}, {3, 4}, {0, 40, 79}} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			m, s := firstMeter(t), newStore()
			g := newGate(s)
			want, good := []byte(strings.Repeat("C", 80)), []int{}
			var groups []string
			for _, n := range bad {
				groups = append(groups, ownGroup(n))
				want[n] = 'R'
			}
			for n := range want {
				if want[n] == 'C' {
					good = append(good, n)
				}
			}
			refusing(s, groups...)
			rs := mustHand(t, ledgerAt(g), effects(m, 0, 80, ownGroup))
			wantOutcomes(t, rs, string(want))
			wantOnce(t, s, m, good...)
			if !strings.Contains(fmt.Sprint(rs[bad[0]].Err), "ValidationException") {
				t.Errorf("reason: %v", rs[bad[0]].Err)
			}
			if n := g.calls[opTransact]; n > 15*len(bad) { // 7 halves to one of 80, and as many to come back
				t.Errorf("it took %d transactions", n)
			}
		})
	}
}

// An event of which a copy was refused is decided on its own.
func TestCommit_RefusedEvent_ShadowsNoCopy(t *testing.T) {
	m, s := firstMeter(t), newStore()
	refusing(s, "bad")
	bad, good := effect(m, 1, noon, "bad"), effect(m, 1, noon, "good")
	good.ID = bad.ID
	wantOutcomes(t, mustHand(t, ledgerAt(s), []meter.Effect{effect(m, 0, noon, "good"), bad, good, good}), "CRC=")
	wantOnce(t, s, m, 0, 1)
}

func TestCommit_TableThatRefusesEverything_RefusesNobody(t *testing.T) {
	m, s := firstMeter(t), newStore()
	s.refuse = func(item) bool { return true }
	l := ledgerAt(s)
	for range 2 {
		rs := mustHand(t, l, effects(m, 0, 9, ownGroup))
		wantOutcomes(t, rs, "UUUUUUUUU")
		if !strings.Contains(fmt.Sprint(rs[0].Err), "ValidationException") {
			t.Errorf("reason: %v", rs[0].Err)
		}
	}
	s.refuse = nil
	wantOutcomes(t, mustHand(t, l, effects(m, 0, 9, ownGroup)), "CCCCCCCCC")
	wantOnce(t, s, m, upTo(9)...)
}

func TestCommit_EffectTooLargeForOneTransaction_IsRefusedAlone(t *testing.T) {
	m, s := firstMeter(t), newStore()
	huge := effect(m, 1, noon, "g")
	for n := range maxActions {
		d := huge.Deltas[0]
		d.Group = ownGroup(n)
		huge.Deltas = append(huge.Deltas, d)
	}
	rs := mustHand(t, ledgerAt(s), []meter.Effect{huge, effect(m, 0, noon, "g"), huge, effect(m, 2, noon, "g")})
	wantOutcomes(t, rs, "RCRC")
	if !errors.Is(rs[0].Err, errTooMuch) {
		t.Errorf("reason: %v", rs[0].Err)
	}
	wantOnce(t, s, m, 0, 2)
	cold := mustHand(t, ledgerAt(newStore()), []meter.Effect{huge})
	wantOutcomes(t, cold, "R") // nothing to doubt: no table could take it
}

func TestCommit_ShardThatNoKeyCanHold_IsNotTaken(t *testing.T) {
	m, g := firstMeter(t), newGate(newStore())
	for _, shard := range []string{"", "a#b", strings.Repeat("s", maxShard+1)} {
		rs := ledgerAt(g).Commit(t.Context(), LiveSet, shard, effects(m, 0, 2, ownGroup))
		wantOutcomes(t, rs, "UU")
		if !strings.Contains(fmt.Sprint(rs[0].Err), "shard") || len(g.calls) > 0 {
			t.Errorf("shard %q: calls %v; %v", shard, g.calls, rs[0].Err)
		}
	}
}

// A table that begins to refuse everything refuses nobody either; but a lone bad event in a batch of its own leaves.
func TestCommit_RefusesAllOfALaterCall_BelievesOnlyAFew(t *testing.T) {
	for n, want := range map[int]string{1: "R", believed: "RRR", believed + 1: "UUUU"} {
		m, s := firstMeter(t), newStore()
		l := ledgerAt(s)
		wantOutcomes(t, mustHand(t, l, effects(m, 50, 51, oneGroup)), "C")
		s.refuse = func(item) bool { return true }
		wantOutcomes(t, mustHand(t, l, effects(m, 0, n, oneGroup)), want)
	}
}
