package kinesis

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// asker sends requests to a service that has the stream s, and wants each to be refused.
func asker(t *testing.T) func(operation, body string, want ...string) {
	svc := New(Options{})
	newStream(t, svc, 1)
	server := wire.NewServer(fault.New(1), nil, svc.Wire())
	return func(operation, body string, want ...string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		for _, one := range want {
			if got := w.Body.String(); w.Code != http.StatusBadRequest || !strings.Contains(got, one) {
				t.Errorf("%s %s: %d %s, want %s", operation, body, w.Code, got, one)
			}
		}
	}
}

// TestRequests_WithoutWhatIsRequired_HaveAWSsTexts asks over the wire: the SDK would not send such requests. The texts were
// recorded by mhart/kinesalite (test/getShardIterator.js, test/createStream.js and so on).
func TestRequests_WithoutWhatIsRequired_HaveAWSsTexts(t *testing.T) {
	ask := asker(t)
	ask("GetShardIterator", "{}", "2 validation errors detected: Value null at 'shardId' failed to satisfy constraint: Member must not be null; "+
		"Value null at 'shardIteratorType' failed to satisfy constraint: Member must not be null")
	null := func(member string) string {
		return "1 validation error detected: Value null at '" + member + "' failed to satisfy constraint: Member must not be null"
	}
	ask("GetRecords", "{}", null("shardIterator"))
	ask("CreateStream", "{}", "2 validation errors detected: Value null at 'shardCount' failed to satisfy constraint: Member must not be null; "+
		"Value null at 'streamName' failed to satisfy constraint: Member must not be null")
	ask("CreateStream", `{"ShardCount":1}`, null("streamName"))
	ask("CreateStream", `{"StreamName":"t"}`, null("shardCount"))
	ask("UpdateShardCount", `{"StreamName":"s","TargetShardCount":1}`, null("scalingType"))
	ask("UpdateShardCount", `{"StreamName":"s","ScalingType":"UNIFORM_SCALING"}`, null("targetShardCount"))
	ask("PutRecords", `{"StreamName":"s"}`, null("records"))
	ask("PutRecords", `{"StreamName":"s","Records":null}`, null("records"))
	ask("PutRecords", `{"StreamName":"s","Records":[]}`, "Value '[]' at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1")
	ask("IncreaseStreamRetentionPeriod", `{"StreamName":"s"}`, null("retentionPeriodHours"))
	ask("DecreaseStreamRetentionPeriod", `{"StreamName":"s"}`, null("retentionPeriodHours"))
	ask("RegisterStreamConsumer", `{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s"}`, null("consumerName"))
	ask("StartStreamEncryption", `{"StreamName":"s","KeyId":"k"}`, null("encryptionType"))
}

// TestGetShardIterator_UnknownStream_IsReportedByItsShard has the texts that mhart/kinesalite recorded
// (test/getShardIterator.js).
func TestGetShardIterator_UnknownStream_IsReportedByItsShard(t *testing.T) {
	svc := New(Options{})
	newStream(t, svc, 1)
	c := serve(t, svc)
	for _, one := range []struct{ stream, arn, shard, want string }{
		{"nope", "", "0", "Shard shardId-000000000000 in stream nope under account 000000000000 does not exist"},
		{"nope", "", "a-00002147483647", "Shard shardId-002147483647 in stream nope under account 000000000000 does not exist"},
		{"nope", "", "2.14E4", "Could not find shard 2.14E4 in stream nope under account 000000000000."},
		{"", "arn:aws:kinesis:us-east-1:000000000000:stream/nope", "0", "Shard shardId-000000000000 in stream nope under account 000000000000 does not exist"},
		{"s", "", "shardId-5", "Shard shardId-000000000005 in stream s under account 000000000000 does not exist"},
	} {
		in := &sdk.GetShardIteratorInput{ShardId: &one.shard, ShardIteratorType: "LATEST"}
		if in.StreamName = &one.stream; one.arn != "" {
			in.StreamName, in.StreamARN = nil, &one.arn
		}
		_, err := c.GetShardIterator(background, in)
		wantError(t, err, "ResourceNotFoundException", one.want)
	}
}

