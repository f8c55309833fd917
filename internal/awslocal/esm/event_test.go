package esm

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"
)

const sequence = "49678482485914992647128486738460559735979993999471542274"

func testEncoder() encoder {
	cfg := testConfig()
	return newEncoder(&cfg, shard0)
}

func TestCase7_Event_ByteForByte(t *testing.T) {
	enc := testEncoder()
	got := enc.appendEvent(nil, []Record{{
		SequenceNumber: sequence, PartitionKey: "test_0", Data: []byte("hello"), Arrival: time.UnixMilli(1789809023187),
	}})
	want := `{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"test_0",` +
		`"sequenceNumber":"` + sequence + `","data":"aGVsbG8=","approximateArrivalTimestamp":1789809023.187},` +
		`"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000000:` + sequence + `",` +
		`"eventName":"aws:kinesis:record","invokeIdentityArn":"` + roleARN + `","awsRegion":"us-east-1",` +
		`"eventSourceARN":"` + streamARN + `"}]}`
	if string(got) != want {
		t.Errorf("event =\n%s\nwant\n%s", got, want)
	}
}

func TestAppendSeconds_AtMostThreeDecimals(t *testing.T) {
	for ms, want := range map[int64]string{
		1789808385680: "1789808385.68", // recorded
		1789809023187: "1789809023.187",
		1789809023100: "1789809023.1",
		1789809023007: "1789809023.007",
		1789809023070: "1789809023.07",
		1607497475000: "1607497475",
	} {
		if got := string(appendSeconds(nil, time.UnixMilli(ms))); got != want {
			t.Errorf("appendSeconds(%d) = %s, want %s", ms, got, want)
		}
	}
}

func TestEvent_SizeAndRoundTrip(t *testing.T) {
	records := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Record {
		return Record{
			SequenceNumber: fmt.Sprint(rapid.Uint64().Draw(t, "sequence")),
			PartitionKey:   rapid.String().Draw(t, "key"),
			Data:           rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
			Arrival:        time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "arrival")),
		}
	}), 1, 5)
	enc := testEncoder()
	rapid.Check(t, func(t *rapid.T) {
		in := records.Draw(t, "records")
		size := len(eventStart) + len(eventEnd) + len(in) - 1
		for i := range in {
			size += enc.size(&in[i])
		}
		b := enc.appendEvent(nil, in)
		if len(b) != size {
			t.Fatalf("size = %d, event has %d bytes: %s", size, len(b), b)
		}
		var out events.KinesisEvent
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		for i, r := range out.Records {
			k := r.Kinesis
			if k.PartitionKey != in[i].PartitionKey || string(k.Data) != string(in[i].Data) || k.SequenceNumber != in[i].SequenceNumber {
				t.Fatalf("record %d = %+v, put %+v", i, k, in[i])
			}
			// The library reads the seconds as a float.
			if d := k.ApproximateArrivalTimestamp.Sub(in[i].Arrival); d.Abs() > time.Millisecond {
				t.Fatalf("arrival %v, put %v", k.ApproximateArrivalTimestamp, in[i].Arrival)
			}
		}
	})
}

func benchmarkRecords(n, size int) []Record {
	records := make([]Record, n)
	for i := range records {
		records[i] = Record{
			SequenceNumber: fmt.Sprintf("4967848248591499264712848673846055973597999399947%07d", i),
			PartitionKey:   fmt.Sprintf("carrier-%d", i%97), Data: make([]byte, size), Arrival: time.UnixMilli(1789809023187),
		}
	}
	return records
}

func BenchmarkAppendEvent(b *testing.B) {
	enc, records := testEncoder(), benchmarkRecords(1000, 250)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = enc.appendEvent(buf[:0], records)
	}
	b.SetBytes(int64(len(buf)))
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkCut(b *testing.B) {
	enc, records := testEncoder(), benchmarkRecords(1000, 250)
	for b.Loop() {
		cut(&enc, records, len(records))
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "records/s")
}
