// Package stream is the door to a Kinesis stream.
package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// Limits of PutRecords (API reference and quotas of Kinesis Data Streams).
const (
	MaxRequestRecords = 500
	MaxRequestBytes   = 10 << 20 // data and keys, before base64; 5 MiB until October 2025
	MaxRecordBytes    = 1 << 20  // data and key; a stream may be set to take up to 10 MiB, ours are not
	MaxKeyLength      = 256      // characters
)

// PutRecordsAPI is what a Producer needs of the Kinesis client.
type PutRecordsAPI interface {
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
}

// Record is what a producer puts.
type Record struct {
	Key  string // partition key, 1 to MaxKeyLength characters
	Data []byte // not to be changed before it is acknowledged
}

// Options are how a Producer works. The zero value is the default.
type Options struct {
	// Unordered lets a request carry many records of one key. PutRecords keeps no order in a request and fails record
	// by record, so the records of a key may then reach the stream in any order. It is faster where keys are few: with
	// order, each request carries one record a key.
	Unordered bool
	// InFlight is how many requests are under way at once; 0 is 4.
	InFlight int
	// PendingRecords and PendingBytes bound what Put has taken and the stream has not; 0 is 10,000 records, 64 MiB.
	PendingRecords int
	PendingBytes   int
	// Patience is how long nothing at all may be acknowledged, with records waiting, before the Producer fails; 0 is
	// a minute.
	Patience time.Duration
}

func (o Options) withDefaults() Options {
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&o.InFlight, 4)
	set(&o.PendingRecords, 10_000)
	set(&o.PendingBytes, 64<<20)
	if o.Patience <= 0 {
		o.Patience = time.Minute
	}
	return o
}

// Stats counts what a Producer has done so far.
type Stats struct {
	Put          int64 // records that Put has taken
	Acknowledged int64 // of these, how many the stream has taken
	Bytes        int64 // of the acknowledged ones, data and keys
	Requests     int64 // calls of PutRecords
	Retried      int64 // records that had to be sent again, each time counted
	Throttled    int64 // of these, how many for want of throughput
}

// RefusedError is a record that the stream can never take. It stops no other.
type RefusedError struct {
	Position int64 // which call of Put it was, from 0
	Reason   string
}

// Error names the record and the reason.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("record %d refused: %s", e.Position, e.Reason)
}

// ErrClosed is what Put and Flush give after Close.
var ErrClosed = errors.New("producer is closed")

// Producer puts records on a stream, many a request, several requests at once, and again what was not taken. Unless
// Options.Unordered is set, the records of one key are first acknowledged in the order of their Put calls.
//
// A record may come to be in the stream more than once: when the answer to a request is lost, all of it is sent again.
// Such a copy may even arrive behind later records of its key, if the lost request was still on its way. The ledger
// absorbs copies.
//
// All methods are safe for concurrent use; the order of concurrent Puts is theirs to decide.
type Producer struct {
	api     PutRecordsAPI
	stream  string
	opt     Options
	ctx     context.Context // of the requests: ends with Close or a failure
	cancel  context.CancelCauseFunc
	workers sync.WaitGroup

	mu       sync.Mutex
	work     sync.Cond // something is ready, or the producer ended
	room     sync.Cond // something was acknowledged, or the producer ended
	plan     *planner
	put      int64 // calls of Put so far
	stats    Stats
	progress time.Time // of the last acknowledgement, or when the first record came to wait
}

// NewProducer makes a Producer for a stream, by name. Close it when done.
func NewProducer(api PutRecordsAPI, stream string, opt Options) *Producer {
	opt = opt.withDefaults()
	p := &Producer{api: api, stream: stream, opt: opt}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	p.work.L, p.room.L = &p.mu, &p.mu
	p.plan = newPlanner(limits{
		requestRecords: MaxRequestRecords,
		requestBytes:   MaxRequestBytes,
		pendingRecords: opt.PendingRecords,
		pendingBytes:   opt.PendingBytes,
	}, !opt.Unordered)
	for range opt.InFlight {
		p.workers.Go(p.send)
	}
	return p
}

// Put takes a record, to be sent soon, and waits only while too many are pending. It gives a *RefusedError for a
// record that the stream can never take, which leaves the others alone; any other error is the producer's end, or
// ctx's.
func (p *Producer) Put(ctx context.Context, r Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	position := p.put
	p.put++
	if reason := r.Refusal(); reason != "" {
		return &RefusedError{Position: position, Reason: reason}
	}
	if r.Data == nil {
		r.Data = []byte{} // the SDK takes nil for a member that was forgotten
	}
	size := len(r.Key) + len(r.Data)
	if err := p.wait(ctx, func() bool { return p.plan.hasRoom(size) }); err != nil {
		return err
	}
	if p.plan.pending() == 0 {
		p.progress = time.Now()
	}
	p.stats.Put++
	if p.plan.add(r.Key, r.Data) {
		p.work.Signal()
	}
	return nil
}

// Refusal says why no stream can ever take the record, "" when one can.
func (r Record) Refusal() string {
	switch {
	case r.Key == "":
		return "no partition key"
	case !utf8.ValidString(r.Key):
		return "partition key is not UTF-8"
	case len(r.Key) > MaxKeyLength && utf8.RuneCountInString(r.Key) > MaxKeyLength:
		return fmt.Sprintf("partition key of %d characters: at most %d", utf8.RuneCountInString(r.Key), MaxKeyLength)
	case len(r.Key)+len(r.Data) > MaxRecordBytes:
		return fmt.Sprintf("%d bytes with its key: at most %d", len(r.Key)+len(r.Data), MaxRecordBytes)
	}
	return ""
}

// wait blocks, with p.mu held, until ok, or ctx is done, or the producer has ended.
func (p *Producer) wait(ctx context.Context, ok func() bool) error {
	if p.ctx.Err() == nil && ok() {
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.room.Broadcast()
	})
	defer stop()
	for {
		switch {
		case p.ctx.Err() != nil:
			return context.Cause(p.ctx)
		case ok():
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		p.room.Wait()
	}
}

// Flush waits until every record that Put has taken is acknowledged.
func (p *Producer) Flush(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wait(ctx, func() bool { return p.plan.pending() == 0 })
}

// Close ends the producer and waits for its requests to return. What is not acknowledged is given up: Flush first.
func (p *Producer) Close() {
	p.mu.Lock()
	p.endLocked(ErrClosed)
	p.mu.Unlock()
	p.workers.Wait()
}

// Stats tells what has been done so far.
func (p *Producer) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// endLocked stops everything, for a reason; the first one stays. p.mu is held.
func (p *Producer) endLocked(reason error) {
	p.cancel(reason)
	p.work.Broadcast()
	p.room.Broadcast()
}
