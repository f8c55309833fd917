package kinesis

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Another endpoint to run TestConformance on as well, and which one it is: checks that this referee is known to fail
// are skipped.
const (
	endpointVariable = "MILLRACE_CONFORMANCE_ENDPOINT"
	refereeVariable  = "MILLRACE_CONFORMANCE_REFEREE"
)

// TestConformance holds an endpoint to what AWS does. Of others than ours only the codes of errors are compared: other
// emulators have texts of their own.
func TestConformance(t *testing.T) {
	t.Run("local", func(t *testing.T) { conform(t, subject{Client: serve(t, New(Options{})), texts: true}, "") })
	if endpoint := os.Getenv(endpointVariable); endpoint != "" {
		t.Run("other", func(t *testing.T) { conform(t, subject{Client: dial(t, endpoint)}, os.Getenv(refereeVariable)) })
	}
}

// subject is a fresh stream at the endpoint under test.
type subject struct {
	*sdk.Client
	texts   bool // compare the texts of errors
	stream  string
	arn     string
	account string
}

var checks = []struct {
	name   string
	shards int
	check  func(*testing.T, subject)
}{
	{"CreateStream_CutsTheHashSpaceEvenly", 3, checkCreated},
	{"CreateStream_OnDemand_HasFourShards", 0, checkOnDemand},
	{"CreateStream_OfATakenName_IsRefused", 1, checkTaken},
	{"DescribeStreamSummary_TellsTheSettings", 2, checkSummary},
	{"DescribeStream_InPages_GivesEveryShardOnce", 5, checkDescribePages},
	{"ListShards_InPages_GivesEveryShardOnce", 5, checkListPages},
	{"ListStreams_HasTheStream", 1, checkListStreams},
	{"DeleteStream_MakesTheNameUnknown", 0, checkDelete},
	{"Stream_ByARN_IsTheStreamByName", 1, checkARN},
	{"PutRecord_ComesBackAsItWasPut", 1, checkRoundTrip},
	{"PutRecord_SequenceNumberForOrdering_IsBelowTheNewOne", 1, checkOrdering},
	{"PutRecords_OneShard_KeepsOrderAndRisingNumbers", 1, checkOrder},
	{"PutRecords_GoWhereTheirKeysHash", 4, checkRouting},
	{"PutRecords_ExplicitHashKeys_GoToTheShardThatHasThem", 3, checkExplicit},
	{"PutRecords_BeyondALimit_StoreNothing", 1, checkPutLimits},
	{"PutRecords_LargestRecordAndLongestKey_AreTaken", 1, checkLargest},
	{"GetShardIterator_EachType_StartsWhereItSays", 1, checkIterators},
	{"GetShardIterator_WrongPositions_AreRefused", 2, checkWrongIterators},
	{"GetRecords_InPages_GivesEveryRecordOnce", 1, checkPages},
	{"GetRecords_AtTheTip_IsEmptyAndGoesOn", 1, checkTip},
	{"GetRecords_WrongArguments_AreRefused", 1, checkWrongReads},
	{"Retention_GoesUpAndDown", 1, checkRetentionPeriod},
	{"Encryption_IsToldAgain", 1, checkEncryption},
	{"SplitShard_RecordsStayInTheParent_ChildrenFollow", 1, checkSplit},
	{"MergeShards_BothParentsLeadToTheChild", 3, checkMerge},
	{"SplitAndMerge_WrongShardsOrKeys_AreRefused", 3, checkWrongReshards},
	{"UpdateShardCount_UpToDoubleAndDownToHalf", 2, checkScale},
	{"UpdateShardCount_BelowHalf_IsRefused", 5, checkScaleDown},
	{"UpdateShardCount_KeepsRecordsAndTheirOrder", 2, checkScaleKeepsRecords},
	{"UpdateStreamMode_OnDemand_CannotBeResharded", 1, checkMode},
	{"Consumers_AreRegisteredDescribedAndDeregistered", 1, checkConsumers},
	{"ListStreamConsumers_InPages_GivesEveryConsumerOnce", 1, checkConsumerPages},
	{"SubscribeToShard_EachPosition_StartsWhereItSays", 1, checkSubscribe},
	{"SubscribeToShard_AtTheShardsEnd_TellsChildren", 1, checkSubscribeEnd},
	{"SubscribeToShard_Twice_IsRefused", 1, checkSubscribeAgain},
}

