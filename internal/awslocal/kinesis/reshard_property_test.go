package kinesis

import (
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// resharder changes a stream at random and notes what it has put.
type resharder struct {
	svc  *Service
	st   *stream
	now  *clock
	puts map[string][]string // data by key, in order
}

func (r *resharder) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"put":   r.put,
		"wait":  func(t *rapid.T) { r.now.add(time.Duration(rapid.IntRange(-5, 1500).Draw(t, "ms")) * time.Millisecond) },
		"split": r.split,
		"merge": r.merge,
		"scale": r.scale,
		"":      func(t *rapid.T) { checkLineage(t, r.st) },
	}
}

func (r *resharder) put(t *rapid.T) {
	var entries []putEntry
	for range rapid.IntRange(1, 20).Draw(t, "records") {
		key := "key-" + strconv.Itoa(rapid.IntRange(0, 30).Draw(t, "key"))
		data := strconv.Itoa(len(r.puts[key]))
		r.puts[key] = append(r.puts[key], data)
		entries = append(entries, putEntry{key: []byte(key), data: []byte(data), hash: hashOf([]byte(key))})
	}
	r.st.put(entries)
}

func (r *resharder) open(t *rapid.T) *shard {
	return rapid.SampledFrom(r.st.shards.Load().open).Draw(t, "shard")
}

// split cuts at any key; many cannot be cut there.
func (r *resharder) split(t *rapid.T) {
	sh := r.open(t)
	at := sh.keys.middle()
	if rapid.Bool().Draw(t, "anywhere") {
		at = hash{rapid.Uint64().Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")}
	}
	before := len(r.st.shards.Load().all)
	_, err := r.svc.splitShard(t.Context(), &splitShardInput{target{StreamName: "s"}, sh.id, at.String()})
	may := sh.keys.lo.next().less(at) && at.less(sh.keys.hi)
	if (err == nil) != may || (len(r.st.shards.Load().all) == before+2) != may {
		t.Fatalf("split of %v at %v: %v", sh.keys, at, err)
	}
}

// merge takes any two shards; most are no neighbours.
func (r *resharder) merge(t *rapid.T) {
	a, b := r.open(t), r.open(t)
	if rapid.Bool().Draw(t, "neighbour") && a.keys.hi != maxHash {
		b = r.st.shards.Load().route(a.keys.hi.next())
	}
	_, err := r.svc.mergeShards(t.Context(), &mergeShardsInput{target{StreamName: "s"}, a.id, b.id})
	if may := a.keys.hi != maxHash && a.keys.hi.next() == b.keys.lo; (err == nil) != may {
		t.Fatalf("merge of %v and %v: %v", a.keys, b.keys, err)
	}
}

func (r *resharder) scale(t *rapid.T) {
	open := len(r.st.shards.Load().open)
	wanted := rapid.IntRange(1, min(2*open+1, 24)).Draw(t, "target")
	_, err := r.svc.updateShardCount(t.Context(), &updateShardCountInput{target{StreamName: "s"}, &wanted, "UNIFORM_SCALING"})
	if may := wanted <= 2*open && 2*wanted >= open; (err == nil) != may {
		t.Fatalf("from %d to %d: %v", open, wanted, err)
	}
	if got := len(r.st.shards.Load().open); err == nil && got != wanted {
		t.Fatalf("%d open shards, want %d", got, wanted)
	}
}

// failer is a testing.TB or a rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkLineage checks that the open shards cover the hash space once, and that children stand in their parents' place.
func checkLineage(t failer, st *stream) {
	t.Helper()
	shards := st.shards.Load()
	next, end := hash{}, false
	for _, sh := range shards.open {
		if end || sh.keys.lo != next || sh.keys.hi.less(sh.keys.lo) || sh.closedAt() != 0 {
			t.Fatalf("open shard %s has %v, want it to begin at %v", sh.id, sh.keys, next)
		}
		next, end = sh.keys.hi.next(), sh.keys.hi == maxHash
	}
	if !end {
		t.Fatalf("no open shard has %v", next)
	}
	heirs := map[string][]keyRange{}
	open := 0
	for i, sh := range shards.all {
		if int(sh.number) != i || sh.id != shardID(sh.number) {
			t.Fatalf("shard %d is %s", i, sh.id)
		}
		if sh.closedAt() == 0 {
			open++
		}
		for _, id := range []string{sh.parent, sh.adjacent} {
			if id == "" {
				continue
			}
			heirs[id] = append(heirs[id], sh.keys)
			n, _ := parseShardID(id)
			p := shards.all[n]
			if closed := p.closedAt(); closed == 0 || p.ending(closed).compare(sh.starting()) >= 0 || sh.made < closed {
				t.Fatalf("%s is closed at %d and ends with %v; its child %s begins with %v at %d", id, closed, p.ending(closed), sh.id, sh.starting(), sh.made)
			}
		}
	}
	if open != len(shards.open) {
		t.Fatalf("%d shards are not closed, %d are open", open, len(shards.open))
	}
	for _, p := range shards.all {
		h := heirs[p.id]
		split := len(h) == 2 && h[0].lo == p.keys.lo && h[0].hi.next() == h[1].lo && h[1].hi == p.keys.hi
		merged := len(h) == 1 && h[0].contains(p.keys.lo) && h[0].contains(p.keys.hi) && (h[0].lo == p.keys.lo || h[0].hi == p.keys.hi)
		if p.closedAt() != 0 && !split && !merged || p.closedAt() == 0 && h != nil {
			t.Fatalf("%s with %v has children with %v", p.id, p.keys, h)
		}
	}
}

// follower reads a stream as Shards tells its lineage, no shard before its parents, also while it changes.
type follower struct {
	svc     *Service
	cursors map[string]*Cursor
	ended   map[string]bool
	got     map[string][]string // data by key
}

func follow(svc *Service) *follower {
	return &follower{svc, map[string]*Cursor{}, map[string]bool{}, map[string][]string{}}
}

// turn reads what is there.
func (f *follower) turn(t failer) {
	t.Helper()
	shards, err := f.svc.Shards("s")
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, sh := range shards {
		if !f.ended[sh.ID] && f.may(sh.Parent) && f.may(sh.AdjacentParent) {
			f.read(t, sh)
		}
	}
}

func (f *follower) may(parent string) bool { return parent == "" || f.ended[parent] }

func (f *follower) read(t failer, sh Shard) {
	t.Helper()
	c := f.cursors[sh.ID]
	if c == nil {
		var err error
		if c, err = f.svc.Open("s", sh.ID, Position{Type: TrimHorizon}); err != nil {
			t.Fatalf("%v", err)
		}
		f.cursors[sh.ID] = c
	}
	for {
		records, end := c.Read(100)
		for _, r := range records {
			if h := hashOf([]byte(r.PartitionKey)).bytes(); string(h[:]) < string(sh.First[:]) || string(h[:]) > string(sh.Last[:]) {
				t.Fatalf("%s, hash %x, is in %+v", r.PartitionKey, h, sh)
			}
			f.got[r.PartitionKey] = append(f.got[r.PartitionKey], string(r.Data))
		}
		if f.ended[sh.ID] = end; end || len(records) == 0 {
			return
		}
	}
}

// wantPuts checks that every record of a key is there, once, in order.
func wantPuts(t failer, got map[string][]string, puts map[string]int) {
	t.Helper()
	for key, n := range puts {
		if len(got[key]) != n {
			t.Fatalf("%s: %d records, want %d", key, len(got[key]), n)
		}
		for i, d := range got[key] {
			if d != strconv.Itoa(i) {
				t.Fatalf("%s: record %d is %s", key, i, d)
			}
		}
	}
}

func TestReshard_AnySequence_LosesNothingAndKeepsTheOrderOfKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		svc, now := withClock(Options{})
		if _, err := svc.Create(Stream{Name: "s", Shards: rapid.IntRange(1, 5).Draw(t, "shards")}); err != nil {
			t.Fatal(err)
		}
		st, err := svc.stream("s")
		if err != nil {
			t.Fatal(err)
		}
		r := &resharder{svc: svc, st: st, now: now, puts: map[string][]string{}}
		t.Repeat(r.actions())
		puts := map[string]int{}
		for key, data := range r.puts {
			puts[key] = len(data)
		}
		f := follow(svc)
		f.turn(t)
		wantPuts(t, f.got, puts)
	})
}

