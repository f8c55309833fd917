package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/processor"
)

func kinesisEvent(n int, data string) []byte {
	var b strings.Builder
	b.WriteString(`{"Records":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"ORD","sequenceNumber":"4967848248591499264712848673846055973597999399947154%04d",`+
			`"data":"%s","approximateArrivalTimestamp":1789809023.187},"eventSource":"aws:kinesis","eventVersion":"1.0",`+
			`"eventID":"shardId-000000000000:4967848248591499264712848673846055973597999399947154%04d","eventName":"aws:kinesis:record",`+
			`"invokeIdentityArn":"arn:aws:iam::000000000000:role/r","awsRegion":"us-east-1","eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/flights"}`,
			i, base64.StdEncoding.EncodeToString([]byte(data)), i)
	}
	b.WriteString("]}")
	return []byte(b.String())
}

func TestDecode_KinesisEvent_GivesTheBatch(t *testing.T) {
	stream, b, err := newDecoder().decode(kinesisEvent(2, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	want := processor.Record{
		SequenceNumber: "49678482485914992647128486738460559735979993999471540001", PartitionKey: "ORD",
		Data: []byte("hello"), Arrival: time.Date(2026, 9, 19, 9, 10, 23, 187_000_000, time.UTC),
	}
	got := b.Records[1]
	if stream != "flights" || b.Shard != "shardId-000000000000" || len(b.Records) != 2 || got.SequenceNumber != want.SequenceNumber ||
		got.PartitionKey != want.PartitionKey || string(got.Data) != "hello" || !got.Arrival.Equal(want.Arrival) {
		t.Errorf("%s, %s, %+v", stream, b.Shard, got)
	}
}

func TestDecode_UserRecord_IsKnown(t *testing.T) {
	c := direct.NewCall("live", "arn:aws:kinesis:us-east-1:000000000000:stream/flights", "shardId-000000000000")
	c.Add(direct.Record{SequenceNumber: sequence(0), User: true})
	c.Add(direct.Record{SequenceNumber: sequence(1)})
	_, b, err := newDecoder().decode(c.Payload())
	if err != nil || len(b.Records) != 2 || !b.Records[0].User || b.Records[1].User {
		t.Errorf("%+v, %v", b.Records, err)
	}
	unknown := strings.Replace(string(c.Payload()), `"userRecord":true`, `"first":true`, 1)
	if _, _, err := newDecoder().decode([]byte(unknown)); err == nil || !strings.Contains(err.Error(), `record 0: member millrace: member "first" is not known`) {
		t.Errorf("%v", err)
	}
}

func TestDecode_OtherPayload_IsAnError(t *testing.T) {
	good := string(kinesisEvent(2, "hello"))
	for _, c := range []struct{ in, want string }{
		{"", "decode payload"},
		{"null", "not an object"},
		{"[]", "decode payload"},
		{`{"Records":[]}`, "no Records"},
		{`{"Records":{}}`, "not an array"},
		{`{"Records":[1]}`, "record 0: is not an object"},
		{`{"Records":[{"kinesis":[]}]}`, "is not an object"},
		{strings.Replace(good, `"aGVsbG8="`, "5", 1), "kinesis: is not a string"},
		{good[:len(good)-5], "EOF"},
		{strings.Replace(good, "aws:kinesis", "aws:sqs", 1), "want aws:kinesis"},
		{strings.Replace(good, "aGVsbG8=", "!", 1), "decode payload"},
		{strings.Replace(good, `"shardId-000000000000:`, `"shardId-000000000001:`, 1), "record 1: event id"},
		{strings.Replace(good, `"sequenceNumber":"49678482485914992647128486738460559735979993999471540001",`, "", 1), "record 1 has no sequence number"},
	} {
		if _, _, err := newDecoder().decode([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80s: %v, want %s", c.in, err, c.want)
		}
	}
}

// The payload of package direct is the mapping's, with a member more.
func TestDecode_DirectCall_GivesTheBatchThatWasHandedOver(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := direct.NewCall("march-again", "arn:aws:kinesis:us-east-1:000000000000:stream/flights", "shardId-000000000007")
		var want []processor.Record
		for n := range rapid.IntRange(1, 5).Draw(rt, "records") {
			r := direct.Record{
				SequenceNumber: sequence(n), PartitionKey: rapid.String().Draw(rt, "key"), Data: rapid.SliceOf(rapid.Byte()).Draw(rt, "data"),
				Arrival: time.UnixMilli(rapid.Int64Range(-1e12, 1e14).Draw(rt, "arrival")).UTC(),
			}
			if !c.Add(r) {
				rt.Fatalf("%+v is not taken", r)
			}
			want = append(want, processor.Record{SequenceNumber: r.SequenceNumber, PartitionKey: r.PartitionKey, Data: r.Data, Arrival: r.Arrival})
		}
		stream, b, err := newDecoder().decode(c.Payload())
		if err != nil || stream != "flights" || b.Shard != "shardId-000000000007" || b.Set != "march-again" || !b.Direct {
			rt.Fatalf("%s, %+v, %v", stream, b, err)
		}
		if diff := cmp.Diff(want, b.Records, cmpopts.EquateEmpty()); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestDecode_MembersOfADirectCall(t *testing.T) {
	records := strings.TrimPrefix(string(kinesisEvent(1, "x")), "{")
	for _, c := range []struct{ member, want string }{
		{`{"set":"live"}`, ""},
		{`{"set":"a-2"}`, ""},
		{`{}`, `decode payload: member millrace: set ""`},
		{`{"set":""}`, `member millrace: set ""`},
		{`{"set":"a#b"}`, `member millrace: set "a#b": want 1 to 32 lower case letters`},
		{`{"set":"live","dry":true}`, `member millrace: member "dry" is not known to this version`},
		{`{"set":5}`, "member millrace: is not a string"},
		{`null`, "member millrace: is not an object"},
		{`"live"`, "member millrace: is not an object"},
	} {
		for _, payload := range []string{
			`{"millrace":` + c.member + `,` + records, // before Records, and behind
			`{` + strings.TrimSuffix(records, "}") + `,"millrace":` + c.member + `}`,
		} {
			_, b, err := newDecoder().decode([]byte(payload))
			if c.want == "" && (err != nil || !b.Direct || !strings.Contains(c.member, `"`+b.Set+`"`) || len(b.Records) != 1) {
				t.Errorf("%s: %+v, %v", c.member, b, err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: %v, want %s", c.member, err, c.want)
			}
		}
	}
}

func TestDecode_BatchBehindADirectCall_IsTheStreams(t *testing.T) {
	d := newDecoder()
	if _, b, err := d.decode([]byte(`{"millrace":{"set":"april"},` + strings.TrimPrefix(string(kinesisEvent(1, "x")), "{"))); err != nil || !b.Direct {
		t.Fatal(b, err)
	}
	if _, b, err := d.decode(kinesisEvent(1, "x")); err != nil || b.Direct || b.Set != "" {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestAnswer_NamesTheFirstUnsettled(t *testing.T) {
	b := processor.Batch{Records: []processor.Record{{SequenceNumber: "1"}, {SequenceNumber: "2"}}}
	for unsettled, want := range map[int]string{
		0: `{"batchItemFailures":[{"itemIdentifier":"1"}]}`,
		1: `{"batchItemFailures":[{"itemIdentifier":"2"}]}`,
		2: `{"batchItemFailures":[]}`,
	} {
		if got := string(answer(b, unsettled)); got != want || !json.Valid([]byte(got)) {
			t.Errorf("%d: %s", unsettled, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(kinesisEvent(1, "x"))
	f.Add([]byte(`{"millrace":{"set":"live"},` + string(kinesisEvent(1, "x")[1:])))
	f.Add([]byte(`{"Records":[{"eventID":":","eventSource":"aws:kinesis","kinesis":{"sequenceNumber":"0","approximateArrivalTimestamp":1e300}}]}`))
	d := newDecoder()
	f.Fuzz(func(t *testing.T, in []byte) {
		_, b, err := d.decode(in)
		if err == nil && (len(b.Records) == 0 || b.Records[0].SequenceNumber == "") {
			t.Fatalf("accepted as %+v", b)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	in := kinesisEvent(1000, strings.Repeat("x", 240))
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	d := newDecoder()
	for b.Loop() {
		if _, _, err := d.decode(in); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDecode_SampleEvent_IsABatch(t *testing.T) {
	b, err := os.ReadFile("../../events/kinesis.json")
	if err != nil {
		t.Fatal(err)
	}
	stream, batch, err := newDecoder().decode(b)
	if err != nil || stream != "Millrace-Stream" || len(batch.Records) != 2 || batch.Records[1].PartitionKey != "ZRH" {
		t.Errorf("%s, %+v, %v", stream, batch, err)
	}
}
