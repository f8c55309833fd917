// Package esm is Lambda's event source mapping for Kinesis: it reads a stream shard by shard, hands the records to a
// function in batches, and retries, splits and gives up batches as AWS does.
//
// What is hard is decided by functions of values: closeBatch closes a batch, classify reads an answer, decide says what
// comes next. Around them a thin loop: a reader for each shard (shard), and one goroutine for each lane (lane).
package esm

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options are what a mapping on AWS does not have. The zero value is good.
type Options struct {
	// Settled is called once for each run of records that is settled, after the checkpoint has moved, possibly by
	// several goroutines at once. The mapping waits for it.
	Settled func(Settled)
	// PollInterval is how long a shard that had nothing rests until it is read again: on AWS a second. 0: until there is
	// something.
	PollInterval time.Duration
	// MaxRest bounds the rest between two attempts; 0 is DefaultMaxRest.
	MaxRest time.Duration
	// Log gets a line for what AWS would do silently; nil is slog's default.
	Log *slog.Logger
	// UUID is the mapping's own, which is part of the keys of its documents in a bucket; "" makes one.
	UUID string
	// Checkpoints are Status().Shards of an earlier mapping of the stream: this one goes on where that one stood, whatever
	// its starting position, and reads shards that are not among them from their beginning. nil begins anew.
	Checkpoints []ShardStatus
	// ActivationDelay is how long a mapping is Creating, Enabling or Updating at least; on AWS up to minutes.
	ActivationDelay time.Duration
}

// settings are what a mapping and its shards share.
type settings struct {
	cfg         *Config
	source      Source
	invoker     Invoker
	destination Destination
	report      func(Settled)
	poll        time.Duration
	maxRest     time.Duration
	log         *slog.Logger
	counters    counters
}

// Mapping is one event source mapping. Its methods are safe for concurrent use.
type Mapping struct {
	*settings

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when state or wanted change
	state   State
	wanted  bool               // enabled
	stop    context.CancelFunc // ends polling; nil when there is none

	listing sync.Mutex // held while shards are listed and activated
	active  bool       // the starting position has been taken
	shards  []*shard   // in the order of the source; under mu for readers
}

// New makes a mapping, which does nothing until Run. The error is the one of CreateEventSourceMapping, a *wire.Error.
// destination may be nil if cfg names none.
func New(cfg Config, source Source, invoker Invoker, destination Destination, opt Options) (*Mapping, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if _, err := source.Shards(); err != nil {
		return nil, invalid("Stream not found: " + cfg.EventSourceARN)
	}
	set := &settings{
		cfg: &cfg, source: source, invoker: invoker, destination: destination,
		report: opt.Settled, poll: opt.PollInterval, maxRest: opt.MaxRest, log: opt.Log,
	}
	if set.maxRest == 0 {
		set.maxRest = DefaultMaxRest
	}
	if set.log == nil {
		set.log = slog.Default()
	}
	return &Mapping{settings: set, changed: make(chan struct{}), state: Creating, wanted: cfg.Enabled}, nil
}

// Run works until ctx ends, and then gives nil; or until the stream cannot be read, as when it has been deleted: then
// the mapping is disabled. Invocations that are under way when ctx ends are cancelled: to let them finish, Disable first.
// When Run has returned none of its goroutines is left, and it may be called again: it goes on after the checkpoints. It
// must not be called twice at once.
func (m *Mapping) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		polling, ok := m.begin(ctx)
		if !ok {
			_ = m.await(ctx, func() bool { return m.wanted })
			continue
		}
		err := m.session(ctx, polling)
		unreadable := err != nil && ctx.Err() == nil
		m.end(unreadable)
		if unreadable {
			return err
		}
	}
	return nil
}

// begin gives the context that ends with polling, if the mapping is enabled.
func (m *Mapping) begin(ctx context.Context) (context.Context, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.wanted {
		m.setState(Disabled)
		return nil, false
	}
	polling, stop := context.WithCancel(ctx)
	m.stop = stop
	m.setState(Enabled)
	return polling, true
}

