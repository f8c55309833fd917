package sqs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

func newTestQueue(t *testing.T, s *Service, attrs map[string]string) (url, arn string) {
	t.Helper()
	url, arn, err := s.CreateQueue("queue", attrs)
	if err != nil {
		t.Fatal(err)
	}
	return url, arn
}

// bodies receives without the wire, waiting up to a time, and gives the bodies.
func (s *Service) bodies(t *testing.T, ctx context.Context, url string, wait time.Duration) []string {
	t.Helper()
	seconds, limit := int(wait.Seconds()), maxReceived
	out, err := s.receiveMessage(ctx, &receiveMessageInput{QueueURL: url, WaitTimeSeconds: &seconds, MaxNumberOfMessages: &limit})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range out.Messages {
		got = append(got, m.Body)
	}
	return got
}

func put(t *testing.T, s *Service, arn, body string) {
	t.Helper()
	if err := s.Send(arn, body); err != nil {
		t.Error(err)
	}
}

func TestSend_ByARN_AndPeek(t *testing.T) {
	s := New(Options{Region: "eu-central-1", Account: "123456789012", BaseURL: "http://localhost:1"})
	url, arn := newTestQueue(t, s, nil)
	if url != "http://localhost:1/123456789012/queue" || arn != "arn:aws:sqs:eu-central-1:123456789012:queue" {
		t.Errorf("created %s, %s", url, arn)
	}
	put(t, s, arn, "one")
	put(t, s, arn, "two")
	s.bodies(t, t.Context(), url, 0)
	for _, name := range []string{url, arn, "queue", "http://other:2/123456789012/queue"} {
		got := s.Peek(name)
		if len(got) != 2 || got[0].Body != "one" || got[1].Body != "two" || got[0].Receives != 1 || got[0].Visible {
			t.Errorf("Peek(%s) = %+v", name, got)
		}
	}
	if got := s.Peek("nobody"); got != nil {
		t.Errorf("Peek(nobody) = %+v", got)
	}
	if err := s.Send(arn+"x", "three"); err == nil || !strings.Contains(err.Error(), "QueueDoesNotExist") {
		t.Errorf("Send = %v", err)
	}
	if err := s.Send(arn, ""); err == nil {
		t.Error("an empty message was taken")
	}
}

func TestPurge_AllowedAgainAfterAMinute(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := New(Options{Now: func() time.Time { return now }})
	url, _ := newTestQueue(t, s, nil)
	for range 2 {
		if _, err := s.purgeQueue(t.Context(), &queueInput{url}); err != nil {
			t.Error(err)
		}
		now = now.Add(purgeInterval)
	}
}

func TestFIFO_IsNotImplemented(t *testing.T) {
	c := serve(t)
	_, err := c.CreateQueue(t.Context(), &sdk.CreateQueueInput{QueueName: aws.String("q.fifo"), Attributes: map[string]string{"FifoQueue": "true"}})
	wantCode(t, err, "NotImplemented")
	_, err = c.ListQueueTags(t.Context(), &sdk.ListQueueTagsInput{QueueUrl: aws.String("x")})
	wantCode(t, err, "NotImplemented")
}

func TestSendMessageBatch_PartialFault_FailsSomeEntries(t *testing.T) {
	c := serve(t, fault.Rule{Operation: "SQS.SendMessageBatch", Kind: fault.Partial, Probability: 1, Count: 1})
	url := newQueueURL(t, c, "", nil)
	out, err := c.SendMessageBatch(t.Context(), &sdk.SendMessageBatchInput{QueueUrl: url, Entries: entries("a", "b", "c")})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Successful) != 1 || len(out.Failed) != 2 || out.Failed[0].SenderFault {
		t.Errorf("SendMessageBatch = %+v", out)
	}
	if got := receive(t, c, url, 10); len(got) != 1 || *got[0].Body != "b" {
		t.Errorf("received %+v", got)
	}
}

func TestThrottle_HasSQSsCode(t *testing.T) {
	c := serve(t, fault.Rule{Operation: "SQS.ListQueues", Kind: fault.Throttle, Probability: 1})
	_, err := c.ListQueues(t.Context(), &sdk.ListQueuesInput{})
	wantCode(t, err, "ThrottlingException")
}

func TestAttributesMD5(t *testing.T) {
	number, text := "1493147359900", "v"
	for _, x := range []struct {
		attrs map[string]attribute
		want  string
	}{
		{nil, ""},
		// This digest is in moto's tests.
		{map[string]attribute{"timestamp": {DataType: "Number", StringValue: &number}}, "235c5c510d26fb653d073faed50ae77c"},
		{
			map[string]attribute{"b": {DataType: "Binary", BinaryValue: []byte{7}}, "a": {DataType: "String", StringValue: &text}},
			sum("\x00\x00\x00\x01a\x00\x00\x00\x06String\x01\x00\x00\x00\x01v\x00\x00\x00\x01b\x00\x00\x00\x06Binary\x02\x00\x00\x00\x01\x07"),
		},
	} {
		if got := attributesMD5(x.attrs); got != x.want {
			t.Errorf("digest of %v = %s, want %s", x.attrs, got, x.want)
		}
	}
}