// wrong names the checks that a referee is known to fail, and why it is wrong.
var wrong = map[string]map[string]string{
	"kinesis-local": { // 0.6.2, run with SHARD_LIMIT=500 and ON_DEMAND_STREAM_COUNT_LIMIT=50
		"PutRecords_BeyondALimit_StoreNothing":               "it takes more than 500 records",
		"PutRecords_LargestRecordAndLongestKey_AreTaken":     "it counts a key in UTF-16 units",
		"GetShardIterator_WrongPositions_AreRefused":         "it passes over a StartingSequenceNumber with LATEST",
		"GetRecords_WrongArguments_AreRefused":               "it answers 500 to an iterator that is none",
		"SplitShard_RecordsStayInTheParent_ChildrenFollow":   "it ends a parent with the number 9223372036854775807",
		"SplitAndMerge_WrongShardsOrKeys_AreRefused":         "it splits a key from a shard's edge",
		"UpdateShardCount_UpToDoubleAndDownToHalf":           "it has another code for a target beyond double",
		"UpdateShardCount_BelowHalf_IsRefused":               "it has no lower limit",
		"UpdateStreamMode_OnDemand_CannotBeResharded":        "it reshards on-demand streams",
		"ListStreamConsumers_InPages_GivesEveryConsumerOnce": "it leaves the last consumer out",
		"SubscribeToShard_EachPosition_StartsWhereItSays":    "it sends no initial response, without which the SDK takes no events",
		"SubscribeToShard_AtTheShardsEnd_TellsChildren":      "it sends no initial response",
		"SubscribeToShard_Twice_IsRefused":                   "it sends no initial response",
	},
}

func (s subject) wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	if !s.texts {
		message = ""
	}
	wantError(t, err, code, message)
}

func conform(t *testing.T, s subject, referee string) {
	for _, check := range checks {
		t.Run(check.name, func(t *testing.T) {
			if why := wrong[referee][check.name]; why != "" {
				t.Skip(referee + ": " + why)
			}
			s.stream = fmt.Sprintf("conformance-%016x", rand.Uint64())
			if check.shards > 0 {
				s.create(t, &sdk.CreateStreamInput{ShardCount: aws.Int32(int32(check.shards))})
			}
			check.check(t, s)
		})
	}
}

var background = context.Background()

func (s *subject) create(t *testing.T, in *sdk.CreateStreamInput) {
	t.Helper()
	in.StreamName = &s.stream
	must[*sdk.CreateStreamOutput](t)(s.CreateStream(background, in))
	t.Cleanup(func() { _, _ = s.DeleteStream(background, &sdk.DeleteStreamInput{StreamName: &s.stream}) })
	described := must[*sdk.DescribeStreamOutput](t)(sdk.NewStreamExistsWaiter(s.Client).
		WaitForOutput(background, &sdk.DescribeStreamInput{StreamName: &s.stream}, time.Minute))
	s.arn = *described.StreamDescription.StreamARN
	s.account = strings.Split(s.arn, ":")[4]
}

func (s subject) shards(t *testing.T) []types.Shard {
	t.Helper()
	return must[*sdk.ListShardsOutput](t)(s.ListShards(background, &sdk.ListShardsInput{StreamName: &s.stream})).Shards
}

func (s subject) iterator(t *testing.T, kind types.ShardIteratorType, number string) *string {
	t.Helper()
	in := sdk.GetShardIteratorInput{StreamName: &s.stream, ShardId: aws.String(shardID(0)), ShardIteratorType: kind}
	if number != "" {
		in.StartingSequenceNumber = &number
	}
	return iteratorFor(t, s.Client, in)
}

func checkCreated(t *testing.T, s subject) {
	want := big.NewInt(0)
	for i, sh := range s.shards(t) {
		if *sh.ShardId != shardID(uint32(i)) || *sh.HashKeyRange.StartingHashKey != want.String() {
			t.Errorf("shard %s starts at %s, want %s at %s", *sh.ShardId, *sh.HashKeyRange.StartingHashKey, shardID(uint32(i)), want)
		}
		if n := *sh.SequenceNumberRange.StartingSequenceNumber; len(n) != 56 || n[:2] != "49" || sh.SequenceNumberRange.EndingSequenceNumber != nil {
			t.Errorf("sequence numbers %+v", sh.SequenceNumberRange)
		}
		want.SetString(*sh.HashKeyRange.EndingHashKey, 10)
		want.Add(want, big.NewInt(1))
	}
	if want.Cmp(new(big.Int).Lsh(big.NewInt(1), 128)) != 0 {
		t.Errorf("shards end at %s", want)
	}
}