// end notes that polling has ended, which disables the mapping when the stream cannot be read.
func (m *Mapping) end(unreadable bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stop()
	m.stop = nil
	m.wanted = m.wanted && !unreadable
	if !m.wanted {
		m.setState(Disabled)
	}
}

// session polls until polling ends. A shard is read when its parents are done: it is started by whichever of them ends
// last.
func (m *Mapping) session(ctx, polling context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	polling, stop := context.WithCancel(polling)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // an error in one shard ends the others
	started := map[*shard]bool{}
	var start func() error
	start = func() error {
		ready, err := m.ready(started)
		for _, s := range ready {
			group.Go(func() error {
				if err := s.run(ctx, polling); err != nil || !s.status().Done {
					return err
				}
				return start()
			})
		}
		return err
	}
	group.Go(func() error {
		if err := start(); err != nil {
			return err
		}
		<-polling.Done() // even if the stream has come to its end
		return nil
	})
	return group.Wait()
}

// ready brings the list of shards up to date, and gives those that may be read and have not been started.
func (m *Mapping) ready(started map[*shard]bool) ([]*shard, error) {
	m.listing.Lock()
	defer m.listing.Unlock()
	if err := m.activate(); err != nil {
		return nil, err
	}
	waiting := map[string]bool{}
	for _, s := range m.shards {
		waiting[s.id] = !s.status().Done
	}
	var ready []*shard
	for _, s := range m.shards {
		blocked := false
		for _, p := range s.parents { // one that is no longer listed has been trimmed
			blocked = blocked || waiting[p]
		}
		if waiting[s.id] && !blocked && !started[s] {
			started[s] = true
			ready = append(ready, s)
		}
	}
	return ready, nil
}

// activate opens cursors for the shards that are new: the first time where the mapping starts, all before any is read;
// later at the beginning, or what was written between a split and its discovery would be lost.
func (m *Mapping) activate() error {
	list, err := m.source.Shards()
	if err != nil {
		return fmt.Errorf("list shards: %w", err)
	}
	from := Position{Type: TrimHorizon}
	if !m.active {
		from = Position{Type: m.cfg.StartingPosition, Timestamp: m.cfg.StartingPositionTimestamp}
	}
	known := make(map[string]bool, len(m.shards))
	for _, s := range m.shards {
		known[s.id] = true
	}
	for _, in := range list {
		if known[in.ID] {
			continue
		}
		s := newShard(m.settings, in)
		if s.cursor, err = m.source.Open(in.ID, from); err != nil {
			return fmt.Errorf("open shard %s: %w", in.ID, err)
		}
		m.mu.Lock()
		m.shards = append(m.shards, s)
		m.mu.Unlock()
	}
	m.active = true
	return nil
}

// Enable lets the mapping go on after what was last settled; what was put while it was disabled is not lost.
func (m *Mapping) Enable() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.wanted {
		m.wanted = true
		m.setState(Enabling)
	}
}

// Disable stops polling and waits until the invocations under way have finished, or ctx ends. Batches that are gathered
// or between two attempts are left: they are read again, as new batches, after Enable.
func (m *Mapping) Disable(ctx context.Context) error {
	m.mu.Lock()
	m.wanted = false
	if m.stop == nil {
		m.setState(Disabled)
	} else {
		m.setState(Disabling)
		m.stop()
	}
	m.mu.Unlock()
	return m.await(ctx, func() bool { return m.state != Disabling })
}

// setState is called with mu held.
func (m *Mapping) setState(s State) {
	m.state = s
	close(m.changed)
	m.changed = make(chan struct{})
}

// await waits until cond, which is called with mu held.
func (m *Mapping) await(ctx context.Context, cond func() bool) error {
	for {
		m.mu.Lock()
		ok, changed := cond(), m.changed
		m.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Status gives a snapshot.
func (m *Mapping) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := Status{State: m.state, LastProcessingResult: m.counters.lastResult(), Counters: m.counters.snapshot()}
	for _, s := range m.shards {
		st.Shards = append(st.Shards, s.status())
	}
	return st
}
