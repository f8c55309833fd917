package failure

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	maxEntries   = 10 // of one SendMessageBatch, ReceiveMessage or ChangeMessageVisibilityBatch (SQS quota)
	maxParallel  = 4  // calls in flight at once
	maxAttempts  = 5  // for an entry that SQS did not take: some seconds, inside a function's time-out
	firstBackoff = 100 * time.Millisecond
)

// API is what this package needs of the SQS client.
type API interface {
	SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
}

// Queue is the failure queue. It is safe for concurrent use.
type Queue struct {
	api API
	url string
}

// NewQueue makes the door to the queue at a URL.
func NewQueue(api API, url string) *Queue { return &Queue{api, url} }

// Send writes one message a record. It returns nil when SQS has taken every one. Otherwise which ones it took is not
// known, and the caller sends all of them again later: readers fold copies by their stable id. Entries that SQS
// refused for a reason of its own are tried again here, and calls that fail as a whole by the SDK's retryer.
func (q *Queue) Send(ctx context.Context, records []Record) error {
	s := sender{ctx: ctx, queue: q, slots: make(chan struct{}, maxParallel)}
	s.sendAll(records)
	s.calls.Wait()
	if err := errors.Join(s.errs...); err != nil {
		return fmt.Errorf("send to failure queue: %w", err)
	}
	return nil
}

// sender packs messages and sends the packs, maxParallel at once.
type sender struct {
	ctx   context.Context
	queue *Queue
	slots chan struct{}
	calls sync.WaitGroup

	mu   sync.Mutex
	errs []error
}

// sendAll encodes as it goes, so that no more messages are in memory than are on their way.
func (s *sender) sendAll(records []Record) {
	var pack []types.SendMessageBatchRequestEntry
	size := 0
	for i := range records {
		body, err := records[i].Body()
		if err != nil {
			s.fail(err)
			return
		}
		if len(pack) == maxEntries || size+len(body) > MaxMessage {
			s.dispatch(pack)
			pack, size = nil, 0
		}
		pack = append(pack, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(len(pack))), MessageBody: &body})
		size += len(body)
	}
	s.dispatch(pack)
}

// dispatch waits for a slot and sends a pack in it. After a failure nothing more is sent.
func (s *sender) dispatch(pack []types.SendMessageBatchRequestEntry) {
	if len(pack) == 0 {
		return
	}
	s.slots <- struct{}{}
	if s.failed() {
		<-s.slots
		return
	}
	s.calls.Go(func() {
		if err := s.queue.sendPack(s.ctx, pack); err != nil {
			s.fail(err)
		}
		<-s.slots
	})
}

func (s *sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

func (s *sender) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.errs) > 0
}

// sendPack sends one pack, and again what of it was not taken.
func (q *Queue) sendPack(ctx context.Context, pack []types.SendMessageBatchRequestEntry) error {
	for attempt := 1; ; attempt++ {
		out, err := q.api.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: pack})
		if err != nil {
			return err
		}
		rest, err := notTaken(pack, out)
		if len(rest) == 0 || errors.Is(err, errSenderFault) || attempt == maxAttempts {
			return err
		}
		if pause(ctx, attempt) != nil {
			return errors.Join(err, ctx.Err())
		}
		pack = rest
	}
}

// errSenderFault is an entry that SQS will refuse again, because of what it is or of who sends it.
var errSenderFault = errors.New("not worth a retry")

// notTaken gives the entries that SQS did not confirm, and why. An entry of which the answer says nothing is one of
// them.
func notTaken(pack []types.SendMessageBatchRequestEntry, out *sqs.SendMessageBatchOutput) (rest []types.SendMessageBatchRequestEntry, err error) {
	taken := make(map[string]bool, len(pack))
	for _, e := range out.Successful {
		taken[aws.ToString(e.Id)] = true
	}
	for _, e := range pack {
		if !taken[*e.Id] {
			rest = append(rest, e)
		}
	}
	if len(rest) == 0 {
		return nil, nil
	}
	err = fmt.Errorf("%d of %d messages not taken", len(rest), len(pack))
	if len(out.Failed) > 0 {
		f := out.Failed[0]
		err = fmt.Errorf("%w: %s: %s", err, aws.ToString(f.Code), aws.ToString(f.Message))
	}
	for _, f := range out.Failed {
		if f.SenderFault {
			return rest, fmt.Errorf("%w (%w)", err, errSenderFault)
		}
	}
	return rest, err
}

// pause backs off with full jitter, or until ctx is done.
func pause(ctx context.Context, attempt int) error {
	t := time.NewTimer(rand.N(firstBackoff << (attempt - 1)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