func checkOnDemand(t *testing.T, s subject) {
	s.create(t, &sdk.CreateStreamInput{StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}})
	if n := len(s.shards(t)); n != 4 {
		t.Errorf("%d shards", n)
	}
}

func checkTaken(t *testing.T, s subject) {
	_, err := s.CreateStream(background, &sdk.CreateStreamInput{StreamName: &s.stream, ShardCount: aws.Int32(1)})
	s.wantError(t, err, "ResourceInUseException", "Stream "+s.stream+" under account "+s.account+" already exists.")
}

func checkSummary(t *testing.T, s subject) {
	d := must[*sdk.DescribeStreamSummaryOutput](t)(s.DescribeStreamSummary(background, &sdk.DescribeStreamSummaryInput{StreamName: &s.stream})).StreamDescriptionSummary
	if *d.StreamName != s.stream || *d.OpenShardCount != 2 || *d.RetentionPeriodHours != 24 || d.StreamStatus != types.StreamStatusActive ||
		d.EncryptionType != types.EncryptionTypeNone || d.StreamModeDetails.StreamMode != types.StreamModeProvisioned || len(d.EnhancedMonitoring) != 1 {
		t.Errorf("%+v", d)
	}
	if age := time.Since(*d.StreamCreationTimestamp); age < -time.Minute || age > time.Hour {
		t.Errorf("created %v", *d.StreamCreationTimestamp)
	}
}

func checkDescribePages(t *testing.T, s subject) {
	var ids []string
	in := &sdk.DescribeStreamInput{StreamName: &s.stream, Limit: aws.Int32(2)}
	for {
		d := must[*sdk.DescribeStreamOutput](t)(s.DescribeStream(background, in)).StreamDescription
		for _, sh := range d.Shards {
			ids = append(ids, *sh.ShardId)
		}
		if !*d.HasMoreShards || len(ids) > 5 {
			break
		}
		in.ExclusiveStartShardId = &ids[len(ids)-1]
	}
	wantShards(t, ids)
}

func wantShards(t *testing.T, ids []string) {
	t.Helper()
	if !slices.Equal(ids, []string{shardID(0), shardID(1), shardID(2), shardID(3), shardID(4)}) {
		t.Errorf("shards %v", ids)
	}
}

func checkListPages(t *testing.T, s subject) {
	var ids []string
	in := &sdk.ListShardsInput{StreamName: &s.stream, MaxResults: aws.Int32(2)}
	for {
		out := must[*sdk.ListShardsOutput](t)(s.ListShards(background, in))
		for _, sh := range out.Shards {
			ids = append(ids, *sh.ShardId)
		}
		if out.NextToken == nil || len(ids) > 5 {
			break
		}
		in = &sdk.ListShardsInput{NextToken: out.NextToken, MaxResults: aws.Int32(2)}
	}
	wantShards(t, ids)
	_, err := s.ListShards(background, &sdk.ListShardsInput{})
	s.wantError(t, err, "InvalidArgumentException", "")
}

func checkListStreams(t *testing.T, s subject) {
	pages := sdk.NewListStreamsPaginator(s.Client, &sdk.ListStreamsInput{})
	for pages.HasMorePages() {
		out := must[*sdk.ListStreamsOutput](t)(pages.NextPage(background))
		if slices.Contains(out.StreamNames, s.stream) {
			return
		}
	}
	t.Error("not listed")
}

