package kpl

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/awslabs/kinesis-aggregation/go/v2/deaggregator"
	"github.com/awslabs/kinesis-aggregation/go/v2/records"
	"github.com/golang/protobuf/proto" //lint:ignore SA1019 the official reader's messages are of this version
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// seal makes an aggregate of a message.
func seal(message []byte) []byte {
	sum := md5.Sum(message)
	return slices.Concat(magic, message, sum[:])
}

// varintField and bytesField write one field.
func varintField(number int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(number)<<3|wireVarint), v)
}

func bytesField(number int, parts ...[]byte) []byte {
	b := slices.Concat(parts...)
	return append(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(number)<<3|wireBytes), uint64(len(b))), b...)
}

// join writes an aggregate as the KPL does: each key once, in tables that come first.
func join(rs []UserRecord) []byte {
	var keys, hashKeys []string
	index := func(table *[]string, key string) uint64 {
		i := slices.Index(*table, key)
		if i < 0 {
			i = len(*table)
			*table = append(*table, key)
		}
		return uint64(i)
	}
	var body []byte
	for _, r := range rs {
		fields := varintField(fieldPartitionKeyIndex, index(&keys, r.PartitionKey))
		if r.ExplicitHashKey != "" {
			fields = append(fields, varintField(fieldExplicitHashKeyIndex, index(&hashKeys, r.ExplicitHashKey))...)
		}
		body = append(body, bytesField(fieldRecord, fields, bytesField(fieldData, r.Data))...)
	}
	var message []byte
	for _, k := range keys {
		message = append(message, bytesField(fieldPartitionKey, []byte(k))...)
	}
	for _, k := range hashKeys {
		message = append(message, bytesField(fieldExplicitHashKey, []byte(k))...)
	}
	return seal(append(message, body...))
}

