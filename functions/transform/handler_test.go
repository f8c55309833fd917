package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/record"
)

// logged gives what is logged from now on.
func logged(t *testing.T) *bytes.Buffer {
	before, out := slog.Default(), new(bytes.Buffer)
	slog.SetDefault(slog.New(slog.NewJSONHandler(out, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return out
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The files of testdata were written by another program in another language.
func TestInvoke_SampleEvent_GivesTheExpectedAnswer(t *testing.T) {
	logged(t)
	out, err := quietHandler().Invoke(t.Context(), file(t, "../../events/firehose.json"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(file(t, "testdata/firehose.answer.json")), string(out)); diff != "" {
		t.Error(diff)
	}
	var rows strings.Builder
	for _, a := range read(t, out) {
		if a.Result == string(ok) {
			rows.Write(a.Data)
		}
	}
	if diff := cmp.Diff(string(file(t, "testdata/firehose.rows.jsonl")), rows.String()); diff != "" {
		t.Error(diff)
	}
}

func TestInvoke_BadUserRecord_FailsItsWholeAggregate(t *testing.T) {
	logged(t)
	whole := aggregate([]byte(event("1")), []byte("bad"), []byte(event("3")))
	got := invoke(t, quietHandler(), firehoseEvent(whole, []byte(event("4"))))
	if got[0].Result != string(failed) || !bytes.Equal(got[0].Data, whole) {
		t.Errorf("%+v", got[0])
	}
	if got[1].Result != string(ok) || !slices.Equal(got[1].events(t), []string{event("4")}) {
		t.Errorf("%+v", got[1])
	}
}

func TestInvoke_AggregateOfNothing_IsDropped(t *testing.T) {
	got := invoke(t, quietHandler(), firehoseEvent(aggregate(), []byte(event("1"))))
	if want := (answered{RecordID: "r0", Result: string(dropped)}); !cmp.Equal(got[0], want) || got[1].Result != string(ok) {
		t.Errorf("%+v", got)
	}
}

func TestInvoke_WhatNestsDeeper_IsFailed(t *testing.T) {
	logged(t)
	one := []byte(event("1"))
	for name, data := range map[string][]byte{
		"an aggregate in gzip":         zipped(aggregate(one)),
		"an aggregate in an aggregate": aggregate(aggregate(one)),
		"gzip in gzip":                 zipped(zipped(one)),
		"a list of events":             []byte("[" + event("1") + "]"),
		"two events":                   []byte(event("1") + "\n" + event("2")),
		"no event":                     {},
		"an event without time":        []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t"}`),
	} {
		if got := invoke(t, quietHandler(), firehoseEvent(data)); got[0].Result != string(failed) || !bytes.Equal(got[0].Data, data) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestInvoke_DirectPut_HasNoPlaceInAStream(t *testing.T) {
	payload := fmt.Sprintf(`{"records":[{"recordId":"1","approximateArrivalTimestamp":1510772160000,"data":"%s"}]}`, base64Of(event("1")))
	got := invoke(t, quietHandler(), []byte(payload))
	want := map[string]any{
		"id": "1", "source": "/s", "type": "t", "subject": "k", "time": "2026-01-01T12:00:00.000Z", "event": event("1"),
		"sub_sequence_number": json.Number("0"), "arrival": "2017-11-15T18:56:00.000Z",
	}
	if diff := cmp.Diff([]map[string]any{want}, got[0].rows(t)); diff != "" {
		t.Error(diff)
	}
}

func TestInvoke_BombsAndGood_OnlyTheBombsFail(t *testing.T) {
	logged(t)
	bomb := zipped(make([]byte, record.MaxInflated+1))
	got := invoke(t, quietHandler(), firehoseEvent(zipped([]byte(event("0"))), bomb, zipped([]byte(event("2"))), []byte(event("3"))))
	for i, want := range []result{ok, failed, ok, ok} {
		if got[i].Result != string(want) {
			t.Errorf("record %d: %s, want %s", i, got[i].Result, want)
		}
	}
}

func TestInvoke_BombsOnly_StopAtTheBatchsBound(t *testing.T) {
	logged(t)
	var line bytes.Buffer
	h := newHandler("transform", &line)
	bombs := slices.Repeat([][]byte{zipped(make([]byte, record.MaxInflated+1))}, 12)
	bombs = append(bombs, zipped([]byte(event("1"))), []byte(event("2")))
	got := invoke(t, h, firehoseEvent(bombs...))
	if a := got[12]; a.Result != string(failed) || !bytes.Equal(a.Data, bombs[12]) {
		t.Errorf("gzip behind the bound: %+v", a)
	}
	if got[13].Result != string(ok) {
		t.Errorf("plain behind the bound: %+v", got[13])
	}
	if !strings.Contains(line.String(), `"FailuresTooLarge":13`) {
		t.Error(line.String())
	}
	if next := invoke(t, h, firehoseEvent(bombs[12])); next[0].Result != string(ok) {
		t.Errorf("in the next batch: %+v", next)
	}
}

// A megabyte of gzip is many of events: what does not fit must fail, and with it nothing else.
func TestInvoke_RowsBeyondTheLimit_AreFailedAndTheRestKept(t *testing.T) {
	log := logged(t)
	var line bytes.Buffer
	h := newHandler("transform", &line)
	big := func(id string) []byte {
		return zipped([]byte(strings.TrimSuffix(event(id), "}") + `,"x":"` + strings.Repeat("x", 1<<20) + `"}`))
	}
	var data [][]byte
	for i := range 7 {
		data = append(data, big(fmt.Sprint(i)))
	}
	data = append(data, []byte("bad"), []byte(event("last")))
	out, err := h.Invoke(t.Context(), firehoseEvent(data...))
	if err != nil || len(out) > maxAnswer || len(out) != h.transformer.size {
		t.Fatalf("%d bytes, %d planned, %v", len(out), h.transformer.size, err)
	}
	results := ""
	for _, a := range read(t, out) {
		results += a.Result[:1]
	}
	if results != "OOOOPPPPO" { // four megabytes in base64 are 5.6
		t.Error(results)
	}
	if a := read(t, out)[5]; !bytes.Equal(a.Data, data[5]) {
		t.Errorf("the failed record's bytes are gone: %.100s", a.Data)
	}
	if !strings.Contains(line.String(), `"FailuresNoRoom":3`) || !strings.Contains(log.String(), `"no-room":3`) || !strings.Contains(log.String(), "buffer less") {
		t.Errorf("%s\n%s", line.String(), log)
	}
}

func TestInvoke_AnyLimit_IsKeptAndEachRecordAnswered(t *testing.T) {
	logged(t)
	h := quietHandler()
	rapid.Check(t, func(rt *rapid.T) {
		data := rapid.SliceOfN(rapid.Custom(anyRecord), 1, 12).Draw(rt, "records")
		payload := firehoseEvent(bytesOf(data)...)
		h.transformer.max = maxAnswer
		free := invoke(t, h, payload)
		least := len(`{"records":[]}`) - 1
		for i := range data {
			least += len(fmt.Sprintf(`{"recordId":"r%d","result":"ProcessingFailed"},`, i))
		}
		h.transformer.max = rapid.IntRange(least, h.transformer.size).Draw(rt, "max")
		out, err := h.Invoke(t.Context(), payload)
		if err != nil || len(out) > h.transformer.max || len(out) != h.transformer.size {
			rt.Fatalf("%d bytes, %d planned, %d allowed, %v", len(out), h.transformer.size, h.transformer.max, err)
		}
		for i, a := range read(t, out) {
			same := cmp.Equal(a, free[i])
			bare := cmp.Equal(a, answered{RecordID: free[i].RecordID, Result: string(failed)})
			whole := cmp.Equal(a, answered{RecordID: free[i].RecordID, Result: string(failed), Data: data[i].bytes})
			if !same && !bare && !whole {
				rt.Fatalf("record %d: %+v", i, a)
			}
		}
	})
}

// made is a record and what it must become: the events of its rows, or nil when it must fail.
type made struct {
	bytes  []byte
	events []string
}

func anyUserRecord(t *rapid.T) made {
	e := strings.TrimSuffix(event(rapid.StringN(1, 8, -1).Draw(t, "id")), "}") + `,"x":` + quoted(rapid.String().Draw(t, "x")) + "}"
	e = rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "space") + e
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return made{bytes: rapid.SliceOf(rapid.Byte()).Draw(t, "garbage")}
	case 1:
		return made{bytes: []byte(strings.Replace(e, `"1.0"`, `"0.3"`, 1))}
	case 2, 3:
		return made{zipped([]byte(e)), []string{e}}
	}
	return made{[]byte(e), []string{e}}
}

func anyRecord(t *rapid.T) made {
	if rapid.IntRange(0, 3).Draw(t, "aggregate") > 0 {
		return anyUserRecord(t)
	}
	users := rapid.SliceOfN(rapid.Custom(anyUserRecord), 1, 4).Draw(t, "users")
	out := made{bytes: aggregate(bytesOf(users)...), events: []string{}}
	for _, u := range users {
		if u.events == nil {
			return made{bytes: out.bytes}
		}
		out.events = append(out.events, u.events...)
	}
	return out
}

func bytesOf(records []made) [][]byte {
	var out [][]byte
	for _, r := range records {
		out = append(out, r.bytes)
	}
	return out
}

func TestInvoke_AnyMix_KeepsIdsOrderAndEveryByte(t *testing.T) {
	logged(t)
	h := quietHandler() // one for all: nothing of an invocation may show in the next
	names := columnNames()
	rapid.Check(t, func(rt *rapid.T) {
		data := rapid.SliceOfN(rapid.Custom(anyRecord), 1, 20).Draw(rt, "records")
		got := invoke(t, h, firehoseEvent(bytesOf(data)...))
		if len(got) != len(data) {
			rt.Fatalf("%d answers for %d records", len(got), len(data))
		}
		for i, a := range got {
			if want := fmt.Sprint("r", i); a.RecordID != want {
				rt.Fatalf("record %d: id %s, want %s", i, a.RecordID, want)
			}
			if data[i].events == nil {
				if a.Result != string(failed) || !bytes.Equal(a.Data, data[i].bytes) {
					rt.Fatalf("record %d: %+v, want it to fail with its bytes", i, a)
				}
				continue
			}
			if a.Result != string(ok) || !slices.Equal(a.events(t), data[i].events) {
				rt.Fatalf("record %d: %+v, want the events %q", i, a, data[i].events)
			}
			for sub, row := range a.rows(t) {
				if row["sub_sequence_number"] != json.Number(fmt.Sprint(sub)) || row["sequence_number"] != fmt.Sprint(100+i) {
					rt.Fatalf("record %d, row %d: %v", i, sub, row)
				}
				for name := range row {
					if !slices.Contains(names, name) {
						rt.Fatalf("%s is no column", name)
					}
				}
				if len(row) != len(names) {
					rt.Fatalf("%d members, want %d: %v", len(row), len(names), row)
				}
			}
		}
	})
}

func TestInvoke_MetricsLine_CountsTheInvocation(t *testing.T) {
	logged(t)
	var out bytes.Buffer
	h := newHandler("transform", &out)
	data := [][]byte{[]byte(event("1")), []byte("bad"), aggregate([]byte(event("2")), zipped([]byte(event("3")))), []byte("{}"), aggregate()}
	answer, err := h.Invoke(t.Context(), firehoseEvent(data...))
	if err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprint(line["_aws"])
	delete(line, "_aws")
	size := 0
	for _, d := range data {
		size += len(d)
	}
	want := map[string]any{
		"FunctionName": "transform", "Records": 5.0, "RecordBytes": float64(size), "Rows": 3.0, "AnswerBytes": float64(len(answer)),
		"Failures": 2.0, "FailuresUndecodable": 1.0, "FailuresInvalid": 1.0,
	}
	if diff := cmp.Diff(want, line); diff != "" || !strings.Contains(head, "Namespace:Millrace") || !strings.Contains(head, "map[Name:AnswerBytes Unit:Bytes]") {
		t.Errorf("%s\n%s", head, diff)
	}
}

func TestInvoke_FailureLog_HasNothingOfThePayload(t *testing.T) {
	for _, data := range []string{
		`{"secret":{"secret":secret}}`, `{"secret":1,"secret":2}`, `secret`, `{"specversion":"secret","id":"secret"}`, "\x1f\x8bsecret", "\xF3\x89\x9A\xC2secretsecretsecretsecret",
		string(aggregate([]byte("secret"))), `{"specversion":"1.0","id":"1","source":"s","type":"t","time":"secret"}`,
	} {
		log := logged(t)
		invoke(t, quietHandler(), firehoseEvent([]byte(event("1")), []byte(data)))
		var line map[string]any
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), "secret") || line["first"] != "r1" || line["sequence"] != "101" || line["failures"] != 1.0 || line["reason"] == "" {
			t.Errorf("%q: %s", data, log)
		}
	}
}

func TestInvoke_NoFirehoseEvent_IsAnError(t *testing.T) {
	var metrics bytes.Buffer
	out, err := newHandler("transform", &metrics).Invoke(t.Context(), file(t, "../../events/kinesis.json"))
	if err == nil || !strings.Contains(err.Error(), "events/firehose.json") || out != nil || metrics.Len() != 0 {
		t.Errorf("%s, %v, %s", out, err, &metrics)
	}
}

func FuzzInvoke(f *testing.F) {
	f.Add([]byte(event("1")), []byte("bad"))
	f.Add(zipped([]byte(event("1"))), aggregate([]byte(event("2")), zipped([]byte(event("3")))))
	f.Add([]byte{0x1f, 0x8b}, []byte{0xF3, 0x89, 0x9A, 0xC2})
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	f.Cleanup(func() { slog.SetDefault(before) })
	h := quietHandler()
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for i, got := range invoke(t, h, firehoseEvent(a, b)) {
			data := [][]byte{a, b}[i]
			switch result(got.Result) {
			case failed:
				if !bytes.Equal(got.Data, data) {
					t.Errorf("%q failed with %q", data, got.Data)
				}
			case ok:
				if events := got.events(t); len(events) == 0 || !bytes.HasPrefix(data, []byte{0xF3}) && !bytes.HasPrefix(data, []byte{0x1f}) && events[0] != string(data) {
					t.Errorf("%q became %q", data, events)
				}
			}
		}
	})
}

// BenchmarkInvoke transforms 1,000 events of 240 bytes and more, a third of them in gzip: about what Firehose hands over
// of a busy stream (its buffer for the function has 1 MB by default).
func BenchmarkInvoke(b *testing.B) {
	h := quietHandler()
	var data [][]byte
	for i := range 1000 {
		e := []byte(strings.TrimSuffix(event(fmt.Sprint("event-", i)), "}") + `,"x":"` + strings.Repeat("x", 100) + `"}`)
		if i%3 == 2 {
			e = zipped(e)
		}
		data = append(data, e)
	}
	payload := firehoseEvent(data...)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Invoke(b.Context(), payload); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(data))/b.Elapsed().Seconds(), "records/s")
}
