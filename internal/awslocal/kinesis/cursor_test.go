package kinesis

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func putOne(st *stream, key, data string) {
	st.put([]putEntry{{key: []byte(key), data: []byte(data), hash: hashOf([]byte(key))}})
}

func texts(records []Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.Data))
	}
	return out
}

func TestRead_AnyPartitionIntoPages_GivesTheSameRecords(t *testing.T) {
	svc := New(Options{})
	st := newStream(t, svc, 1)
	var want []string
	for i := range 3000 { // several blocks, of records of 0 to 299 bytes
		want = append(want, strconv.Itoa(i)+string(make([]byte, i%300)))
		putOne(st, "key-"+strconv.Itoa(i%5), want[i])
	}
	c := must[*Cursor](t)(svc.Open("s", shardID(0), Position{Type: TrimHorizon}))
	whole, _ := c.Read(len(want))
	if !slices.Equal(texts(whole), want) {
		t.Fatal("the whole is not what was put")
	}
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(0, len(want)-1).Draw(t, "from")
		c, err := svc.Open("s", shardID(0), Position{Type: AtSequence, SequenceNumber: whole[from].SequenceNumber})
		if err != nil {
			t.Fatal(err)
		}
		for from < len(want) {
			most := rapid.IntRange(1, 1000).Draw(t, "most")
			page, _ := c.Read(most)
			if len(page) != min(most, len(want)-from) {
				t.Fatalf("%d records of %d asked for and %d left", len(page), most, len(want)-from)
			}
			for _, r := range page {
				w := whole[from]
				if string(r.Data) != string(w.Data) || r.PartitionKey != w.PartitionKey || r.SequenceNumber != w.SequenceNumber || !r.Arrival.Equal(w.Arrival) {
					t.Fatalf("record %d is %+v", from, r)
				}
				from++
			}
		}
	})
}

func TestLog_RunsOfAnySize_CutTheSameRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l recordLog
		sizes := rapid.SliceOfN(rapid.IntRange(0, 5000), 1, 50).Draw(t, "sizes")
		for i, n := range sizes {
			l.append([]byte("k"), make([]byte, n), int64(i))
		}
		from := uint64(0)
		for from < l.next {
			most, size := rapid.IntRange(1, 20).Draw(t, "most"), rapid.IntRange(5001, 20_000).Draw(t, "bytes")
			records, bytes := 0, 0
			for _, r := range l.runs(nil, from, most, size) {
				for place, rec := range r.all() {
					if place != from || len(rec.data) != sizes[place] || rec.arrival != int64(place) {
						t.Fatalf("place %d, want %d: %d bytes", place, from, len(rec.data))
					}
					from, records, bytes = from+1, records+1, bytes+len(rec.key)+len(rec.data)
				}
			}
			full := from == l.next || records == most || bytes+1+sizes[from] > size
			if records == 0 || records > most || bytes > size || !full {
				t.Fatalf("%d records of %d bytes; asked for %d of %d", records, bytes, most, size)
			}
		}
	})
}

func TestRecords_BeyondRetention_AreTrimmed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		svc, now := withClock(Options{})
		arn, _ := svc.Create(Stream{Name: "s", Shards: 1, Retention: 24 * time.Hour})
		st, _ := svc.stream(arn)
		c, _ := svc.Open("s", shardID(0), Position{Type: TrimHorizon})
		type putAt struct {
			data string
			at   time.Time
		}
		var puts []putAt
		for i := range rapid.IntRange(1, 100).Draw(t, "puts") {
			data := strconv.Itoa(i) + string(make([]byte, rapid.IntRange(0, 3000).Draw(t, "size")))
			putOne(st, "k", data)
			puts = append(puts, putAt{data, now.t})
			now.add(time.Duration(rapid.IntRange(0, 4).Draw(t, "half hours")) * 30 * time.Minute) // so that the very edge is met
		}
		var want []string
		for _, p := range puts {
			if now.t.Sub(p.at) <= 24*time.Hour {
				want = append(want, p.data)
			}
		}
		got, _ := c.Read(1000) // a cursor passes over what is gone
		if !slices.Equal(texts(got), want) {
			t.Fatalf("%d records, want %d", len(got), len(want))
		}
		since := puts[rapid.IntRange(0, len(puts)-1).Draw(t, "since")].at
		want = want[:0:0]
		for _, p := range puts {
			if now.t.Sub(p.at) <= 24*time.Hour && !p.at.Before(since) {
				want = append(want, p.data)
			}
		}
		c, _ = svc.Open("s", shardID(0), Position{Type: AtTimestamp, Timestamp: since})
		if got, _ := c.Read(1000); !slices.Equal(texts(got), want) {
			t.Fatalf("since %v: %d records, want %d", since, len(got), len(want))
		}
	})
}

