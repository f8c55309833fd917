package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/meter"
)

// The tail of a log.

// oneSegmentEach commits n events of one log, each with a segment of its own.
func oneSegmentEach(t testing.TB, s *store, m *meter.Meter, n int) []meter.Effect {
	t.Helper()
	es := effects(m, 0, n, oneGroup)
	l := ledgerAt(s)
	for i := range es {
		mustHand(t, l, es[i:i+1])
	}
	return es
}

func TestReadTail_ManyPages_EndsWithAStrongRead(t *testing.T) {
	for name, c := range map[string]struct {
		page, stale int
		strong      []bool
	}{
		"one page":                      {0, 0, []bool{true}},
		"one page, replicas behind":     {0, 9, []bool{true}},
		"two pages, then the tail":      {5, 0, []bool{true, false, true}},
		"five pages":                    {2, 0, []bool{true, false, false, false, false, true}},
		"replicas behind by three":      {2, 3, []bool{true, false, false, false, true, false, true}},
		"replicas that have nothing":    {4, 10, []bool{true, false, true, false, true}},
		"a page of one, replicas stale": {1, 8, []bool{true, false, true, false, true, false, true, false, true, false, true, false, true, false, true, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			m, s := firstMeter(t), newStore()
			es := oneSegmentEach(t, s, m, 10)
			s.pageItems, s.stale = c.page, c.stale
			g := newGate(s)
			l := ledgerAt(g)
			wantOutcomes(t, mustHand(t, l, es), "==========")
			if !slices.Equal(g.strong, c.strong) || l.Stats().Queries != int64(len(c.strong)) {
				t.Errorf("strong reads: %v, want %v; %d queries", g.strong, c.strong, l.Stats().Queries)
			}
			s.pageItems = 0
			wantOnce(t, s, m, upTo(10)...)
		})
	}
}

func TestReadTail_WarmInstance_ReadsOnlyWhatIsNew(t *testing.T) {
	m, s := firstMeter(t), newStore()
	es := oneSegmentEach(t, s, m, 4)
	g := newGate(s)
	l := ledgerAt(g)
	wantOutcomes(t, mustHand(t, l, es), "====")
	mustHand(t, ledgerAt(s), effects(m, 4, 6, oneGroup))
	s.partitions[l.layout.logPK(LiveSet, l.layout.logOf(es[0].ID))].items[versionSK(1)] = nil // nobody needs it any more
	wantOutcomes(t, mustHand(t, l, effects(m, 3, 6, oneGroup)), "===")
	if len(g.strong) != 2 {
		t.Errorf("%d queries, want one for each call", len(g.strong))
	}
}

// remove takes one segment out of the store.
func remove(s *store, pk string, version uint64) {
	p := s.partitions[pk]
	p.keys = slices.DeleteFunc(p.keys, func(k string) bool { return k == versionSK(version) })
	delete(p.items, versionSK(version))
}

func TestReadTail_Gap_IsAnErrorAndNothingIsCounted(t *testing.T) {
	for name, c := range map[string]struct {
		gone uint64
		page int
	}{"first segment": {1, 0}, "in the middle": {3, 0}, "on the second page": {4, 2}} {
		t.Run(name, func(t *testing.T) {
			m, s := firstMeter(t), newStore()
			es := oneSegmentEach(t, s, m, 6)
			pk := quarterHours.logPK(LiveSet, quarterHours.logOf(es[0].ID))
			remove(s, pk, c.gone)
			s.pageItems = c.page
			l := ledgerAt(s)
			_, err := hand(t.Context(), l, LiveSet, shardA, effects(m, 3, 9, oneGroup))
			if !errors.Is(err, errGap) || !strings.Contains(err.Error(), pk) {
				t.Errorf("error %v", err)
			}
			if l.Stats().Transactions != 0 {
				t.Error("something was committed")
			}
		})
	}
}

// A replica may lack what it will have later; what it lacks is then read strongly consistent.
func TestReadTail_GapInAReplica_IsReadAgainStronglyConsistent(t *testing.T) {
	m, s := firstMeter(t), newStore()
	es := oneSegmentEach(t, s, m, 8)
	s.pageItems = 2
	pk := quarterHours.logPK(LiveSet, quarterHours.logOf(es[0].ID))
	missing := s.get(pk, versionSK(5))
	g := newGate(s)
	g.on[opQuery] = func(_ context.Context, call int, apply func() error) error {
		if !g.strong[call-1] {
			remove(s, pk, 5)
			defer func() { s.put(missing) }()
		}
		return apply()
	}
	wantOutcomes(t, mustHand(t, ledgerAt(g), es), "========")
	if want := []bool{true, false, false, true, false, true}; !slices.Equal(g.strong, want) {
		t.Errorf("strong reads: %v, want %v", g.strong, want)
	}
}

