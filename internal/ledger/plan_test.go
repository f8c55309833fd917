package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

const threeMeters = `{"meters":[
	{"name":"a","type":"t","by":["subject"],"window":"1h","measures":{"v":"data.v"}},
	{"name":"b","type":"t","by":["subject"],"window":"15m"},
	{"name":"a-meter-with-a-long-name","type":"t","by":["subject"],"window":"1d","measures":{"v":"data.v","weight":"data.w"}}]}`

// plannings draws what a plan is made of: a few events that recur, logs that hold some of them, aggregates of which
// some are there already, and narrow limits.
type planning struct {
	c       commit // whose resolve is used
	effects []meter.Effect
	pending []int
	lim     limits
}

func drawPlanning(rt *rapid.T, set *meter.Set) *planning {
	p := &planning{c: commit{
		Ledger: &Ledger{layout: &Layout{Bits: 1, Epoch: 15 * time.Minute}, memory: newMemory(LiveSet)}, set: LiveSet, shard: shardA,
	}}
	for range rapid.IntRange(0, 30).Draw(rt, "events") {
		e := drawEffect(rt, set)
		if rapid.IntRange(0, 9).Draw(rt, "seen") == 0 {
			g := p.logOf(e.ID)
			g.ids[e.ID.Fingerprint] = struct{}{}
			g.version = 1
		}
		for k := range e.Deltas {
			if a := p.aggregateOf(&e.Deltas[k]); a.version == 0 && rapid.IntRange(0, 3).Draw(rt, "there") == 0 {
				a.value.Observe(e.Deltas[k].Values)
				a.version = 7
			}
		}
		p.effects = append(p.effects, e)
	}
	for i := range p.effects {
		if rapid.IntRange(0, 9).Draw(rt, "pending") > 0 {
			p.pending = append(p.pending, i)
		}
	}
	p.c.effects, p.c.results = p.effects, make([]meter.Result, len(p.effects))
	p.lim = limits{
		actions: rapid.IntRange(1, 12).Draw(rt, "actions"),
		bytes:   rapid.IntRange(300, 6000).Draw(rt, "bytes"),
		ids:     rapid.IntRange(1, 6).Draw(rt, "ids"),
		events:  rapid.IntRange(0, 10).Draw(rt, "events of a transaction"),
	}
	return p
}

// drawEffect is one of 20 events, over three logs and four groups. One event always has the same effect.
func drawEffect(rt *rapid.T, set *meter.Set) meter.Effect {
	n := rapid.IntRange(0, 19).Draw(rt, "event")
	at := noon.Add(time.Duration(n%3) * 15 * time.Minute)
	e := cloudevent.Event{ID: fmt.Sprint(n), Source: "plan", Type: "t", Subject: fmt.Sprint("key", n%5), Time: at}
	out := meter.Effect{ID: e.Identity()}
	for k, m := range set.Meters[:n%4] {
		d := meter.Delta{Meter: m, Start: m.Start(at).Unix(), Group: strings.Repeat("g", 1+(n+k)%4*30)}
		for range m.Measures {
			d.Values = append(d.Values, meter.DecimalOf(int64(n)))
		}
		out.Deltas = append(out.Deltas, d)
	}
	return out
}

func (p *planning) logOf(id cloudevent.Identity) *log {
	return p.c.resolve([]meter.Effect{{ID: id}})[0].log
}

func (p *planning) aggregateOf(d *meter.Delta) *aggregate {
	return p.c.resolve([]meter.Effect{{Deltas: []meter.Delta{*d}}})[0].aggregates[0]
}

func (p *planning) plan(pending []int) transaction {
	return plan(p.effects, p.c.resolve(p.effects), pending, p.lim)
}

// cost is what the events would take in one transaction, reckoned in another way than plan's.
func (p *planning) cost(events []int) (actions, bytes, ids int) {
	perLog := map[*log]int{}
	perItem := map[*aggregate]bool{}
	for _, i := range events {
		g := p.logOf(p.effects[i].ID)
		perLog[g]++
		ids = max(ids, perLog[g])
		for k := range p.effects[i].Deltas {
			d := &p.effects[i].Deltas[k]
			if a := p.aggregateOf(d); !perItem[a] {
				perItem[a] = true
				bytes += aggregateSize(d.Meter, d.Group)
			}
		}
	}
	for _, n := range perLog {
		bytes += segmentSize(n)
	}
	return len(perLog) + len(perItem), bytes, ids
}

func (p *planning) within(events []int) bool {
	actions, bytes, ids := p.cost(events)
	return actions <= p.lim.actions && bytes <= p.lim.bytes && ids <= p.lim.ids && (p.lim.events == 0 || len(events) <= p.lim.events)
}