func TestSplit_AnyUserRecords_ComeBackAsTheyWent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		record := rapid.Custom(func(t *rapid.T) UserRecord {
			return UserRecord{
				PartitionKey:    rapid.StringN(0, 12, -1).Draw(t, "key"),
				ExplicitHashKey: rapid.SampledFrom([]string{"", "", "0", "340282366920938463463374607431768211455"}).Draw(t, "hash key"),
				Data:            rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
			}
		})
		want := rapid.SliceOfN(record, 1, 30).Draw(t, "records")
		for i := range want {
			want[i].Sub = i
		}
		got, err := Split(join(want), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestSplit_WhatProtobufWrites_IsReadAsTheOfficialReaderReadsIt(t *testing.T) {
	message, err := proto.Marshal(&records.AggregatedRecord{
		PartitionKeyTable:    []string{"a", "b"},
		ExplicitHashKeyTable: []string{"42"},
		Records: []*records.Record{
			{PartitionKeyIndex: proto.Uint64(1), Data: []byte("one"), Tags: []*records.Tag{{Key: proto.String("t"), Value: proto.String("v")}}},
			{PartitionKeyIndex: proto.Uint64(0), ExplicitHashKeyIndex: proto.Uint64(0), Data: []byte{}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Split(seal(message), nil)
	want := []UserRecord{{PartitionKey: "b", Data: []byte("one")}, {PartitionKey: "a", ExplicitHashKey: "42", Data: []byte{}, Sub: 1}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	sameAsOfficial(t, seal(message), got)
}

// sameAsOfficial demands that Amazon's reader, where it reads an aggregate at all, reads what was read here.
func sameAsOfficial(t *testing.T, data []byte, got []UserRecord) {
	t.Helper()
	official, err := deaggregator.DeaggregateRecords([]types.Record{{Data: data, PartitionKey: aws.String("outer")}})
	if err != nil {
		return // malformed tags, which are passed over here
	}
	if len(official) != len(got) {
		t.Fatalf("%d user records, officially %d", len(got), len(official))
	}
	for i, o := range official {
		if *o.PartitionKey != got[i].PartitionKey || !bytes.Equal(o.Data, got[i].Data) {
			t.Fatalf("user record %d: key %q data %q, officially %q %q", i, got[i].PartitionKey, got[i].Data, *o.PartitionKey, o.Data)
		}
	}
}

func TestSplit_TablesBehindRecords_AndUnknownFields_AreFine(t *testing.T) {
	message := slices.Concat(
		bytesField(fieldRecord, varintField(fieldPartitionKeyIndex, 0), bytesField(fieldData, []byte("x")), varintField(9, 1)),
		binary.AppendUvarint(nil, 7<<3|wireFixed64), make([]byte, 8),
		binary.AppendUvarint(nil, 8<<3|wireFixed32), make([]byte, 4),
		bytesField(fieldPartitionKey, []byte("late")),
	)
	got, err := Split(seal(message), nil)
	if err != nil || len(got) != 1 || got[0].PartitionKey != "late" {
		t.Errorf("%+v, %v", got, err)
	}
	sameAsOfficial(t, seal(message), got)
}

func TestSplit_AggregateInside_IsData(t *testing.T) {
	inner := join([]UserRecord{{PartitionKey: "k", Data: []byte("x")}})
	got, err := Split(join([]UserRecord{{PartitionKey: "k", Data: inner}}), nil)
	if err != nil || len(got) != 1 || !bytes.Equal(got[0].Data, inner) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSplit_DoesNotCopyData_AndAppends(t *testing.T) {
	data := join([]UserRecord{{PartitionKey: "k", Data: []byte("hello")}})
	got, err := Split(data, []UserRecord{{Sub: 7}})
	if err != nil || len(got) != 2 || got[0].Sub != 7 {
		t.Fatal(got, err)
	}
	data[bytes.Index(data, []byte("hello"))] = 'j'
	if string(got[1].Data) != "jello" || cap(got[1].Data) != 5 {
		t.Errorf("data %q of capacity %d", got[1].Data, cap(got[1].Data))
	}
}

func TestSplit_Damaged_SaysWhat(t *testing.T) {
	key := bytesField(fieldPartitionKey, []byte("k"))
	record := func(fields ...[]byte) []byte { return slices.Concat(key, bytesField(fieldRecord, fields...)) }
	index, data := varintField(fieldPartitionKeyIndex, 0), bytesField(fieldData, []byte("x"))
	endless := bytes.Repeat([]byte{0xFF}, 11)
	for want, message := range map[string][]byte{
		"user record 0: partition key index 1 of a table of 1":                    record(varintField(fieldPartitionKeyIndex, 1), data),
		"user record 0: partition key index 18446744073709551615 of a table of 1": record(varintField(fieldPartitionKeyIndex, 1<<64-1), data),
		"user record 0: explicit hash key index 0 of a table of 0":                record(index, varintField(fieldExplicitHashKeyIndex, 0), data),
		"user record 0: no partition key index":                                   record(data),
		"user record 0: no data":                                                  record(index),
		"user record 0: field 1 has wire type 2, not 0":                           record(bytesField(fieldPartitionKeyIndex), data),
		"user record 0: field 3 has wire type 0, not 2":                           record(index, varintField(fieldData, 0)),
		"field 1 has wire type 0, not 2":                                          varintField(fieldPartitionKey, 0),
		"byte 0: field tag: varint is over 64 bits":                               endless,
		"byte 0: field tag: varint is cut short":                                  {0x80},
		"byte 3: field 3: varint is cut short":                                    append(slices.Clone(key), fieldRecord<<3|wireBytes),
		"byte 3: field 3: length 9 with 1 bytes left":                             append(slices.Clone(key), fieldRecord<<3|wireBytes, 9, 0),
		"field 3: length 18446744073709551615 with 0 bytes left":                  append([]byte{fieldRecord<<3 | wireBytes}, append(bytes.Repeat([]byte{0xFF}, 9), 1)...),
		"byte 0: field 9: 8 bytes wanted, 1 left":                                 {9<<3 | wireFixed64, 0},
		"byte 0: field 9: 4 bytes wanted, 1 left":                                 {9<<3 | wireFixed32, 0},
		"byte 0: field 9: wire type 3":                                            {9<<3 | 3},
		"byte 0: field number 0":                                                  {wireVarint, 1},
	} {
		before := []UserRecord{{Sub: 5}}
		got, err := Split(seal(message), before)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("want %q: error %v", want, err)
		}
		if len(got) != 1 || got[0].Sub != 5 {
			t.Errorf("%s: came back with %d records", want, len(got))
		}
	}
}

func TestSplit_TooMany_IsRefusedBeforeItAllocates(t *testing.T) {
	for want, field := range map[string][]byte{
		"user records":       bytesField(fieldRecord),
		"partition keys":     bytesField(fieldPartitionKey),
		"explicit hash keys": bytesField(fieldExplicitHashKey),
	} {
		data := seal(bytes.Repeat(field, MaxUserRecords+1))
		_, err := Split(data, nil)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("131073 %s: at most 131072", want)) {
			t.Errorf("%s: error %v", want, err)
		}
		if allocs := testing.AllocsPerRun(1, func() { _, _ = Split(data, nil) }); allocs > 20 {
			t.Errorf("%s: %v allocations", want, allocs)
		}
	}
}

func TestSplit_WrongMD5_IsErrChecksum(t *testing.T) {
	data := join([]UserRecord{{PartitionKey: "k", Data: []byte("x")}})
	for at := len(magic); at < len(data); at++ {
		bad := slices.Clone(data)
		bad[at] ^= 1
		if _, err := Split(bad, nil); !errors.Is(err, ErrChecksum) {
			t.Errorf("bit of byte %d flipped: error %v", at, err)
		}
	}
}

func TestIsAggregate_NeedsMagicBytesAndMoreThanAnMD5(t *testing.T) {
	for _, c := range []struct {
		data []byte
		want bool
	}{
		{nil, false},
		{magic, false},
		{[]byte(`{"specversion":"1.0","id":"a longer record"}`), false},
		{append(slices.Clone(magic), make([]byte, 16)...), false},
		{append(slices.Clone(magic), make([]byte, 17)...), true},
	} {
		if got := IsAggregate(c.data); got != c.want {
			t.Errorf("IsAggregate(%x) = %v", c.data, got)
		}
		if _, err := Split(c.data, nil); err == nil {
			t.Errorf("Split(%x) gives no error", c.data)
		}
	}
}

// FuzzSplit gives any message a valid MD5. What is accepted must be what Amazon's reader reads.
func FuzzSplit(f *testing.F) {
	aggregate := join([]UserRecord{{PartitionKey: "a", Data: []byte("x")}, {PartitionKey: "b", ExplicitHashKey: "1", Data: nil}})
	f.Add(aggregate[len(magic) : len(aggregate)-md5.Size])
	f.Add([]byte{})
	f.Add(bytesField(fieldRecord, varintField(fieldPartitionKeyIndex, 7), bytesField(fieldData)))
	f.Fuzz(func(t *testing.T, message []byte) {
		_, _ = Split(message, nil)
		got, err := Split(seal(message), nil)
		if err != nil {
			if got != nil {
				t.Fatalf("%v, and %d records", err, len(got))
			}
			return
		}
		sameAsOfficial(t, seal(message), got)
	})
}

// BenchmarkSplit reads an aggregate of 50 KB, the KPL's own limit: 200 user records of 20 keys.
func BenchmarkSplit(b *testing.B) {
	rs := make([]UserRecord, 200)
	for i := range rs {
		rs[i] = UserRecord{PartitionKey: fmt.Sprint("key-", i%20), Data: make([]byte, 250)}
	}
	data := join(rs)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var into []UserRecord
	for b.Loop() {
		var err error
		if into, err = Split(data, into[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(rs))/b.Elapsed().Seconds(), "user-records/s")
}
