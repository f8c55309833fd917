package ledger

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/cloudevent"
)

func withLayout(layout Layout, log *bytes.Buffer) func(*Options) {
	return func(o *Options) {
		o.Layout = layout
		if log != nil {
			o.Log = slog.New(slog.NewTextHandler(log, nil))
		}
	}
}

var hours = Layout{Bits: 3, Epoch: time.Hour}

// The second writes its layout between the first one's look and its write.
func TestLayout_TwoColdStartsWithDifferentSettings_FirstWriterRules(t *testing.T) {
	m, s := firstMeter(t), newStore()
	es := effects(m, 0, 30, ownGroup)
	var log bytes.Buffer
	winner := ledgerAt(s, withLayout(hours, nil))
	g := newGate(s)
	g.on[opPut] = first(func() { wantOutcomes(t, mustHand(t, winner, es[:20]), strings.Repeat("C", 20)) })
	loser := ledgerAt(g, withLayout(quarterHours, &log))
	rs := mustHand(t, loser, es)
	wantOutcomes(t, rs, strings.Repeat("=", 20)+strings.Repeat("C", 10))
	if *loser.layout != hours || *winner.layout != hours {
		t.Errorf("layouts %+v and %+v", *loser.layout, *winner.layout)
	}
	if !strings.Contains(log.String(), "differs from the settings") {
		t.Errorf("the log says: %s", &log)
	}
	wantOnce(t, s, m, upTo(30)...)
}

func TestLayout_SettingsChangeLater_ItemRulesAndTheLogSaysSo(t *testing.T) {
	m, s := firstMeter(t), newStore()
	s.now = func() time.Time { return noon }
	short := Layout{Bits: 1, Epoch: 15 * time.Minute, Horizon: 48 * time.Hour}
	mustHand(t, ledgerAt(s, withLayout(short, nil)), effects(m, 0, 2, ownGroup))
	for _, changed := range []Layout{{2, short.Epoch, short.Horizon}, {1, time.Hour, short.Horizon}, {1, short.Epoch, 0}, {}} {
		var log bytes.Buffer
		l := ledgerAt(s, withLayout(changed, &log))
		es := append(effects(m, 0, 2, ownGroup), effect(m, 9, noon.Add(-49*time.Hour), "g"))
		wantOutcomes(t, mustHand(t, l, es), "==L")
		if *l.layout != short || !strings.Contains(log.String(), "differs") {
			t.Errorf("layout %+v; the log says: %s", *l.layout, &log)
		}
	}
	var log bytes.Buffer
	mustHand(t, ledgerAt(s, withLayout(short, &log)), effects(m, 0, 2, ownGroup))
	if log.Len() > 0 {
		t.Errorf("the same settings, and the log says: %s", &log)
	}
}

// Once an instance, with both, in words that an operator can compare with the settings.
func TestLayout_SettingsDiffer_OneWarningNamesBoth(t *testing.T) {
	m, s := firstMeter(t), newStore()
	mustHand(t, ledgerAt(s, withLayout(Layout{Bits: 1, Epoch: 15 * time.Minute}, nil)), effects(m, 0, 2, ownGroup))
	var log bytes.Buffer
	l := ledgerAt(s, withLayout(Layout{Bits: 3, Epoch: 5 * time.Minute, Horizon: 21 * 24 * time.Hour}, &log))
	for range 3 {
		mustHand(t, l, effects(m, 0, 4, ownGroup))
	}
	for _, want := range []string{
		"the table's layout differs from the settings, and rules",
		"layout.bits=1 layout.epoch=15m0s layout.horizon=none",
		"settings.bits=3 settings.epoch=5m0s settings.horizon=504h0m0s",
	} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("the log says not once %q: %s", want, &log)
		}
	}
}

func TestLayout_SettingsThatMakeNone_AreNotWritten(t *testing.T) {
	m := firstMeter(t)
	for _, wrong := range []Layout{
		{},
		{Bits: -1, Epoch: time.Hour},
		{Bits: maxBits + 1, Epoch: time.Hour},
		{Epoch: time.Millisecond},
		{Epoch: time.Second + 1},
		{Epoch: -time.Hour},
		{Epoch: time.Hour, Horizon: -1},
	} {
		s := newStore()
		l := ledgerAt(s, withLayout(wrong, nil))
		if _, err := l.Seen(t.Context(), LiveSet, nil); err == nil || !strings.Contains(err.Error(), "make no layout") {
			t.Errorf("%+v: error %v", wrong, err)
		}
		wantOutcomes(t, l.Commit(t.Context(), LiveSet, shardA, effects(m, 0, 1, oneGroup)), "U")
		if keys := s.keysWith(""); len(keys) > 0 {
			t.Errorf("%+v: written: %v", wrong, keys)
		}
	}
}

func TestLayout_ItemThatMakesNone_StopsEverything(t *testing.T) {
	m := firstMeter(t)
	for name, spoil := range map[string]func(item){
		"no bits":            func(i item) { delete(i, attrBits) },
		"bits beyond":        func(i item) { i[attrBits] = number(9) },
		"bits are a text":    func(i item) { i[attrBits] = text("1") },
		"no epoch":           func(i item) { i[attrEpoch] = number(0) },
		"epoch is no int":    func(i item) { i[attrEpoch] = &types.AttributeValueMemberN{Value: "0.5"} },
		"a horizon below 0":  func(i item) { i[attrHorizon] = number(-1) },
		"a horizon is gone":  func(i item) { delete(i, attrHorizon) },
		"parts of another":   func(i item) { i[attrParts] = number(32) },
		"parts are not said": func(i item) { delete(i, attrParts) },
	} {
		s := newStore()
		i := layoutItem(quarterHours)
		spoil(i)
		s.put(i)
		l := ledgerAt(s)
		if _, err := l.Seen(t.Context(), LiveSet, nil); err == nil || !strings.Contains(err.Error(), "layout item") {
			t.Errorf("%s: error %v", name, err)
		}
		rs := l.Commit(t.Context(), LiveSet, shardA, effects(m, 0, 1, oneGroup))
		wantOutcomes(t, rs, "U")
		if _, err := OpenMeters(t.Context(), s, "table", LiveSet); err == nil || !strings.Contains(err.Error(), "layout item") {
			t.Errorf("%s: OpenMeters: %v", name, err)
		}
		if len(s.keysWith("")) != 1 {
			t.Errorf("%s: something was written", name)
		}
	}
}

