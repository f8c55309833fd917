package sqs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func send(t *testing.T, c *sdk.Client, url *string, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		must[*sdk.SendMessageOutput](t)(c.SendMessage(t.Context(), &sdk.SendMessageInput{QueueUrl: url, MessageBody: &b}))
	}
}

// receive takes up to n messages, with everything that can be asked for.
func receive(t *testing.T, c *sdk.Client, url *string, n int) []types.Message {
	t.Helper()
	out := must[*sdk.ReceiveMessageOutput](t)(c.ReceiveMessage(t.Context(), &sdk.ReceiveMessageInput{
		QueueUrl: url, MaxNumberOfMessages: int32(n),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	}))
	return out.Messages
}

// The SDK checks the digests of the bodies; that of the attributes has a test of its own.
func checkSendReceive(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", nil)
	body := `{"text":"ünï <&> \u2028"}` + "\t\r\n"
	sent := must[*sdk.SendMessageOutput](t)(c.SendMessage(t.Context(), &sdk.SendMessageInput{
		QueueUrl: url, MessageBody: &body,
		MessageAttributes: map[string]types.MessageAttributeValue{
			"text":   {DataType: aws.String("String"), StringValue: aws.String("one")},
			"number": {DataType: aws.String("Number.int"), StringValue: aws.String("42")},
			"bytes":  {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
		},
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
			"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1-2-3")},
		},
	}))
	got := receive(t, c, url, 10)
	if len(got) != 1 {
		t.Fatalf("received %d messages", len(got))
	}
	m := got[0]
	if *m.Body != body || *m.MessageId != *sent.MessageId || *m.MD5OfMessageAttributes != *sent.MD5OfMessageAttributes {
		t.Errorf("received %+v, sent %+v", m, sent)
	}
	a := m.MessageAttributes
	if *a["text"].StringValue != "one" || *a["number"].DataType != "Number.int" || string(a["bytes"].BinaryValue) != "\x00\x01\xff" {
		t.Errorf("attributes = %+v", a)
	}
	if s := m.Attributes; s["ApproximateReceiveCount"] != "1" || len(s["SentTimestamp"]) != 13 || len(s["ApproximateFirstReceiveTimestamp"]) != 13 ||
		s["SenderId"] == "" || s["AWSTraceHeader"] != "Root=1-2-3" {
		t.Errorf("system attributes = %v", s)
	}
	if again := receive(t, c, url, 10); len(again) != 0 {
		t.Errorf("received again: %+v", again)
	}
	if n := attributesOf(t, c, url); n["ApproximateNumberOfMessages"] != "0" || n["ApproximateNumberOfMessagesNotVisible"] != "1" {
		t.Errorf("counts = %v", n)
	}
}

func checkSendWrong(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", map[string]string{"MaximumMessageSize": "1024"})
	try := func(in sdk.SendMessageInput) error {
		in.QueueUrl = url
		_, err := c.SendMessage(t.Context(), &in)
		return err
	}
	wantError[*types.InvalidMessageContents](t, try(sdk.SendMessageInput{MessageBody: aws.String("\x01")}))
	wantCode(t, try(sdk.SendMessageInput{MessageBody: aws.String(strings.Repeat("x", 1025))}), "InvalidParameterValue")
	wantCode(t, try(sdk.SendMessageInput{MessageBody: aws.String("x"), DelaySeconds: 901}), "InvalidParameterValue")
	for _, a := range []types.MessageAttributeValue{
		{DataType: aws.String("Nonsense"), StringValue: aws.String("x")},
		{DataType: aws.String("String"), StringValue: aws.String("")},
		{DataType: aws.String("Number"), StringValue: aws.String("x")},
	} {
		err := try(sdk.SendMessageInput{MessageBody: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{"a": a}})
		wantCode(t, err, "InvalidParameterValue")
	}
	if err := try(sdk.SendMessageInput{MessageBody: aws.String(strings.Repeat("x", 1024))}); err != nil {
		t.Errorf("largest message: %v", err)
	}
}

func entries(bodies ...string) []types.SendMessageBatchRequestEntry {
	var out []types.SendMessageBatchRequestEntry
	for i := range bodies {
		out = append(out, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint("e", i)), MessageBody: &bodies[i]})
	}
	return out
}

