package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

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
