package failure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// fakeQueue is SQS as far as this package sees it.
type fakeQueue struct {
	fate  func(call int, body string) *types.BatchResultErrorEntry // of each entry; nil takes it
	err   error                                                    // of every SendMessageBatch
	delay time.Duration                                            // of every SendMessageBatch

	mu                       sync.Mutex
	calls, flying, mostAtOne int
	messages                 []fakeMessage
	deletes, refusals        int           // calls of DeleteMessageBatch; entries that it still refuses
	slow                     time.Duration // of every ReceiveMessage
	received                 int           // messages that were handed out
	receives                 int           // calls of ReceiveMessage
	again                    map[int]bool  // those that hand out the first message, hidden or not, and no other
}

type fakeMessage struct {
	body    string
	hidden  time.Time
	handle  int
	deleted bool
}

func (q *fakeQueue) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	q.mu.Lock()
	q.calls++
	call := q.calls
	q.flying++
	q.mostAtOne = max(q.mostAtOne, q.flying)
	q.mu.Unlock()
	<-time.After(q.delay)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flying--
	if q.err != nil {
		return nil, q.err
	}
	size, out := 0, &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		size += len(*e.MessageBody)
		if q.fate != nil {
			if f := q.fate(call, *e.MessageBody); f != nil {
				f.Id = e.Id
				out.Failed = append(out.Failed, *f)
				continue
			}
		}
		q.messages = append(q.messages, fakeMessage{body: *e.MessageBody})
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
	}
	if size > MaxMessage || len(in.Entries) > 10 {
		return nil, &types.BatchRequestTooLong{}
	}
	return out, nil
}

func (q *fakeQueue) ReceiveMessage(_ context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	<-time.After(q.slow)
	q.mu.Lock()
	out := &sqs.ReceiveMessageOutput{}
	q.receives++
	for i := range q.messages {
		m := &q.messages[i]
		if again := q.again[q.receives]; again && i > 0 {
			break
		} else if again {
			m.hidden = time.Time{}
		}
		if m.deleted || time.Now().Before(m.hidden) || len(out.Messages) == int(in.MaxNumberOfMessages) {
			continue
		}
		m.hidden = time.Now().Add(time.Duration(in.VisibilityTimeout) * time.Second)
		m.handle++
		q.received++
		out.Messages = append(out.Messages, types.Message{
			MessageId: aws.String(fmt.Sprint(i)), Body: &m.body, ReceiptHandle: aws.String(fmt.Sprint(i, "/", m.handle)),
		})
	}
	q.mu.Unlock()
	if len(out.Messages) == 0 {
		<-time.After(time.Duration(in.WaitTimeSeconds) * time.Second)
	}
	return out, nil
}

func (q *fakeQueue) ChangeMessageVisibilityBatch(_ context.Context, in *sqs.ChangeMessageVisibilityBatchInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	if len(in.Entries) > 10 {
		return nil, &types.TooManyEntriesInBatchRequest{}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range in.Entries {
		var i, handle int
		_, _ = fmt.Sscanf(*e.ReceiptHandle, "%d/%d", &i, &handle)
		if q.messages[i].handle == handle {
			q.messages[i].hidden = time.Now().Add(time.Duration(e.VisibilityTimeout) * time.Second)
		}
	}
	return &sqs.ChangeMessageVisibilityBatchOutput{}, nil
}

func failures(n, payload int) []Record {
	out := make([]Record, n)
	for i := range out {
		out[i] = *goldenRecord()
		out[i].Sub, out[i].Payload = i, make([]byte, payload)
	}
	return out
}

// subs tells which records the queue holds, and how often.
func (q *fakeQueue) subs(t *testing.T) map[int]int {
	t.Helper()
	out := map[int]int{}
	for _, m := range q.messages {
		_, rest, _ := strings.Cut(m.body, `"subSequenceNumber":`)
		digits, _, _ := strings.Cut(rest, ",")
		sub, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatal(err)
		}
		out[sub]++
	}
	return out
}