func TestReadTail_SegmentOfOtherData_IsAnError(t *testing.T) {
	m := firstMeter(t)
	for name, spoil := range map[string]func(item){
		"ids are cut":    func(i item) { i[attrIDs] = &types.AttributeValueMemberB{Value: make([]byte, 17)} },
		"ids are a text": func(i item) { i[attrIDs] = text("ids") },
		"no ids":         func(i item) { delete(i, attrIDs) },
	} {
		s := newStore()
		es := oneSegmentEach(t, s, m, 2)
		spoil(s.get(quarterHours.logPK(LiveSet, quarterHours.logOf(es[0].ID)), versionSK(2)))
		if _, err := hand(t.Context(), ledgerAt(s), LiveSet, shardA, es); err == nil || !strings.Contains(err.Error(), "segment 000000000002: ids are not fingerprints of 16 bytes") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestSeen_TableDoesNotAnswer_NothingIsKnown(t *testing.T) {
	m := firstMeter(t)
	for _, fate := range []hook{throttled, denied, droppedBefore} {
		g := newGate(newStore())
		l := ledgerAt(g)
		g.on[opQuery] = only(fate, 1)
		if seen, err := l.Seen(t.Context(), LiveSet, idsOf(effects(m, 0, 1, oneGroup))); err == nil || seen != nil {
			t.Errorf("%v, %v", seen, err)
		}
		wantOutcomes(t, mustHand(t, l, effects(m, 0, 1, oneGroup)), "C")
	}
}

// Aggregates.

func TestReadAggregates_DynamoDBLeavesKeysUnprocessed_AsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := firstMeter(t), newStore()
		mustHand(t, ledgerAt(s), effects(m, 0, 10, ownGroup))
		p := &partial{DB: s}
		var es []meter.Effect
		for n := range 10 {
			es = append(es, effect(m, 10+n, noon, ownGroup(n)))
		}
		wantOutcomes(t, mustHand(t, ledgerAt(p), es), "CCCCCCCCCC")
		wantOnce(t, s, m, upTo(20)...)
		if p.left == 0 {
			t.Error("no key was left unprocessed")
		}
	})
}

func TestReadAggregates_ItemIsNoAggregate_CountsNothing(t *testing.T) {
	for name, spoil := range map[string]func(item){
		"no count":           func(i item) { delete(i, attrCount) },
		"count is a text":    func(i item) { i[attrCount] = text("1") },
		"version is no int":  func(i item) { i[attrVersion] = &types.AttributeValueMemberN{Value: "1.5"} },
		"a measure is gone":  func(i item) { delete(i, "v"+suffixMax) },
		"a sum is no number": func(i item) { i["v"+suffixSum] = &types.AttributeValueMemberN{Value: "NaN"} },
	} {
		m, s := firstMeter(t), newStore()
		mustHand(t, ledgerAt(s), effects(m, 0, 1, oneGroup))
		pk := quarterHours.aggregatePK(LiveSet, keyOf(&effect(m, 0, noon, "g").Deltas[0]))
		spoil(s.get(pk, aggregateSK("g", shardA)))
		rs := mustHand(t, ledgerAt(s), effects(m, 1, 2, oneGroup))
		wantOutcomes(t, rs, "U")
		if !strings.Contains(fmt.Sprint(rs[0].Err), pk) {
			t.Errorf("%s: reason %v", name, rs[0].Err)
		}
		r, err := OpenMeters(t.Context(), s, "table", LiveSet)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Window(t.Context(), m, noon); name != "version is no int" && (err == nil || !strings.Contains(err.Error(), pk)) {
			t.Errorf("%s: Window: %v", name, err)
		}
	}
}

