package sns

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/client"
)

const (
	queue = "arn:aws:sqs:us-east-1:000000000000:q"
	gone  = "arn:aws:sqs:us-east-1:000000000000:gone"
)

// world is a service on loopback, what its queues got, and a client.
type world struct {
	*sdk.Client
	svc *Service
	got []string // queue's name, a space, and the message
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{}
	w.svc = New(Options{
		BaseURL: "http://local",
		Now:     func() time.Time { return time.Date(2026, 11, 28, 12, 30, 0, 5e6, time.UTC) },
		Deliver: func(arn, body string) error {
			if arn == gone {
				return errors.New("no queue")
			}
			w.got = append(w.got, strings.TrimPrefix(arn, "arn:aws:sqs:us-east-1:000000000000:")+" "+body)
			return nil
		},
	})
	server := httptest.NewServer(w.svc)
	t.Cleanup(server.Close)
	w.Client = sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: client.HTTP(),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), Retryer: aws.NopRetryer{},
	})
	return w
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused fails the test unless an error has the code, and its message the text in it.
func refused(t *testing.T, err error, code, text string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), text) {
		t.Errorf("got %v\nwant %s: %s", err, code, text)
	}
}

func (w *world) topic(t *testing.T, name string) string {
	t.Helper()
	return *must[*sdk.CreateTopicOutput](t)(w.CreateTopic(t.Context(), &sdk.CreateTopicInput{Name: &name})).TopicArn
}

func (w *world) subscribe(t *testing.T, topic, queue string, attributes map[string]string) string {
	t.Helper()
	return *must[*sdk.SubscribeOutput](t)(w.Subscribe(t.Context(), &sdk.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &queue, Attributes: attributes, ReturnSubscriptionArn: true,
	})).SubscriptionArn
}

func TestPublish_Message_ReachesEachQueue_RawOrInItsEnvelope(t *testing.T) {
	w := start(t)
	topic := w.topic(t, "things")
	sub := w.subscribe(t, topic, queue, nil)
	w.subscribe(t, topic, gone, nil)
	w.subscribe(t, topic, queue+"2", map[string]string{"RawMessageDelivery": "true"})
	id := *must[*sdk.PublishOutput](t)(w.Publish(t.Context(), &sdk.PublishInput{TopicArn: &topic, Message: aws.String("a \"b\" <c>\n"), Subject: aws.String("s")})).MessageId
	if err := w.svc.Publish(topic, "from Go"); err != nil {
		t.Fatal(err)
	}
	envelope := fmt.Sprintf(`q {
  "Type" : "Notification",
  "MessageId" : "%s",
  "TopicArn" : "arn:aws:sns:us-east-1:000000000000:things",
  "Subject" : "s",
  "Message" : "a \"b\" <c>\n",
  "Timestamp" : "2026-11-28T12:30:00.005Z",
  "SignatureVersion" : "1",
  "Signature" : "bm90IHNpZ25lZA==",
  "SigningCertURL" : "http://local/SimpleNotificationService-local.pem",
  "UnsubscribeURL" : "http://local/?Action=Unsubscribe&SubscriptionArn=%s"
}`, id, strings.ReplaceAll(sub, ":", "%3A"))
	if diff := cmp.Diff([]string{envelope, "q2 a \"b\" <c>\n"}, w.got[:2]); diff != "" {
		t.Error(diff)
	}
	if len(w.got) != 4 || strings.Contains(w.got[2], "Subject") || w.got[3] != "q2 from Go" {
		t.Errorf("got %q", w.got)
	}
}

func TestSubscriptions_AreListedChangedAndEnded(t *testing.T) {
	w := start(t)
	one, two := w.topic(t, "one"), w.topic(t, "two")
	a, b := w.subscribe(t, one, queue, nil), w.subscribe(t, two, queue, nil)
	if again := w.subscribe(t, one, queue, nil); again != a {
		t.Errorf("subscribed again as %s, not %s", again, a)
	}
	list := must[*sdk.ListSubscriptionsByTopicOutput](t)(w.ListSubscriptionsByTopic(t.Context(), &sdk.ListSubscriptionsByTopicInput{TopicArn: &two})).Subscriptions
	if len(list) != 1 || *list[0].SubscriptionArn != b || *list[0].Protocol != "sqs" || *list[0].Endpoint != queue || *list[0].TopicArn != two {
		t.Errorf("listed %+v", list)
	}
	must[*sdk.SetSubscriptionAttributesOutput](t)(w.SetSubscriptionAttributes(t.Context(), &sdk.SetSubscriptionAttributesInput{
		SubscriptionArn: &a, AttributeName: aws.String("RawMessageDelivery"), AttributeValue: aws.String("true"),
	}))
	attributes := must[*sdk.GetSubscriptionAttributesOutput](t)(w.GetSubscriptionAttributes(t.Context(), &sdk.GetSubscriptionAttributesInput{SubscriptionArn: &a})).Attributes
	if attributes["RawMessageDelivery"] != "true" || attributes["Endpoint"] != queue {
		t.Errorf("attributes %v", attributes)
	}
	must[*sdk.UnsubscribeOutput](t)(w.Unsubscribe(t.Context(), &sdk.UnsubscribeInput{SubscriptionArn: &a}))
	if err := w.svc.Publish(one, "x"); err != nil || len(w.got) != 0 {
		t.Errorf("%q, %v", w.got, err)
	}
	must[*sdk.DeleteTopicOutput](t)(w.DeleteTopic(t.Context(), &sdk.DeleteTopicInput{TopicArn: &two}))
	if all := must[*sdk.ListSubscriptionsOutput](t)(w.ListSubscriptions(t.Context(), &sdk.ListSubscriptionsInput{})).Subscriptions; len(all) != 0 {
		t.Errorf("left %+v", all)
	}
}