func checkSendBatch(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", nil)
	out := must[*sdk.SendMessageBatchOutput](t)(c.SendMessageBatch(t.Context(), &sdk.SendMessageBatchInput{
		QueueUrl: url, Entries: entries("good", "bad\x02", "good too"),
	}))
	if len(out.Successful) != 2 || len(out.Failed) != 1 {
		t.Fatalf("SendMessageBatch = %+v", out)
	}
	if f := out.Failed[0]; *f.Id != "e1" || !f.SenderFault || *f.Code != "InvalidMessageContents" {
		t.Errorf("failed entry = %+v", f)
	}
	var bodies []string
	for _, m := range receive(t, c, url, 10) {
		bodies = append(bodies, *m.Body)
	}
	slices.Sort(bodies)
	if !slices.Equal(bodies, []string{"good", "good too"}) {
		t.Errorf("received %q", bodies)
	}
}

func checkSendBatchWrong(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", nil)
	try := func(e []types.SendMessageBatchRequestEntry) error {
		_, err := c.SendMessageBatch(t.Context(), &sdk.SendMessageBatchInput{QueueUrl: url, Entries: e})
		return err
	}
	wantError[*types.EmptyBatchRequest](t, try([]types.SendMessageBatchRequestEntry{}))
	wantError[*types.TooManyEntriesInBatchRequest](t, try(entries(strings.Split("1 2 3 4 5 6 7 8 9 10 11", " ")...)))
	twice := entries("x", "y")
	twice[1].Id = twice[0].Id
	wantError[*types.BatchEntryIdsNotDistinct](t, try(twice))
	wrong := entries("x")
	wrong[0].Id = aws.String("not an id")
	wantError[*types.InvalidBatchEntryId](t, try(wrong))
	half := strings.Repeat("x", maxMessage/2)
	wantError[*types.BatchRequestTooLong](t, try(entries(half, half, "x")))
	if err := try(entries(half, half)); err != nil {
		t.Errorf("largest batch: %v", err)
	}
}

func checkSelectAttributes(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", map[string]string{"VisibilityTimeout": "0"})
	text := types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("v")}
	must[*sdk.SendMessageOutput](t)(c.SendMessage(t.Context(), &sdk.SendMessageInput{
		QueueUrl: url, MessageBody: aws.String("x"),
		MessageAttributes: map[string]types.MessageAttributeValue{"trace.id": text, "trace.parent": text, "other": text},
	}))
	for _, x := range []struct {
		names []string
		want  []string
	}{
		{nil, nil},
		{[]string{"other", "absent"}, []string{"other"}},
		{[]string{"trace.*"}, []string{"trace.id", "trace.parent"}},
		{[]string{".*"}, []string{"other", "trace.id", "trace.parent"}},
	} {
		out := must[*sdk.ReceiveMessageOutput](t)(c.ReceiveMessage(t.Context(), &sdk.ReceiveMessageInput{
			QueueUrl: url, MessageAttributeNames: x.names,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"SentTimestamp"},
		}))
		if len(out.Messages) != 1 {
			t.Fatalf("received %d messages", len(out.Messages))
		}
		m := out.Messages[0]
		if got := slices.Sorted(maps.Keys(m.MessageAttributes)); !slices.Equal(got, x.want) {
			t.Errorf("%v selects %v, want %v", x.names, got, x.want)
		}
		if got := slices.Sorted(maps.Keys(m.Attributes)); !slices.Equal(got, []string{"SentTimestamp"}) {
			t.Errorf("system attributes = %v", got)
		}
	}
}

func checkReceiveWrong(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", nil)
	for _, in := range []sdk.ReceiveMessageInput{
		{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1}, {WaitTimeSeconds: 21}, {VisibilityTimeout: 43_201},
	} {
		in.QueueUrl = url
		_, err := c.ReceiveMessage(t.Context(), &in)
		wantCode(t, err, "InvalidParameterValue")
	}
}

func checkReceives(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", map[string]string{"VisibilityTimeout": "0"})
	send(t, c, url, "x")
	first := ""
	for _, want := range []string{"1", "2", "3"} {
		m := receive(t, c, url, 1)
		if len(m) != 1 || m[0].Attributes["ApproximateReceiveCount"] != want {
			t.Fatalf("receive %s = %+v", want, m)
		}
		if first == "" {
			first = m[0].Attributes["ApproximateFirstReceiveTimestamp"]
		}
		if got := m[0].Attributes["ApproximateFirstReceiveTimestamp"]; got != first {
			t.Errorf("first received %s, then %s", first, got)
		}
	}
}

