package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// fakeStream takes records as fate says. fate may be nil: everything is taken.
type fakeStream struct {
	fate func(call int) fate

	mu    sync.Mutex
	calls int
	taken []Record
}

type fate struct {
	take  func(n int) bool // which records of the request are taken; nil: all
	code  string           // error code of the others
	err   error            // given instead of the answer
	delay time.Duration
}

func (f *fakeStream) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	f.mu.Lock()
	f.calls++
	var now fate
	if f.fate != nil {
		now = f.fate(f.calls)
	}
	f.mu.Unlock()
	select {
	case <-time.After(now.delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := &kinesis.PutRecordsOutput{}
	for n, e := range in.Records {
		if now.take != nil && !now.take(n) {
			out.Records = append(out.Records, types.PutRecordsResultEntry{ErrorCode: &now.code, ErrorMessage: aws.String("shard is busy")})
			continue
		}
		f.taken = append(f.taken, Record{Key: *e.PartitionKey, Data: e.Data})
		out.Records = append(out.Records, types.PutRecordsResultEntry{SequenceNumber: aws.String("1"), ShardId: aws.String("shardId-000000000000")})
	}
	return out, now.err
}

// firsts gives each key's records in the order in which the stream first had them.
func (f *fakeStream) firsts() map[string][]string {
	seen, out := map[string]bool{}, map[string][]string{}
	for _, r := range f.taken {
		if name := r.Key + "/" + string(r.Data); !seen[name] {
			seen[name] = true
			out[r.Key] = append(out[r.Key], string(r.Data))
		}
	}
	return out
}

func nothing(int) bool { return false }

func mustPut(t *testing.T, p *Producer, n, keys int) {
	t.Helper()
	for i := range n {
		if err := p.Put(t.Context(), Record{Key: fmt.Sprint("k", i%keys), Data: fmt.Appendf(nil, "%06d", i)}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProducer_ThrottlesLostAnswersAndErrors_EveryRecordArrives_InOrderOfItsKey(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		t.Run(fmt.Sprintf("unordered=%v", unordered), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 2))
				f := &fakeStream{fate: func(int) fate {
					some := func(int) bool { return rng.IntN(3) > 0 }
					switch rng.IntN(6) {
					case 0:
						return fate{take: some, code: codeThrottled}
					case 1:
						return fate{take: some, err: io.ErrUnexpectedEOF}
					case 2:
						return fate{take: nothing, err: &types.ProvisionedThroughputExceededException{}}
					}
					return fate{delay: time.Duration(rng.IntN(20)) * time.Millisecond}
				}}
				p := NewProducer(f, "s", Options{Unordered: unordered, PendingRecords: 300, InFlight: 3})
				mustPut(t, p, 2000, 40)
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				p.Close()
				total := 0
				for key, data := range f.firsts() {
					total += len(data)
					if !unordered && !slices.IsSorted(data) {
						t.Errorf("key %s arrived as %v", key, data)
					}
				}
				if st := p.Stats(); total != 2000 || st.Put != 2000 || st.Acknowledged != 2000 || st.Retried == 0 || st.Throttled == 0 || st.Requests != int64(f.calls) {
					t.Errorf("%d arrived; %+v", total, st)
				}
			})
		})
	}
}

func TestPut_RefusedRecord_NamesItsPosition_AndStopsNoOther(t *testing.T) {
	f := &fakeStream{}
	p := NewProducer(f, "s", Options{})
	defer p.Close()
	for i, c := range []struct {
		r    Record
		want string
	}{
		{Record{Key: "a"}, ""},
		{Record{}, "no partition key"},
		{Record{Key: strings.Repeat("é", MaxKeyLength)}, ""},
		{Record{Key: strings.Repeat("é", MaxKeyLength+1)}, "257 characters"},
		{Record{Key: "\xff"}, "not UTF-8"},
		{Record{Key: "k", Data: make([]byte, MaxRecordBytes-1)}, ""},
		{Record{Key: "k", Data: make([]byte, MaxRecordBytes)}, "1048577 bytes"},
		{Record{Key: "b"}, ""},
	} {
		if reason := c.r.Refusal(); (reason == "") != (c.want == "") || !strings.Contains(reason, c.want) {
			t.Errorf("record %d: refusal %q, want %q", i, reason, c.want)
		}
		err := p.Put(t.Context(), c.r)
		var refused *RefusedError
		switch {
		case c.want == "" && err != nil:
			t.Errorf("record %d: %v", i, err)
		case c.want != "" && (!errors.As(err, &refused) || refused.Position != int64(i) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("record %d: error %v, want %s", i, err, c.want)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.taken) != 4 || p.Stats().Acknowledged != 4 {
		t.Errorf("%d taken, %+v", len(f.taken), p.Stats())
	}
}

func TestProducer_PermanentError_EndsItAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{fate: func(int) fate {
			return fate{take: nothing, err: &types.ResourceNotFoundException{Message: aws.String("no such stream")}}
		}}
		p := NewProducer(f, "gone", Options{})
		defer p.Close()
		mustPut(t, p, 1, 1)
		err := p.Flush(t.Context())
		var notFound *types.ResourceNotFoundException
		if !errors.As(err, &notFound) || !strings.Contains(err.Error(), "put on stream gone: ") || f.calls != 1 {
			t.Errorf("Flush: %v after %d calls", err, f.calls)
		}
		if again := p.Put(t.Context(), Record{Key: "a"}); !errors.Is(again, err) {
			t.Errorf("Put: %v", again)
		}
	})
}

