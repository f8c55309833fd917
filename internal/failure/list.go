package failure

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// listVisibility is for how many seconds a message that was listed stays hidden if List cannot show it again.
	listVisibility = 30
	// listWait makes ReceiveMessage a long poll, in seconds: a short poll asks only some of SQS's servers and may come
	// back empty from a queue that is not.
	listWait = 1
)

// Received is one message as the queue has it.
type Received struct {
	MessageID string
	Body      string
	Message   Message // read from Body
	Err       error   // why Body could not be read; Message is then empty
}

// List reads every message that is in the queue, once, and leaves it there: what it read it makes visible again at the
// end. Messages that someone else is holding are not seen, and while it runs nobody else sees those that it holds. It
// ends with the first poll that finds nothing new, a second after the last message. After an error what it read stays
// hidden for half a minute; when only making it visible again failed, the messages come with that error.
func (q *Queue) List(ctx context.Context) ([]Received, error) {
	var found []Received
	handles := map[string]string{} // of the last receipt, by message id
	for {
		out, err := q.api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl:            &q.url,
			MaxNumberOfMessages: maxEntries,
			VisibilityTimeout:   listVisibility,
			WaitTimeSeconds:     listWait,
		})
		if err != nil {
			return nil, fmt.Errorf("list failure queue: %w", err)
		}
		before := len(found)
		for _, m := range out.Messages {
			id := aws.ToString(m.MessageId)
			if _, again := handles[id]; !again {
				found = append(found, received(id, aws.ToString(m.Body)))
			}
			handles[id] = aws.ToString(m.ReceiptHandle)
		}
		if len(found) == before {
			return found, q.release(ctx, handles)
		}
	}
}

func received(id, body string) Received {
	m, err := Parse(body)
	return Received{MessageID: id, Body: body, Message: m, Err: err}
}

// release makes messages visible again.
func (q *Queue) release(ctx context.Context, handles map[string]string) error {
	var entries []types.ChangeMessageVisibilityBatchRequestEntry
	for _, h := range handles {
		entries = append(entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(len(entries))), ReceiptHandle: &h, VisibilityTimeout: 0,
		})
	}
	for pack := range slices.Chunk(entries, maxEntries) {
		if _, err := q.api.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url, Entries: pack}); err != nil {
			return fmt.Errorf("show the failure queue's messages again: %w", err)
		}
	}
	return nil
}

// Failure is what the queue holds about one failure: the first message that told of it, and how many did.
type Failure struct {
	Message
	Copies int
}

// Fold brings the copies of one failure together and sorts the failures as Compare does. Messages that could not be
// read are left out.
func Fold(messages []Received) []Failure {
	at := map[string]int{}
	var out []Failure
	for _, m := range messages {
		if m.Err != nil {
			continue
		}
		i, seen := at[m.Message.ID()]
		if !seen {
			i = len(out)
			at[m.Message.ID()] = i
			out = append(out, Failure{Message: m.Message})
		}
		out[i].Copies++
	}
	slices.SortFunc(out, func(a, b Failure) int {
		return cmp.Or(Compare(a.Message, b.Message), cmp.Compare(a.ID(), b.ID()))
	})
	return out
}
