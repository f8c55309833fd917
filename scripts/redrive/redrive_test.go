package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/handover"
	"github.com/millrace/millrace/internal/stream"
)

// bench is a queue, a stream and a function without network.
type bench struct {
	queue    *fakeQueue
	stream   *fakeStream
	function *fakeFunction
	archive  archive
}

func newBench() *bench {
	q := &fakeQueue{bodies: map[string]string{}}
	return &bench{
		queue: q, stream: &fakeStream{map[string][]types.Record{}, map[string]int{}},
		function: &fakeFunction{queue: q, counted: map[string]int{}, tries: map[string]int{}},
	}
}

func shardNamed(n int) string { return fmt.Sprintf("shardId-%012d", n) }

func sequence(shard, n int) string { return fmt.Sprintf("%d%08d", 10+shard, n) }

// put puts user records, in an aggregate when there are more of them, and gives the sequence number.
func (b *bench) put(shard int, key string, users ...string) string {
	id := shardNamed(shard)
	data := []byte(users[0])
	if len(users) > 1 {
		data = aggregate(key, users...)
	}
	number := sequence(shard, len(b.stream.records[id]))
	b.stream.records[id] = append(b.stream.records[id], types.Record{
		SequenceNumber: &number, PartitionKey: &key, Data: data, ApproximateArrivalTimestamp: aws.Time(time.UnixMilli(int64(len(b.stream.records[id])))),
	})
	return number
}

// run runs a redrive over a snapshot of the queue.
func (b *bench) run(ctx context.Context, f filter) (*redrive, error) {
	p := newPlan(b.queue.list(), streamName, f)
	r := newRedrive(p, &source{b.stream, streamName, b.archive}, b.queue, func(each func(handover.Handed)) *handover.Handover {
		return handover.New(b.function, handover.Options{Function: "f", Set: "live"}, each)
	})
	return r, r.run(ctx)
}

// holds lists what the queue has, by id: the class, and * where there is a payload.
func (b *bench) holds() map[string]string {
	out := map[string]string{}
	for _, f := range failure.Fold(b.queue.list()) {
		out[f.ID()] = f.Class()
		if f.Record != nil && f.Record.Payload != nil {
			out[f.ID()] += "*"
		}
	}
	return out
}

func (b *bench) message(shard, n, sub int, payload []byte) string {
	r := failure.Record{Stream: streamName, Shard: shardNamed(shard), Sequence: sequence(shard, n), Sub: sub, Key: "k", Class: failure.GaveUp, Text: "the bank is closed", Payload: payload}
	body, err := r.Body()
	if err != nil {
		panic(err)
	}
	return body
}

func TestRedrive_Range_MakesWayForWhatFailsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		for i := range 10 {
			b.put(0, fmt.Sprint("k", i%3), fmt.Sprint(i, map[int]string{4: ":permanent", 6: ":flaky", 7: ":poison", 8: ":other"}[i]))
		}
		b.put(0, "k", "10", "11:permanent", "12")
		b.put(0, "k", "outside")
		b.queue.put(document(shardNamed(0), sequence(0, 0), sequence(0, 10), 11), "not ours")
		r, err := b.run(t.Context(), filter{})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			shardNamed(0) + ":" + sequence(0, 4) + ":0": "refused*", shardNamed(0) + ":" + sequence(0, 7) + ":0": "crash*", shardNamed(0) + ":" + sequence(0, 10) + ":1": "refused*",
		}
		if diff := cmp.Diff(want, b.holds()); diff != "" || len(b.queue.bodies) != 4 || len(b.function.counted) != 9 || b.function.counted["outside"] != 0 {
			t.Errorf("%s\n%+v, %v", diff, r.tally, b.function.counted)
		}
		sends := b.queue.sends
		if _, err := b.run(t.Context(), filter{}); err != nil || b.queue.sends != sends || len(b.queue.bodies) != 4 {
			t.Errorf("a second run: %v, %d messages sent, %d there", err, b.queue.sends-sends, len(b.queue.bodies))
		}
	})
}

// The function tells nothing of the user records of a record on which it crashes.
func TestRedrive_CrashOnAnAggregate_KeepsEachOfItsUserRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.put(0, "k", "0", "1:poison", "2")
		b.queue.put(document(shardNamed(0), sequence(0, 0), sequence(0, 0), 1))
		if _, err := b.run(t.Context(), filter{}); err != nil {
			t.Fatal(err)
		}
		id := shardNamed(0) + ":" + sequence(0, 0)
		want := map[string]string{id + ":0": "crash*", id + ":1": "crash*", id + ":2": "crash*"}
		if diff := cmp.Diff(want, b.holds()); diff != "" {
			t.Error(diff)
		}
		if _, err := b.run(t.Context(), filter{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{id + ":1": "crash*"}, b.holds()); diff != "" || b.function.counted["0"] != 1 || b.function.counted["2"] != 1 {
			t.Errorf("%s\n%v", diff, b.function.counted)
		}
	})
}

