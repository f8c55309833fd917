package esm

import (
	"context"
	"fmt"
	"slices"
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
	Shard
	enc  encoder
	room chan struct{} // of capacity 1: a lane has settled something

	// These are set by whoever activates the shard; they then belong to run.
	cursor Cursor
	page   []Record // read, and not yet dealt
	after  reader   // what the reader is when it has dealt the page

	mu         sync.Mutex
	lanes      []*lane
	dealt      string   // sequence number of the last record dealt, or of the checkpoint that reading began after
	start      Position // where reading began
	checkpoint string   // all up to and including this is settled; "" is nothing yet
	reader     reader
	done       bool // the reader has ended, and all is settled
	age        time.Duration
}

// reader is the state of a shard's reader. By it the lanes know whether a batch that is not full has to wait.
type reader int

const (
	idle  reader = iota // has dealt all that there is
	busy                // has more at hand, or may have: no batch is closed short of that
	held                // waits for room in a lane: nobody waits for it
	ended               // the shard is closed and dealt to its end
)

// newShard makes a shard whose reading begins, or for an earlier mapping has gone on, as st says.
func newShard(set *settings, in Shard, st ShardStatus) *shard {
	return &shard{
		settings: set, Shard: in, room: make(chan struct{}, 1),
		start: st.position(), checkpoint: st.Checkpoint, dealt: st.Checkpoint, done: st.Done,
	}
}

// run reads and invokes until the shard has ended and is settled, or polling ends. Then no goroutine of it is left, and
// run may be called again: it goes on with what is not settled.
func (s *shard) run(ctx, polling context.Context) error {
	s.begin()
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
	if s.done = s.reader == ended && s.oldest() == nil; s.done {
		s.lanes, s.page, s.cursor = nil, nil, nil // what they hold is not needed any more
	}
	return err
}

// begin makes the lanes that the settings ask for, and deals what those of an earlier run have left. The filters may
// have changed too.
func (s *shard) begin() {
	s.enc = newEncoder(s.cfg, s.ID)
	s.mu.Lock()
	left, state := s.unsettled(), busy
	if s.reader == ended {
		state = ended
	}
	s.lanes = make([]*lane, s.cfg.ParallelizationFactor)
	for i := range s.lanes {
		s.lanes[i] = &lane{shard: s, wake: make(chan struct{}, 1)}
	}
	s.mu.Unlock()
	if len(left) > 0 {
		s.hand(deal{records: left}, state)
	}
}

// unsettled gives what is in the lanes' queues in the order of the shard. Records of one aggregate share a sequence
// number, and those with one key stay in their order.
func (s *shard) unsettled() []Record {
	var left []Record
	for _, l := range s.lanes {
		left = append(left, l.queue...)
	}
	slices.SortStableFunc(left, func(a, b Record) int { return compare(a.SequenceNumber, b.SequenceNumber) })
	return left
}

// read deals the shard's records to the lanes until the shard or polling ends.
func (s *shard) read(polling context.Context) error {
	for {
		s.awaitRoom(polling)
		if polling.Err() != nil {
			return nil
		}
		if len(s.page) == 0 && s.after != ended {
			s.readPage()
		}
		nothing := len(s.page) == 0
		s.dealPage()
		switch {
		case s.after == ended && len(s.page) == 0:
			return nil
		case nothing:
			if err := s.idle(polling); err != nil {
				return err
			}
		}
	}
}

// readPage reads the next page, and tells each of its records what is before it in the shard.
func (s *shard) readPage() {
	page, end := s.cursor.Read(pageRecords)
	before := s.dealt
	for i := range page {
		page[i].before, before = before, page[i].SequenceNumber
	}
	s.page = page
	switch {
	case end:
		s.after = ended
	case len(page) == pageRecords: // another one may follow
		s.after = busy
	default:
		s.after = idle
	}
}

// idle waits until there is something to read: at once, or, if a poll interval is set, on its ticks. To a fan-out consumer
// records are pushed.
func (s *shard) idle(polling context.Context) error {
	began := time.Now()
	if err := s.cursor.Wait(polling); err != nil && polling.Err() == nil {
		return fmt.Errorf("read shard %s: %w", s.ID, err)
	}
	if s.poll > 0 && !s.cfg.isConsumer() {
		pause(polling, s.poll-time.Since(began)%s.poll)
	}
	return nil
}

// deal is what is handed to the lanes at a time.
type deal struct {
	taken   []Record // from the stream
	records []Record // what they carry
	dropped []Record // what else they carried
}

