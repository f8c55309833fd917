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

// TestRequests_WithoutWhatIsRequired_HaveAWSsTexts asks over the wire: the SDK would not send such requests. The texts were
// recorded by mhart/kinesalite (test/getShardIterator.js, test/createStream.js and so on).
func TestRequests_WithoutWhatIsRequired_HaveAWSsTexts(t *testing.T) {
	svc := New(Options{})
	newStream(t, svc, 1)
	server := wire.NewServer(fault.New(1), nil, svc.Wire())
	ask := func(operation, body, want string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if got := w.Body.String(); w.Code != http.StatusBadRequest || !strings.Contains(got, want) {
			t.Errorf("%s %s: %d %s, want %s", operation, body, w.Code, got, want)
		}
	}
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