func TestPut_ClockSetBack_ArrivalsStayInOrder(t *testing.T) {
	svc, now := withClock(Options{})
	st := newStream(t, svc, 1)
	putOne(st, "k", "1")
	now.add(-time.Hour)
	putOne(st, "k", "2")
	c := must[*Cursor](t)(svc.Open("s", shardID(0), Position{Type: AtTimestamp, Timestamp: newClock().t}))
	if records, _ := c.Read(10); !slices.Equal(texts(records), []string{"1", "2"}) {
		t.Fatalf("read %q", texts(records))
	}
}

func TestTrim_FreesWholeBlocks(t *testing.T) {
	svc, now := withClock(Options{})
	st := newStream(t, svc, 1)
	fill(t, st, 20_000)
	now.add(25 * time.Hour)
	fill(t, st, 1)
	if n := len(st.shards.Load().all[0].log.blocks); n != 1 {
		t.Fatalf("%d blocks for one record", n)
	}
}

func TestWait_RecordPut_WakesEveryCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := New(Options{})
		st := newStream(t, svc, 1)
		putOne(st, "k", "before")
		woken := make(chan []string)
		for range 3 {
			c := must[*Cursor](t)(svc.Open("s", shardID(0), Position{Type: Latest}))
			go func() {
				if err := c.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				records, _ := c.Read(10)
				woken <- texts(records)
			}()
		}
		synctest.Wait()
		select {
		case <-woken:
			t.Fatal("woken by nothing")
		default:
		}
		putOne(st, "k", "after")
		for range 3 {
			if got := <-woken; !slices.Equal(got, []string{"after"}) {
				t.Fatalf("read %q", got)
			}
		}
	})
}

func TestWait_EndsWithContextShardAndStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := New(Options{})
		st := newStream(t, svc, 1)
		c := must[*Cursor](t)(svc.Open("s", shardID(0), Position{Type: TrimHorizon}))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("time-out: %v", err)
		}

		done := make(chan error)
		go func() { done <- c.Wait(t.Context()) }()
		synctest.Wait()
		children := st.split(st.shards.Load().all[0])
		if err := <-done; err != nil {
			t.Errorf("closed shard: %v", err)
		}
		if records, end := c.Read(1); len(records) != 0 || !end {
			t.Errorf("closed shard: %d records, end %v", len(records), end)
		}

		c = must[*Cursor](t)(svc.Open("s", children[0].id, Position{Type: TrimHorizon}))
		go func() { done <- c.Wait(t.Context()) }()
		synctest.Wait()
		must[*empty](t)(svc.deleteStream(t.Context(), &deleteStreamInput{target: target{StreamName: "s"}}))
		wantError(t, <-done, "ResourceNotFoundException", "")
	})
}

func TestRead_ClosedShard_EndsWithItsLastRecord(t *testing.T) {
	svc := New(Options{})
	st := newStream(t, svc, 1)
	putOne(st, "k", "1")
	putOne(st, "k", "2")
	st.split(st.shards.Load().all[0])
	c := must[*Cursor](t)(svc.Open("s", shardID(0), Position{Type: TrimHorizon}))
	if records, end := c.Read(1); len(records) != 1 || end {
		t.Fatalf("first: %d records, end %v", len(records), end)
	}
	if records, end := c.Read(1); len(records) != 1 || !end {
		t.Fatalf("last: %d records, end %v", len(records), end)
	}
}

func TestOpen_PositionTypes_StartWhereTheySay(t *testing.T) {
	svc := New(Options{})
	st := newStream(t, svc, 1)
	for i := range 4 {
		putOne(st, "k", strconv.Itoa(i))
	}
	c := must[*Cursor](t)(svc.Open("s", shardID(0), Position{Type: TrimHorizon}))
	all, _ := c.Read(10)
	for _, tt := range []struct {
		from Position
		want []string
	}{
		{Position{Type: TrimHorizon}, []string{"0", "1", "2", "3"}},
		{Position{Type: Latest}, nil},
		{Position{Type: AtSequence, SequenceNumber: all[2].SequenceNumber}, []string{"2", "3"}},
		{Position{Type: AfterSequence, SequenceNumber: all[2].SequenceNumber}, []string{"3"}},
		{Position{Type: AfterSequence, SequenceNumber: all[3].SequenceNumber}, nil},
		{Position{Type: AtTimestamp, Timestamp: all[0].Arrival.Add(-time.Nanosecond)}, []string{"0", "1", "2", "3"}},
		{Position{Type: AtTimestamp, Timestamp: all[3].Arrival.Add(time.Nanosecond)}, nil},
	} {
		c := must[*Cursor](t)(svc.Open(st.arn, shardID(0), tt.from))
		if got, _ := c.Read(10); !slices.Equal(texts(got), tt.want) {
			t.Errorf("%+v: %q, want %q", tt.from, texts(got), tt.want)
		}
	}
	_, err := svc.Open("s", shardID(0), Position{})
	wantError(t, err, "ValidationException", "")
	_, err = svc.Open("t", shardID(0), Position{Type: Latest})
	wantError(t, err, "ResourceNotFoundException", "Stream t under account 000000000000 not found.")
}