// Aggregates do not nest: neither the payload of a message nor the user record that a pointer names is taken apart.
func TestRedrive_AggregateInAnAggregate_IsDataAsInTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		nested := aggregate("k", "inner")
		b.put(0, "k", "0", string(nested))
		b.put(0, "k", "1", "2", string(nested))
		b.queue.put(b.message(0, 0, 1, nested), b.message(0, 1, 2, nil))
		if _, err := b.run(t.Context(), filter{}); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{shardNamed(0) + ":" + sequence(0, 0) + ":1": "undecodable*", shardNamed(0) + ":" + sequence(0, 1) + ":2": "undecodable*"}
		if diff := cmp.Diff(want, b.holds()); diff != "" || len(b.function.counted) != 0 {
			t.Errorf("%s\n%v", diff, b.function.counted)
		}
	})
}

func TestPlan_PartOfTheQueue_SaysSo(t *testing.T) {
	d := &desk{stderr: &bytes.Buffer{}, streamName: streamName}
	p, err := d.plan(nil, failure.ErrPart)
	if err != nil || p.words() != "the queue has more than is read at once (512 MiB of messages); of what was read: 0 failures" {
		t.Errorf("%v: %s", err, p.words())
	}
	if v := newSummary(p, &tally{}, time.Second, nil).verdict(); v == nil || !strings.Contains(v.Error(), "redrive again") {
		t.Error(v)
	}
}

func TestRedrive_FailsForAnotherReason_StaysWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.queue.put(b.message(0, 1, 0, []byte("a:permanent")), b.message(0, 1, 0, []byte("a:permanent")))
		r, err := b.run(t.Context(), filter{})
		left := failure.Fold(b.queue.list())
		if err != nil || len(left) != 1 || left[0].Record.Text != "no such customer" || left[0].Record.Class != failure.Refused || string(left[0].Record.Payload) != "a:permanent" || len(left[0].MessageIDs) != 1 {
			t.Errorf("%v: %+v, %+v", err, left, r.tally)
		}
	})
}

// A function that is broken altogether may crash on healthy records, whose own reason is the one to mend.
func TestRedrive_FunctionCrashes_KeepsTheReasonThatTheRecordHadBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.queue.put(b.message(0, 1, 0, []byte("a:poison")))
		for range 2 {
			if _, err := b.run(t.Context(), filter{}); err != nil {
				t.Fatal(err)
			}
			left := failure.Fold(b.queue.list())
			want := "the function crashed: exit status 3; before that gave-up: the bank is closed"
			if len(left) != 1 || left[0].Record.Class != handover.ClassCrash || left[0].Record.Text != want || b.queue.sends != 1 {
				t.Errorf("%d messages, %d sent: %+v", len(left), b.queue.sends, left[0].Record)
			}
		}
	})
}

func TestKeepReason_CrashesInAnotherWay_KeepsWhatWasBeforeTheFirst(t *testing.T) {
	before := failure.Record{Class: handover.ClassCrash, Text: "the function crashed: exit status 3; before that gave-up: the bank is closed"}
	again := failure.Record{Class: handover.ClassCrash, Text: "the function crashed: signal: killed"}
	if got := keepReason(&before, &again); got != "the function crashed: signal: killed; before that gave-up: the bank is closed" {
		t.Error(got)
	}
}

// The stream may have trimmed the record long ago: its payload must not make way for a longer reason.
func TestRedrive_NoRoomForTheNewReason_KeepsTheMessageWithThePayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		body := func(size int) string {
			return b.message(0, 1, 0, append(bytes.Repeat([]byte("x"), size), ":poison"...))
		}
		size := sort.Search(failure.MaxMessage, func(size int) bool { return !strings.Contains(body(size), `"payload"`) }) - 1
		b.queue.put(body(size))
		if _, err := b.run(t.Context(), filter{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{shardNamed(0) + ":" + sequence(0, 1) + ":0": "gave-up*"}, b.holds()); diff != "" || b.queue.sends != 0 {
			t.Error(diff)
		}
	})
}

