package failure

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"
)

const (
	// listHold is for how long a message that was listed stays hidden if List cannot show it again.
	listHold = 30 * time.Second
	// showTime is how long List may take to show what it has read, also when it was interrupted.
	showTime = 10 * time.Second
	// listWait makes ReceiveMessage a long poll, in seconds: a short poll asks only some of SQS's servers and may come
	// back empty from a queue that is not.
	listWait = 1
)

// Received is one message as the queue has it.
type Received struct {
	MessageID string
	Sent      time.Time // to the queue; zero when SQS did not tell
	Body      string
	Message   Message // read from Body
	Err       error   // why Body could not be read; Message is then empty
}

// List reads every message that is in the queue, once, as Take of a Hold does, and leaves it there: what it read it makes
// visible again at the end. Messages that someone else is holding are not seen, and while it runs nobody else sees those
// that it holds. When only keeping them hidden or making them visible again failed, or else the queue has more than MaxHeld
// (ErrPart), the messages come with that error; what could not be made visible is hidden for half a minute at most.
func (q *Queue) List(ctx context.Context) ([]Received, error) {
	h := newHold(q.api, q.url, listHold)
	found, err := h.Take(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), showTime)
	defer cancel()
	shown := h.Release(ctx)
	if err == nil || shown != nil && errors.Is(err, ErrPart) {
		err = shown
	}
	return found, err
}

// receive makes one call of ReceiveMessage, and hides what it gets for so many seconds.
func receive(ctx context.Context, api API, url string, visibility int32) ([]types.Message, error) {
	out, err := api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    &url,
		MaxNumberOfMessages:         maxEntries,
		VisibilityTimeout:           visibility,
		WaitTimeSeconds:             listWait,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp},
	})
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

func receivedOf(m *types.Message) Received {
	r := received(aws.ToString(m.MessageId), aws.ToString(m.Body))
	if millis, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		r.Sent = time.UnixMilli(millis)
	}
	return r
}

func received(id, body string) Received {
	m, err := Parse(body)
	return Received{MessageID: id, Body: body, Message: m, Err: err}
}

// hide hides messages, by their receipts, for so many seconds from now on; 0 makes them visible. What somebody else has
// received since, or deleted, is passed over.
func hide(ctx context.Context, api API, url string, handles []string, visibility int32) error {
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(maxParallel)
	for pack := range slices.Chunk(handles, maxEntries) {
		calls.Go(func() error {
			entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(pack))
			for i := range pack {
				entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &pack[i], VisibilityTimeout: visibility}
			}
			_, err := api.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: entries})
			return err
		})
	}
	return calls.Wait()
}

// Failure is what the queue holds about one failure.
type Failure struct {
	Message              // the latest that was sent, of those with a payload if there are any
	Sent       time.Time // when the first was; zero when it is not known
	MessageIDs []string  // of all that tell of it; the first is that of the message above
}

// Fold brings the copies of one failure together and sorts the failures as Compare does. Messages that could not be
// read are left out.
func Fold(messages []Received) []Failure {
	type name struct{ stream, id string } // two streams may share a queue
	at := map[name]int{}
	var out []Failure
	var latest []time.Time // sent, of the message that a failure has
	for _, m := range messages {
		if m.Err != nil {
			continue
		}
		of := name{m.Message.Stream(), m.Message.ID()}
		i, seen := at[of]
		if !seen {
			i = len(out)
			at[of] = i
			out, latest = append(out, Failure{Message: m.Message, Sent: m.Sent}), append(latest, m.Sent)
		}
		f := &out[i]
		f.MessageIDs = append(f.MessageIDs, m.MessageID)
		if m.Sent.Before(f.Sent) {
			f.Sent = m.Sent
		}
		if has, had := m.Message.hasPayload(), f.hasPayload(); has && !had || has == had && m.Sent.After(latest[i]) {
			f.Message, latest[i] = m.Message, m.Sent
			n := len(f.MessageIDs) - 1
			f.MessageIDs[0], f.MessageIDs[n] = f.MessageIDs[n], f.MessageIDs[0]
		}
	}
	slices.SortFunc(out, func(a, b Failure) int {
		return cmp.Or(Compare(a.Message, b.Message), cmp.Compare(a.ID(), b.ID()))
	})
	return out
}

func (m Message) hasPayload() bool { return m.Record != nil && m.Record.Payload != nil }
