// Package esm is Lambda's event source mapping for Kinesis: it reads a stream shard by shard, hands the records to a
// function in batches, and retries, splits and gives up batches as AWS does.
//
// What is hard is decided by functions of values: closeBatch closes a batch, classify reads an answer, decide says what
// comes next. Around them a thin loop: a reader for each shard (shard), and one goroutine for each lane (lane).
package esm

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/awslocal/wire"
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
	// MaxWindow bounds the batching window; 0: it is as the mapping's settings say.
	MaxWindow time.Duration
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

// settings are what a mapping and its shards share. cfg, filters and invoker change only while nothing runs.
type settings struct {
	cfg         *Config
	filters     filters
	source      Source
	invoker     Invoker
	destination Destination
	uuid        string
	report      func(Settled)
	poll        time.Duration
	maxRest     time.Duration
	maxWindow   time.Duration
	delay       time.Duration
	log         *slog.Logger
	counters    counters
}

// Mapping is one event source mapping. Its methods are safe for concurrent use.
type Mapping struct {
	*settings

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when what is under mu changes
	state   State
	reason  string             // why it is in that state
	wanted  bool               // enabled
	deleted bool               // for good
	change  *change            // of the settings, not yet in effect; nil if there is none
	stop    context.CancelFunc // ends polling; nil when there is none
	running bool               // Run has not returned

	listing sync.Mutex // held while shards are listed and activated
	active  bool       // the starting position has been taken
	earlier []ShardStatus
	shards  []*shard // in the order of the source; under mu for readers
	// generation is of the stream that shards belong to; 0 before the first session.
	generation uint64
}

// New makes a mapping, which does nothing until Run. If it is enabled, and nothing delays its activation, it has taken its
// starting position then. The error is the one of CreateEventSourceMapping, a *wire.Error.
// destination may be nil if neither cfg nor a later Update names one.
func New(cfg Config, source Source, invoker Invoker, destination Destination, opt Options) (*Mapping, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if _, err := source.Shards(); err != nil {
		return nil, notFound(&cfg)
	}
	set := &settings{
		source: source, invoker: invoker, destination: destination,
		uuid: opt.UUID, report: opt.Settled, poll: opt.PollInterval, maxRest: opt.MaxRest, maxWindow: opt.MaxWindow,
		delay: opt.ActivationDelay, log: opt.Log,
	}
	set.maxRest = cmp.Or(set.maxRest, DefaultMaxRest)
	if set.uuid == "" {
		set.uuid = wire.NewID()
	}
	if set.log == nil {
		set.log = slog.Default()
	}
	set.configure(cfg)
	m := &Mapping{
		settings: set, changed: make(chan struct{}), state: Creating, reason: ReasonUser, wanted: cfg.Enabled,
		earlier: opt.Checkpoints, active: len(opt.Checkpoints) > 0,
	}
	if cfg.Enabled && m.take() != nil {
		return nil, notFound(&cfg)
	}
	return m, nil
}

func notFound(cfg *Config) error { return invalid("Stream not found: " + cfg.EventSourceARN) }

// configure takes settings that Validate has passed.
func (set *settings) configure(cfg Config) {
	set.cfg, set.filters = &cfg, newFilters(cfg.Filters)
	if len(set.filters.beside) > 0 {
		set.log.Warn("filters look at more than data, which AWS no longer documents", "mapping", set.uuid, "fields", set.filters.beside)
	}
	if len(set.filters.absent) > 0 {
		set.log.Warn("filters look at names that no record has: patterns begin with data, not with the event's kinesis or Records",
			"mapping", set.uuid, "fields", set.filters.absent)
	}
}

// window is the batching window.
func (set *settings) window() time.Duration {
	window := time.Duration(set.cfg.MaximumBatchingWindowInSeconds) * time.Second
	if set.maxWindow > 0 {
		window = min(window, set.maxWindow)
	}
	return window
}

// take takes the starting position when the mapping is enabled, unless something delays that or it was taken. LATEST is
// then, and not when Run's goroutine comes to run: what is put after the answer to the caller is delivered.
func (m *Mapping) take() error {
	m.listing.Lock()
	defer m.listing.Unlock()
	if m.delay > 0 {
		return nil
	}
	if err := m.renew(); err != nil {
		return err
	}
	return m.activate()
}

