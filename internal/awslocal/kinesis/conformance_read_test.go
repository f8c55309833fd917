package kinesis

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func checkIterators(t *testing.T, s subject) {
	var numbers []string
	for i := range 5 {
		out := put(t, s.Client, s.stream, entryOf("k", strconv.Itoa(i)))
		numbers = append(numbers, *out.Records[0].SequenceNumber)
	}
	latest := s.iterator(t, types.ShardIteratorTypeLatest, "")
	put(t, s.Client, s.stream, entryOf("k", "5"))
	arrival := func() *time.Time {
		records, _ := readAll(t, s.Client, s.iterator(t, types.ShardIteratorTypeAtSequenceNumber, numbers[2]), 1)
		return records[0].ApproximateArrivalTimestamp
	}()
	check := func(name string, it *string, want ...string) {
		t.Helper()
		records, _ := readAll(t, s.Client, it, 100)
		if got := dataOf(records); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	check("TRIM_HORIZON", s.iterator(t, types.ShardIteratorTypeTrimHorizon, ""), "0", "1", "2", "3", "4", "5")
	check("LATEST", latest, "5")
	check("AT_SEQUENCE_NUMBER", s.iterator(t, types.ShardIteratorTypeAtSequenceNumber, numbers[3]), "3", "4", "5")
	check("AFTER_SEQUENCE_NUMBER", s.iterator(t, types.ShardIteratorTypeAfterSequenceNumber, numbers[3]), "4", "5")
	start := *s.shards(t)[0].SequenceNumberRange.StartingSequenceNumber
	check("AT the shard's start", s.iterator(t, types.ShardIteratorTypeAtSequenceNumber, start), "0", "1", "2", "3", "4", "5")
	check("AFTER the shard's start", s.iterator(t, types.ShardIteratorTypeAfterSequenceNumber, start), "0", "1", "2", "3", "4", "5")

	// Recorded by mhart/kinesalite (test/getShardIterator.js): whatever stands before the number is not looked at.
	for _, id := range []string{"shardId-0", "shard-0", "-000", "0"} {
		check("shard "+id, iteratorFor(t, s.Client, sdk.GetShardIteratorInput{
			StreamName: &s.stream, ShardId: aws.String(id), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		}), "0", "1", "2", "3", "4", "5")
	}

	at := func(when time.Time) []string {
		records, _ := readAll(t, s.Client, iteratorFor(t, s.Client, sdk.GetShardIteratorInput{
			StreamName: &s.stream, ShardId: aws.String(shardID(0)), ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &when,
		}), 100)
		return dataOf(records)
	}
	if got := at(*arrival); !slices.Contains(got, "2") || !slices.Contains(got, "5") { // others may have arrived in the same millisecond
		t.Errorf("AT_TIMESTAMP of record 2: %q", got)
	}
	if got := at(arrival.Add(-time.Hour)); len(got) != 6 {
		t.Errorf("AT_TIMESTAMP of an hour ago: %q", got)
	}
}

func checkWrongIterators(t *testing.T, s subject) {
	other := put(t, s.Client, s.stream, types.PutRecordsRequestEntry{PartitionKey: aws.String("k"), ExplicitHashKey: aws.String("0"), Data: []byte("d")})
	number := *other.Records[0].SequenceNumber
	refused := func(code, message string, in sdk.GetShardIteratorInput) {
		t.Helper()
		in.StreamName = &s.stream
		if in.ShardId == nil {
			in.ShardId = aws.String(shardID(1))
		}
		_, err := s.GetShardIterator(background, &in)
		s.wantError(t, err, code, message)
	}
	const argument = "InvalidArgumentException"
	either := "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or " +
		"(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s and %s StartingSequenceNumber."
	refused(argument, fmt.Sprintf(either, "LATEST", "also a"),
		sdk.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest, StartingSequenceNumber: &number})
	refused(argument, fmt.Sprintf(either, "AT_SEQUENCE_NUMBER", "no"),
		sdk.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber})
	refused(argument, "Invalid StartingSequenceNumber. It encodes shardId-000000000000, while it was used in a call to a shard with shardId-000000000001",
		sdk.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: &number})
	long := number + "0"
	refused(argument, "StartingSequenceNumber "+long+" used in GetShardIterator on shard shardId-000000000001 in stream "+s.stream+" under account "+s.account+" is invalid.",
		sdk.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: &long})
	refused(argument, "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.",
		sdk.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp})
	refused(argument, "", sdk.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(time.Now().Add(time.Hour))})
	refused("ValidationException", "", sdk.GetShardIteratorInput{ShardIteratorType: "SOMEWHERE"})
	refused("ResourceNotFoundException", "Shard shardId-000000000009 in stream "+s.stream+" under account "+s.account+" does not exist",
		sdk.GetShardIteratorInput{ShardId: aws.String(shardID(9)), ShardIteratorType: types.ShardIteratorTypeLatest})
}

