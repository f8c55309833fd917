package failure

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const sequence = "49678482485914992647128486738460559735979993999471542274"

func arrival() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 187e6, time.UTC) }

func golden(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(b), "\n")
}

func goldenRecord() *Record {
	return &Record{
		Stream: "events", Shard: "shardId-000000000001", Sequence: sequence, Sub: 3, Key: "ORD",
		Arrival: arrival(), Class: Invalid, Text: "data.delay: not a number", Payload: []byte(`{"id":"1"}`),
	}
}

func goldenPointer() *Record {
	return &Record{
		Stream: "events", Shard: "shardId-000000000001", Sequence: sequence, Key: "ORD",
		Arrival: arrival(), Class: GaveUp, Text: "commit: throttled",
	}
}

func TestBody_Golden_AndParseReadsIt(t *testing.T) {
	for name, r := range map[string]*Record{"record.json": goldenRecord(), "pointer.json": goldenPointer()} {
		body, err := r.Body()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(golden(t, name), body); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		m, err := Parse(body)
		if diff := cmp.Diff(Message{Record: r}, m); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestParse_MappingsDocument_Golden(t *testing.T) {
	answered := &Batch{
		Stream: "events", StreamARN: "arn:aws:kinesis:us-east-1:000000000000:stream/events", Shard: "shardId-000000000000",
		First: sequence, Last: "49678482485914992647128486738461768661799608628646248450", Size: 2,
		FirstArrival: time.Date(2026, 9, 19, 9, 10, 23, 187e6, time.UTC), LastArrival: time.Date(2026, 9, 19, 9, 10, 24, 5e8, time.UTC),
		Function: "arn:aws:lambda:us-east-1:000000000000:function:fn:alias", Condition: "RetryAttemptsExhausted", Invocations: 1,
		Discarded: time.Date(2026, 9, 19, 9, 10, 45, 948e6, time.UTC),
	}
	aged := *answered
	aged.StreamARN += "/consumer/millrace:1789808385"
	aged.Last, aged.Size, aged.LastArrival = aged.First, 1, aged.FirstArrival
	aged.Condition, aged.Function = "RecordAgeExceeded", "arn:aws:lambda:us-east-1:000000000000:function:fn"
	unhandled := *answered
	unhandled.FunctionError = "Unhandled"
	for want, body := range map[*Batch]string{
		answered:   golden(t, "batch-answered.json"),
		&aged:      golden(t, "batch-aged.json"),
		&unhandled: strings.Replace(golden(t, "batch-answered.json"), `"functionError":null`, `"functionError":"Unhandled"`, 1),
	} {
		for _, form := range []string{body, wrapped(body)} {
			m, err := Parse(form)
			if diff := cmp.Diff(Message{Batch: want}, m); err != nil || diff != "" {
				t.Error(err, diff)
			}
		}
	}
}

// wrapped is a message as SNS hands it to a queue without raw delivery.
func wrapped(body string) string {
	b, _ := json.Marshal(map[string]string{
		"Type": "Notification", "MessageId": "7f6", "TopicArn": "arn:aws:sns:us-east-1:000000000000:t",
		"Message": body, "Timestamp": "2026-09-19T09:10:46.000Z", "SignatureVersion": "1",
	})
	return string(b)
}

func TestParse_NoSuchMessage_SaysWhy(t *testing.T) {
	record, batch := golden(t, "record.json"), golden(t, "batch-answered.json")
	for _, c := range []struct{ body, want string }{
		{"", "unknown message: "},
		{"hello", "unknown message: "},
		{"{}", "unknown message: neither"},
		{"null", "unknown message: neither"},
		{"[]", "unknown message: "},
		{`{"millrace":"1"}`, "unknown message: "},
		{`{"millrace":2}`, "version 2 of Millrace's message: this build reads version 1"},
		{`{"millrace":1}`, "name no failed record"},
		{strings.Replace(record, sequence+`","sub`, `12x","sub`, 1), `sequence number "12x"`},
		{strings.Replace(record, `"payload":"e`, `"payload":"*`, 1), "read Millrace's message: "},
		{strings.Replace(record, `2026-11-23T`, `yesterday `, 1), "read Millrace's message: "},
		{strings.Replace(batch, `"startSequenceNumber":"4`, `"startSequenceNumber":"9`, 1), "name no records"},
		{strings.Replace(batch, `"shardId":"shardId-000000000000"`, `"shardId":""`, 1), "name no records"},
		{strings.Replace(batch, `"shardId":"shardId-000000000000"`, `"shardId":"shard 1!"`, 1), "name no records"},
		{strings.Replace(record, `"shardId":"shardId-000000000001"`, `"shardId":"a:b"`, 1), "name no failed record"},
		{`{"KinesisBatchInfo":null}`, "name no records"},
		{`{"KinesisBatchInfo":7}`, "read the mapping's document: "},
		{`{"Type":"Notification"}`, "SNS notification without a message"},
		{wrapped("hello"), "unknown message: "},
		{wrapped(wrapped(batch)), "unknown message: neither"},
	} {
		m, err := Parse(c.body)
		if err == nil || !strings.Contains(err.Error(), c.want) || m.Record != nil || m.Batch != nil {
			t.Errorf("Parse(%q) = %+v, %v: want %q", c.body, m, err, c.want)
		}
	}
}

func TestBody_AnyRecord_ComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := &Record{
			Stream: "s", Shard: rapid.StringMatching(`shardId-\d{12}`).Draw(t, "shard"), Sequence: rapid.StringMatching(`[1-9]\d{0,55}`).Draw(t, "sequence"),
			Sub: rapid.IntRange(0, math.MaxInt32).Draw(t, "sub"), Key: rapid.String().Draw(t, "key"),
			Arrival: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "arrival")).UTC(), Class: Late, Text: rapid.StringN(0, 100, MaxText).Draw(t, "text"),
			Payload: rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
		}
		body, err := want.Body()
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(body, refusedBySQS); i >= 0 {
			t.Fatalf("character %q would be refused", body[i:i+1])
		}
		m, err := Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, m.Record); diff != "" {
			t.Fatal(diff)
		}
		if m.ID() != want.ID() {
			t.Fatalf("ids %s and %s", m.ID(), want.ID())
		}
	})
}

