package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/kpl"
	"github.com/millrace/millrace/internal/kpl/kpltest"
)

func event(id string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%s,"source":"/s","type":"t","subject":"k","time":"2026-01-01T12:00:00Z","data":{"a":"\u00fc\"\\/"}}`, quoted(id))
}

func zipped(data []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(data)
	_ = z.Close()
	return out.Bytes()
}

// aggregate packs user records with the keys u0, u1, ...
func aggregate(users ...[]byte) []byte {
	if len(users) == 0 {
		return kpltest.OneKey("u")
	}
	records := make([]kpl.UserRecord, len(users))
	for i := range users {
		records[i] = kpl.UserRecord{PartitionKey: fmt.Sprint("u", i), Data: users[i]}
	}
	return kpltest.Aggregate(records...)
}

// firehoseEvent makes an invocation's payload of records with the ids r0, r1, ...
func firehoseEvent(data ...[]byte) []byte {
	b := []byte(`{"invocationId":"i","deliveryStreamArn":"arn:aws:firehose:us-east-1:000000000000:deliverystream/d","sourceKinesisStreamArn":"arn:aws:kinesis:us-east-1:000000000000:stream/s","region":"us-east-1","records":[`)
	for i, d := range data {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"recordId":"r%d","approximateArrivalTimestamp":1795421700227,"data":%q,"kinesisRecordMetadata":{"sequenceNumber":"%d",`+
			`"subsequenceNumber":0,"partitionKey":"k","shardId":"shardId-000000000000","approximateArrivalTimestamp":1795421700187}}`,
			i, base64.StdEncoding.EncodeToString(d), 100+i)
	}
	return append(b, "]}"...)
}

// answered is one record of an answer, read with another JSON library than the one that wrote it.
type answered struct {
	RecordID string
	Result   string
	Data     []byte
}

func read(t testing.TB, answer []byte) []answered {
	t.Helper()
	var a struct{ Records []answered }
	d := json.NewDecoder(bytes.NewReader(answer))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		t.Fatalf("%v: %.200s", err, answer)
	}
	return a.Records
}

// rows reads a record's JSON lines.
func (a answered) rows(t testing.TB) []map[string]any {
	t.Helper()
	var rows []map[string]any
	for line := range strings.Lines(string(a.Data)) {
		var row map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&row); err != nil || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("%v: %q", err, line)
		}
		rows = append(rows, row)
	}
	return rows
}

// events gives the events of a record's rows.
func (a answered) events(t testing.TB) []string {
	t.Helper()
	var events []string
	for _, row := range a.rows(t) {
		events = append(events, row["event"].(string))
	}
	return events
}

func invoke(t testing.TB, h *handler, payload []byte) []answered {
	t.Helper()
	out, err := h.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != h.transformer.size {
		t.Errorf("the answer has %d bytes, planned were %d", len(out), h.transformer.size)
	}
	answer, rows := read(t, out), 0
	for _, a := range answer {
		if a.Result == string(ok) {
			rows += len(a.Data)
		}
	}
	if rows != len(h.transformer.rows) {
		t.Errorf("%d bytes of rows are answered, and %d are kept", rows, len(h.transformer.rows))
	}
	return answer
}

func quietHandler() *handler { return newHandler("transform", io.Discard) }
