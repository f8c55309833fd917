package esm

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// pageRecords is how much is read at once: the most that GetRecords gives.
const pageRecords = 10_000

// aheadRecords, times ParallelizationFactor, is what may wait in a lane: twice the largest batch, so that the next one is
// there when an invocation completes. A full lane stops the shard's reader: that bounds memory, and is the one way in
// which a blocked lane comes to hold up the others.
const aheadRecords = 2 * pageRecords

// shard is the mapping's side of one shard: a reader that deals the records to the lanes, and the checkpoint.
type shard struct {
	*settings
	id      string
	parents []string
	enc     encoder
	room    chan struct{} // of capacity 1: a lane has settled something

	// cursor is opened by whoever activates the shard; it then belongs to run.
	cursor Cursor

	mu         sync.Mutex
	lanes      []*lane
	order      []string // sequence numbers from the oldest unsettled record to the last one read
	checkpoint string   // all up to and including this is settled; "" is nothing yet
	more       bool     // the reader is about to read on
	held       bool     // the reader waits for room
	ended      bool     // the shard is closed and read to its end
	done       bool     // and all of it is settled
	age        time.Duration
}

func newShard(set *settings, in Shard) *shard {
	s := &shard{settings: set, id: in.ID, enc: newEncoder(set.cfg, in.ID), room: make(chan struct{}, 1)}
	for _, p := range []string{in.Parent, in.AdjacentParent} {
		if p != "" {
			s.parents = append(s.parents, p)
		}
	}
	return s
}

// run reads and invokes until the shard has ended and is settled, or polling ends. Then no goroutine of it is left, and
// run may be called again: it goes on after the checkpoint.
func (s *shard) run(ctx, polling context.Context) error {
	if err := s.begin(); err != nil {
		return err
	}
	polling, stop := context.WithCancel(polling)
	defer stop()
	var lanes sync.WaitGroup
	for _, l := range s.lanes {
		lanes.Go(func() { l.run(ctx, polling) })
	}
	err := s.read(polling)
	if err != nil {
		stop()
	}
	lanes.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = s.ended && len(s.order) == 0
	return err
}

// begin makes empty lanes. What an earlier run had read but not settled is read again: with several lanes some of what
// follows the checkpoint then comes twice, as it does on AWS.
func (s *shard) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.order) > 0 {
		from := Position{Type: AfterSequence, SequenceNumber: s.checkpoint}
		if s.checkpoint == "" {
			from = Position{Type: AtSequence, SequenceNumber: s.order[0]}
		}
		c, err := s.source.Open(s.id, from)
		if err != nil {
			return fmt.Errorf("open shard %s at its checkpoint: %w", s.id, err)
		}
		s.cursor, s.order, s.ended = c, nil, false
	}
	s.lanes = make([]*lane, s.cfg.ParallelizationFactor)
	for i := range s.lanes {
		s.lanes[i] = &lane{shard: s, wake: make(chan struct{}, 1)}
	}
	return nil
}

// read deals the shard's records to the lanes until the shard or polling ends.
func (s *shard) read(polling context.Context) error {
	for polling.Err() == nil {
		records, end := s.cursor.Read(pageRecords)
		s.deal(records, end)
		if end {
			return nil
		}
		if len(records) > 0 {
			s.awaitRoom(polling)
			continue
		}
		idle := time.Now()
		if err := s.cursor.Wait(polling); err != nil && polling.Err() == nil {
			return fmt.Errorf("read shard %s: %w", s.id, err)
		}
		if s.poll > 0 {
			pause(polling, s.poll-time.Since(idle)%s.poll)
		}
	}
	return nil
}

func (s *shard) deal(records []Record, end bool) {
	s.counters.polled.Add(int64(len(records)))
	s.mu.Lock()
	for i := range records {
		s.order = append(s.order, records[i].SequenceNumber)
		l := s.lanes[laneOf(records[i].PartitionKey, len(s.lanes))]
		l.queue = append(l.queue, records[i])
	}
	s.more = !end && len(records) == pageRecords
	s.ended = end
	s.mu.Unlock()
	s.wakeLanes()
}

func (s *shard) wakeLanes() {
	for _, l := range s.lanes {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// awaitRoom holds the reader up while a lane is full. The other lanes must not wait for it meanwhile.
func (s *shard) awaitRoom(ctx context.Context) {
	for !s.hasRoom() {
		s.wakeLanes()
		select {
		case <-s.room:
		case <-ctx.Done():
			return
		}
	}
}

// hasRoom also tells the lanes, by way of more, whether the reader goes on.
func (s *shard) hasRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = s.full()
	if s.held {
		s.more = false
	}
	return !s.held
}

func (s *shard) full() bool {
	for _, l := range s.lanes {
		if len(l.queue) >= aheadRecords*len(s.lanes) {
			return true
		}
	}
	return false
}

// settled takes a lane's oldest records off its queue, and moves the checkpoint to just below the oldest record that is
// not settled in any lane.
func (s *shard) settled(l *lane, gone []Record, fate Fate) {
	s.mu.Lock()
	l.queue = l.queue[len(gone):]
	if s.held && !s.full() { // the reader goes on from here: a lane that closed its batch now would be ahead of it
		s.held, s.more = false, true
	}
	low := s.lowest()
	for len(s.order) > 0 && s.order[0] != low {
		s.checkpoint, s.order = s.order[0], s.order[1:]
	}
	s.mu.Unlock()
	select {
	case s.room <- struct{}{}:
	default:
	}
	s.counters.settled.Add(int64(len(gone)))
	if s.report != nil {
		s.report(Settled{Shard: s.id, Records: gone, Fate: fate})
	}
}

// lowest is the sequence number of the oldest record in the queues, "" when they are empty.
func (s *shard) lowest() string {
	low := ""
	for _, l := range s.lanes {
		if len(l.queue) > 0 && (low == "" || before(l.queue[0].SequenceNumber, low)) {
			low = l.queue[0].SequenceNumber
		}
	}
	return low
}

// limit is the age at which a record is given up.
func (s *shard) limit() time.Duration {
	return s.cfg.ageLimit(s.source.Retention())
}

// sent notes the age of an invocation's last record, at the moment of sending.
func (s *shard) sent(lastArrival time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.age = time.Since(lastArrival)
}

func (s *shard) status() ShardStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ShardStatus{ID: s.id, Checkpoint: s.checkpoint, Unsettled: len(s.order), Done: s.done, IteratorAge: s.age}
}