func TestRedrive_PartlyTrimmed_HandsOverTheRestAndKeepsTheRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		for i := range 10 {
			b.put(0, "k", fmt.Sprint(i, map[int]string{8: ":permanent"}[i]))
		}
		b.stream.trimmed[shardNamed(0)] = 7
		b.queue.put(document(shardNamed(0), sequence(0, 5), sequence(0, 9), 5), document(shardNamed(0), sequence(0, 1), sequence(0, 2), 2), b.message(0, 3, 0, nil))
		r, err := b.run(t.Context(), filter{})
		got := r.plan.missingRanges()
		if err != nil || len(got) != 3 || b.function.counted["7"]+b.function.counted["9"] != 2 || len(b.queue.bodies) != 4 {
			t.Fatalf("%v: %+v, %v", err, got, b.holds())
		}
		for i, want := range []string{
			"trimmed: shard 0, 1000000001 to 1000000002: 2 of 2 records cannot be read any more; the message is kept",
			"trimmed: shard 0, 1000000003 to 1000000003: 1 of 1 record cannot be read any more; the message is kept",
			"trimmed: shard 0, 1000000005 to 1000000009: 2 of 5 records cannot be read any more; the message is kept; what can be read is 1000000007 to 1000000009",
		} {
			if got[i].String() != want {
				t.Errorf("%s\nwant %s", got[i].String(), want)
			}
		}
		b.archive = fakeArchive(b.stream.records)
		if _, err := b.run(t.Context(), filter{}); err != nil || len(b.queue.bodies) != 1 || len(b.function.counted) != 7 {
			t.Errorf("with an archive: %v: %v, %v", err, b.holds(), b.function.counted)
		}
	})
}

// fakeArchive has all that the stream ever had.
type fakeArchive map[string][]types.Record

func (a fakeArchive) Read(_ context.Context, s stream.Span, before string, each func([]direct.Record) error) error {
	var records []types.Record
	for _, r := range a[s.Shard] {
		if *r.SequenceNumber >= s.First && *r.SequenceNumber <= s.Last && (before == "" || *r.SequenceNumber < before) {
			records = append(records, r)
		}
	}
	return each(handover.Records(records))
}

func TestRedrive_RecordThatStaysUnsettled_KeepsItsMessageAndThoseOfItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.queue.put(b.message(0, 1, 0, []byte("a:stuck")), b.message(0, 2, 0, []byte("b")), b.message(1, 3, 0, []byte("c")))
		r, err := b.run(t.Context(), filter{})
		if err != nil || len(b.queue.bodies) != 3 || b.function.counted["b"]+b.function.counted["c"] > 0 || r.tally.Unsettled != 3 {
			t.Errorf("%v: %+v", err, r.tally)
		}
		s := newSummary(r.plan, &r.tally, time.Second, nil)
		if s.Failures.Unsettled != 3 || s.verdict() == nil || !strings.Contains(s.verdict().Error(), "3 records are unsettled") {
			t.Errorf("%+v, %v", s, s.verdict())
		}
	})
}

// Of what is unsettled the message keeps its old reason: only the summary can say what the records wait for.
func TestSummary_Unsettled_SaysWhyAndWhich(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.queue.put(b.message(0, 1, 0, []byte("a:stuck")), b.message(0, 2, 3, []byte("b")), b.message(0, 3, 0, []byte("c")))
		r, err := b.run(t.Context(), filter{})
		if err != nil {
			t.Fatal(err)
		}
		var text, object bytes.Buffer
		s := newSummary(r.plan, &r.tally, time.Second, nil)
		if err := errors.Join(s.write(&text, false), s.write(&object, true)); err != nil {
			t.Fatal(err)
		}
		want := "unsettled: 1 user record (0:1000000001:0): the bank is busy\nunsettled: 2 user records (the first is 0:1000000002:3): behind\n"
		if !strings.HasSuffix(text.String(), want) || !strings.Contains(object.String(), `"reason": "the bank is busy"`) {
			t.Errorf("%s%s", text.String(), object.String())
		}
	})
}

func TestRedrive_Filter_LeavesTheRestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.queue.put(b.message(0, 1, 0, []byte("a")), b.message(1, 2, 0, []byte("b")), "foreign", strings.ReplaceAll(b.message(0, 3, 0, []byte("c")), `"stream":"S"`, `"stream":"T"`))
		if _, err := b.run(t.Context(), filter{shards: []string{shardNamed(1)}}); err != nil || len(b.queue.bodies) != 3 || len(b.function.counted) != 1 {
			t.Errorf("%v: %v", err, b.holds())
		}
		p := newPlan(b.queue.list(), streamName, filter{shards: []string{shardNamed(1)}})
		if len(p.left()) != 3 || len(p.foreign) != 1 || len(p.strange) != 1 || len(p.others) != 1 || len(p.items) != 0 {
			t.Errorf("%+v", p)
		}
		if got, want := p.words(), "the queue has 1 failure; 0 are meant, of those that there are: gave-up 1; 1 failure of another stream"; !strings.HasPrefix(got, want) {
			t.Errorf("%s", got)
		}
	})
}