func checkPages(t *testing.T, s subject) {
	var want []string
	for batch := range 4 {
		var entries []types.PutRecordsRequestEntry
		for i := range 250 {
			want = append(want, strconv.Itoa(batch*250+i))
			entries = append(entries, entryOf("k", want[len(want)-1]))
		}
		put(t, s.Client, s.stream, entries...)
	}
	records, _ := readAll(t, s.Client, s.iterator(t, types.ShardIteratorTypeTrimHorizon, ""), 333)
	if !slices.Equal(dataOf(records), want) {
		t.Errorf("%d records, want %d", len(records), len(want))
	}
}

func checkTip(t *testing.T, s subject) {
	it := s.iterator(t, types.ShardIteratorTypeLatest, "")
	out := must[*sdk.GetRecordsOutput](t)(s.GetRecords(background, &sdk.GetRecordsInput{ShardIterator: it}))
	if len(out.Records) != 0 || out.NextShardIterator == nil || *out.MillisBehindLatest != 0 {
		t.Errorf("%+v", out)
	}
	put(t, s.Client, s.stream, entryOf("k", "new"))
	records, _ := readAll(t, s.Client, out.NextShardIterator, 10)
	if got := dataOf(records); !slices.Equal(got, []string{"new"}) {
		t.Errorf("read %q", got)
	}
}

func checkWrongReads(t *testing.T, s subject) {
	_, err := s.GetRecords(background, &sdk.GetRecordsInput{ShardIterator: aws.String("bm90IGFuIGl0ZXJhdG9y")})
	s.wantError(t, err, "InvalidArgumentException", "Invalid ShardIterator.")
	_, err = s.GetRecords(background, &sdk.GetRecordsInput{ShardIterator: s.iterator(t, types.ShardIteratorTypeLatest, ""), Limit: aws.Int32(10_001)})
	s.wantError(t, err, "ValidationException",
		"1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000")
}

func checkRetentionPeriod(t *testing.T, s subject) {
	increase := func(hours int32) error {
		_, err := s.IncreaseStreamRetentionPeriod(background, &sdk.IncreaseStreamRetentionPeriodInput{StreamName: &s.stream, RetentionPeriodHours: &hours})
		return err
	}
	decrease := func(hours int32) error {
		_, err := s.DecreaseStreamRetentionPeriod(background, &sdk.DecreaseStreamRetentionPeriodInput{StreamName: &s.stream, RetentionPeriodHours: &hours})
		return err
	}
	const argument = "InvalidArgumentException"
	wantHours := func(err error, hours int32) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		d := must[*sdk.DescribeStreamOutput](t)(s.DescribeStream(background, &sdk.DescribeStreamInput{StreamName: &s.stream}))
		if got := *d.StreamDescription.RetentionPeriodHours; got != hours {
			t.Errorf("retention %d hours, want %d", got, hours)
		}
	}
	wantHours(increase(48), 48)
	s.wantError(t, increase(47), argument, "Requested retention period (47 hours) for stream "+s.stream+
		" can not be shorter than existing retention period (48 hours). Use DecreaseRetentionPeriod API.")
	s.wantError(t, decrease(49), argument, "Requested retention period (49 hours) for stream "+s.stream+
		" can not be longer than existing retention period (48 hours). Use IncreaseRetentionPeriod API.")
	s.wantError(t, decrease(23), argument, "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.")
	s.wantError(t, increase(8761), argument, "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.")
	wantHours(decrease(24), 24)
}

func checkEncryption(t *testing.T, s subject) {
	key := "alias/aws/kinesis"
	must[*sdk.StartStreamEncryptionOutput](t)(s.StartStreamEncryption(background, &sdk.StartStreamEncryptionInput{StreamName: &s.stream, EncryptionType: types.EncryptionTypeKms, KeyId: &key}))
	out := put(t, s.Client, s.stream, entryOf("k", "d"))
	d := must[*sdk.DescribeStreamSummaryOutput](t)(s.DescribeStreamSummary(background, &sdk.DescribeStreamSummaryInput{StreamName: &s.stream})).StreamDescriptionSummary
	records, _ := readAll(t, s.Client, s.iterator(t, types.ShardIteratorTypeTrimHorizon, ""), 10)
	if d.EncryptionType != types.EncryptionTypeKms || d.KeyId == nil || *d.KeyId != key || out.EncryptionType != types.EncryptionTypeKms || records[0].EncryptionType != types.EncryptionTypeKms {
		t.Errorf("stream %s, put %q, record %q", d.EncryptionType, out.EncryptionType, records[0].EncryptionType)
	}
	must[*sdk.StopStreamEncryptionOutput](t)(s.StopStreamEncryption(background, &sdk.StopStreamEncryptionInput{StreamName: &s.stream, EncryptionType: types.EncryptionTypeKms, KeyId: &key}))
	d = must[*sdk.DescribeStreamSummaryOutput](t)(s.DescribeStreamSummary(background, &sdk.DescribeStreamSummaryInput{StreamName: &s.stream})).StreamDescriptionSummary
	if d.EncryptionType != types.EncryptionTypeNone || d.KeyId != nil {
		t.Errorf("stream %+v", d)
	}
}
