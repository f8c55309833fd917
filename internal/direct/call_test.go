package direct

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

const (
	streamARN = "arn:aws:kinesis:eu-central-1:000000000000:stream/Millrace-Stream"
	shard     = "shardId-000000000003"
	sequence  = "49678482485914992647128486738460559735979993999471542274"
)

// sized is a record with so many bytes.
func sized(n int) Record {
	return Record{SequenceNumber: sequence, PartitionKey: "k", Arrival: time.UnixMilli(1795428003412), Data: bytes.Repeat([]byte("x"), n)}
}

func TestCall_UserRecord_SaysSo(t *testing.T) {
	c := NewCall("live", streamARN, shard)
	r := sized(1)
	r.User = true
	if !c.Add(r) || !c.Add(sized(1)) || strings.Count(string(c.Payload()), `","millrace":{"userRecord":true},"eventName"`) != 1 || !json.Valid(c.Payload()) {
		t.Errorf("%s", c.Payload())
	}
}

func TestCall_Payload_IsTheMappingsWithAMemberMore(t *testing.T) {
	c := NewCall("live", streamARN, shard)
	r := sized(0)
	r.PartitionKey, r.Data = "Zürich \"HB\"", []byte("hello")
	if !c.Add(r) || c.Len() != 1 {
		t.Fatal("not taken")
	}
	const want = `{"millrace":{"set":"live"},"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"Zürich \"HB\"","sequenceNumber":"` + sequence +
		`","data":"aGVsbG8=","approximateArrivalTimestamp":1795428003.412},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"` + shard + ":" + sequence +
		`","eventName":"aws:kinesis:record","awsRegion":"eu-central-1","eventSourceARN":"` + streamARN + `"}]}`
	for range 2 { // it may be asked for again
		if got := string(c.Payload()); got != want {
			t.Errorf("payload %s\nwant    %s", got, want)
		}
	}
	if !c.Add(r) || !json.Valid(c.Payload()) || bytes.Count(c.Payload(), []byte("eventID")) != 2 {
		t.Errorf("with another record: %s", c.Payload())
	}
}

func TestCall_Add_TakesAsManyAsLambda(t *testing.T) {
	c := NewCall("live", streamARN, shard)
	n := 0
	for c.Add(sized(1 << 20)) {
		n++
	}
	if size := len(c.Payload()); n != 4 || c.Len() != 4 || size > MaxPayload || !json.Valid(c.Payload()) {
		t.Errorf("%d records, %d bytes", n, size)
	}
	for size := 1 << 20; size > 0; size /= 2 { // until it is full to the byte
		for c.Add(sized(size)) {
		}
	}
	if size := len(c.Payload()); size > MaxPayload || size < MaxPayload-500 || !json.Valid(c.Payload()) {
		t.Errorf("%d bytes", size)
	}
	c = NewCall("live", streamARN, shard)
	for c.Add(sized(0)) {
	}
	if c.Len() != MaxRecords {
		t.Errorf("%d records", c.Len())
	}
	if c = NewCall("live", streamARN, shard); c.Add(sized(MaxPayload)) || c.Len() != 0 {
		t.Error("a record that Lambda does not take is taken")
	}
}

func TestCall_StrangeNames_AreStillJSON(t *testing.T) {
	c := NewCall("\"\xff", "no ARN \"", "shard\n")
	c.Add(Record{SequenceNumber: "\\", PartitionKey: strings.Repeat("\xff", 3)})
	if !json.Valid(c.Payload()) {
		t.Errorf("%s", c.Payload())
	}
}