// state words all that a plan is given, to see that it leaves it alone.
func (p *planning) state() string {
	var b strings.Builder
	fmt.Fprintln(&b, p.effects, p.pending)
	for _, e := range p.effects {
		g := p.logOf(e.ID)
		fmt.Fprintln(&b, g.version, g.ids)
		for k := range e.Deltas {
			a := p.aggregateOf(&e.Deltas[k])
			fmt.Fprintln(&b, a.value, a.version, a.known)
		}
	}
	return b.String()
}

func checkPlan(t *testing.T, property func(rt *rapid.T, p *planning)) {
	t.Helper()
	set := metersOf(t, threeMeters)
	rapid.Check(t, func(rt *rapid.T) { property(rt, drawPlanning(rt, set)) })
}

func TestPlan_NeverExceedsItsLimits(t *testing.T) {
	checkPlan(t, func(rt *rapid.T, p *planning) {
		tx := p.plan(p.pending)
		if !p.within(tx.events) {
			actions, bytes, ids := p.cost(tx.events)
			rt.Fatalf("%d events: %d actions, %d bytes, %d ids; limits %+v", len(tx.events), actions, bytes, ids, p.lim)
		}
		if n := len(tx.segments) + len(tx.writes); n > p.lim.actions {
			rt.Fatalf("%d items, at most %d actions", n, p.lim.actions)
		}
		size := 0
		for _, s := range tx.segments {
			if len(s.ids) > p.lim.ids {
				rt.Fatalf("a segment of %d ids, at most %d", len(s.ids), p.lim.ids)
			}
			size += sizeOf(segmentItem(p.c.layout.logPK(LiveSet, s.log.key), s.log.version+1, s.ids, 1<<33))
		}
		for _, w := range tx.writes {
			size += sizeOf(aggregateItem(w.aggregate.pk, w.aggregate.sk, columnsOf(w.aggregate.key.meter), w.next, w.aggregate.version+1, 1<<33))
		}
		if size > p.lim.bytes {
			rt.Fatalf("items of %d bytes, at most %d", size, p.lim.bytes)
		}
	})
}

// sizeOf is an item's size as DynamoDB counts it.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func sizeOf(i item) (size int) {
	for name, v := range i {
		size += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			size += len(v.Value)
		case *types.AttributeValueMemberB:
			size += len(v.Value)
		case *types.AttributeValueMemberN:
			size += len(strings.Trim(v.Value, "-."))/2 + 2
		}
	}
	return size
}

func TestPlan_NoItemTwice_NoEventTwice(t *testing.T) {
	checkPlan(t, func(rt *rapid.T, p *planning) {
		tx := p.plan(p.pending)
		items := map[string]bool{}
		once := func(pk, sk string) {
			if items[pk+" "+sk] {
				rt.Fatalf("item %s %s twice", pk, sk)
			}
			items[pk+" "+sk] = true
		}
		ids := map[cloudevent.Fingerprint]bool{}
		for _, s := range tx.segments {
			once(p.c.layout.logPK(LiveSet, s.log.key), versionSK(s.log.version+1))
			for k, id := range s.ids {
				if ids[id] || k > 0 && string(s.ids[k-1][:]) >= string(id[:]) {
					rt.Fatalf("ids are not sorted or not distinct: %v", s.ids)
				}
				ids[id] = true
			}
		}
		for _, w := range tx.writes {
			once(w.aggregate.pk, w.aggregate.sk)
		}
		for _, i := range tx.events {
			if !ids[p.effects[i].ID.Fingerprint] {
				rt.Fatalf("event %d is not in its segment", i)
			}
		}
		if len(ids) != len(tx.events) {
			rt.Fatalf("%d ids for %d events", len(ids), len(tx.events))
		}
	})
}

func TestPlan_KeepsOrder_EveryEventOfTheRunHasOneFate(t *testing.T) {
	checkPlan(t, func(rt *rapid.T, p *planning) {
		tx := p.plan(p.pending)
		for _, list := range [][]int{tx.events, tx.copies, tx.repeats} {
			if !slices.IsSorted(list) {
				rt.Fatalf("out of order: %v", list)
			}
		}
		run := slices.Sorted(slices.Values(slices.Concat(tx.events, tx.copies, tx.repeats)))
		if !slices.Equal(run, p.pending[:tx.rest]) {
			rt.Fatalf("events %v, copies %v, repeats %v are not the first %d of %v", tx.events, tx.copies, tx.repeats, tx.rest, p.pending)
		}
		for _, i := range tx.copies {
			if !p.logOf(p.effects[i].ID).holds(p.effects[i].ID.Fingerprint) {
				rt.Fatalf("event %d is no copy", i)
			}
		}
		for _, i := range tx.repeats {
			same := func(j int) bool { return j < i && p.effects[j].ID == p.effects[i].ID }
			if !slices.ContainsFunc(tx.events, same) {
				rt.Fatalf("event %d repeats none before it in %v", i, tx.events)
			}
		}
	})
}

