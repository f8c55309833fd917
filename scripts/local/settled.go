package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/awslocal/esm"
)

// settled notes what the mapping has settled, until its end.
type settled struct {
	mu        sync.Mutex
	ended     bool
	records   int64
	latencies []time.Duration // from arrival in the stream to settled
	at        time.Time       // of the last
	changed   chan struct{}
	each      func(int64)
}

func (s *settled) add(run esm.Settled) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.records += int64(len(run.Records))
	s.at = now
	for i := range run.Records {
		s.latencies = append(s.latencies, now.Sub(run.Records[i].Arrival))
	}
	if s.each != nil {
		s.each(int64(len(run.Records)))
	}
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

func (s *settled) tell(each func(int64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each = each
}

func (s *settled) last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// end gives the latencies in order. Nothing is noted from then on.
func (s *settled) end() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	latencies := s.latencies
	s.ended, s.latencies, s.each = true, nil, nil
	slices.Sort(latencies)
	return latencies
}

// stuckInterval is between two looks at whether anything will still happen: of a function that only fails nothing tells.
const stuckInterval = time.Second

// wait returns when as many records are settled as there are, or when it is stuck.
func (s *settled) wait(ctx context.Context, total func() (int64, error), stuck func() error) error {
	look := time.NewTicker(stuckInterval)
	defer look.Stop()
	for {
		n, err := total()
		if err != nil {
			return err
		}
		changed, done := s.reached(n)
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-look.C:
			if err := stuck(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reached tells whether n records are settled; if not, changed is closed when there are more.
func (s *settled) reached(n int64) (changed <-chan struct{}, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed, s.records >= n
}
