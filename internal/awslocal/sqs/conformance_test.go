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

// conformance is written by the SQS documentation, and holds on whatever MILLRACE_CONFORMANCE_ENDPOINT names.
var conformance = []struct {
	name  string
	check func(*testing.T, *sdk.Client)
	moto  string // what moto 5.2.1 is known to do instead
}{
	{"CreateQueue_Again_GivesTheSameURL", checkCreateAgain, ""},
	{"CreateQueue_OtherAttributes_IsRefused", checkCreateOther, ""},
	{"CreateQueue_WrongValues_AreRefused", checkCreateWrong, "it checks no attributes"},
	{"GetQueueUrl_FindsByName", checkGetURL, ""},
	{"DeleteQueue_IsGone", checkDeleteQueue, ""},
	{"ListQueues_PagesByPrefix", checkListQueues, "it does not page"},
	{"Attributes_DefaultsAndChanges", checkAttributes, "it checks no values"},
	{"SendMessage_IsReceivedAsSent", checkSendReceive, ""},
	{"SendMessage_WrongOnes_AreRefused", checkSendWrong, "it takes every character and every number"},
	{"SendMessageBatch_EachEntryOnItsOwn", checkSendBatch, "it takes every character"},
	{"SendMessageBatch_WrongBatches_AreRefused", checkSendBatchWrong, ""},
	{"ReceiveMessage_SelectsAttributes", checkSelectAttributes, ""},
	{"ReceiveMessage_WrongParameters_AreRefused", checkReceiveWrong, ""},
	{"ReceiveMessage_CountsReceives", checkReceives, ""},
	{"DeleteMessage_TwiceAndWrong", checkDelete, ""},
	{"DeleteMessageBatch_EachEntryOnItsOwn", checkDeleteBatch, ""},
	{"ChangeMessageVisibility_ToZero_ShowsAgain", checkVisibility, "it does not tell visible messages from those in flight"},
	{"ChangeMessageVisibilityBatch_EachEntryOnItsOwn", checkVisibilityBatch, ""},
	{"RedrivePolicy_MovesAfterMaxReceiveCount", checkRedrive, "it does not name the source queue"},
	{"PurgeQueue_EmptiesOnceAMinute", checkPurge, "it purges as often as it is told"},
	{"EveryOperation_UnknownQueue_IsRefused", checkUnknownQueue, ""},
}

func TestConformance(t *testing.T) {
	c := endpoint(t)
	for _, x := range conformance {
		t.Run(x.name, func(t *testing.T) {
			defer func() {
				if t.Failed() && x.moto != "" {
					t.Log("moto is known to differ:", x.moto)
				}
			}()
			x.check(t, c)
		})
	}
}

func attributesOf(t *testing.T, c *sdk.Client, url *string) map[string]string {
	t.Helper()
	return must[*sdk.GetQueueAttributesOutput](t)(c.GetQueueAttributes(t.Context(), &sdk.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})).Attributes
}

func checkCreateAgain(t *testing.T, c *sdk.Client) {
	attrs := map[string]string{"VisibilityTimeout": "45"}
	url := newQueueURL(t, c, "", attrs)
	for _, a := range []map[string]string{attrs, nil} {
		if again := newQueueURL(t, c, "", a); *again != *url {
			t.Errorf("created %s, then %s", *url, *again)
		}
	}
}

func checkCreateOther(t *testing.T, c *sdk.Client) {
	newQueueURL(t, c, "", map[string]string{"VisibilityTimeout": "45"})
	_, err := c.CreateQueue(t.Context(), &sdk.CreateQueueInput{
		QueueName: aws.String(uniqueName(t, "")), Attributes: map[string]string{"VisibilityTimeout": "46"},
	})
	wantError[*types.QueueNameExists](t, err)
}