// scene is a random state of stream and queue, and what was in the queue at first.
type scene struct {
	*bench
	failed map[string]place // user records that the queue tells of, by data
}

type place struct {
	shard, n, sub int
	inMessage     bool // somewhere in the queue with its payload
}

func drawScene(rt *rapid.T) scene {
	s := scene{newBench(), map[string]place{}}
	kinds := []string{"", "", "", ":permanent", ":flaky", ":poison", ":other"}
	users := map[[2]int][]string{}
	for shard := range 2 {
		n := rapid.IntRange(1, 12).Draw(rt, "records")
		for i := range n {
			var data []string
			for sub := range rapid.IntRange(1, 3).Draw(rt, "users") {
				data = append(data, fmt.Sprintf("%d/%d/%d%s", shard, i, sub, rapid.SampledFrom(kinds).Draw(rt, "kind")))
			}
			if len(data) > 1 { // one on which the function crashes takes its aggregate along
				for j := range data {
					data[j] = strings.ReplaceAll(data[j], ":poison", "")
				}
			}
			users[[2]int{shard, i}] = data
			s.put(shard, fmt.Sprint("k", rapid.IntRange(0, 2).Draw(rt, "key")), data...)
		}
		s.stream.trimmed[shardNamed(shard)] = rapid.IntRange(0, n).Draw(rt, "trimmed")
		s.drawMessages(rt, shard, n, users)
	}
	return s
}

func (s *scene) drawMessages(rt *rapid.T, shard, n int, users map[[2]int][]string) {
	note := func(i, sub int, inMessage bool) {
		data := users[[2]int{shard, i}][sub]
		s.failed[data] = place{shard, i, sub, inMessage || s.failed[data].inMessage}
	}
	for range rapid.IntRange(0, 8).Draw(rt, "messages") {
		i := rapid.IntRange(0, n-1).Draw(rt, "record")
		data := users[[2]int{shard, i}]
		sub := rapid.IntRange(0, len(data)-1).Draw(rt, "sub")
		switch rapid.SampledFrom([]string{"payload", "payload", "pointer", "range"}).Draw(rt, "message") {
		case "payload":
			s.queue.put(s.message(shard, i, sub, []byte(data[sub])))
			note(i, sub, true)
		case "pointer":
			s.queue.put(s.message(shard, i, sub, nil))
			note(i, sub, false)
		case "range":
			last := rapid.IntRange(i, n-1).Draw(rt, "last")
			s.queue.put(document(shardNamed(shard), sequence(shard, i), sequence(shard, last), last-i+1))
			for ; i <= last; i++ {
				for sub := range users[[2]int{shard, i}] {
					note(i, sub, false)
				}
			}
		}
	}
}

// check demands that each failure of the beginning is counted, or in the queue with payload and reason, or cannot be
// read and is still told of.
func (s *scene) check() error {
	holds := s.holds()
	covered := func(p place) bool {
		for _, f := range failure.Fold(s.queue.list()) {
			number := sequence(p.shard, p.n)
			if f.Batch != nil && f.Batch.Shard == shardNamed(p.shard) && f.Batch.First <= number && number <= f.Batch.Last {
				return true
			}
		}
		return false
	}
	for data, p := range s.failed {
		id := fmt.Sprintf("%s:%s:%d", shardNamed(p.shard), sequence(p.shard, p.n), p.sub)
		readable := p.inMessage || p.n >= s.stream.trimmed[shardNamed(p.shard)]
		_, kind, _ := strings.Cut(data, ":")
		switch {
		case s.function.counted[data] > 1:
			return fmt.Errorf("%s is counted %d times", data, s.function.counted[data])
		case !readable && holds[id] == "" && !covered(p):
			return fmt.Errorf("%s cannot be read, and nothing tells of it any more", data)
		case readable && (kind == "" || kind == "flaky") && s.function.counted[data] != 1:
			return fmt.Errorf("%s is not counted", data)
		case readable && kind == "permanent" && holds[id] != "refused*", readable && kind == "poison" && holds[id] != "crash*":
			return fmt.Errorf("%s has failed again, and the queue says %q", data, holds[id])
		}
	}
	return s.checkLeft()
}

