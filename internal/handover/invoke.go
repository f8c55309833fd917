package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/go-json-experiment/json"

	"github.com/millrace/millrace/internal/direct"
)

const (
	// callTime is a little more than the longest time-out that a function can have.
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	callTime = 15*time.Minute + 10*time.Second
	// firstPause and maxPause bound the waits between tries.
	firstPause = 100 * time.Millisecond
	maxPause   = 2 * time.Second
)

// InvokeAPI is what a handover needs of the Lambda client.
type InvokeAPI interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// crash is the end of an invocation without an answer of the function's own: it has crashed, was ended at its time-out,
// or has refused the payload.
type crash struct{ text string }

func (c *crash) Error() string { return "the function crashed: " + c.text }

// invoke makes a call, again and again while it fails in ways that pass: throttled, not answered, the service's own
// errors. A call whose answer was lost has perhaps been worked on: the ledger knows.
func (h *Handover) invoke(ctx context.Context, call *direct.Call) ([]direct.Result, error) {
	began := time.Now()
	for try := 1; ; try++ {
		out, err := h.call(ctx, call.Payload())
		switch {
		case err == nil:
			return read(call, out)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !isTransient(err) || time.Since(began) >= stuckAfter*h.options.Patience:
			return nil, fmt.Errorf("invoke function %s: %w", h.options.Function, err)
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
}

func (h *Handover) call(ctx context.Context, payload []byte) (*lambda.InvokeOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return h.api.Invoke(ctx, &lambda.InvokeInput{FunctionName: &h.options.Function, Payload: payload}, once)
}

// once keeps the SDK from retrying on its own: invoke does.
func once(o *lambda.Options) { o.Retryer = aws.NopRetryer{} }

// read reads the answer of an invocation.
func read(call *direct.Call, out *lambda.InvokeOutput) ([]direct.Result, error) {
	if out.FunctionError == nil {
		return call.Results(out.Payload)
	}
	var told struct {
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(out.Payload, &told); err != nil || told.Message == "" {
		told.Message = fmt.Sprintf("%s %.200s", *out.FunctionError, out.Payload)
	}
	return nil, &crash{told.Message}
}

var retryable = retry.IsErrorRetryables(retry.DefaultRetryables)

// isTransient tells errors after which the same call may well be answered: what the SDK would retry, the service's own
// faults, an answer that was lost, and a function that is being changed (ResourceConflictException, API reference of
// Invoke).
func isTransient(err error) bool {
	var api smithy.APIError
	var unreadable *smithy.DeserializationError
	var changing *types.ResourceConflictException
	return errors.As(err, &api) && api.ErrorFault() == smithy.FaultServer ||
		errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &unreadable) ||
		errors.As(err, &changing) ||
		retryable.IsErrorRetryable(err) == aws.TrueTernary
}

// stall adds up the time in which nothing was settled.
type stall struct {
	lasted time.Duration
	calls  int
	reason string
}

func (s *stall) reset() { *s = stall{} }

func (s *stall) add(d time.Duration, reason string) {
	s.lasted += d
	s.calls++
	s.reason = reason
}

// rest waits after calls that have brought nothing, and gives up after many.
func (h *Handover) rest(ctx context.Context) error {
	if h.stall.calls == 0 {
		return nil
	}
	if h.stall.lasted >= stuckAfter*h.options.Patience {
		return fmt.Errorf("%w, for %s: %s", ErrStuck, h.stall.lasted.Round(time.Second), h.stall.reason)
	}
	began := time.Now()
	err := pause(ctx, h.stall.calls)
	h.stall.lasted += time.Since(began)
	return err
}

// pause waits before another try, the first being 1, with full jitter; or until ctx is done, for its reason.
func pause(ctx context.Context, try int) error {
	longest := min(maxPause, firstPause<<min(try-1, 10))
	t := time.NewTimer(rand.N(longest))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
