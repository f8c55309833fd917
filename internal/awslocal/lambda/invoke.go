package lambda

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Invocation is one call of a function.
type Invocation struct {
	RequestID string // what the function sees as its request id; "" makes one
	Payload   []byte // a JSON value, handed on as it is; must not be changed before the answer
	Tail      bool   // asks for Answer.Log
}

// ErrDropped is what a fault of kind DropAfter or Hang makes of an invocation: it has run, its answer is lost.
var ErrDropped = errors.New("injected: the connection dropped before the answer")

var errRequestTooLarge = &wire.Error{
	Code:    "RequestEntityTooLargeException",
	Message: fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", MaxRequest),
	Status:  http.StatusRequestEntityTooLarge,
}

// Invoke runs a function, named by any reference that SplitName reads, and waits for its answer. An idle instance is used,
// or one is started, up to the function's concurrency; beyond that the invocation is throttled. What goes wrong inside the
// function is no error here but an Answer with a FunctionError: an error that it returned, a crash, a time-out, an instance
// that does not come up. Errors are *wire.Error as AWS answers them, ErrDropped, or the context's; when ctx ends, the
// invocation does not: it runs on to its own end or time-out, as on AWS.
func (s *Service) Invoke(ctx context.Context, function string, in Invocation) (Answer, error) {
	if len(in.Payload) > MaxRequest {
		return Answer{}, errRequestTooLarge
	}
	if in.RequestID == "" {
		in.RequestID = wire.NewID()
	}
	rule := s.opt.Faults.Next("Lambda.Invoke")
	v, err := s.enter(function, rule.Kind)
	if err != nil {
		return Answer{}, err
	}
	answer := make(chan Answer, 1)
	go func() {
		defer s.running.Done()
		answer <- s.run(v, function, in, rule)
	}()
	select {
	case a := <-answer:
		if rule.Kind == fault.DropAfter || rule.Kind == fault.Hang {
			return Answer{}, ErrDropped
		}
		return a, nil
	case <-ctx.Done():
		return Answer{}, fmt.Errorf("invoke %s: %w", function, context.Cause(ctx))
	}
}

// enter takes one of the function's concurrency, which run gives back, or refuses.
func (s *Service) enter(ref string, kind fault.Kind) (*version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	v, err := s.resolve(SplitName(ref))
	if err != nil {
		return nil, err
	}
	f := v.function
	switch {
	case kind == fault.Error:
		return nil, &wire.Error{Code: "ServiceException", Message: "injected: internal error", Status: http.StatusInternalServerError}
	case kind == fault.Throttle || f.busy >= f.concurrency():
		f.stats.Throttles++
		return nil, f.throttled()
	}
	f.busy++
	f.stats.Invocations++
	s.running.Add(1)
	return v, nil
}

// throttled is the error of an invocation that nothing has been run for. Its reason tells a function's own limit from
// that of the account (TooManyRequestsException in the API reference).
func (f *function) throttled() error {
	reason := "ConcurrentInvocationLimitExceeded"
	if f.reserved != nil {
		reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
	}
	return &wire.Error{
		Code: "TooManyRequestsException", Message: "Rate Exceeded.", Status: http.StatusTooManyRequests,
		Fields: map[string]any{"Reason": reason},
	}
}

// run takes an invocation to its end, faults included.
func (s *Service) run(v *version, ref string, in Invocation, rule fault.Rule) Answer {
	if rule.Kind == fault.Delay {
		s.pause(rule.Delay)
	}
	e := &event{id: in.RequestID, arn: s.invoked(ref), payload: in.Payload, tail: in.Tail}
	i, answer := s.attempt(v, e, rule)
	answer.ExecutedVersion = v.number
	if e.tail && i != nil {
		answer.Log = i.log.end(e, time.Since(e.began), i.conf.MemoryMB)
	}
	if rule.Kind == fault.Hang {
		s.pause(rule.Delay)
	}
	s.leave(v, i, answer)
	return answer
}

// attempt tries instances until one has taken the event. An idle one may have ended since its last answer, as one that
// panicked does: the event has not been seen then, and goes to the next. It gives no instance when none came up.
func (s *Service) attempt(v *version, e *event, rule fault.Rule) (*instance, Answer) {
	for i := s.takeIdle(v); i != nil; i = s.takeIdle(v) {
		if answer, taken := s.serve(i, e, rule.Kind); taken {
			return i, answer
		}
	}
	i, failed := s.initialise(v, e.id)
	if i == nil {
		return nil, failed
	}
	if answer, taken := s.serve(i, e, rule.Kind); taken {
		return i, answer
	}
	return i, crashed(e.id, i.exit)
}