// Eight writers put while shards split, merge and are scaled, and a reader follows: nothing is lost, stored twice or out
// of order, and no shard gets a record after its end.
func TestPut_WhileShardsChange_LosesNothing(t *testing.T) {
	const writers, requests, size, changes = 8, 500, 10, 400
	svc := New(Options{})
	st := newStream(t, svc, 2)
	var writing, others sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			for i := range requests {
				var entries []putEntry
				for j := range size {
					key := []byte(strconv.Itoa(w) + "-" + strconv.Itoa(j%3))
					entries = append(entries, putEntry{key: key, hash: hashOf(key), data: []byte(strconv.Itoa(i*count(size, j%3) + j/3))})
				}
				st.put(entries)
			}
		})
	}
	others.Go(func() {
		for turn := range changes {
			change(svc, st, turn)
			runtime.Gosched()
		}
	})
	go func() {
		writing.Wait()
		others.Wait()
		close(done)
	}()
	f := follow(svc)
	for under := true; under; {
		f.turn(t)
		select {
		case <-done:
			under = false
		default:
		}
	}
	f.turn(t)
	checkLineage(t, st)
	puts := map[string]int{}
	for w := range writers {
		for k := range 3 {
			puts[strconv.Itoa(w)+"-"+strconv.Itoa(k)] = requests * count(size, k)
		}
	}
	wantPuts(t, f.got, puts)
}

// change makes a change that may be refused.
func change(svc *Service, st *stream, turn int) {
	switch turn % 3 {
	case 0:
		_, _ = svc.SplitShard("s", "")
	case 1:
		_, _ = svc.MergeShards("s", "")
	case 2:
		wanted := 2 + (len(st.shards.Load().open)+turn)%5
		_, _ = svc.updateShardCount(background, &updateShardCountInput{target{StreamName: "s"}, &wanted, "UNIFORM_SCALING"})
	}
}

// count tells how many of so many numbers from 0 leave a rest when divided by three.
func count(n, rest int) int { return (n - rest + 2) / 3 }