// Run works until ctx ends or Delete, and then gives nil; or until the stream cannot be read, as when it has been
// deleted: then the mapping is disabled, and should there be a stream of that name when it is enabled again, it begins
// anew. Invocations that are under way when ctx ends are cancelled: to let them finish,
// Disable first. When Run has returned none of its goroutines is left, and it may be called again: it goes on with what
// is not settled, and none of what is comes twice. It must not be called twice at once.
func (m *Mapping) Run(ctx context.Context) error {
	m.setRunning(true)
	defer m.setRunning(false)
	for ctx.Err() == nil {
		m.linger(ctx)
		polling, on := m.begin(ctx)
		if on {
			err := m.session(ctx, polling)
			unreadable := err != nil && ctx.Err() == nil
			m.end(unreadable)
			if unreadable {
				return err
			}
			continue
		}
		gone := false
		_ = m.await(ctx, func() bool { gone = m.deleted; return m.wanted || m.deleted || m.change != nil })
		if gone {
			return nil
		}
	}
	return nil
}

func (m *Mapping) setRunning(running bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = running
	m.signal()
}

// linger stays in a state that AWS leaves only after a while.
func (m *Mapping) linger(ctx context.Context) {
	if s := m.Status().State; s == Creating || s == Enabling || s == Updating {
		pause(ctx, m.delay)
	}
}

// begin puts a change into effect, and gives the context that ends with polling if the mapping is enabled.
func (m *Mapping) begin(ctx context.Context) (context.Context, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.apply()
	if m.deleted {
		return nil, false
	}
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
	if unreadable && m.wanted {
		m.wanted, m.reason = false, ReasonSource
	}
	if !m.wanted && !m.deleted {
		m.setState(Disabled)
	}
}

// session polls until polling ends. A shard is read when its parents are done: it is started by whichever of them ends
// last.
func (m *Mapping) session(ctx, polling context.Context) error {
	m.listing.Lock()
	err := m.renew()
	m.listing.Unlock()
	if err != nil {
		return err
	}
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

// renew begins anew, at the starting position, when the stream is not the one that was read before: that one was deleted,
// and what is known of its shards is of no use. It is called with listing held.
func (m *Mapping) renew() error {
	now, err := m.source.Generation()
	if err != nil {
		return fmt.Errorf("find stream: %w", err)
	}
	if m.generation != 0 && m.generation != now {
		m.active, m.earlier = false, nil
		m.mu.Lock()
		m.shards = nil
		m.mu.Unlock()
	}
	m.generation = now
	return nil
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
		waiting[s.ID] = !s.status().Done
	}
	var ready []*shard
	for _, s := range m.shards {
		blocked := false
		for _, p := range []string{s.Parent, s.AdjacentParent} { // one that is no longer listed has been trimmed
			blocked = blocked || waiting[p]
		}
		if waiting[s.ID] && !blocked && !started[s] {
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
	known := make(map[string]bool, len(m.shards))
	for _, s := range m.shards {
		known[s.ID] = true
	}
	now := time.Now()
	for _, in := range list {
		if known[in.ID] {
			continue
		}
		s, err := m.open(in, now)
		if err != nil {
			return fmt.Errorf("open shard %s: %w", in.ID, err)
		}
		m.mu.Lock()
		m.shards = append(m.shards, s)
		m.mu.Unlock()
	}
	m.active = true
	return nil
}

// open places a cursor in a new shard: where an earlier mapping stood, if that is known.
func (m *Mapping) open(in Shard, now time.Time) (*shard, error) {
	i := slices.IndexFunc(m.earlier, func(st ShardStatus) bool { return st.ID == in.ID })
	if i >= 0 {
		s := newShard(m.settings, in, m.earlier[i])
		if s.done {
			return s, nil
		}
		var err error
		s.cursor, err = m.source.Open(in.ID, s.start)
		return s, err
	}
	from := Position{Type: TrimHorizon}
	if !m.active {
		cfg := m.Config() // m.cfg is Run's
		from = Position{Type: cfg.StartingPosition, Timestamp: cfg.StartingPositionTimestamp}
	}
	c, err := m.source.Open(in.ID, from)
	if err != nil {
		return nil, err
	}
	if from.Type == Latest { // nothing says which record was the latest: for a later mapping, the time has to do
		from = Position{Type: AtTimestamp, Timestamp: now}
	}
	s := newShard(m.settings, in, ShardStatus{Next: from})
	s.cursor = c
	return s, nil
}
