package lambda

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

const (
	// MaxEvent bounds the payload of an asynchronous invocation: 1 MB since October 2025.
	MaxEvent = 1 << 20

	// maxQueued bounds the asynchronous invocations that wait or run. On AWS there is no such limit: here each holds its
	// payload in memory.
	maxQueued = 1000

	// eventAge is how long a throttled asynchronous invocation is tried again: on AWS too, unless it is set otherwise.
	eventAge = 6 * time.Hour

	// Rests between these attempts: from the first, doubling to the last.
	firstRest, lastRest = 50 * time.Millisecond, 5 * time.Second
)

var errEventTooLarge = &wire.Error{
	Code:    "RequestEntityTooLargeException",
	Message: fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", MaxEvent),
	Status:  http.StatusRequestEntityTooLarge,
}

// invokeLater answers an invocation of type Event: 202 at once, and the function runs in the background.
func (s *Service) invokeLater(w http.ResponseWriter, r *http.Request, ref string) {
	in, err := invocation(r)
	if err == nil && len(in.Payload) > MaxEvent {
		err = errEventTooLarge
	}
	if err == nil {
		err = s.enqueue(ref, in)
	}
	if err != nil {
		wire.WriteREST(w, err)
		return
	}
	w.Header().Set("X-Amzn-Requestid", in.RequestID)
	w.WriteHeader(http.StatusAccepted)
}

// enqueue runs an invocation in the background, if the function is there. It ends with the service.
func (s *Service) enqueue(ref string, in Invocation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	v, err := s.resolve(SplitName(ref))
	switch {
	case err != nil:
		return err
	case s.queued == maxQueued:
		return v.function.throttled()
	}
	s.queued++
	s.running.Go(func() {
		s.invokeInBackground(ref, in)
		s.count(func() { s.queued-- })
	})
	return nil
}

// invokeInBackground tries until the function is reached. What it answers is nobody's: a function that fails is not run
// again, as it would be twice on AWS.
func (s *Service) invokeInBackground(ref string, in Invocation) {
	began := time.Now()
	for rest := firstRest; time.Since(began) < eventAge; rest = min(2*rest, lastRest) {
		answer, err := s.Invoke(context.Background(), ref, in)
		throttle := new(wire.Error)
		if errors.As(err, &throttle) && throttle.Status == http.StatusTooManyRequests {
			s.pause(rest)
			continue
		}
		if err != nil || answer.FunctionError != "" {
			s.opt.Log.Warn("asynchronous invocation failed", "function", ref, "error", err, "answer", string(answer.Payload))
		}
		return
	}
}