func FuzzParseHandle(f *testing.F) {
	f.Add(newHandle("queue", wire.NewID(), 3))
	f.Add("cSB4IC0x")
	f.Fuzz(func(t *testing.T, handle string) {
		queue, id, receive, ok := parseHandle(handle)
		if ok && newHandle(queue, id, receive) != handle {
			// Other spellings of the number, such as +1 or 01, are read too.
			if q, i, r, ok := parseHandle(newHandle(queue, id, receive)); !ok || q != queue || i != id || r != receive {
				t.Errorf("%q reads as %q %q %d, and that not as itself", handle, queue, id, receive)
			}
		}
	})
}

func FuzzRedrivePolicy(f *testing.F) {
	f.Add(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:queue","maxReceiveCount":"5"}`)
	f.Add(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:queue","maxReceiveCount":1e3}`)
	s := New(Options{})
	if _, _, err := s.CreateQueue("queue", nil); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, policy string) {
		r, err := s.redrive(policy)
		if err == nil && policy != "" && (r.MaxReceives < 1 || r.MaxReceives > maxReceives) {
			t.Errorf("%q gives %+v", policy, r)
		}
	})
}

// Whatever is done, each message that was sent is in one state, until it is deleted by its latest handle; and it is
// received only while it is visible.
func TestQueue_KeepsEveryMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_000_000, 0)
		s := New(Options{Now: func() time.Time { return now }})
		url, _, err := s.CreateQueue("queue", map[string]string{attrVisibility: "30"})
		if err != nil {
			t.Fatal(err)
		}
		live := map[string]bool{}             // by body
		hiddenUntil := map[string]time.Time{} // of live messages
		handles := map[string]string{}        // the latest of each
		q := s.queues["queue"]
		sent := 0
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				sent++
				body, delay := fmt.Sprint(sent), rapid.IntRange(0, 20).Draw(t, "delay")
				if _, err := s.sendMessage(t.Context(), &sendMessageInput{url, sendEntry{MessageBody: body, DelaySeconds: &delay}}); err != nil {
					t.Fatal(err)
				}
				live[body], hiddenUntil[body] = true, now.Add(time.Duration(delay)*time.Second)
			},
			"receive": func(t *rapid.T) {
				limit := rapid.IntRange(1, 10).Draw(t, "limit")
				out, err := s.receiveMessage(t.Context(), &receiveMessageInput{QueueURL: url, MaxNumberOfMessages: &limit})
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range out.Messages {
					if !live[m.Body] || hiddenUntil[m.Body].After(now) {
						t.Fatalf("received %s, which is deleted or hidden", m.Body)
					}
					hiddenUntil[m.Body], handles[m.Body] = now.Add(30*time.Second), m.ReceiptHandle
				}
			},
			"delete": func(t *rapid.T) {
				if len(handles) == 0 {
					t.Skip("nothing received")
				}
				body := rapid.SampledFrom(sortedKeys(handles)).Draw(t, "body")
				if _, err := s.deleteMessage(t.Context(), &receiptInput{url, receiptEntry{ReceiptHandle: handles[body]}}); err != nil {
					t.Fatal(err)
				}
				delete(live, body)
				delete(handles, body)
			},
			"pass": func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second) },
			"": func(t *rapid.T) {
				c := q.counts(now)
				visible := 0
				for body := range live {
					if !hiddenUntil[body].After(now) {
						visible++
					}
				}
				if int(c.visible) != visible || int(c.visible+c.inFlight+c.delayed) != len(live) || int(c.inFlight) != q.inFlight {
					t.Fatalf("counts = %+v (%d in flight), want %d visible of %d", c, q.inFlight, visible, len(live))
				}
				if q.ready.Len()+len(q.hidden) != len(q.messages) {
					t.Fatalf("%d ready and %d hidden of %d", q.ready.Len(), len(q.hidden), len(q.messages))
				}
			},
		})
	})
}

func sortedKeys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func BenchmarkSendMessageBatch(b *testing.B) {
	c := serve(b)
	url := newQueueURL(b, c, "", nil)
	in := &sdk.SendMessageBatchInput{QueueUrl: url, Entries: entries("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")}
	for b.Loop() {
		if _, err := c.SendMessageBatch(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*maxEntries/b.Elapsed().Seconds(), "messages/s")
}
