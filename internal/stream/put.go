package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	// firstBackoff and maxBackoff bound the pause before a record is sent again: a shard's throughput is counted by
	// the second.
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 5 * time.Second
	// requestTimeout is when an answer is taken for lost: a full request takes 16 s to send at 5 Mbit/s. The SDK itself
	// waits for ever.
	requestTimeout = 20 * time.Second
)

// send is one worker: it takes the next request, makes it, settles it, until the producer ends.
func (p *Producer) send() {
	slots := make([]int32, 0, MaxRequestRecords)
	entries := make([]types.PutRecordsRequestEntry, 0, MaxRequestRecords)
	for {
		if slots = p.take(slots[:0]); len(slots) == 0 {
			return
		}
		entries = entries[:0]
		for _, i := range slots {
			s := &p.plan.slots[i] // ours alone until it is settled, but for the line behind it
			entries = append(entries, types.PutRecordsRequestEntry{PartitionKey: &s.key, Data: s.data})
		}
		out, err := p.call(entries)
		p.settle(slots, out, err)
	}
}

// take waits for the next request. It is empty when the producer has ended.
func (p *Producer) take(into []int32) []int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.ctx.Err() == nil {
		if into = p.plan.next(into); len(into) > 0 {
			p.stats.Requests++
			return into
		}
		p.work.Wait()
	}
	return into
}

// call makes one request, without the SDK's retryer: it would send the records of a throttled request again at a pace
// of its own, unseen by Stats and by Patience.
func (p *Producer) call(entries []types.PutRecordsRequestEntry) (*kinesis.PutRecordsOutput, error) {
	ctx, cancel := context.WithTimeout(p.ctx, requestTimeout)
	defer cancel()
	out, err := p.api.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &p.stream, Records: entries}, func(o *kinesis.Options) {
		o.Retryer = aws.NopRetryer{}
	})
	if err == nil && len(out.Records) != len(entries) {
		return nil, fmt.Errorf("%w: %d results for %d records", errAnswerLost, len(out.Records), len(entries))
	}
	return out, err
}

// settle takes over what a request returned. Of one whose answer was lost every record counts as failed.
func (p *Producer) settle(slots []int32, out *kinesis.PutRecordsOutput, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return
	}
	if err != nil && !isTransient(err) {
		p.endLocked(fmt.Errorf("put on stream %s: %w", p.stream, err))
		return
	}
	var failed []int32
	if err != nil {
		failed = slices.Clone(slots)
		if isThrottle(err) {
			p.stats.Throttled += int64(len(failed))
		}
	} else {
		failed, err = p.results(slots, out.Records)
	}
	if len(failed) < len(slots) {
		p.progress = time.Now()
		p.work.Broadcast()
		p.room.Broadcast()
	}
	if len(failed) > 0 {
		p.again(failed, err)
	}
}

// results acknowledges what was taken, and gives what was not, with a reason of one of them.
func (p *Producer) results(slots []int32, results []types.PutRecordsResultEntry) (failed []int32, err error) {
	for n, i := range slots {
		r := &results[n]
		if r.ErrorCode == nil {
			p.stats.Acknowledged++
			p.stats.Bytes += int64(p.plan.slots[i].size())
			p.plan.acknowledge(i)
			continue
		}
		if *r.ErrorCode == codeThrottled {
			p.stats.Throttled++
		}
		failed = append(failed, i)
		err = fmt.Errorf("%s: %s", *r.ErrorCode, aws.ToString(r.ErrorMessage))
	}
	return failed, err
}

// again makes records ready once more after a pause with full jitter. Their worker goes on with other records
// meanwhile: one throttled shard does not hold up the rest. When nothing has gone through for too long, it ends the
// producer.
func (p *Producer) again(failed []int32, reason error) {
	if waited := time.Since(p.progress); waited >= p.opt.Patience {
		p.endLocked(fmt.Errorf("put on stream %s: no record was taken for %s: %w", p.stream, waited.Round(time.Second), reason))
		return
	}
	p.stats.Retried += int64(len(failed))
	attempts := int32(0)
	for _, i := range failed {
		attempts = max(attempts, p.plan.slots[i].attempts)
	}
	time.AfterFunc(backoff(attempts), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, i := range slices.Backward(failed) {
			p.plan.fail(i)
		}
		p.work.Broadcast()
	})
}

// backoff is the pause after an attempt, the first being 1.
func backoff(attempts int32) time.Duration {
	return rand.N(min(maxBackoff, firstBackoff<<min(attempts-1, 16)))
}
