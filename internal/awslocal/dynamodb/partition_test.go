package dynamodb

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// newTestTable makes a table with text keys pk and sk outside any service.
func newTestTable() *table {
	return &table{
		schema:     []keyAttribute{{"pk", kindString, maxHashKey}, {"sk", kindString, maxRangeKey}},
		partitions: map[string]*partition{},
	}
}

func keyed(pk, sk string) document {
	d := appendValue(appendName(nil, "pk"), value{kindString, pk})
	return document(appendValue(appendName(d, "sk"), value{kindString, sk}))
}

// anyTest draws a condition on the sort key.
func anyTest(t *rapid.T, keys *rapid.Generator[string]) keyTest {
	ops := []operator{opEqual, opLess, opLessEqual, opMore, opMoreEqual, opBetween, opBeginsWith}
	test := keyTest{op: rapid.SampledFrom(ops).Draw(t, "op"), values: []value{{kindString, keys.Draw(t, "value")}}}
	if test.op == opBetween {
		test.values = append(test.values, value{kindString, keys.Draw(t, "high")})
	}
	return test
}

// passes is the condition, said naively.
func (test keyTest) passes(key string) bool {
	v := test.values[0].data
	switch test.op {
	case opEqual:
		return key == v
	case opLess:
		return key < v
	case opLessEqual:
		return key <= v
	case opMore:
		return key > v
	case opMoreEqual:
		return key >= v
	case opBetween:
		return v <= key && key <= test.values[1].data
	}
	return strings.HasPrefix(key, v)
}

func TestQuery_FindsWhatANaiveModelFinds_PageByPage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.StringMatching(`[a-c\x{ff}]{1,3}`)
		tab, model := newTestTable(), map[string]bool{}
		for range rapid.IntRange(0, 60).Draw(t, "writes") {
			k := keys.Draw(t, "key")
			if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
				tab.remove(key{"p", k})
				delete(model, k)
				continue
			}
			tab.put(key{"p", k}, keyed("p", k), 10, 0)
			model[k] = true
		}
		test, backward := anyTest(t, keys), rapid.Bool().Draw(t, "backward")
		var want []string
		for k := range model {
			if test.passes(k) {
				want = append(want, k)
			}
		}
		slices.Sort(want)
		if backward {
			slices.Reverse(want)
		}
		p := &plan{table: tab, hash: "p", keys: test.keyRange(), backward: backward, limit: rapid.IntRange(0, 5).Draw(t, "limit")}
		if got := allPages(p); !slices.Equal(got, want) {
			t.Fatalf("%v: got %q, want %q", test, got, want)
		}
		if tab.items != len(model) || tab.bytes != int64(10*len(model)) {
			t.Fatalf("%d items and %d bytes, want %d", tab.items, tab.bytes, len(model))
		}
	})
}

func allPages(p *plan) (keys []string) {
	for {
		g := &page{}
		if in := p.table.partitions[p.hash]; in != nil {
			p.scan(in, 0, g)
		}
		for _, d := range g.items {
			sk, _ := d.get("sk")
			keys = append(keys, sk.data)
		}
		if g.last == "" {
			return keys
		}
		sk, _ := g.last.get("sk")
		p.keys = p.keys.after(sk.data, p.backward)
	}
}

func TestPartition_ManyChunks_StaysSorted(t *testing.T) {
	const n = 5 * maxChunk
	tab := newTestTable()
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	name := func(i int) string { return fmt.Sprintf("%06d", i) }
	for _, i := range order {
		tab.put(key{"p", name(i)}, keyed("p", name(i)), 1, 0)
	}
	for i := 0; i < n; i += 3 {
		tab.remove(key{"p", name(i)})
	}
	var want []string
	for i := range n {
		if i%3 != 0 {
			want = append(want, name(i))
		}
	}
	for _, backward := range []bool{false, true} {
		if got := allPages(&plan{table: tab, hash: "p", backward: backward}); !slices.Equal(got, want) {
			t.Errorf("backward %t: %d keys, want %d", backward, len(got), len(want))
		}
		slices.Reverse(want)
	}
	for i := range n {
		tab.remove(key{"p", name(i)})
	}
	if len(tab.partitions) != 0 || tab.items != 0 || tab.bytes != 0 {
		t.Errorf("%d partitions, %d items, %d bytes left", len(tab.partitions), tab.items, tab.bytes)
	}
}

func TestPartition_Appended_FillsItsChunks(t *testing.T) {
	tab := newTestTable()
	for i := range 10 * maxChunk {
		sk := fmt.Sprintf("%06d", i)
		tab.put(key{"p", sk}, keyed("p", sk), 1, 0)
	}
	if got := len(tab.partitions["p"].chunks); got != 10 {
		t.Errorf("%d chunks, want 10", got)
	}
}

// expiring makes a table with so many items in so many partitions, all of which expire at the second 100.
func expiring(items, partitions int) *table {
	tab := newTestTable()
	tab.ttl = "expires"
	for i := range items {
		k := key{fmt.Sprint(i % partitions), fmt.Sprintf("%06d", i)}
		tab.put(k, document(appendValue(appendName([]byte(keyed(k.hash, k.sort)), "expires"), value{kindNumber, "100"})), 1, 0)
	}
	return tab
}

func TestSweep_FreesLittleAtATime_AndAllInTheEnd(t *testing.T) {
	for _, partitions := range []int{1, 7, 3000} {
		tab := expiring(3000, partitions)
		if tab.sweep(99); tab.items != 3000 {
			t.Errorf("%d partitions: %d items before they expire", partitions, tab.items)
		}
		for tab.items > 0 {
			before := tab.items
			if tab.sweep(100); before-tab.items > sweptChunks*maxChunk || before == tab.items {
				t.Fatalf("%d partitions: %d items went at once", partitions, before-tab.items)
			}
		}
		if len(tab.partitions) != 0 || tab.bytes != 0 {
			t.Errorf("%d partitions and %d bytes are left", len(tab.partitions), tab.bytes)
		}
	}
}

func TestSweep_LeavesWhatLives(t *testing.T) {
	tab := expiring(10, 2)
	tab.put(key{"0", "lives"}, keyed("0", "lives"), 1, 0)
	for range 1000 {
		tab.sweep(100)
	}
	if tab.items != 1 || tab.find(key{"0", "lives"}, 100) == nil {
		t.Errorf("%d items are left", tab.items)
	}
}
