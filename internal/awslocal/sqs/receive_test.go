package sqs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLongPoll_WakesWhenAMessageArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		url, arn := newTestQueue(t, s, nil)
		start := time.Now()
		time.AfterFunc(3*time.Second, func() { put(t, s, arn, "x") })
		if got := s.bodies(t, t.Context(), url, 20*time.Second); !slices.Equal(got, []string{"x"}) || time.Since(start) != 3*time.Second {
			t.Errorf("received %v after %v", got, time.Since(start))
		}
	})
}

func TestLongPoll_NothingCame_EndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		url, _ := newTestQueue(t, s, map[string]string{attrWait: "7"})
		start := time.Now()
		out, err := s.receiveMessage(t.Context(), &receiveMessageInput{QueueURL: url})
		if err != nil || len(out.Messages) != 0 || time.Since(start) != 7*time.Second {
			t.Errorf("received %+v, %v after %v, want the queue's own wait", out, err, time.Since(start))
		}
	})
}

func TestLongPoll_CallerGone_TakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		url, arn := newTestQueue(t, s, nil)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, func() {
			cancel()
			put(t, s, arn, "x")
		})
		if got := s.bodies(t, ctx, url, 20*time.Second); len(got) != 0 {
			t.Errorf("received %v", got)
		}
		synctest.Wait()
		if got := s.Peek(url); len(got) != 1 || !got[0].Visible {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestLongPoll_QueueDeleted_Ends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		url, _ := newTestQueue(t, s, nil)
		time.AfterFunc(time.Second, func() { _, _ = s.deleteQueue(context.Background(), &queueInput{url}) })
		wait := 20
		start := time.Now()
		_, err := s.receiveMessage(t.Context(), &receiveMessageInput{QueueURL: url, WaitTimeSeconds: &wait})
		if !errors.Is(err, errNoQueue) || time.Since(start) != time.Second {
			t.Errorf("error = %v after %v", err, time.Since(start))
		}
	})
}

func TestVisibility_WhoWaitsGetsWhatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		url, arn := newTestQueue(t, s, map[string]string{attrVisibility: "5"})
		put(t, s, arn, "x")
		start := time.Now()
		s.bodies(t, t.Context(), url, 0)
		if got := s.bodies(t, t.Context(), url, 20*time.Second); len(got) != 1 || time.Since(start) != 5*time.Second {
			t.Errorf("received %v after %v", got, time.Since(start))
		}
	})
}

func TestVisibility_MadeShorterWhileSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		url, arn := newTestQueue(t, s, nil)
		put(t, s, arn, "x")
		out, err := s.receiveMessage(t.Context(), &receiveMessageInput{QueueURL: url})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		two := 2
		time.AfterFunc(time.Second, func() {
			_, err := s.changeMessageVisibility(context.Background(), &receiptInput{url, receiptEntry{ReceiptHandle: out.Messages[0].ReceiptHandle, VisibilityTimeout: &two}})
			if err != nil {
				t.Error(err)
			}
		})
		if got := s.bodies(t, t.Context(), url, 20*time.Second); len(got) != 1 || time.Since(start) != 3*time.Second {
			t.Errorf("received %v after %v", got, time.Since(start))
		}
		// The first handle is out of date: it deletes nothing.
		if _, err := s.deleteMessage(t.Context(), &receiptInput{url, receiptEntry{ReceiptHandle: out.Messages[0].ReceiptHandle}}); err != nil {
			t.Error(err)
		}
		if got := s.Peek(url); len(got) != 1 {
			t.Errorf("left: %v", got)
		}
	})
}

func TestDelay_QueueAndMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		url, _ := newTestQueue(t, s, map[string]string{attrDelay: "10"})
		three := 3
		for body, delay := range map[string]*int{"queue's": nil, "own": &three} {
			if _, err := s.sendMessage(t.Context(), &sendMessageInput{url, sendEntry{MessageBody: body, DelaySeconds: delay}}); err != nil {
				t.Fatal(err)
			}
		}
		q, _ := s.find(url)
		if c := q.counts(time.Now()); c != (counts{delayed: 2}) {
			t.Errorf("counts = %+v", c)
		}
		start := time.Now()
		for _, want := range []struct {
			body  string
			after time.Duration
		}{{"own", 3 * time.Second}, {"queue's", 10 * time.Second}} {
			if got := s.bodies(t, t.Context(), url, 20*time.Second); !slices.Equal(got, []string{want.body}) || time.Since(start) != want.after {
				t.Errorf("received %v after %v, want %v", got, time.Since(start), want)
			}
		}
	})
}

func TestRetention_DropsWhatIsTooOld(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := New(Options{Now: func() time.Time { return now }})
	url, arn := newTestQueue(t, s, map[string]string{attrRetention: "60"})
	put(t, s, arn, "old")
	now = now.Add(59 * time.Second)
	put(t, s, arn, "new")
	now = now.Add(time.Second)
	if got := s.Peek(url); len(got) != 1 || got[0].Body != "new" {
		t.Errorf("Peek = %+v", got)
	}
	if got := s.bodies(t, t.Context(), url, 0); !slices.Equal(got, []string{"new"}) {
		t.Errorf("received %v", got)
	}
}

func TestInFlightLimit(t *testing.T) {
	s := New(Options{})
	url, _ := newTestQueue(t, s, nil)
	q, _ := s.find(url)
	q.inFlight = maxInFlight
	_, err := s.receiveMessage(t.Context(), &receiveMessageInput{QueueURL: url})
	wantErr := "OverLimit"
	if err == nil || !strings.HasPrefix(err.Error(), wantErr) {
		t.Errorf("error = %v, want %s", err, wantErr)
	}
}

func TestRedrive_TargetDeleted_DeliversOn(t *testing.T) {
	s := New(Options{})
	_, dead, err := s.CreateQueue("dead", nil)
	if err != nil {
		t.Fatal(err)
	}
	url, arn := newTestQueue(t, s, map[string]string{
		attrVisibility: "0", attrRedrive: `{"deadLetterTargetArn":"` + dead + `","maxReceiveCount":1}`,
	})
	put(t, s, arn, "x")
	if _, err := s.deleteQueue(t.Context(), &queueInput{"dead"}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := s.bodies(t, t.Context(), url, 0); len(got) != 1 {
			t.Errorf("received %v", got)
		}
	}
}

func TestRedrive_PolicyRemoved_DeliversOn(t *testing.T) {
	s := New(Options{})
	_, dead, err := s.CreateQueue("dead", nil)
	if err != nil {
		t.Fatal(err)
	}
	url, arn := newTestQueue(t, s, map[string]string{
		attrVisibility: "0", attrRedrive: `{"deadLetterTargetArn":"` + dead + `","maxReceiveCount":1}`,
	})
	put(t, s, arn, "x")
	if _, err := s.setQueueAttributes(t.Context(), &setQueueAttributesInput{url, map[string]string{attrRedrive: ""}}); err != nil {
		t.Fatal(err)
	}
	out, err := s.getQueueAttributes(t.Context(), &getQueueAttributesInput{url, []string{all}})
	if _, ok := out.Attributes[attrRedrive]; ok || err != nil {
		t.Errorf("attributes = %v, %v", out, err)
	}
	for range 3 {
		if got := s.bodies(t, t.Context(), url, 0); len(got) != 1 {
			t.Errorf("received %v", got)
		}
	}
}