// checkLeft demands that nothing is left in the queue that is settled and could be read.
func (s *scene) checkLeft() error {
	for _, f := range failure.Fold(s.queue.list()) {
		first := spanOf(f.Message).First
		gone := f.Record == nil || f.Record.Payload == nil
		gone = gone && first < sequence(int(first[1]-'0'), s.stream.trimmed[shardOf(f.Message)])
		if !gone && f.Class() != "refused" && f.Class() != "crash" {
			return fmt.Errorf("%s %s is left", f.ID(), f.Class())
		}
	}
	return nil
}

func TestRedrive_KilledAtAnyCall_LosesNothingAndCountsOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt)
		kills := rapid.SliceOfN(rapid.IntRange(1, 25), 0, 3).Draw(rt, "kills")
		var err error
		synctest.Test(t, func(t *testing.T) {
			for _, k := range kills {
				s.queue.calls, s.queue.killAt, s.queue.isDone = 0, k, k%2 == 0
				if _, killed := s.run(t.Context(), filter{}); killed != nil && !errors.Is(killed, errKilled) {
					err = killed
				}
			}
			s.queue.killAt = 0
			if _, failed := s.run(t.Context(), filter{}); failed != nil {
				err = failed
			}
			before, sends := maps.Clone(s.queue.bodies), s.queue.sends
			if _, failed := s.run(t.Context(), filter{}); failed != nil || s.queue.sends != sends || len(s.queue.bodies) != len(before) {
				err = errors.Join(err, failed, fmt.Errorf("another run has changed the queue: from %v to %v", before, s.queue.bodies))
			}
		})
		if err = errors.Join(err, s.check()); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestPlan_Spans_AreInOrderAndCoverEachPointerOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt)
		p := newPlan(s.queue.list(), streamName, filter{})
		waiting := 0
		for i, w := range p.shards {
			if i > 0 && w.shard <= p.shards[i-1].shard {
				rt.Fatalf("shard %s stands behind %s", w.shard, p.shards[i-1].shard)
			}
			for j, r := range w.readings {
				if j > 0 && r.span.First <= w.readings[j-1].span.Last {
					rt.Fatalf("%+v meets %+v", r.span, w.readings[j-1].span)
				}
				for _, it := range slices.Concat(r.ranges, r.pointers) {
					waiting++
					if span := spanOf(it.Message); span.First < r.span.First || span.Last > r.span.Last {
						rt.Fatalf("%+v is not in %+v", span, r.span)
					}
				}
			}
			waiting += len(w.payloads)
			if !slices.IsSortedFunc(w.payloads, func(a, b *item) int { return failure.Compare(a.Message, b.Message) }) {
				rt.Fatal("records are not in order")
			}
		}
		if waiting != len(p.items) || len(p.items) != len(failure.Fold(s.queue.list())) {
			rt.Fatalf("%d of %d failures are planned", waiting, len(p.items))
		}
	})
}

func TestShow_LongDataThatIsNoEvent_IsCutForPeople(t *testing.T) {
	r := &failure.Record{Shard: shardNamed(0), Sequence: "1", Key: "k", Class: failure.TooLarge, Payload: bytes.Repeat([]byte{0}, 1<<20)}
	for _, c := range []struct {
		print func(*bufio.Writer, *shown) error
		most  int
	}{{printText, 5 << 10}, {printJSON, 2 << 20}} {
		var text strings.Builder
		out := bufio.NewWriter(&text)
		s := shower{out: out, print: c.print}
		if err := errors.Join(s.record(&direct.Record{SequenceNumber: r.Sequence, PartitionKey: r.Key, Data: r.Payload, User: true}, &item{Failure: failure.Failure{Message: failure.Message{Record: r}}}), out.Flush()); err != nil {
			t.Fatal(err)
		}
		if cut := strings.Contains(text.String(), "... (of 1.0 MiB; -json has all)\n"); text.Len() > c.most || cut != (c.most < 1<<20) {
			t.Errorf("%d bytes, %.200s", text.Len(), text.String())
		}
	}
}

// Anybody who may send to the queue chooses the words of a message.
func TestShow_ControlCharactersOfAMessage_DoNotReachTheTerminal(t *testing.T) {
	r := &failure.Record{Shard: shardNamed(0), Sequence: "1", Key: "k\x1b[31m", Class: "x\x1b[31m", Text: "a\x1b[31m", Payload: []byte("{\x1b[31m")}
	var text strings.Builder
	out := bufio.NewWriter(&text)
	s := shower{out: out, print: printText}
	err := s.record(&direct.Record{SequenceNumber: r.Sequence, PartitionKey: r.Key, Data: r.Payload}, &item{Failure: failure.Failure{Message: failure.Message{Record: r}}})
	if out.Flush(); err != nil || strings.Contains(text.String(), "\x1b") {
		t.Errorf("%v: %q", err, text.String())
	}
}