func TestTopics_AreFoundPagedAndDescribed(t *testing.T) {
	w := start(t)
	for i := range pageSize + 5 {
		w.topic(t, fmt.Sprintf("t%03d", i))
	}
	first := w.topic(t, "t000")
	var all []string
	pages := sdk.NewListTopicsPaginator(w.Client, &sdk.ListTopicsInput{})
	for pages.HasMorePages() {
		for _, topic := range must[*sdk.ListTopicsOutput](t)(pages.NextPage(t.Context())).Topics {
			all = append(all, *topic.TopicArn)
		}
	}
	if len(all) != pageSize+5 || !slices.IsSorted(all) || all[0] != first {
		t.Errorf("listed %d from %s", len(all), all[0])
	}
	w.subscribe(t, first, queue, nil)
	attributes := must[*sdk.GetTopicAttributesOutput](t)(w.GetTopicAttributes(t.Context(), &sdk.GetTopicAttributesInput{TopicArn: &first})).Attributes
	if attributes["TopicArn"] != first || attributes["SubscriptionsConfirmed"] != "1" || attributes["Owner"] != "000000000000" {
		t.Errorf("attributes %v", attributes)
	}
}

func TestRequests_ThatAreWrong_AreRefused(t *testing.T) {
	w := start(t)
	topic, none, ctx := w.topic(t, "t"), aws.String("arn:aws:sns:us-east-1:000000000000:none"), t.Context()
	subscribe := func(protocol, endpoint string, attributes map[string]string) error {
		_, err := w.Subscribe(ctx, &sdk.SubscribeInput{TopicArn: &topic, Protocol: &protocol, Endpoint: &endpoint, Attributes: attributes})
		return err
	}
	publish := func(in sdk.PublishInput) error {
		in.TopicArn = &topic
		_, err := w.Publish(ctx, &in)
		return err
	}
	create := func(name string, attributes map[string]string) error {
		_, err := w.CreateTopic(ctx, &sdk.CreateTopicInput{Name: &name, Attributes: attributes})
		return err
	}
	refused(t, create("a b", nil), "InvalidParameter", "Topic Name")
	refused(t, create("a.fifo", map[string]string{"FifoTopic": "true"}), "NotImplemented", "FIFO topics")
	refused(t, create("a", map[string]string{"KmsMasterKeyId": "k"}), "NotImplemented", "KmsMasterKeyId")
	refused(t, create("t", map[string]string{"DisplayName": "other"}), "InvalidParameter", "already exists with different attributes")
	refused(t, subscribe("email", "a@b.example", nil), "NotImplemented", "email")
	refused(t, subscribe("pigeon", "x", nil), "InvalidParameter", "does not support this protocol string: pigeon")
	refused(t, subscribe("sqs", "http://x", nil), "InvalidParameter", "SQS endpoint ARN")
	refused(t, subscribe("sqs", queue, map[string]string{"FilterPolicy": "{}"}), "NotImplemented", "FilterPolicy")
	refused(t, subscribe("sqs", queue, map[string]string{"RawMessageDelivery": "x"}), "InvalidParameter", "RawMessageDelivery")
	refused(t, publish(sdk.PublishInput{Message: aws.String("")}), "InvalidParameter", "Empty message")
	refused(t, publish(sdk.PublishInput{Message: aws.String(strings.Repeat("x", MaxMessage+1))}), "InvalidParameter", "Message too long")
	refused(t, publish(sdk.PublishInput{Message: aws.String("x"), Subject: aws.String(strings.Repeat("x", 100))}), "InvalidParameter", "Subject")
	refused(t, publish(sdk.PublishInput{Message: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{
		"a": {DataType: aws.String("String"), StringValue: aws.String("b")},
	}}), "NotImplemented", "MessageAttributes")
	_, err := w.Publish(ctx, &sdk.PublishInput{TopicArn: none, Message: aws.String("x")})
	if e := new(types.NotFoundException); !errors.As(err, &e) {
		t.Error(err)
	}
	_, err = w.GetSubscriptionAttributes(ctx, &sdk.GetSubscriptionAttributesInput{SubscriptionArn: none})
	refused(t, err, "NotFound", "Subscription does not exist")
	_, err = w.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: &topic})
	refused(t, err, "NotImplemented", "SNS ListTagsForResource")
	_, err = w.DeleteTopic(ctx, &sdk.DeleteTopicInput{TopicArn: aws.String("")})
	refused(t, err, "InvalidParameter", "TopicArn")
	if len(w.got) != 0 {
		t.Errorf("delivered %q", w.got)
	}
	if err := w.svc.Publish(*none, "x"); err == nil || !strings.Contains(err.Error(), "Topic does not exist") {
		t.Error(err)
	}
}