func checkCreateWrong(t *testing.T, c *sdk.Client) {
	create := func(name string, attrs map[string]string) error {
		_, err := c.CreateQueue(t.Context(), &sdk.CreateQueueInput{QueueName: &name, Attributes: attrs})
		return err
	}
	wantCode(t, create("not a name", nil), "InvalidParameterValue")
	wantCode(t, create(strings.Repeat("x", 81), nil), "InvalidParameterValue")
	name := uniqueName(t, "")
	wantError[*types.InvalidAttributeName](t, create(name, map[string]string{"Nonsense": "1"}))
	for attr, value := range map[string]string{
		"VisibilityTimeout": "43201", "DelaySeconds": "-1", "MessageRetentionPeriod": "59", "MaximumMessageSize": "1048577",
		"ReceiveMessageWaitTimeSeconds": "x",
	} {
		wantError[*types.InvalidAttributeValue](t, create(name, map[string]string{attr: value}))
	}
	for _, policy := range []string{
		`{`, `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:nobody","maxReceiveCount":1}`,
	} {
		wantCode(t, create(name, map[string]string{"RedrivePolicy": policy}), "InvalidParameterValue")
	}
}

func checkGetURL(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", nil)
	out := must[*sdk.GetQueueUrlOutput](t)(c.GetQueueUrl(t.Context(), &sdk.GetQueueUrlInput{QueueName: aws.String(uniqueName(t, ""))}))
	if *out.QueueUrl != *url || !strings.HasSuffix(*url, "/"+uniqueName(t, "")) {
		t.Errorf("GetQueueUrl = %s, created %s", *out.QueueUrl, *url)
	}
}

func checkDeleteQueue(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", nil)
	must[*sdk.DeleteQueueOutput](t)(c.DeleteQueue(t.Context(), &sdk.DeleteQueueInput{QueueUrl: url}))
	_, err := c.GetQueueUrl(t.Context(), &sdk.GetQueueUrlInput{QueueName: aws.String(uniqueName(t, ""))})
	wantError[*types.QueueDoesNotExist](t, err)
}

func checkListQueues(t *testing.T, c *sdk.Client) {
	var want []string
	for i := range 5 {
		want = append(want, *newQueueURL(t, c, fmt.Sprint("-", i), nil))
	}
	in := &sdk.ListQueuesInput{QueueNamePrefix: aws.String(uniqueName(t, "-")), MaxResults: aws.Int32(2)}
	var got []string
	for pages := sdk.NewListQueuesPaginator(c, in); pages.HasMorePages(); {
		page := must[*sdk.ListQueuesOutput](t)(pages.NextPage(t.Context()))
		if len(page.QueueUrls) > 2 {
			t.Errorf("page of %d", len(page.QueueUrls))
		}
		got = append(got, page.QueueUrls...)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("ListQueues = %v, want %v", got, want)
	}
	none := must[*sdk.ListQueuesOutput](t)(c.ListQueues(t.Context(), &sdk.ListQueuesInput{QueueNamePrefix: aws.String(uniqueName(t, "-none"))}))
	if len(none.QueueUrls) != 0 || none.NextToken != nil {
		t.Errorf("ListQueues = %+v", none)
	}
}

func checkAttributes(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", map[string]string{"DelaySeconds": "7"})
	got := attributesOf(t, c, url)
	for name, want := range map[string]string{
		"DelaySeconds": "7", "VisibilityTimeout": "30", "MessageRetentionPeriod": "345600", "MaximumMessageSize": "1048576",
		"ReceiveMessageWaitTimeSeconds": "0", "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0",
		"ApproximateNumberOfMessagesDelayed": "0",
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
	if !strings.HasSuffix(got["QueueArn"], ":"+uniqueName(t, "")) || got["CreatedTimestamp"] == "" || got["LastModifiedTimestamp"] == "" {
		t.Errorf("attributes = %v", got)
	}
	must[*sdk.SetQueueAttributesOutput](t)(c.SetQueueAttributes(t.Context(), &sdk.SetQueueAttributesInput{
		QueueUrl: url, Attributes: map[string]string{"DelaySeconds": "0", "VisibilityTimeout": "60"},
	}))
	some := must[*sdk.GetQueueAttributesOutput](t)(c.GetQueueAttributes(t.Context(), &sdk.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []types.QueueAttributeName{"DelaySeconds", "VisibilityTimeout", "RedrivePolicy"},
	})).Attributes
	if want := map[string]string{"DelaySeconds": "0", "VisibilityTimeout": "60"}; !maps.Equal(some, want) {
		t.Errorf("attributes = %v, want %v", some, want)
	}
	_, err := c.GetQueueAttributes(t.Context(), &sdk.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"Nonsense"}})
	wantError[*types.InvalidAttributeName](t, err)
	_, err = c.SetQueueAttributes(t.Context(), &sdk.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"DelaySeconds": "901"}})
	wantError[*types.InvalidAttributeValue](t, err)
}