// Sums have up to 29 integer digits, and DynamoDB may write a number in another way than we did.
func TestAggregateItem_AnyNumbers_ReadAsWritten(t *testing.T) {
	m := firstMeter(t)
	decimalText := rapid.StringMatching(`-?(0|[1-9][0-9]{0,28})(\.[0-9]{0,8}[1-9])?`)
	rapid.Check(t, func(rt *rapid.T) {
		a := meter.Aggregate{Count: rapid.Int64Range(1, 1<<62).Draw(rt, "count"), Stats: []meter.Stat{{
			Sum: mustSum(t, decimalText.Draw(rt, "sum")), Min: mustSum(t, decimalText.Draw(rt, "min")), Max: mustSum(t, decimalText.Draw(rt, "max")),
		}}}
		version := rapid.Int64Range(1, 1<<62).Draw(rt, "version")
		got, gotVersion, err := readAggregate(aggregateItem("pk", "sk", columnsOf(m), a, version, 0), m)
		if err != nil || got.Count != a.Count || got.Stats[0] != a.Stats[0] || gotVersion != version {
			rt.Fatalf("%+v %d reads as %+v %d: %v", a, version, got, gotVersion, err)
		}
		for _, v := range aggregateItem("pk", "sk", columnsOf(m), a, version, 0) {
			if n, ok := v.(*types.AttributeValueMemberN); ok && (len(strings.Trim(strings.Replace(n.Value, ".", "", 1), "-")) > 38 || strings.ContainsAny(n.Value, "eE+")) {
				rt.Fatalf("number %s: DynamoDB keeps 38 digits", n.Value)
			}
		}
	})
}

func TestDecimalOf_WhateverNotation_IsTheSameNumber(t *testing.T) {
	for notation, want := range map[string]string{
		"0": "0", "-0": "0", "0.0": "0", "1E+2": "100", "1.5E3": "1500", "-12.50": "-12.5", "1e-9": "0.000000001",
		"12345678901234567890123456789.123456789": "12345678901234567890123456789.123456789",
	} {
		d, err := decimalOf(item{"n": &types.AttributeValueMemberN{Value: notation}}, "n")
		if err != nil || d.String() != want {
			t.Errorf("%s reads as %s: %v", notation, d, err)
		}
	}
}

// Meters.