func TestLayout_NotReadOrNotWritten_IsTriedAgainWithTheNextCall(t *testing.T) {
	m := firstMeter(t)
	for name, on := range map[string]map[string]hook{
		"read throttled":                        {opGet: only(throttled, 1)},
		"write throttled":                       {opPut: only(throttled, 1)},
		"write dropped before it was applied":   {opPut: only(droppedBefore, 1)},
		"write applied, answer lost":            {opPut: only(answerLost, 1)},
		"written, and the second read fails":    {opGet: only(droppedBefore, 2)},
		"written, not allowed to read it again": {opGet: only(denied, 2)},
	} {
		s := newStore()
		g := newGate(s)
		g.on = on
		l := ledgerAt(g)
		if _, err := l.Seen(t.Context(), LiveSet, nil); err == nil || !strings.HasPrefix(err.Error(), "open ledger in table table: ") {
			t.Errorf("%s: error %v", name, err)
		}
		wantOutcomes(t, mustHand(t, l, effects(m, 0, 2, ownGroup)), "CC")
		wantOnce(t, s, m, 0, 1)
	}
}

func TestRetention_ShorterThanTheHorizon_IsNotUsed(t *testing.T) {
	m := firstMeter(t)
	const day = 24 * time.Hour
	for _, c := range []struct {
		horizon, retention time.Duration
		used               bool
	}{
		{21 * day, 20 * day, false},
		{21 * day, 21 * day, true},
		{21 * day, 0, false},
		{0, 20 * day, false}, // what is accepted for ever must find its window for ever
	} {
		s := newStore()
		s.now = func() time.Time { return noon }
		var log bytes.Buffer
		l := ledgerAt(s, withLayout(Layout{Epoch: time.Hour, Horizon: c.horizon}, &log), func(o *Options) { o.Retention = c.retention })
		mustHand(t, l, effects(m, 0, 1, oneGroup))
		i := s.get(l.layout.aggregatePK(LiveSet, keyOf(&effect(m, 0, noon, "g").Deltas[0])), aggregateSK("g", shardA))
		if _, expires := i[attrExpires]; i == nil || expires != c.used {
			t.Errorf("%+v: the aggregate is %v", c, i)
		}
		if warned := strings.Contains(log.String(), "retention is shorter"); warned != (c.retention > 0 && !c.used) {
			t.Errorf("%+v: the log says: %s", c, &log)
		}
	}
}

// Keys.

func TestLogOf_EpochsTileTime_CopiesMeetInOneLog(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := Layout{
			Bits:  rapid.IntRange(0, maxBits).Draw(rt, "bits"),
			Epoch: time.Duration(rapid.IntRange(1, 100_000).Draw(rt, "epoch")) * time.Second,
		}
		at := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(rt, "second"), rapid.Int64Range(0, 999_999_999).Draw(rt, "nanosecond"))
		id := cloudevent.Identity{KeyHash: rapid.Uint64().Draw(rt, "hash"), Time: at}
		k := l.logOf(id)
		if start := time.Unix(k.epoch, 0); start.After(at) || !start.Add(l.Epoch).After(at) || k.epoch%int64(l.Epoch/time.Second) != 0 {
			rt.Fatalf("%s lies in the epoch from %s", at, start)
		}
		if k.bucket < 0 || k.bucket >= 1<<l.Bits || k.bucket != int(id.KeyHash>>1>>(63-l.Bits)) {
			rt.Fatalf("hash %x, %d bits: bucket %d", id.KeyHash, l.Bits, k.bucket)
		}
		if part := l.part(rapid.String().Draw(rt, "group")); part < 0 || part >= l.parts() {
			rt.Fatalf("part %d of %d", part, l.parts())
		}
	})
}

// The sort keys of segments must order as their versions do, or a tail would not be one.
func TestVersionSK_OrdersAsNumbersDo(t *testing.T) {
	versions := []uint64{0, 1, 9, 10, 99, 100, 99_999, 1_000_000, 999_999_999_999}
	for i := 1; i < len(versions); i++ {
		if a, b := versionSK(versions[i-1]), versionSK(versions[i]); a >= b {
			t.Errorf("%s is not before %s", a, b)
		}
	}
}

func TestKeys_OfDifferentThings_Differ(t *testing.T) {
	m := firstMeter(t)
	seen := map[string]string{}
	once := func(what, pk string) {
		if other, ok := seen[pk]; ok {
			t.Errorf("%s and %s share %s", what, other, pk)
		}
		seen[pk] = what
	}
	for _, set := range []string{LiveSet, "live2", "liv"} {
		once("windows of "+set, windowsPK(set, m))
		once("partitions of "+set, partitionsPK(set))
		for b := range 3 {
			for _, at := range []time.Time{noon, noon.Add(time.Hour), noon.AddDate(-1000, 0, 0)} {
				what := fmt.Sprint(set, b, at)
				once("log "+what, hours.logPK(set, logKey{b, at.Unix()}))
				once("part "+what, hours.partPK(set, m, at.Unix(), b))
			}
		}
	}
	once("layout", layoutPK)
}