func checkDelete(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", nil)
	send(t, c, url, "x")
	handle := receive(t, c, url, 1)[0].ReceiptHandle
	for range 2 {
		must[*sdk.DeleteMessageOutput](t)(c.DeleteMessage(t.Context(), &sdk.DeleteMessageInput{QueueUrl: url, ReceiptHandle: handle}))
	}
	_, err := c.DeleteMessage(t.Context(), &sdk.DeleteMessageInput{QueueUrl: url, ReceiptHandle: aws.String("nonsense")})
	wantError[*types.ReceiptHandleIsInvalid](t, err)
	if n := attributesOf(t, c, url); n["ApproximateNumberOfMessagesNotVisible"] != "0" {
		t.Errorf("counts = %v", n)
	}
}

func checkDeleteBatch(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", nil)
	send(t, c, url, "x")
	handle := receive(t, c, url, 1)[0].ReceiptHandle
	out := must[*sdk.DeleteMessageBatchOutput](t)(c.DeleteMessageBatch(t.Context(), &sdk.DeleteMessageBatchInput{
		QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("a"), ReceiptHandle: handle}, {Id: aws.String("b"), ReceiptHandle: aws.String("nonsense")},
		},
	}))
	if len(out.Successful) != 1 || *out.Successful[0].Id != "a" || len(out.Failed) != 1 || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Errorf("DeleteMessageBatch = %+v", out)
	}
	_, err := c.DeleteMessageBatch(t.Context(), &sdk.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{}})
	wantError[*types.EmptyBatchRequest](t, err)
}

func checkVisibility(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", nil)
	send(t, c, url, "x")
	handle := receive(t, c, url, 1)[0].ReceiptHandle
	change := func(handle *string, seconds int32) error {
		_, err := c.ChangeMessageVisibility(t.Context(), &sdk.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: handle, VisibilityTimeout: seconds})
		return err
	}
	wantCode(t, change(handle, 43_201), "InvalidParameterValue")
	wantError[*types.ReceiptHandleIsInvalid](t, change(aws.String("nonsense"), 0))
	if err := change(handle, 0); err != nil {
		t.Fatal(err)
	}
	wantError[*types.MessageNotInflight](t, change(handle, 0))
	if m := receive(t, c, url, 1); len(m) != 1 {
		t.Error("not visible again")
	}
}

func checkVisibilityBatch(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", nil)
	send(t, c, url, "x")
	handle := receive(t, c, url, 1)[0].ReceiptHandle
	out := must[*sdk.ChangeMessageVisibilityBatchOutput](t)(c.ChangeMessageVisibilityBatch(t.Context(), &sdk.ChangeMessageVisibilityBatchInput{
		QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("a"), ReceiptHandle: handle, VisibilityTimeout: 0},
			{Id: aws.String("b"), ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 0},
		},
	}))
	if len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Id != "b" {
		t.Errorf("ChangeMessageVisibilityBatch = %+v", out)
	}
	if m := receive(t, c, url, 1); len(m) != 1 {
		t.Error("not visible again")
	}
}

func checkRedrive(t *testing.T, c *sdk.Client) {
	dead := newQueueURL(t, c, "-dead", nil)
	arn := attributesOf(t, c, dead)["QueueArn"]
	url := newQueueURL(t, c, "", map[string]string{
		"VisibilityTimeout": "0",
		"RedrivePolicy":     `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":"2"}`,
	})
	send(t, c, url, "x")
	id := *receive(t, c, url, 1)[0].MessageId
	receive(t, c, url, 1)
	if m := receive(t, c, url, 1); len(m) != 0 {
		t.Errorf("received a third time: %+v", m)
	}
	m := receive(t, c, dead, 1)
	if len(m) != 1 || *m[0].Body != "x" || *m[0].MessageId != id {
		t.Fatalf("dead letters = %+v", m)
	}
	if got := m[0].Attributes["DeadLetterQueueSourceArn"]; got != attributesOf(t, c, url)["QueueArn"] {
		t.Errorf("source = %s", got)
	}
}