func refusedBySQS(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

func TestBody_CharactersThatSQSRefuses_AreEscaped(t *testing.T) {
	r := goldenRecord()
	r.Key, r.Text = "\uFFFE\uFFFF\x00\x1f", "\uFFFF and \xff"
	body, err := r.Body()
	if err != nil || strings.ContainsFunc(body, refusedBySQS) || !utf8.ValidString(body) {
		t.Fatalf("%v: %q", err, body)
	}
	if m, err := Parse(body); err != nil || m.Record.Key != r.Key || m.Record.Text != "\uFFFF and \uFFFD" {
		t.Errorf("%v: %+v", err, m.Record)
	}
}

func TestBody_EmptyPayload_IsNoPointer(t *testing.T) {
	r := goldenRecord()
	r.Payload = []byte{}
	body, err := r.Body()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := Parse(body); err != nil || m.Record.Payload == nil || len(m.Record.Payload) != 0 {
		t.Errorf("%v: payload %v", err, m.Record.Payload)
	}
}

func TestBody_PayloadTooLarge_BecomesAPointer_JustBeyondTheLimit(t *testing.T) {
	r := goldenRecord()
	r.Payload = []byte{}
	empty, err := r.Body()
	if err != nil {
		t.Fatal(err)
	}
	room := MaxMessage - len(empty)
	fits := room / 4 * 3
	for size, pointer := range map[int]bool{fits: false, fits + 1: true, 1 << 20: true} {
		r.Payload = make([]byte, size)
		body, err := r.Body()
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(body)
		if err != nil || len(body) > MaxMessage || (m.Record.Payload == nil) != pointer {
			t.Errorf("payload of %d: %v, body of %d, pointer %v", size, err, len(body), m.Record.Payload == nil)
		}
		if !pointer && len(body) < MaxMessage-base64.StdEncoding.EncodedLen(1) {
			t.Errorf("body of %d: not at the limit", len(body))
		}
	}
}

func TestBody_KeyAndTextWithoutEnd_StillFit(t *testing.T) {
	r := goldenRecord()
	r.Key, r.Text = strings.Repeat("\x01", 200_000), strings.Repeat("ü", 100_000)
	body, err := r.Body()
	if err != nil || len(body) > 16<<10 {
		t.Fatalf("%v, body of %d", err, len(body))
	}
	m, err := Parse(body)
	if err != nil || m.Record.Key != "" || m.Record.Payload != nil {
		t.Errorf("%v: key of %d, payload %v", err, len(m.Record.Key), m.Record.Payload)
	}
	if text := m.Record.Text; len(text) > MaxText || !utf8.ValidString(text) || !strings.HasSuffix(text, "ü…") {
		t.Errorf("text of %d bytes ends in %q", len(text), text[len(text)-6:])
	}
}

func TestCompare_SequenceNumbers_AreNumbers(t *testing.T) {
	record := func(shard, seq string, sub int) Message {
		return Message{Record: &Record{Shard: shard, Sequence: seq, Sub: sub}}
	}
	want := []Message{
		record("shardId-0", "9", 0), record("shardId-0", "10", 0), record("shardId-0", "10", 2), record("shardId-0", "0011", 0),
		{Batch: &Batch{Shard: "shardId-0", First: "12", Last: "13"}},
		record("shardId-1", "1", 0),
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortStableFunc(got, Compare)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"record.json", "pointer.json", "batch-answered.json", "batch-aged.json"} {
		f.Add(golden(f, name))
		f.Add(wrapped(golden(f, name)))
	}
	f.Add(`{"millrace":1,"KinesisBatchInfo":{}}`)
	f.Fuzz(func(t *testing.T, body string) {
		m, err := Parse(body)
		if err != nil {
			if m != (Message{}) || err.Error() == "" {
				t.Fatalf("%v, and %+v", err, m)
			}
			return
		}
		if (m.Record == nil) == (m.Batch == nil) || m.ID() == "" {
			t.Fatalf("%+v", m)
		}
		if m.Record == nil || m.Record.Payload == nil {
			return
		}
		again, err := m.Record.Body()
		if err != nil {
			t.Fatal(err)
		}
		m2, err := Parse(again)
		if err != nil || m2.ID() != m.ID() || string(m2.Record.Payload) != string(m.Record.Payload) {
			t.Fatalf("%v: %+v written and read is %+v", err, m.Record, m2.Record)
		}
	})
}

func TestStreamName_OfStreamAndConsumer(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:kinesis:us-east-1:000000000000:stream/flights":                    "flights",
		"arn:aws:kinesis:us-east-1:000000000000:stream/flights/consumer/c:1789809": "flights",
		"flights": "",
	} {
		if got := StreamName(arn); got != want {
			t.Errorf("%s: %s", arn, got)
		}
	}
}