func TestSend_ManyAndLarge_AreTakenOnceEach_WithinTheLimitsOfACall(t *testing.T) {
	for _, c := range []struct{ n, payload, calls int }{
		{0, 0, 0}, {1, 10, 1}, {25, 10, 3}, {5, 300_000, 3}, {2, 780_000, 2}, {2, 1 << 20, 1},
	} {
		q := &fakeQueue{}
		if err := NewQueue(q, "u").Send(t.Context(), failures(c.n, c.payload)); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if subs := q.subs(t); len(subs) != c.n || len(q.messages) != c.n || q.calls != c.calls {
			t.Errorf("%+v: %d records in %d messages by %d calls", c, len(subs), len(q.messages), q.calls)
		}
	}
}

func TestSend_RunsAFewCallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{delay: time.Second}
		start := time.Now()
		if err := NewQueue(q, "u").Send(t.Context(), failures(100, 10)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); q.mostAtOne != maxParallel || took != 3*time.Second {
			t.Errorf("%d at once, %s", q.mostAtOne, took)
		}
	})
}

func TestSend_EntriesFail_AreSentAgain_AndNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{fate: func(call int, body string) *types.BatchResultErrorEntry {
			if call < 3 && strings.Contains(body, `"subSequenceNumber":4`) {
				return &types.BatchResultErrorEntry{Code: aws.String("InternalError"), Message: aws.String("try again")}
			}
			return nil
		}}
		if err := NewQueue(q, "u").Send(t.Context(), failures(10, 10)); err != nil {
			t.Fatal(err)
		}
		for sub, n := range q.subs(t) {
			if n != 1 {
				t.Errorf("record %d sent %d times", sub, n)
			}
		}
		if len(q.messages) != 10 || q.calls != 3 {
			t.Errorf("%d messages, %d calls", len(q.messages), q.calls)
		}
	})
}

func TestSend_NotAllTaken_IsAnError(t *testing.T) {
	outage := errors.New("no answer")
	fail := func(sender bool) func(int, string) *types.BatchResultErrorEntry {
		return func(_ int, body string) *types.BatchResultErrorEntry {
			if !strings.Contains(body, `"subSequenceNumber":7`) {
				return nil
			}
			return &types.BatchResultErrorEntry{Code: aws.String("Odd"), Message: aws.String("no"), SenderFault: sender}
		}
	}
	for want, c := range map[string]struct {
		q     *fakeQueue
		calls int
	}{
		"send to failure queue: no answer":                                               {&fakeQueue{err: outage}, 1},
		"send to failure queue: 1 of 1 messages not taken: Odd: no":                      {&fakeQueue{fate: fail(false)}, maxAttempts},
		"send to failure queue: 1 of 10 messages not taken: Odd: no (not worth a retry)": {&fakeQueue{fate: fail(true)}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			err := NewQueue(c.q, "u").Send(t.Context(), failures(10, 10))
			if err == nil || err.Error() != want || c.q.calls != c.calls {
				t.Errorf("want %q: %v after %d calls", want, err, c.q.calls)
			}
			if c.q.err != nil && !errors.Is(err, outage) {
				t.Errorf("%v hides its cause", err)
			}
		})
	}
}

func TestSend_AnswerWithoutAnEntry_IsNotTaken(t *testing.T) {
	pack := []types.SendMessageBatchRequestEntry{{Id: aws.String("0")}, {Id: aws.String("1")}}
	rest, err := notTaken(pack, &sqs.SendMessageBatchOutput{Successful: []types.SendMessageBatchResultEntry{{Id: aws.String("1")}}})
	if err == nil || len(rest) != 1 || *rest[0].Id != "0" {
		t.Errorf("%v, %v", rest, err)
	}
}

func TestSend_OutOfTime_StopsRetrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{fate: func(int, string) *types.BatchResultErrorEntry { return &types.BatchResultErrorEntry{} }}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := NewQueue(q, "u").Send(ctx, failures(1, 1))
		if !errors.Is(err, context.Canceled) || q.calls != 1 {
			t.Errorf("%v after %d calls", err, q.calls)
		}
	})
}