func TestPlan_TakesTheLongestRun(t *testing.T) {
	checkPlan(t, func(rt *rapid.T, p *planning) {
		tx := p.plan(p.pending)
		if tx.rest == len(p.pending) {
			return
		}
		next := p.pending[tx.rest]
		if p.within(append(slices.Clone(tx.events), next)) {
			rt.Fatalf("event %d would have fitted behind %v", next, tx.events)
		}
	})
}

func TestPlan_ChangesNothingThatItIsGiven(t *testing.T) {
	checkPlan(t, func(rt *rapid.T, p *planning) {
		before := p.state()
		first := fmt.Sprintf("%+v", p.plan(p.pending).events)
		if after := p.state(); after != before {
			rt.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
		if second := fmt.Sprintf("%+v", p.plan(p.pending).events); first != second {
			rt.Fatalf("planned %s, then %s", first, second)
		}
	})
}

// TestPlan_WholeBatch_CountsEachEventOnce commits one plan after another into memory, as Commit does.
func TestPlan_WholeBatch_CountsEachEventOnce(t *testing.T) {
	checkPlan(t, func(rt *rapid.T, p *planning) {
		want := p.expected()
		for pending := p.pending; len(pending) > 0; {
			tx := p.plan(pending)
			if tx.rest == 0 { // more than a transaction may hold
				if p.within(pending[:1]) {
					rt.Fatalf("event %d fits, and was not taken", pending[0])
				}
				pending = pending[1:]
				continue
			}
			p.c.absorb(&tx)
			pending = pending[tx.rest:]
		}
		for a, n := range want {
			if a.value.Count != n {
				rt.Fatalf("%s %s has counted %d, want %d", a.pk, a.sk, a.value.Count, n)
			}
		}
	})
}

// expected is the count of each aggregate when every event of the pending has been counted once.
func (p *planning) expected() map[*aggregate]int64 {
	want := map[*aggregate]int64{}
	taken := map[cloudevent.Fingerprint]bool{}
	for _, i := range p.pending {
		e := &p.effects[i]
		counts := !taken[e.ID.Fingerprint] && !p.logOf(e.ID).holds(e.ID.Fingerprint) && p.within([]int{i})
		taken[e.ID.Fingerprint] = true
		for k := range e.Deltas {
			a := p.aggregateOf(&e.Deltas[k])
			if _, ok := want[a]; !ok {
				want[a] = a.value.Count
			}
			if counts {
				want[a]++
			}
		}
	}
	return want
}

// The sizes that a plan reckons with bound those that DynamoDB counts, for the longest names there may be.
func TestPlan_ReckonsNoItemSmallerThanItIs(t *testing.T) {
	name := strings.Repeat("n", meter.MaxName)
	set := metersOf(t, `{"meters":[{"name":"`+name+`","type":"t","by":["subject"],"window":"1h","measures":{"`+name+`":"data.v"}}]}`)
	m, layout := set.Meters[0], Layout{Bits: maxBits, Epoch: time.Hour}
	k := aggregateKey{m, noon.Unix(), strings.Repeat("g", meter.MaxGroup)}
	var a meter.Aggregate
	a.Observe([]meter.Decimal{mustSum(t, "-"+strings.Repeat("9", 29)+".999999999")})
	a.Count = 1<<63 - 1
	i := aggregateItem(layout.aggregatePK(LiveSet, k), aggregateSK(k.group, strings.Repeat("s", maxShard)), columnsOf(m), a, 1<<63-1, 1<<40)
	if got, reckoned := sizeOf(i), aggregateSize(m, k.group); got > reckoned {
		t.Errorf("an aggregate of %d bytes is reckoned as %d", got, reckoned)
	}
	s := segmentItem(layout.logPK(LiveSet, logKey{255, noon.Unix()}), 1<<63, make([]cloudevent.Fingerprint, maxIDs), 1<<40)
	if got, reckoned := sizeOf(s), segmentSize(maxIDs); got > reckoned || reckoned > 400_000 {
		t.Errorf("a segment of %d bytes is reckoned as %d; an item may have 400 KB", got, reckoned)
	}
}

func mustSum(t testing.TB, s string) meter.Decimal {
	t.Helper()
	d, err := meter.ParseSum(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
