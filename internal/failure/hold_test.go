package failure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// The receipt of a message that was received again since deletes nothing, as on AWS.
func (q *fakeQueue) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return nil, q.err
	}
	out := &sqs.DeleteMessageBatchOutput{}
	q.deletes++
	for _, e := range in.Entries {
		if q.refusals > 0 {
			q.refusals--
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InternalError")})
			continue
		}
		var i, handle int
		_, _ = fmt.Sscanf(*e.ReceiptHandle, "%d/%d", &i, &handle)
		if q.messages[i].handle == handle {
			q.messages[i].deleted = true
		}
	}
	return out, nil
}

func (q *fakeQueue) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, m := range q.messages {
		if time.Now().Before(m.hidden) && !m.deleted {
			n++
		}
	}
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"ApproximateNumberOfMessagesNotVisible": fmt.Sprint(n)}}, nil
}

// held makes a queue of n messages and a hold that has taken them.
func held(t *testing.T, n int) (*fakeQueue, *Hold, []Received) {
	t.Helper()
	q := &fakeQueue{}
	if err := NewQueue(q, "u").Send(t.Context(), failures(n, 10)); err != nil {
		t.Fatal(err)
	}
	h := NewHold(q, "u", time.Minute)
	found, err := h.Take(t.Context())
	if err != nil || len(found) != n {
		t.Fatalf("%d messages, %v", len(found), err)
	}
	return q, h, found
}

func visible(t *testing.T, q *fakeQueue) int {
	t.Helper()
	found, err := NewQueue(q, "u").List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestHold_KeepsMessagesHidden_UntilTheyAreReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, h, _ := held(t, 47)
		time.Sleep(10 * time.Minute) // of fake time
		if n, err := InFlight(t.Context(), q, "u"); n != 47 || err != nil || visible(t, q) != 0 {
			t.Errorf("%d hidden, %v", n, err)
		}
		if err := h.Release(t.Context()); err != nil || visible(t, q) != 47 {
			t.Errorf("%v, %d are visible", err, visible(t, q))
		}
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestHold_MoreThanThereIsRoomFor_TakesAPartAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{}
		if err := NewQueue(q, "u").Send(t.Context(), failures(500, 1000)); err != nil {
			t.Fatal(err)
		}
		h := NewHold(q, "u", time.Minute)
		h.room = 100_000
		found, err := h.Take(t.Context())
		if !errors.Is(err, ErrPart) || len(found) < 50 || len(found) > 150 {
			t.Errorf("%d messages, %v", len(found), err)
		}
		if err := h.Release(t.Context()); err != nil || visible(t, q) != 500 {
			t.Error(err)
		}
	})
}

func TestHold_Killed_MessagesAppearByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, h, _ := held(t, 3)
		h.end() // as much as a killed process does
		time.Sleep(time.Minute)
		if visible(t, q) != 3 {
			t.Error("they are still hidden")
		}
	})
}

func TestHold_DeletedAndShown_AreHeldNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, h, found := held(t, 30)
		ids := make([]string, 0, len(found))
		for _, m := range found {
			ids = append(ids, m.MessageID)
		}
		slices.Sort(ids)
		q.refusals = 3
		if err := h.Delete(t.Context(), append(ids[:25:25], "another")...); err != nil {
			t.Error(err)
		}
		if err := h.Show(t.Context(), ids[25:28]...); err != nil || visible(t, q) != 3 {
			t.Errorf("%v, %d are visible", err, visible(t, q))
		}
		if err := h.Release(t.Context()); err != nil || visible(t, q) != 5 {
			t.Errorf("%v, %d are visible", err, visible(t, q))
		}
	})
}

func TestHold_DeleteFails_MessagesAreStillHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, h, found := held(t, 1)
		q.refusals = 100
		if err := h.Delete(t.Context(), found[0].MessageID); err == nil || !strings.Contains(err.Error(), "delete from failure queue: 1 of 1 messages: InternalError") || q.deletes != maxAttempts {
			t.Errorf("%v after %d calls", err, q.deletes)
		}
		q.refusals, q.err = 0, errors.New("no answer")
		if err := h.Delete(t.Context(), found[0].MessageID); !errors.Is(err, q.err) {
			t.Error(err)
		}
		q.err = nil
		if err := h.Delete(t.Context(), found[0].MessageID); err != nil || !q.messages[0].deleted {
			t.Error(err)
		}
		_ = h.Release(t.Context())
	})
}

func TestFold_Copies_TheLatestWithAPayloadSpeaks(t *testing.T) {
	at := func(minute int, text string, payload []byte) Received {
		r := goldenRecord()
		r.Text, r.Payload = text, payload
		return Received{MessageID: text, Sent: time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC), Message: Message{Record: r}}
	}
	got := Fold([]Received{at(3, "old", []byte("x")), at(5, "new", []byte("x")), at(9, "pointer", nil), at(1, "first", nil), at(4, "between", []byte("x"))})
	if len(got) != 1 || got[0].Record.Text != "new" || got[0].MessageIDs[0] != "new" || len(got[0].MessageIDs) != 5 || got[0].Sent.Minute() != 1 {
		t.Errorf("%+v", got)
	}
	ids := slices.Sorted(slices.Values(got[0].MessageIDs))
	if fmt.Sprint(ids) != "[between first new old pointer]" {
		t.Error(ids)
	}
}
