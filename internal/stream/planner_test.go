package stream

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var testLimits = limits{requestRecords: 5, requestBytes: 60, pendingRecords: 12, pendingBytes: 150}

// simulation drives a planner as a producer and a stream would, and watches the rules.
type simulation struct {
	*rapid.T
	p        *planner
	ordered  bool
	put      int              // records added; a record's data is its number
	stream   []string         // "key/number" in the order in which the stream took them
	acked    map[string][]int // by key, numbers in the order of acknowledgement
	flying   [][]int32        // requests without an answer
	parked   []int32          // failed, their pause not over
	inFlight map[string]int   // by key
}

func (s *simulation) name(i int32) string {
	return s.p.slots[i].key + "/" + string(s.p.slots[i].data)
}

func (s *simulation) add() {
	key := rapid.SampledFrom([]string{"a", "b", "c", "d", "ee"}).Draw(s.T, "key")
	data := []byte(strconv.Itoa(s.put))
	data = append(data, make([]byte, rapid.IntRange(0, 30).Draw(s.T, "padding"))...)
	if !s.p.hasRoom(len(key) + len(data)) {
		return
	}
	s.p.add(key, data)
	s.put++
	if s.p.pending() > testLimits.pendingRecords || s.p.bytes > testLimits.pendingBytes {
		s.Fatalf("%d records, %d bytes pending", s.p.pending(), s.p.bytes)
	}
}

func (s *simulation) send() {
	request := s.p.next(nil)
	if len(request) == 0 {
		return
	}
	size := 0
	for _, i := range request {
		key := s.p.slots[i].key
		size += s.p.slots[i].size()
		s.inFlight[key]++
		if s.ordered && s.inFlight[key] > 1 {
			s.Fatalf("key %s twice in flight", key)
		}
	}
	if len(request) > testLimits.requestRecords || size > testLimits.requestBytes && len(request) > 1 {
		s.Fatalf("request of %d records, %d bytes", len(request), size)
	}
	s.flying = append(s.flying, request)
}

// answer ends one request: each record is taken or not; when the answer is lost, nobody knows.
func (s *simulation) answer() {
	if len(s.flying) == 0 {
		return
	}
	n := rapid.IntRange(0, len(s.flying)-1).Draw(s.T, "request")
	request := s.flying[n]
	s.flying = slices.Delete(s.flying, n, n+1)
	lost := rapid.Bool().Draw(s.T, "lost")
	for _, i := range request {
		taken := rapid.Bool().Draw(s.T, "taken")
		key := s.p.slots[i].key
		s.inFlight[key]--
		if taken {
			s.stream = append(s.stream, s.name(i))
		}
		if !taken || lost {
			s.parked = append(s.parked, i)
			continue
		}
		s.acknowledge(i)
	}
}

func (s *simulation) acknowledge(i int32) {
	key, n := readName(s.T, s.name(i))
	s.acked[key] = append(s.acked[key], n)
	s.p.acknowledge(i)
}

func (s *simulation) unpark() {
	for _, i := range s.parked {
		s.p.fail(i)
	}
	s.parked = nil
}

// finish lets everything through.
func (s *simulation) finish() {
	for s.p.pending() > 0 {
		s.unpark()
		s.send()
		if len(s.flying) == 0 {
			s.Fatalf("%d records pending, none to send", s.p.pending())
		}
		for _, request := range s.flying {
			for _, i := range request {
				s.inFlight[s.p.slots[i].key]--
				s.stream = append(s.stream, s.name(i))
				s.acknowledge(i)
			}
		}
		s.flying = nil
	}
}

func (s *simulation) check() {
	total := 0
	for key, numbers := range s.acked {
		total += len(numbers)
		if s.ordered && !slices.IsSorted(numbers) {
			s.Errorf("key %s acknowledged as %v", key, numbers)
		}
	}
	if total != s.put || s.p.bytes != 0 || len(s.p.last) != 0 || s.p.ready.len() != 0 {
		s.Errorf("%d put, %d acknowledged; left: %d bytes, %d keys, %d ready", s.put, total, s.p.bytes, len(s.p.last), s.p.ready.len())
	}
	if !s.ordered {
		return
	}
	seen, first := map[string]bool{}, map[string]int{}
	for _, name := range s.stream {
		if seen[name] {
			continue
		}
		seen[name] = true
		key, n := readName(s.T, name)
		if n < first[key] {
			s.Errorf("key %s: %d is in the stream before %d", key, first[key], n)
		}
		first[key] = n
	}
}

func readName(t *rapid.T, name string) (key string, number int) {
	key, digits, _ := strings.Cut(strings.TrimRight(name, "\x00"), "/")
	number, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	return key, number
}

func TestPlanner_AnyFailuresAndLostAnswers_EachAcknowledgedOnce_InOrderOfItsKey(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		t.Run(fmt.Sprintf("ordered=%v", ordered), rapid.MakeCheck(func(t *rapid.T) {
			s := &simulation{
				T: t, p: newPlanner(testLimits, ordered), ordered: ordered,
				acked: map[string][]int{}, inFlight: map[string]int{},
			}
			steps := []func(){s.add, s.add, s.add, s.send, s.answer, s.unpark}
			for _, step := range rapid.SliceOfN(rapid.IntRange(0, len(steps)-1), 0, 200).Draw(t, "steps") {
				steps[step]()
			}
			s.finish()
			s.check()
		}))
	}
}

func TestPlanner_FailedRecord_GoesFirst(t *testing.T) {
	p := newPlanner(testLimits, true)
	for _, key := range []string{"a", "b", "a"} {
		p.add(key, []byte("x"))
	}
	request := p.next(nil)
	if len(request) != 2 {
		t.Fatalf("request %v: want the first of a and of b", request)
	}
	p.add("c", nil)
	p.acknowledge(request[1])
	p.fail(request[0])
	if got := p.next(nil); len(got) != 2 || got[0] != request[0] || p.slots[got[1]].key != "c" {
		t.Errorf("request %v: want the failed record, then c", got)
	}
}

func TestPlanner_RecordLargerThanAllMemory_StillPasses(t *testing.T) {
	p := newPlanner(testLimits, true)
	if !p.hasRoom(10_000) {
		t.Fatal("an empty planner must take any record")
	}
	p.add("a", make([]byte, 10_000))
	if p.hasRoom(1) {
		t.Error("a full planner takes more")
	}
	if got := p.next(nil); len(got) != 1 {
		t.Errorf("request %v", got)
	}
}

// BenchmarkPlanner plans records of 1,000 keys in turn, with every hundredth failing once. One op is one record.
func BenchmarkPlanner(b *testing.B) {
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = "key-" + strconv.Itoa(i)
	}
	data := make([]byte, 200)
	for _, mode := range []string{"ordered", "unordered"} {
		b.Run(mode, func(b *testing.B) {
			p := newPlanner(limits{MaxRequestRecords, MaxRequestBytes, 10_000, 64 << 20}, mode == "ordered")
			request := make([]int32, 0, MaxRequestRecords)
			b.ReportAllocs()
			for n := range b.N {
				for !p.hasRoom(len(data)) {
					request = p.next(request[:0])
					for k, i := range request {
						if k%100 == 99 && p.slots[i].attempts == 1 {
							p.fail(i)
						} else {
							p.acknowledge(i)
						}
					}
				}
				p.add(keys[n%len(keys)], data)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