func TestProducer_NothingTakenForPatience_FailsWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{fate: func(int) fate { return fate{take: nothing, code: codeThrottled} }}
		p := NewProducer(f, "s", Options{Patience: time.Minute})
		defer p.Close()
		start := time.Now()
		mustPut(t, p, 10, 3)
		err := p.Flush(t.Context())
		if err == nil || !strings.Contains(err.Error(), "no record was taken for 1m") || !strings.Contains(err.Error(), codeThrottled) {
			t.Errorf("Flush: %v", err)
		}
		if took := time.Since(start); took < time.Minute || took > time.Minute+maxBackoff {
			t.Errorf("gave up after %s", took)
		}
	})
}

func TestProducer_AnswerNeverComes_IsTakenForLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{fate: func(call int) fate {
			if call == 1 {
				return fate{delay: time.Hour}
			}
			return fate{}
		}}
		p := NewProducer(f, "s", Options{})
		defer p.Close()
		start := time.Now()
		mustPut(t, p, 1, 1)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < requestTimeout || took > requestTimeout+maxBackoff {
			t.Errorf("sent again after %s", took)
		}
	})
}

func TestPut_TooManyPending_WaitsForRoomOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{fate: func(int) fate { return fate{delay: time.Second} }}
		p := NewProducer(f, "s", Options{PendingRecords: 2})
		defer p.Close()
		mustPut(t, p, 2, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := p.Put(ctx, Record{Key: "c"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put with an impatient context: %v", err)
		}
		start := time.Now()
		if err := p.Put(t.Context(), Record{Key: "c"}); err != nil || time.Since(start) == 0 {
			t.Errorf("Put: %v after %s", err, time.Since(start))
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestProducer_OneThrottledKey_DoesNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{fate: func(call int) fate {
			if call == 1 {
				return fate{take: nothing, code: codeThrottled}
			}
			return fate{}
		}}
		p := NewProducer(f, "s", Options{InFlight: 1})
		defer p.Close()
		mustPut(t, p, 1, 1)
		synctest.Wait()
		if err := p.Put(t.Context(), Record{Key: "other"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(f.taken) != 1 || f.taken[0].Key != "other" {
			t.Errorf("taken at once: %v", f.taken)
		}
		if err := p.Flush(t.Context()); err != nil || len(f.taken) != 2 {
			t.Errorf("in the end: %v, %v", f.taken, err)
		}
	})
}

func TestClose_GivesUpWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{fate: func(int) fate { return fate{delay: time.Hour} }}
		p := NewProducer(f, "s", Options{})
		mustPut(t, p, 3, 3)
		synctest.Wait()
		p.Close()
		p.Close()
		for _, err := range []error{p.Flush(t.Context()), p.Put(t.Context(), Record{Key: "a"})} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	})
}

func TestBackoff_GrowsToItsBound(t *testing.T) {
	for attempts := range int32(100) {
		if d := backoff(attempts + 1); d < 0 || d >= maxBackoff {
			t.Fatalf("attempt %d: %s", attempts+1, d)
		}
	}
}

// BenchmarkProducer puts records of 1,000 keys into a stream that takes everything at once. One op is one record.
func BenchmarkProducer(b *testing.B) {
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
	}
	data := make([]byte, 200)
	p := NewProducer(instant{}, "s", Options{})
	defer p.Close()
	b.ReportAllocs()
	for n := range b.N {
		if err := p.Put(b.Context(), Record{Key: keys[n%len(keys)], Data: data}); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(b.N)/float64(p.Stats().Requests), "records/request")
}

type instant struct{}

func (instant) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	return &kinesis.PutRecordsOutput{Records: make([]types.PutRecordsResultEntry, len(in.Records))}, nil
}