func checkPurge(t *testing.T, c *sdk.Client) {
	url := newQueueURL(t, c, "", nil)
	send(t, c, url, "x", "y")
	receive(t, c, url, 1)
	must[*sdk.PurgeQueueOutput](t)(c.PurgeQueue(t.Context(), &sdk.PurgeQueueInput{QueueUrl: url}))
	if n := attributesOf(t, c, url); n["ApproximateNumberOfMessages"] != "0" || n["ApproximateNumberOfMessagesNotVisible"] != "0" {
		t.Errorf("counts = %v", n)
	}
	_, err := c.PurgeQueue(t.Context(), &sdk.PurgeQueueInput{QueueUrl: url})
	wantError[*types.PurgeQueueInProgress](t, err)
}

func checkUnknownQueue(t *testing.T, c *sdk.Client) {
	url := aws.String(*newQueueURL(t, c, "", nil) + "-nobody")
	one := []types.DeleteMessageBatchRequestEntry{{Id: aws.String("a"), ReceiptHandle: aws.String("h")}}
	other := []types.ChangeMessageVisibilityBatchRequestEntry{{Id: aws.String("a"), ReceiptHandle: aws.String("h")}}
	ctx := t.Context()
	calls := map[string]func() (any, error){
		"DeleteQueue": func() (any, error) { return c.DeleteQueue(ctx, &sdk.DeleteQueueInput{QueueUrl: url}) },
		"PurgeQueue":  func() (any, error) { return c.PurgeQueue(ctx, &sdk.PurgeQueueInput{QueueUrl: url}) },
		"GetQueueAttributes": func() (any, error) {
			return c.GetQueueAttributes(ctx, &sdk.GetQueueAttributesInput{QueueUrl: url})
		},
		"SetQueueAttributes": func() (any, error) {
			return c.SetQueueAttributes(ctx, &sdk.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{}})
		},
		"SendMessage": func() (any, error) {
			return c.SendMessage(ctx, &sdk.SendMessageInput{QueueUrl: url, MessageBody: url})
		},
		"SendMessageBatch": func() (any, error) {
			return c.SendMessageBatch(ctx, &sdk.SendMessageBatchInput{QueueUrl: url, Entries: entries("x")})
		},
		"ReceiveMessage": func() (any, error) {
			return c.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20})
		},
		"DeleteMessage": func() (any, error) {
			return c.DeleteMessage(ctx, &sdk.DeleteMessageInput{QueueUrl: url, ReceiptHandle: url})
		},
		"DeleteMessageBatch": func() (any, error) {
			return c.DeleteMessageBatch(ctx, &sdk.DeleteMessageBatchInput{QueueUrl: url, Entries: one})
		},
		"ChangeMessageVisibility": func() (any, error) {
			return c.ChangeMessageVisibility(ctx, &sdk.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: url})
		},
		"ChangeMessageVisibilityBatch": func() (any, error) {
			return c.ChangeMessageVisibilityBatch(ctx, &sdk.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: other})
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			_, err := call()
			wantError[*types.QueueDoesNotExist](t, err)
		})
	}
}