func checkDelete(t *testing.T, s subject) {
	s.create(t, &sdk.CreateStreamInput{ShardCount: aws.Int32(1)})
	must[*sdk.DeleteStreamOutput](t)(s.DeleteStream(background, &sdk.DeleteStreamInput{StreamName: &s.stream}))
	if err := sdk.NewStreamNotExistsWaiter(s.Client).Wait(background, &sdk.DescribeStreamInput{StreamName: &s.stream}, time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err := s.PutRecord(background, &sdk.PutRecordInput{StreamName: &s.stream, PartitionKey: aws.String("k"), Data: []byte("d")})
	s.wantError(t, err, "ResourceNotFoundException", "Stream "+s.stream+" under account "+s.account+" not found.")
}

func checkARN(t *testing.T, s subject) {
	must[*sdk.PutRecordOutput](t)(s.PutRecord(background, &sdk.PutRecordInput{StreamARN: &s.arn, PartitionKey: aws.String("k"), Data: []byte("one")}))
	must[*sdk.PutRecordsOutput](t)(s.PutRecords(background, &sdk.PutRecordsInput{StreamARN: &s.arn, Records: []types.PutRecordsRequestEntry{entryOf("k", "two")}}))
	it := iteratorFor(t, s.Client, sdk.GetShardIteratorInput{StreamARN: &s.arn, ShardId: aws.String(shardID(0)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	records, _ := readAll(t, s.Client, it, 100)
	if got := dataOf(records); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("read %q", got)
	}
	_, err := s.DescribeStreamSummary(background, &sdk.DescribeStreamSummaryInput{StreamARN: aws.String(s.arn + "-not")})
	s.wantError(t, err, "ResourceNotFoundException", "")
}

func checkRoundTrip(t *testing.T, s subject) {
	key, data := "schlüssel \"\\\n\u2028 🔑", string([]byte{0, 255, 10, '"'})
	before := time.Now().Add(-time.Second)
	out := must[*sdk.PutRecordOutput](t)(s.PutRecord(background, &sdk.PutRecordInput{StreamName: &s.stream, PartitionKey: &key, Data: []byte(data)}))
	put(t, s.Client, s.stream, entryOf(key, data), entryOf(key, ""))
	records, last := readAll(t, s.Client, s.iterator(t, types.ShardIteratorTypeTrimHorizon, ""), 100)
	if got := dataOf(records); !slices.Equal(got, []string{data, data, ""}) {
		t.Fatalf("read %q", got)
	}
	for _, r := range records {
		if *r.PartitionKey != key || r.EncryptionType != "" && r.EncryptionType != types.EncryptionTypeNone {
			t.Errorf("key %q, encryption %q", *r.PartitionKey, r.EncryptionType)
		}
		if at := *r.ApproximateArrivalTimestamp; at.Before(before) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("arrived %v", at)
		}
	}
	if *records[0].SequenceNumber != *out.SequenceNumber || *out.ShardId != shardID(0) || last.ChildShards != nil {
		t.Errorf("put as %s, read as %s", *out.SequenceNumber, *records[0].SequenceNumber)
	}
}

func checkOrdering(t *testing.T, s subject) {
	in := &sdk.PutRecordInput{StreamName: &s.stream, PartitionKey: aws.String("k"), Data: []byte("d")}
	first := must[*sdk.PutRecordOutput](t)(s.PutRecord(background, in))
	in.SequenceNumberForOrdering = first.SequenceNumber
	second := must[*sdk.PutRecordOutput](t)(s.PutRecord(background, in))
	if *second.SequenceNumber <= *first.SequenceNumber {
		t.Errorf("%s then %s", *first.SequenceNumber, *second.SequenceNumber)
	}
	in.SequenceNumberForOrdering = aws.String("7")
	_, err := s.PutRecord(background, in)
	s.wantError(t, err, "InvalidArgumentException",
		"ExclusiveMinimumSequenceNumber 7 used in PutRecord on stream "+s.stream+" under account "+s.account+" is invalid.")
}

func checkOrder(t *testing.T, s subject) {
	var want, numbers []string
	for batch := range 3 {
		var entries []types.PutRecordsRequestEntry
		for i := range 100 {
			want = append(want, strconv.Itoa(batch*100+i))
			entries = append(entries, entryOf(strconv.Itoa(i%7), want[len(want)-1]))
		}
		out := put(t, s.Client, s.stream, entries...)
		for _, r := range out.Records {
			numbers = append(numbers, *r.SequenceNumber)
		}
	}
	if !slices.IsSorted(numbers) || len(slices.Compact(slices.Clone(numbers))) != 300 {
		t.Error("sequence numbers do not rise")
	}
	records, _ := readAll(t, s.Client, s.iterator(t, types.ShardIteratorTypeTrimHorizon, ""), 1000)
	if !slices.Equal(dataOf(records), want) {
		t.Errorf("read %q", dataOf(records))
	}
	for i, r := range records {
		if *r.SequenceNumber != numbers[i] {
			t.Fatalf("record %d put as %s, read as %s", i, numbers[i], *r.SequenceNumber)
		}
	}
}

func checkRouting(t *testing.T, s subject) {
	var entries []types.PutRecordsRequestEntry
	for i := range 200 {
		entries = append(entries, entryOf("key-"+strconv.Itoa(i), "d"))
	}
	shards := s.shards(t)
	for i, r := range put(t, s.Client, s.stream, entries...).Records {
		h := hashOf([]byte(*entries[i].PartitionKey)).big()
		at := slices.IndexFunc(shards, func(sh types.Shard) bool { return *sh.ShardId == *r.ShardId })
		if h.Cmp(number(shards[at].HashKeyRange.StartingHashKey)) < 0 || h.Cmp(number(shards[at].HashKeyRange.EndingHashKey)) > 0 {
			t.Errorf("%s, hash %v, went to %s", *entries[i].PartitionKey, h, *r.ShardId)
		}
	}
}

func number(text *string) *big.Int {
	n, _ := new(big.Int).SetString(*text, 10)
	return n
}

func checkExplicit(t *testing.T, s subject) {
	var entries []types.PutRecordsRequestEntry
	var want []string
	for _, sh := range s.shards(t) {
		for _, key := range []*string{sh.HashKeyRange.StartingHashKey, sh.HashKeyRange.EndingHashKey} {
			e := entryOf("same", "d")
			e.ExplicitHashKey = key
			entries, want = append(entries, e), append(want, *sh.ShardId)
		}
	}
	for i, r := range put(t, s.Client, s.stream, entries...).Records {
		if *r.ShardId != want[i] {
			t.Errorf("hash key %s went to %s, want %s", *entries[i].ExplicitHashKey, *r.ShardId, want[i])
		}
	}
}

func checkPutLimits(t *testing.T, s subject) {
	refused := func(code, message string, entries ...types.PutRecordsRequestEntry) {
		t.Helper()
		_, err := s.PutRecords(background, &sdk.PutRecordsInput{StreamName: &s.stream, Records: entries})
		s.wantError(t, err, code, message)
	}
	hashed := func(key string) types.PutRecordsRequestEntry {
		e := entryOf("k", "d")
		e.ExplicitHashKey = &key
		return e
	}
	long := strings.Repeat("é", 257)
	const validation, argument = "ValidationException", "InvalidArgumentException"
	refused(validation, "1 validation error detected: Value at 'records' failed to satisfy constraint: Member must have length less than or equal to 500",
		slices.Repeat([]types.PutRecordsRequestEntry{entryOf("k", "d")}, 501)...)
	refused(validation, "1 validation error detected: Value at 'records.2.member.data' failed to satisfy constraint: Member must have length less than or equal to 1048576",
		entryOf("k", "d"), entryOf("k", strings.Repeat("d", 1<<20+1)))
	refused(validation, "1 validation error detected: Value '' at 'records.1.member.partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1",
		entryOf("", "d"))
	refused(validation, "1 validation error detected: Value '"+long+"' at 'records.1.member.partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256",
		entryOf(long, "d"))
	refused(validation, "", hashed("-1"))
	const tooLarge = "340282366920938463463374607431768211456"
	refused(argument, "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was "+tooLarge, entryOf("k", "d"), hashed(tooLarge))
	if records, _ := readAll(t, s.Client, s.iterator(t, types.ShardIteratorTypeTrimHorizon, ""), 1000); len(records) != 0 {
		t.Errorf("%d records were stored", len(records))
	}
}

func checkLargest(t *testing.T, s subject) {
	key := strings.Repeat("🔑", 256)
	data := strings.Repeat("d", 1<<20-len(key))
	put(t, s.Client, s.stream, entryOf(key, data))
	records, _ := readAll(t, s.Client, s.iterator(t, types.ShardIteratorTypeTrimHorizon, ""), 1000)
	if len(records) != 1 || string(records[0].Data) != data || *records[0].PartitionKey != key {
		t.Errorf("%d records", len(records))
	}
}
