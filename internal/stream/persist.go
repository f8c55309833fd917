package stream

import (
	"context"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// readPatience is how long a call may fail in ways that pass, other than for want of throughput, before reading fails.
const readPatience = time.Minute

// persist calls until the call succeeds or fails for good, with pauses of full jitter, and tells how often it had to call
// again. Throttles end only with ctx: others read the same shard, and its five calls a second are for all of them.
func persist(ctx context.Context, call func(context.Context) error) (retries int, err error) {
	var p patience
	for {
		if err = bounded(ctx, call); err == nil {
			return retries, nil
		}
		if ctx.Err() != nil {
			return retries, context.Cause(ctx)
		}
		if !isTransient(err) || p.ends(err) {
			return retries, err
		}
		retries++
		if err := pause(ctx, pauseAfter(retries)); err != nil {
			return retries, err
		}
	}
}

// patience ends when errors that pass have come for readPatience, without a throttle or a success between them. The zero
// value is new.
type patience struct{ since time.Time }

func (p *patience) ends(err error) bool {
	if isThrottle(err) {
		*p = patience{}
		return false
	}
	if p.since.IsZero() {
		p.since = time.Now()
	}
	return time.Since(p.since) >= readPatience
}

// pauseAfter is the pause before a retry, the first being 1.
func pauseAfter(retry int) time.Duration { return backoff(int32(min(retry, math.MaxInt32))) }

func bounded(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return call(ctx)
}

// once keeps the SDK from retrying on its own: persist does, and counts.
func once(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }

// pause waits, or gives the reason why ctx has ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