// dealPage hands the page to the lanes: all of it, or of a consumer's aggregates as much as may be waiting.
func (s *shard) dealPage() {
	d := deal{taken: s.page, records: s.page}
	if s.cfg.isConsumer() {
		u := unpack(&s.Shard, s.page, pageRecords)
		d = deal{taken: s.page[:u.taken], records: u.records, dropped: u.dropped}
	}
	if s.page = s.page[len(d.taken):]; len(s.page) == 0 {
		s.page = nil
	}
	s.counters.polled.Add(int64(len(d.records) + len(d.dropped)))
	s.counters.outOfRange.Add(int64(len(d.dropped)))
	state := s.after
	if len(s.page) > 0 {
		state = busy
	}
	s.hand(d, state)
}

// hand filters records and gives the rest to the lanes, with the reader's state from then on. What no lane gets is settled
// with that.
func (s *shard) hand(d deal, state reader) {
	kept, out := s.filters.split(d.records)
	s.counters.filteredOut.Add(int64(len(out)))
	parts := s.perLane(kept)
	s.mu.Lock()
	if n := len(d.taken); n > 0 {
		s.dealt = d.taken[n-1].SequenceNumber
	}
	for i, part := range parts {
		s.lanes[i].enqueue(part)
	}
	s.reader = state
	s.advance()
	s.mu.Unlock()
	s.wakeLanes()
	s.tell(out, FilteredOut)
	s.tell(d.dropped, OutOfRange)
}

// perLane parts records by the lanes of their keys. It is called without mu: only run changes the lanes.
func (s *shard) perLane(records []Record) [][]Record {
	if len(s.lanes) == 1 {
		return [][]Record{records}
	}
	of := make([]uint8, len(records))
	var count [maxLanes]int
	for i := range records {
		of[i] = uint8(laneOf(records[i].PartitionKey, len(s.lanes)))
		count[of[i]]++
	}
	parts := make([][]Record, len(s.lanes))
	for i := range parts {
		parts[i] = make([]Record, 0, count[i])
	}
	for i := range records {
		parts[of[i]] = append(parts[of[i]], records[i])
	}
	return parts
}

// tell reports records that have been settled.
func (s *shard) tell(records []Record, fate Fate) {
	if s.report != nil && len(records) > 0 {
		s.report(Settled{Shard: s.ID, Records: records, Fate: fate})
	}
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

// hasRoom also tells the lanes that the reader is held when there is no room. One that has ended needs none.
func (s *shard) hasRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader == ended || !s.isFull() {
		return true
	}
	s.reader = held
	return false
}

func (s *shard) isFull() bool {
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
	if l.queue = l.queue[len(gone):]; len(l.queue) == 0 {
		l.queue = nil // let go of the page
	}
	if s.reader == held && !s.isFull() { // it goes on from here: a lane that closed its batch now would be ahead of it
		s.reader = busy
	}
	s.advance()
	s.mu.Unlock()
	select {
	case s.room <- struct{}{}:
	default:
	}
	s.counters.settled.Add(int64(len(gone)))
	s.tell(gone, fate)
}

// advance moves the checkpoint to just below the oldest record in the queues. Of several records with one sequence
// number the last one that is settled moves it.
func (s *shard) advance() {
	s.checkpoint = s.dealt
	if oldest := s.oldest(); oldest != nil {
		s.checkpoint = oldest.before
	}
}

// oldest is the oldest record in the queues, nil when they are empty.
func (s *shard) oldest() (oldest *Record) {
	for _, l := range s.lanes {
		if len(l.queue) > 0 && (oldest == nil || compare(l.queue[0].SequenceNumber, oldest.SequenceNumber) < 0) {
			oldest = &l.queue[0]
		}
	}
	return oldest
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
	st := ShardStatus{
		ID: s.ID, Checkpoint: s.checkpoint, Next: s.start,
		Done: s.done, IteratorAge: s.age,
	}
	for _, l := range s.lanes {
		st.Unsettled += len(l.queue)
	}
	if s.checkpoint != "" {
		st.Next = Position{Type: AfterSequence, SequenceNumber: s.checkpoint}
	} else if oldest := s.oldest(); oldest != nil {
		st.Next = Position{Type: AtSequence, SequenceNumber: oldest.SequenceNumber}
	}
	return st
}

// position is where a new mapping goes on.
func (st *ShardStatus) position() Position {
	switch {
	case st.Next.Type != "":
		return st.Next
	case st.Checkpoint != "":
		return Position{Type: AfterSequence, SequenceNumber: st.Checkpoint}
	}
	return Position{Type: TrimHorizon}
}
