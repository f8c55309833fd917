package awslocal

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	s3sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	snssdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/millrace/millrace/internal/awslocal/esm"
	"github.com/millrace/millrace/internal/awslocal/stack"
)

// packed makes a folder with the test's function as a deployment package.
func packed(t *testing.T, name string) string {
	t.Helper()
	code, err := copyZip()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), code, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// parsed reads a template of testdata.
func parsed(t *testing.T, file string) *stack.Template {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	template, err := stack.Parse(file, b)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func TestDeploy_TemplateOfAStranger_RunsWithTopicsBucketsAndConsumers(t *testing.T) {
	settled := make(chan esm.Settled, 100)
	e := Start(t, Options{Mapping: esm.Options{Settled: func(s esm.Settled) { settled <- s }, MaxRest: 10 * time.Millisecond}})
	s, err := e.Deploy(t.Context(), parsed(t, "testdata/things.yaml"), stack.Options{Name: "S", BaseDir: packed(t, "copy.zip")})
	if err != nil {
		t.Fatal(err)
	}
	w := world{Endpoint: e, Stack: s, settled: settled}
	w.send(t, "other", "passed over")
	w.send(t, "k1", "hello")
	w.until(t, esm.Processed)
	items, err := dynamodb.NewFromConfig(e.Config()).Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(s.Outputs["Table"])})
	if err != nil || len(items.Items) != 1 {
		t.Errorf("%+v, %v", items, err)
	}
	w.send(t, "k2", "bad")
	got := w.receive(t)
	for _, want := range []string{`"Type" : "Notification"`, `"TopicArn" : "arn:aws:sns:us-east-1:000000000000:S-Failures"`, `\"condition\":\"RetryAttemptsExhausted\"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in the message %s", want, got)
		}
	}
	w.until(t, esm.RetryAttemptsExhausted)
	w.send(t, "spare", "bad")
	w.until(t, esm.RetryAttemptsExhausted)
	objects, err := s3sdk.NewFromConfig(e.Config()).ListObjectsV2(t.Context(), &s3sdk.ListObjectsV2Input{Bucket: aws.String(s.Outputs["Bucket"])})
	if err != nil || len(objects.Contents) != 1 || !strings.HasPrefix(*objects.Contents[0].Key, "aws/lambda/") {
		t.Errorf("objects %+v, %v", objects, err)
	}
	if _, there := s.Outputs["Mail"]; there || len(s.NotEmulated) != 1 {
		t.Errorf("outputs %v, not emulated %v", s.Outputs, s.NotEmulated)
	}
}

// send puts one record.
func (w world) send(t *testing.T, key, data string) {
	t.Helper()
	_, err := kinesis.NewFromConfig(w.Config()).PutRecord(t.Context(), &kinesis.PutRecordInput{
		StreamName: aws.String(w.Outputs["Stream"]), PartitionKey: &key, Data: []byte(data),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for records that come to this end.
func (w world) until(t *testing.T, fate esm.Fate) {
	t.Helper()
	for {
		select {
		case s := <-w.settled:
			if s.Fate == fate {
				return
			}
		case <-t.Context().Done():
			t.Fatalf("no record is %s", fate)
		}
	}
}

// receive waits for one message of the stack's queue.
func (w world) receive(t *testing.T) string {
	t.Helper()
	out, err := sqs.NewFromConfig(w.Config()).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(w.Outputs["Queue"]), WaitTimeSeconds: 20})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	return *out.Messages[0].Body
}

func TestDestination_EachService_GetsTheDocument(t *testing.T) {
	e := Start(t, Options{})
	if _, _, err := e.SQS.CreateQueue("q", nil); err != nil {
		t.Fatal(err)
	}
	if err := e.S3.CreateBucket("failures"); err != nil {
		t.Fatal(err)
	}
	const queue = "arn:aws:sqs:us-east-1:000000000000:q"
	topic, err := e.SNS.CreateTopic("t", nil)
	if err == nil {
		_, err = e.SNS.Subscribe(topic, queue, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	d := destination{e.SQS, e.SNS, e.S3}
	for _, arn := range []string{queue, topic, "arn:aws:s3:::failures"} {
		if err := d.Send(arn, "aws/lambda/m/key", "to "+arn); err != nil {
			t.Error(err)
		}
	}
	if m := e.SQS.Peek("q"); len(m) != 2 || m[0].Body != "to "+queue || m[1].Body != "to "+topic {
		t.Errorf("messages %+v", m)
	}
	out, err := s3sdk.NewFromConfig(e.Config(), func(o *s3sdk.Options) { o.UsePathStyle = true }).GetObject(t.Context(), &s3sdk.GetObjectInput{
		Bucket: aws.String("failures"), Key: aws.String("aws/lambda/m/key"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if b, err := io.ReadAll(out.Body); string(b) != "to arn:aws:s3:::failures" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if got := aws.ToString(out.ContentType); got != "application/octet-stream" { // not JSON's
		t.Errorf("content type %s", got)
	}
	for _, arn := range []string{"arn:aws:events:us-east-1:000000000000:event-bus/b", "x", "arn:aws:s3:::none", topic + "x"} {
		if err := d.Send(arn, "k", "x"); err == nil {
			t.Errorf("sent to %s", arn)
		}
	}
}

func TestDeploy_EncryptionAndLargestRecord_AreTheStreams(t *testing.T) {
	e := Start(t, Options{})
	template, err := stack.Parse("t.yaml", []byte("Resources: {S: {Type: 'AWS::Kinesis::Stream', Properties: "+
		"{Name: s, ShardCount: 1, MaxRecordSizeInKiB: 2048, StreamEncryption: {EncryptionType: KMS, KeyId: alias/aws/kinesis}}}}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Deploy(t.Context(), template, stack.Options{}); err != nil {
		t.Fatal(err)
	}
	out, err := kinesis.NewFromConfig(e.Config()).DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.StreamDescriptionSummary; got.EncryptionType != "KMS" || *got.KeyId != "alias/aws/kinesis" || *got.MaxRecordSizeInKiB != 2048 {
		t.Errorf("%s %s %d", got.EncryptionType, aws.ToString(got.KeyId), *got.MaxRecordSizeInKiB)
	}
}

func TestDeploy_CodeInS3_IsTakenFromTheLocalOne(t *testing.T) {
	e := Start(t, Options{})
	dir := packed(t, "p.zip")
	program, err := os.ReadFile(filepath.Join(dir, "p.zip"))
	if err != nil {
		t.Fatal(err)
	}
	template, err := stack.Parse("t.yaml", []byte("Resources: {F: {Type: 'AWS::Lambda::Function', Properties: {Runtime: provided.al2023, Code: {S3Bucket: code, S3Key: p.zip}}}}"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Deploy(t.Context(), template, stack.Options{Name: "A"})
	if err == nil || !strings.Contains(err.Error(), "create F (AWS::Lambda::Function): code of function A-F: get p.zip of bucket code: NoSuchBucket: The specified bucket does not exist") {
		t.Errorf("without the object: %v", err)
	}
	if err := e.S3.CreateBucket("code"); err != nil {
		t.Fatal(err)
	}
	if err := e.S3.Put("code", "p.zip", program, "application/zip"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Deploy(t.Context(), template, stack.Options{Name: "B"}); err != nil {
		t.Error(err)
	}
	if _, ok := e.Lambda.Function("B-F"); !ok {
		t.Error("there is no function")
	}
}

func TestDoorOf_Request_IsKnownByWhatOnlyItHas(t *testing.T) {
	signed := func(service string) string {
		return "AWS4-HMAC-SHA256 Credential=a/20261128/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=b"
	}
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	for name, c := range map[string]struct {
		method, path string
		header       map[string]string
		want         door
	}{
		"control":              {"GET", "/_millrace/health", nil, doorControl},
		"kinesis":              {"POST", "/", map[string]string{"X-Amz-Target": "Kinesis_20131202.ListStreams", "Authorization": signed("kinesis")}, doorJSON},
		"lambda":               {"GET", "/2015-03-31/functions/f", map[string]string{"Authorization": signed("lambda")}, doorLambda},
		"lambda later":         {"PUT", "/2017-10-31/functions/f/concurrency", nil, doorLambda},
		"sns":                  {"POST", "/", map[string]string{"Content-Type": form, "Authorization": signed("sns")}, doorQuery},
		"form unsigned":        {"POST", "/", map[string]string{"Content-Type": form}, doorQuery},
		"bucket":               {"PUT", "/b", map[string]string{"Authorization": signed("s3")}, doorS3},
		"bucket with form":     {"POST", "/b?delete", map[string]string{"Content-Type": form, "Authorization": signed("s3")}, doorS3},
		"bucket named by date": {"GET", "/2015-03-31/key", map[string]string{"Authorization": signed("s3")}, doorS3},
		"presigned":            {"GET", "/2015-03-31/key?X-Amz-Credential=a%2F20261128%2Fus-east-1%2Fs3%2Faws4_request", nil, doorS3},
		"unsigned":             {"GET", "/b/k", nil, doorS3},
		"another service":      {"GET", "/v1/apis", map[string]string{"Authorization": signed("apigateway")}, doorNone},
	} {
		r := httptest.NewRequest(c.method, c.path, http.NoBody)
		for header, value := range c.header {
			r.Header.Set(header, value)
		}
		if got := doorOf(r); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestQuery_Version_TellsTheService(t *testing.T) {
	e := Start(t, Options{})
	if _, err := snssdk.NewFromConfig(e.Config()).CreateTopic(t.Context(), &snssdk.CreateTopicInput{Name: aws.String("t")}); err != nil {
		t.Error(err)
	}
	list, err := snssdk.NewFromConfig(e.Config()).ListTopics(t.Context(), &snssdk.ListTopicsInput{})
	if err != nil || len(list.Topics) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}