func openMeters(t testing.TB, s Reader, set string) *Meters {
	t.Helper()
	r, err := OpenMeters(t.Context(), s, "table", set)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOpenMeters_EmptyTable_SaysSo(t *testing.T) {
	if _, err := OpenMeters(t.Context(), newStore(), "table", LiveSet); !errors.Is(err, ErrEmpty) {
		t.Errorf("error %v", err)
	}
}

func TestWindows_OldestFirst_EachOnce(t *testing.T) {
	m, s := firstMeter(t), newStore()
	var want []time.Time
	var es []meter.Effect
	for n, h := range []int{5, -30, 0, 5, -1, 24 * 365} {
		es = append(es, effect(m, n, noon.Add(time.Duration(h)*time.Hour+time.Minute), ownGroup(n)))
	}
	for _, h := range []int{-30, -1, 0, 5, 24 * 365} {
		want = append(want, noon.Add(time.Duration(h)*time.Hour))
	}
	mustHand(t, ledgerAt(s), es)
	s.pageItems = 2
	starts, err := openMeters(t, s, LiveSet).Windows(t.Context(), m)
	if err != nil || !slices.Equal(starts, want) {
		t.Errorf("windows %v, want %v; %v", starts, want, err)
	}
}

func TestWindow_MergesTheShards_OrderedByGroup(t *testing.T) {
	m, s := firstMeter(t), newStore()
	a, b := ledgerAt(s), ledgerAt(s)
	for n := range 40 {
		l, shard := a, shardA
		if n%3 == 0 {
			l, shard = b, shardB
		}
		if _, err := hand(t.Context(), l, LiveSet, shard, effects(m, n, n+1, fewGroups)); err != nil {
			t.Fatal(err)
		}
	}
	if keys := s.keysWith("meter#"); len(keys) != 10 {
		t.Errorf("%d aggregates, want one for each of 5 groups and 2 shards: %v", len(keys), keys)
	}
	s.pageItems = 1
	r := openMeters(t, s, LiveSet)
	rows, err := r.Window(t.Context(), m, noon)
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for k, row := range rows {
		var want meter.Aggregate
		for n := k; n < 40; n += 5 {
			want.Observe([]meter.Decimal{power(n)})
		}
		if row.Group != fewGroups(k) || row.Count != 8 || row.Stats[0] != want.Stats[0] || !row.Start.Equal(noon) {
			t.Errorf("row %d: %+v, want %+v", k, row, want)
		}
		one, err := r.Group(t.Context(), m, noon, row.Group)
		if err != nil || one.Count != row.Count || one.Stats[0] != row.Stats[0] {
			t.Errorf("Group %s: %+v, %v", row.Group, one, err)
		}
	}
}

func TestGroup_HoldsNothing_IsACountOfNought(t *testing.T) {
	m, s := firstMeter(t), newStore()
	mustHand(t, ledgerAt(s), []meter.Effect{effect(m, 0, noon, "LAX2"), effect(m, 1, noon, "LA")})
	r := openMeters(t, s, LiveSet)
	for _, start := range []time.Time{noon, noon.Add(time.Hour)} {
		row, err := r.Group(t.Context(), m, start, "LAX")
		if err != nil || row.Count != 0 || row.Group != "LAX" || !row.Start.Equal(start) {
			t.Errorf("%+v, %v", row, err)
		}
	}
	if rows, err := r.Window(t.Context(), m, noon.Add(time.Hour)); err != nil || len(rows) != 0 {
		t.Errorf("rows %v, %v", rows, err)
	}
}

// Groups are escaped by package meter, so that none holds the separator; one may begin like another.
func TestGroup_OneBeginsLikeAnother_StaysApart(t *testing.T) {
	m, s := firstMeter(t), newStore()
	groups := []string{"", "a", "a%23b", "ab", "a/b", "=1", "=10"}
	var es []meter.Effect
	for n, g := range groups {
		es = append(es, effect(m, n, noon, g))
	}
	mustHand(t, ledgerAt(s), es)
	r := openMeters(t, s, LiveSet)
	for n, g := range groups {
		row, err := r.Group(t.Context(), m, noon, g)
		if err != nil || row.Count != 1 || row.Stats[0].Sum != power(n) {
			t.Errorf("group %q: %+v, %v", g, row, err)
		}
	}
}

func TestWindows_CrashBetweenIndexAndCommit_NamesAWindowThatIsStillEmpty(t *testing.T) {
	m, s := firstMeter(t), newStore()
	g := newGate(s)
	g.on[opTransact] = denied // the process goes no further
	es := effects(m, 0, 2, ownGroup)
	wantOutcomes(t, mustHand(t, ledgerAt(g), es), "UU")
	r := openMeters(t, s, LiveSet)
	starts, err := r.Windows(t.Context(), m)
	if err != nil || len(starts) != 1 || !starts[0].Equal(noon) {
		t.Errorf("windows %v, %v", starts, err)
	}
	if rows, err := r.Window(t.Context(), m, noon); err != nil || len(rows) != 0 {
		t.Errorf("rows %v, %v", rows, err)
	}
	wantOutcomes(t, mustHand(t, ledgerAt(s), es), "CC")
	wantOnce(t, s, m, 0, 1)
}

func TestMeters_ChangedDeclaration_StartsFromNothing(t *testing.T) {
	s := newStore()
	before := firstMeter(t)
	after := metersOf(t, strings.Replace(oneMeter, "data.v", "data.w", 1)).Meters[0]
	mustHand(t, ledgerAt(s), effects(before, 0, 3, oneGroup))
	mustHand(t, ledgerAt(s), effects(after, 2, 5, oneGroup)) // event 2 was counted, and is a copy whatever the meters say
	wantOnce(t, s, before, 0, 1, 2)
	wantOnce(t, s, after, 3, 4)
}

func TestMeters_TableDoesNotAnswer_SaysWhatWasRead(t *testing.T) {
	m, s := firstMeter(t), newStore()
	mustHand(t, ledgerAt(s), effects(m, 0, 1, oneGroup))
	g := newGate(s)
	r := openMeters(t, g, LiveSet)
	g.on[opQuery] = denied
	_, err1 := r.Windows(t.Context(), m)
	_, err2 := r.Window(t.Context(), m, noon)
	_, err3 := r.Group(t.Context(), m, noon, "g")
	for err, want := range map[error]string{
		err1: "read windows of meter m: ", err2: "read meter m at 2026-01-01T12:00:00Z: ", err3: "read meter m, group g: ",
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s...", err, want)
		}
	}
}