// TestRequests_BeyondTheirConstraints_AreRefusedBeforeTheStreamIsLookedFor has the texts that mhart/kinesalite recorded
// ("should return ValidationException for long StreamName" and the like, in the test of each operation).
func TestRequests_BeyondTheirConstraints_AreRefusedBeforeTheStreamIsLookedFor(t *testing.T) {
	ask := asker(t)
	long := strings.Repeat("a", 129)
	over := func(member string) string {
		return "Value '" + long + "' at '" + member + "' failed to satisfy constraint: Member must have length less than or equal to 128"
	}
	stream := `{"StreamName":"` + long + `"`
	for operation, rest := range map[string]string{
		"DeleteStream": "}", "DescribeStreamSummary": "}", "IncreaseStreamRetentionPeriod": `,"RetentionPeriodHours":24}`,
		"DecreaseStreamRetentionPeriod": `,"RetentionPeriodHours":24}`, "UpdateShardCount": `,"TargetShardCount":1,"ScalingType":"UNIFORM_SCALING"}`,
		"StartStreamEncryption": `,"EncryptionType":"KMS","KeyId":"k"}`, "PutRecord": `,"Data":"","PartitionKey":"k"}`,
		"PutRecords": `,"Records":[{"Data":"","PartitionKey":"k"}]}`,
	} {
		ask(operation, stream+rest, `"ValidationException"`, "1 validation error detected: "+over("streamName"))
	}
	const two = "2 validation errors detected: "
	ask("GetShardIterator", stream+`,"ShardId":"`+long+`","ShardIteratorType":"LATEST"}`, two, over("streamName"), over("shardId"))
	ask("SplitShard", stream+`,"ShardToSplit":"`+long+`","NewStartingHashKey":"0"}`, two, over("streamName"), over("shardToSplit"))
	ask("MergeShards", stream+`,"ShardToMerge":"`+long+`","AdjacentShardToMerge":"`+long+`"}`, "3 validation errors detected: ", over("shardToMerge"), over("adjacentShardToMerge"), over("streamName"))
	ask("DescribeStream", stream+`,"Limit":100000,"ExclusiveStartShardId":"`+long+`"}`, "3 validation errors detected: ", over("exclusiveStartShardId"), over("streamName"))
	ask("ListShards", stream+`,"MaxResults":100000,"ExclusiveStartShardId":"`+long+`"}`, "3 validation errors detected: ", over("exclusiveStartShardId"), over("streamName"))
	ask("ListStreams", `{"Limit":1000000,"ExclusiveStartStreamName":"`+long+`"}`, two, over("exclusiveStartStreamName"))
	ask("GetRecords", `{"Limit":100000,"ShardIterator":"`+strings.Repeat("a", 513)+`"}`, two, "a' at 'shardIterator' failed to satisfy constraint: Member must have length less than or equal to 512")
	ask("SubscribeToShard", `{"ConsumerARN":"c","ShardId":"`+long+`","StartingPosition":{"Type":"HERE"}}`, two, over("shardId"), "Value 'HERE' at 'startingPosition.type' failed")
	ask("DescribeStream", `{"StreamName":"a b"}`, "Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	const number = ` failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\\d{0,128})`
	ask("GetShardIterator", `{"StreamName":"nope","ShardId":"0","ShardIteratorType":"X","StartingSequenceNumber":"05"}`, two, "Value '05' at 'startingSequenceNumber'"+number,
		"Value 'X' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]")
	ask("PutRecord", `{"StreamName":"nope","Data":"","PartitionKey":"","SequenceNumberForOrdering":"05"}`, two, "Value '05' at 'sequenceNumberForOrdering'"+number,
		"Value '' at 'partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1")
	ask("PutRecords", `{"StreamName":"nope","Records":[{"Data":"","PartitionKey":"k","ExplicitHashKey":"x"}]}`, "Value 'x' at 'records.1.member.explicitHashKey' failed")
}

// TestGetShardIterator_ShardIsLookedForBeforeThePosition has the order of mhart/kinesalite (actions/getShardIterator.js).
func TestGetShardIterator_ShardIsLookedForBeforeThePosition(t *testing.T) {
	ask := asker(t)
	for _, rest := range []string{
		`"ShardIteratorType":"LATEST","StartingSequenceNumber":"5"}`, `"ShardIteratorType":"AT_SEQUENCE_NUMBER"}`, `"ShardIteratorType":"AT_TIMESTAMP"}`,
	} {
		ask("GetShardIterator", `{"StreamName":"nope","ShardId":"0",`+rest, "Shard shardId-000000000000 in stream nope under account 000000000000 does not exist")
		ask("GetShardIterator", `{"StreamName":"s","ShardId":"7",`+rest, "Shard shardId-000000000007 in stream s under account 000000000000 does not exist")
		ask("GetShardIterator", `{"StreamName":"s","ShardId":"0",`+rest, "InvalidArgumentException")
	}
}

// TestReshard_IDThatIsNone_IsReportedBeforeTheStream has the texts that mhart/kinesalite recorded (test/splitShard.js,
// test/mergeShards.js).
func TestReshard_IDThatIsNone_IsReportedBeforeTheStream(t *testing.T) {
	ask := asker(t)
	const none = "Could not find shard 2147483648 in stream nope under account 000000000000."
	const notFound = "Stream nope under account 000000000000 not found."
	ask("SplitShard", `{"StreamName":"nope","ShardToSplit":"2147483648","NewStartingHashKey":"0"}`, none)
	ask("SplitShard", `{"StreamName":"nope","ShardToSplit":"2147483647","NewStartingHashKey":"0"}`, notFound)
	ask("MergeShards", `{"StreamName":"nope","ShardToMerge":"2147483648","AdjacentShardToMerge":"0"}`, none)
	ask("MergeShards", `{"StreamName":"nope","ShardToMerge":"0","AdjacentShardToMerge":"2147483648"}`, none)
	ask("MergeShards", `{"StreamName":"nope","ShardToMerge":"0","AdjacentShardToMerge":"1"}`, notFound)
}