func number(r Received) int {
	n, _ := strconv.Atoi(r.MessageID)
	return n
}

func TestList_SeesEveryMessageOnce_AndLeavesThemVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{}
		queue := NewQueue(q, "u")
		if err := queue.Send(t.Context(), failures(47, 10)); err != nil {
			t.Fatal(err)
		}
		q.messages = append(q.messages, fakeMessage{body: "what is this"}, fakeMessage{body: golden(t, "batch-aged.json")})
		for range 2 {
			got, err := queue.List(t.Context())
			if err != nil || len(got) != 49 {
				t.Fatalf("%d messages, %v", len(got), err)
			}
			slices.SortFunc(got, func(a, b Received) int { return cmp.Compare(number(a), number(b)) })
			if got[47].Err == nil || got[48].Message.Batch == nil || got[48].Body != q.messages[48].body {
				t.Errorf("%+v, %+v", got[47], got[48])
			}
		}
	})
}

// Messages that appeared again while it lists would come twice, and at last hide those behind them.
func TestList_SlowQueue_SeesEveryMessageOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{slow: 4 * time.Second}
		if err := NewQueue(q, "u").Send(t.Context(), failures(1000, 10)); err != nil {
			t.Fatal(err)
		}
		got, err := NewQueue(q, "u").List(t.Context())
		if err != nil || len(got) != 1000 || q.received != 1000 {
			t.Errorf("%d messages in %d, %v", len(got), q.received, err)
		}
		q.slow = 0
		if visible(t, q) != 1000 {
			t.Error("they are hidden")
		}
	})
}

// SQS may hand out a message again though it is hidden: that says nothing of those behind it.
func TestList_PollOfKnownMessagesOnly_IsNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{again: map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true}}
		if err := NewQueue(q, "u").Send(t.Context(), failures(200, 10)); err != nil {
			t.Fatal(err)
		}
		if got, err := NewQueue(q, "u").List(t.Context()); err != nil || len(got) != 200 {
			t.Errorf("%d messages, %v", len(got), err)
		}
	})
}

func TestList_MessagesThatCannotBeHidden_EndsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{again: map[int]bool{}}
		for call := range 1000 {
			q.again[call+2] = true
		}
		if err := NewQueue(q, "u").Send(t.Context(), failures(3, 10)); err != nil {
			t.Fatal(err)
		}
		if got, err := NewQueue(q, "u").List(t.Context()); err != nil || len(got) != 3 || q.receives > 30 {
			t.Errorf("%d messages in %d calls, %v", len(got), q.receives, err)
		}
	})
}

func TestList_EmptyQueue_IsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got, err := NewQueue(&fakeQueue{}, "u").List(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestFold_Copies_CountAsOneFailure_InOrder(t *testing.T) {
	var messages []Received
	for _, sub := range []int{2, 0, 2, 1, 2, 0} {
		r := goldenRecord()
		r.Sub = sub
		body, err := r.Body()
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, received(fmt.Sprint(len(messages)), body))
	}
	messages = append(messages, received("x", "unreadable"), received("y", golden(t, "batch-aged.json")))
	got := Fold(messages)
	var summary []string
	for _, f := range got {
		summary = append(summary, fmt.Sprintf("%s x%d", f.Class(), len(f.MessageIDs)))
	}
	if s := strings.Join(summary, ", "); s != "RecordAgeExceeded x1, invalid x2, invalid x1, invalid x3" {
		t.Error(s)
	}
}

// Two streams may share a queue, and their sequence numbers are their own.
func TestFold_SameNumbersInAnotherStream_AreAnotherFailure(t *testing.T) {
	ours, theirs := goldenRecord(), goldenRecord()
	theirs.Stream = "another"
	got := Fold([]Received{{MessageID: "a", Message: Message{Record: ours}}, {MessageID: "b", Message: Message{Record: theirs}}})
	if len(got) != 2 || len(got[0].MessageIDs) != 1 || len(got[1].MessageIDs) != 1 {
		t.Errorf("%+v", got)
	}
}
