package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// What the official library writes as a Firehose event must be read.
func TestDecode_EventOfTheOfficialType_IsRead(t *testing.T) {
	at := time.UnixMilli(1507217624302).UTC()
	in := events.KinesisFirehoseEvent{InvocationID: "i", Records: []events.KinesisFirehoseEventRecord{
		{RecordID: "a/\"\u2028", ApproximateArrivalTimestamp: events.MilliSecondsEpochTime{Time: at}, Data: []byte("hello")},
		{
			RecordID: "b", ApproximateArrivalTimestamp: events.MilliSecondsEpochTime{Time: at.Add(time.Hour)}, Data: []byte{0, 255},
			KinesisFirehoseRecordMetadata: events.KinesisFirehoseRecordMetadata{
				ShardID: "shardId-000000000001", PartitionKey: "k<>", SequenceNumber: "4954", SubsequenceNumber: 12,
				ApproximateArrivalTimestamp: events.MilliSecondsEpochTime{Time: at},
			},
		},
	}}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	// The type has no way to leave the metadata out.
	b = regexp.MustCompile(`"kinesisRecordMetadata":\{"shardId":"",[^}]*\}`).ReplaceAll(b, []byte(`"other":[]`))
	got, err := newDecoder().decode(b)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	var id string
	if err := json.Unmarshal(got[0].id, &id); err != nil || id != in.Records[0].RecordID || string(got[0].data) != "hello" || !got[0].arrival.Equal(at) {
		t.Errorf("%q, %+v, %v", id, got[0], err)
	}
	want := place{shard: "shardId-000000000001", sequence: []byte("4954"), sub: 12, key: "k<>", arrival: at}
	if diff := cmp.Diff(want, got[1].place, cmp.AllowUnexported(place{})); diff != "" || !bytes.Equal(got[1].data, []byte{0, 255}) {
		t.Error(diff)
	}
}

// The example of the Lambda guide has times as text, and no subsequence number.
func TestDecode_MetadataAsInTheGuide_IsRead(t *testing.T) {
	got, err := newDecoder().decode([]byte(`{"invocationId":"invoked123","records":[{"data":"SGVsbG8gV29ybGQ=","recordId":"record1","approximateArrivalTimestamp":1510772160000,` +
		`"kinesisRecordMetadata":{"shardId":"shardId-000000000000","partitionKey":"4d1ad2b9","approximateArrivalTimestamp":"2012-04-23T18:25:43.511Z",` +
		`"sequenceNumber":"49546986683135544286507457936321625675700192471156785154","subsequenceNumber":""}}]}`))
	if err != nil || got[0].sub != 0 || !got[0].arrival.Equal(time.Date(2012, 4, 23, 18, 25, 43, 511_000_000, time.UTC)) || string(got[0].data) != "Hello World" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDecode_OtherPayload_IsAnErrorThatNamesThePlace(t *testing.T) {
	good := string(firehoseEvent([]byte("hello"), []byte("world")))
	for _, c := range []struct{ in, want string }{
		{"", "decode payload"},
		{"null", "is not an object"},
		{"{}", "want a Firehose transformation event, as events/firehose.json is"},
		{`{"records":[]}`, "events/firehose.json"},
		{`{"Records":[{"kinesis":{}}]}`, "events/firehose.json"},
		{`{"records":{}}`, "records: is not an array"},
		{`{"records":[1]}`, "record 0: is not an object"},
		{`{"records":[{"recordId":1}]}`, "record 0: recordId: is not a string"},
		{`{"records":[{"recordId":"1"}]}`, "record 0 has no recordId or no data"},
		{`{"records":[{"data":""}]}`, "record 0 has no recordId or no data"},
		{strings.Replace(good, `"aGVsbG8="`, `"!"`, 1), "record 0: data: illegal base64"},
		{strings.Replace(good, `"aGVsbG8="`, `null`, 1), "record 0: data: is not a string"},
		{strings.Replace(good, `"subsequenceNumber":0`, `"subsequenceNumber":-1`, 1), `subsequenceNumber: "-1": want a whole number`},
		{strings.Replace(good, `"subsequenceNumber":0`, `"subsequenceNumber":[]`, 1), "subsequenceNumber: is neither"},
		{strings.Replace(good, `1795421700187`, `-5`, 1), `approximateArrivalTimestamp: "-5": want milliseconds`},
		{strings.Replace(good, `1795421700187`, `1e300`, 1), "want milliseconds"},
		{strings.Replace(good, `1795421700187`, `"soon"`, 1), "want milliseconds"},
		{strings.Replace(good, `1795421700187`, `"NaN"`, 1), "want milliseconds"},
		{good[:len(good)-5], "EOF"},
	} {
		if got, err := newDecoder().decode([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.200s: %+v, %v, want %s", c.in, got, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(firehoseEvent([]byte("hello")))
	f.Add([]byte(`{"records":[{"recordId":"","data":"","approximateArrivalTimestamp":1e3,"kinesisRecordMetadata":{"subsequenceNumber":"7","approximateArrivalTimestamp":null}}]}`))
	d := newDecoder()
	f.Fuzz(func(t *testing.T, in []byte) {
		records, err := d.decode(in)
		if err != nil {
			return
		}
		for i, r := range records {
			if !json.Valid(r.id) || r.data == nil || r.sub < 0 || !r.arrival.IsZero() && (r.arrival.Year() < 1 || r.arrival.Year() > 9999) {
				t.Fatalf("record %d: %+v", i, r)
			}
		}
		if again, err := newDecoder().decode(in); err != nil || fmt.Sprint(again) != fmt.Sprint(records) {
			t.Fatalf("a new decoder gives %+v, %v; want %+v", again, err, records)
		}
	})
}
