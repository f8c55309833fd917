package failure

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"
)

// MaxHeld bounds what a hold takes, in bytes of message bodies: it is in memory. SQS itself hands out no more than
// about 120,000 messages of a queue at once (quota of a standard queue).
const MaxHeld = 512 << 20

// maxStale is after how many polls in a row that give nothing but known messages there is nothing new to come.
const maxStale = 20

// ErrPart says that what was read is a part of the queue: it has more than MaxHeld.
var ErrPart = errors.New("the failure queue has more than 512 MiB of messages: what was read is a part of them")

// HoldAPI is what holding messages needs of the SQS client.
type HoldAPI interface {
	API
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// Hold keeps messages of the queue hidden from everybody else until each is deleted or released, or this process ends:
// then they appear again by themselves. It is safe for concurrent use.
type Hold struct {
	api    API
	remove HoldAPI // nil: nothing can be deleted
	url    string
	within time.Duration
	room   int // MaxHeld
	end    context.CancelFunc
	keeps  sync.WaitGroup

	mu      sync.Mutex
	handles map[string]string // of the last receipt, by message id
	found   []Received
	bytes   int
	stale   int // polls since the last new message that gave known ones
	lapse   error
}

// NewHold makes a hold without messages on the queue at a URL. Messages appear again within a while, in whole seconds
// and at most 12 hours (limit of SQS), after a process that did not release them. Release it.
func NewHold(api HoldAPI, url string, within time.Duration) *Hold {
	h := newHold(api, url, within)
	h.remove = api
	return h
}

func newHold(api API, url string, within time.Duration) *Hold {
	ctx, cancel := context.WithCancel(context.Background())
	h := &Hold{api: api, url: url, within: within, room: MaxHeld, end: cancel, handles: map[string]string{}}
	h.keeps.Go(func() { h.keep(ctx) })
	return h
}

// Take receives every message that is in the queue, once, and holds it. It ends with the first polls that find nothing, a
// second after the last message; or when it has MaxHeld: then the messages come with ErrPart. Call it once.
func (h *Hold) Take(ctx context.Context) ([]Received, error) {
	polls, ctx := errgroup.WithContext(ctx)
	for range maxParallel {
		polls.Go(func() error {
			for {
				messages, err := receive(ctx, h.api, h.url, h.seconds())
				if err != nil {
					return fmt.Errorf("read failure queue: %w", err)
				}
				if !h.add(messages) {
					return nil
				}
			}
		})
	}
	if err := polls.Wait(); err != nil {
		return nil, err
	}
	found := h.found
	h.found = nil
	if h.bytes >= h.room {
		return found, ErrPart
	}
	return found, nil
}

func (h *Hold) seconds() int32 { return int32(h.within / time.Second) }

// add notes messages, and tells whether there may be more to take. Known ones, which SQS may hand out again though they are
// hidden, say nothing of those behind them; unless they keep coming, because they cannot be hidden as fast as they appear.
func (h *Hold) add(messages []types.Message) (more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(messages) == 0 {
		return false
	}
	h.stale++
	for i := range messages {
		m := &messages[i]
		id := aws.ToString(m.MessageId)
		if _, again := h.handles[id]; !again {
			h.found = append(h.found, receivedOf(m))
			h.bytes += len(aws.ToString(m.Body))
			h.stale = 0
		}
		h.handles[id] = aws.ToString(m.ReceiptHandle)
	}
	return h.stale < maxStale && h.bytes < h.room
}

// keep hides the held messages again and again, in time.
func (h *Hold) keep(ctx context.Context) {
	tick := time.NewTicker(max(h.within/3, 100*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := hide(ctx, h.api, h.url, h.receipts(), h.seconds()); err != nil && ctx.Err() == nil {
			h.mu.Lock()
			h.lapse = err
			h.mu.Unlock()
		}
	}
}

func (h *Hold) receipts() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.handles))
}

// Delete deletes held messages by their ids; those that are not held are passed over. After an error any of them may be
// deleted or not, and all are held still: call it again, or let them be seen again.
func (h *Hold) Delete(ctx context.Context, ids ...string) error {
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(maxParallel)
	for pack := range slices.Chunk(ids, maxEntries) {
		calls.Go(func() error { return h.deletePack(ctx, pack) })
	}
	if err := calls.Wait(); err != nil {
		return fmt.Errorf("delete from failure queue: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		delete(h.handles, id)
	}
	return nil
}

// deletePack deletes up to maxEntries messages, and tries again with what was not deleted.
func (h *Hold) deletePack(ctx context.Context, ids []string) error {
	entries := h.deletions(ids)
	for attempt := 1; len(entries) > 0; attempt++ {
		out, err := h.remove.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &h.url, Entries: entries})
		if err != nil {
			return err
		}
		if len(out.Failed) == 0 {
			return nil
		}
		first := out.Failed[0]
		if first.SenderFault || attempt == maxAttempts {
			return fmt.Errorf("%d of %d messages: %s: %s", len(out.Failed), len(entries), aws.ToString(first.Code), aws.ToString(first.Message))
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		entries = slices.DeleteFunc(entries, func(e types.DeleteMessageBatchRequestEntry) bool {
			return !slices.ContainsFunc(out.Failed, func(f types.BatchResultErrorEntry) bool { return aws.ToString(f.Id) == *e.Id })
		})
	}
	return nil
}

func (h *Hold) deletions(ids []string) (entries []types.DeleteMessageBatchRequestEntry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, id := range ids {
		if handle, ok := h.handles[id]; ok {
			entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &handle})
		}
	}
	return entries
}

// Show makes held messages visible to others, by their ids, and holds them no longer.
func (h *Hold) Show(ctx context.Context, ids ...string) error {
	h.mu.Lock()
	var handles []string
	for _, id := range ids {
		if handle, ok := h.handles[id]; ok {
			handles = append(handles, handle)
			delete(h.handles, id)
		}
	}
	h.mu.Unlock()
	if err := hide(ctx, h.api, h.url, handles, 0); err != nil {
		return fmt.Errorf("show messages of the failure queue again: %w", err)
	}
	return nil
}

// Release ends the hold: what is still held is visible again. It also tells when messages could not be kept hidden in
// the meantime, which means no more than that somebody else may have read them too. It may be called again.
func (h *Hold) Release(ctx context.Context) error {
	h.end()
	h.keeps.Wait()
	h.mu.Lock()
	ids, lapse := slices.Collect(maps.Keys(h.handles)), h.lapse
	h.lapse = nil
	h.mu.Unlock()
	if lapse != nil {
		lapse = fmt.Errorf("keep messages of the failure queue hidden: %w", lapse)
	}
	return errors.Join(h.Show(ctx, ids...), lapse)
}

// InFlight tells about how many messages of the queue at a URL are hidden: because somebody holds them, or did until a
// short while ago.
func InFlight(ctx context.Context, api HoldAPI, url string) (int, error) {
	const name = types.QueueAttributeNameApproximateNumberOfMessagesNotVisible
	out, err := api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		return 0, fmt.Errorf("ask the failure queue for its length: %w", err)
	}
	n, err := strconv.Atoi(out.Attributes[string(name)])
	if err != nil {
		return 0, fmt.Errorf("ask the failure queue for its length: %w", err)
	}
	return n, nil
}