// takeIdle gives an instance that waits, if there is one: the one that was busy last.
func (s *Service) takeIdle(v *version) *instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(v.idle)
	if n == 0 {
		return nil
	}
	i := v.idle[n-1]
	v.idle = v.idle[:n-1]
	return i
}

// leave gives the concurrency back and keeps the instance for the next event, unless it has ended or is out of date.
func (s *Service) leave(v *version, i *instance, answer Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.function.busy--
	if answer.FunctionError != "" {
		v.function.stats.Errors++
	}
	switch {
	case i == nil || i.ended():
	case i.generation != v.generation:
		i.kill()
	default:
		v.idle = append(v.idle, i)
	}
}

// initialise starts an instance and waits for its first next. Without an instance the answer says why.
func (s *Service) initialise(v *version, id string) (*instance, Answer) {
	began := time.Now()
	i, err := s.start(v)
	if err != nil {
		return nil, failure{"Runtime.InvalidEntrypoint", "RequestId: " + id + " Error: " + err.Error()}.answer()
	}
	limit := time.NewTimer(InitTimeout)
	defer limit.Stop()
	select {
	case <-i.ready:
		s.count(func() { v.function.stats.initialised(time.Since(began)) })
		return i, Answer{}
	case <-i.exited:
		return nil, i.initFailed(id)
	case <-limit.C:
		i.end()
		s.count(func() { v.function.stats.Timeouts++ })
		return nil, timedOut(id, InitTimeout)
	}
}

// initFailed is the answer when the process ended before its first next: with its own reason, if it gave one.
func (i *instance) initFailed(id string) Answer {
	select {
	case doc := <-i.failed:
		return Answer{Payload: doc, FunctionError: "Unhandled"}
	default:
		return crashed(id, i.exit)
	}
}

// serve hands the event to the instance and waits for what comes of it. taken is false when the process had ended
// before the event reached it; then it has not been seen by anyone.
func (s *Service) serve(i *instance, e *event, kind fault.Kind) (answer Answer, taken bool) {
	if i.ended() {
		return Answer{}, false
	}
	timeout := i.conf.Timeout
	e.began, e.answer = time.Now(), make(chan Answer, 1)
	e.deadline = e.began.Add(timeout)
	i.log.begin(e, i.version.number)
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	switch kind {
	case fault.KillBefore:
		return s.killed(i, e.id), true
	case fault.Timeout:
		i.stop()
	}
	select {
	case i.events <- e:
	case <-i.exited:
		return Answer{}, false
	case <-limit.C:
		return s.overtime(i, e.id), true
	}
	select {
	case answer = <-e.answer:
		for _, o := range i.output {
			o.drain()
		}
	case <-i.exited:
		answer = e.orCrashed(i)
	case <-limit.C:
		return s.overtime(i, e.id), true
	}
	if kind == fault.KillAfter {
		return s.killed(i, e.id), true
	}
	return answer, true
}

// orCrashed is the answer of a process that has ended: the one that it gave just before, or a crash.
func (e *event) orCrashed(i *instance) Answer {
	select {
	case a := <-e.answer:
		return a
	default:
		return crashed(e.id, i.exit)
	}
}

func (s *Service) killed(i *instance, id string) Answer {
	s.Kill(i.key)
	<-i.exited
	return crashed(id, i.exit)
}

func (s *Service) overtime(i *instance, id string) Answer {
	i.end()
	s.count(func() { i.version.function.stats.Timeouts++ })
	return timedOut(id, i.conf.Timeout)
}

// end kills the process and waits until it has gone.
func (i *instance) end() {
	i.kill()
	<-i.exited
}

func (i *instance) ended() bool {
	select {
	case <-i.exited:
		return true
	default:
		return false
	}
}

func (s *Service) count(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (st *Stats) initialised(d time.Duration) {
	if len(st.Inits) == keptInits {
		st.Inits = append(st.Inits[:0], st.Inits[1:]...)
	}
	st.Inits = append(st.Inits, d)
}

// pause waits, but not for longer than the service is open.
func (s *Service) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.done:
	}
}
