package esm

import (
	"context"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// change is what Update has accepted.
type change struct {
	cfg     Config
	invoker Invoker // nil leaves the one that is there
}

// Config gives the settings, with a change that Update has accepted and that is not in effect yet. Enabled tells what
// Enable, Disable and Update last asked for.
func (m *Mapping) Config() Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	cfg := *m.cfg
	if m.change != nil {
		cfg = m.change.cfg
	}
	cfg.Enabled = m.wanted
	return cfg
}

// Update changes the settings of a mapping that may be running. It checks cfg as New does, and nothing changes when it
// gives an error, a *wire.Error. The source and the starting position must stay. invoker runs the function that cfg
// names; nil keeps the one that is there.
//
// It does not wait: it gives the state that the change begins with, Updating, Enabling or Disabling (which may be over
// when the caller looks at Status), and Wait tells when it has ended. Invocations under way finish with the old settings
// and settle what they carried. Everything else that has been read goes on under the new ones: it is filtered and dealt
// to lanes again, keeps its order, and has all its attempts. Nothing settled comes again. Before Run, and after it has
// returned, a change takes effect with the next Run.
func (m *Mapping) Update(cfg Config, invoker Invoker) (State, error) {
	if err := cfg.Validate(); err != nil {
		return "", err
	}
	state, err := m.accept(cfg, invoker)
	if state == Enabling {
		_ = m.take() // what is wrong with the stream Run will find too
	}
	return state, err
}

// accept notes a change for Run, and gives the state that it begins with.
func (m *Mapping) accept(cfg Config, invoker Invoker) (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deleted {
		return "", wire.Errorf("ResourceNotFoundException", "The resource you requested does not exist.")
	}
	if err := m.cfg.stays(&cfg); err != nil {
		return "", err
	}
	if invoker == nil && m.change != nil {
		invoker = m.change.invoker
	}
	begins := Updating
	switch {
	case m.wanted && !cfg.Enabled:
		begins = Disabling
	case !m.wanted && cfg.Enabled:
		begins = Enabling
	}
	m.change, m.wanted, m.reason = &change{cfg, invoker}, cfg.Enabled, ReasonUser
	m.setState(begins)
	m.halt()
	return begins, nil
}

// stays refuses a change of what UpdateEventSourceMapping cannot change.
func (c *Config) stays(next *Config) error {
	switch {
	case c.EventSourceARN != next.EventSourceARN:
		return invalid("The event source of a mapping cannot be changed.")
	case c.StartingPosition != next.StartingPosition, !c.StartingPositionTimestamp.Equal(next.StartingPositionTimestamp):
		return invalid("The starting position of a mapping cannot be changed.")
	}
	return nil
}

// apply puts a change into effect. It is called with mu held, and while no shard runs.
func (m *Mapping) apply() {
	if m.change == nil {
		return
	}
	m.configure(m.change.cfg)
	if m.change.invoker != nil {
		m.invoker = m.change.invoker
	}
	m.change = nil
}

// Enable lets the mapping go on with what is not settled; what was put while it was disabled is not lost.
func (m *Mapping) Enable() {
	m.mu.Lock()
	enabling := !m.wanted && !m.deleted
	if enabling {
		m.wanted, m.reason = true, ReasonUser
		m.setState(Enabling)
	}
	m.mu.Unlock()
	if enabling {
		_ = m.take() // what is wrong with the stream Run will find too
	}
}

// Disable stops polling and waits until the invocations under way have finished, or ctx ends. Batches that are gathered
// or between two attempts are left: they are gathered again, as new batches, after Enable.
func (m *Mapping) Disable(ctx context.Context) error {
	m.mu.Lock()
	if !m.deleted {
		m.wanted, m.reason = false, ReasonUser
		m.setState(Disabling)
		if !m.halt() {
			m.setState(Disabled)
		}
	}
	m.mu.Unlock()
	return m.await(ctx, func() bool { return m.state != Disabling })
}

// Delete ends the mapping for good: the state is Deleting until the invocations under way have finished, and then Run
// gives nil. It does not wait: Wait does.
func (m *Mapping) Delete() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted, m.deleted, m.reason = false, true, ReasonUser
	m.setState(Deleting)
	m.halt()
}

// Wait returns when no change is under way: the mapping is Enabled or Disabled, or was deleted and Run has returned. It
// gives ctx's error if that ends first. A mapping whose Run is not called stays as it is, so that Wait does not return.
func (m *Mapping) Wait(ctx context.Context) error {
	return m.await(ctx, func() bool {
		return m.state == Enabled || m.state == Disabled || m.deleted && !m.running
	})
}

// halt ends polling, and tells whether there was any. It is called with mu held.
func (m *Mapping) halt() bool {
	if m.stop != nil {
		m.stop()
	}
	return m.stop != nil
}

// setState is called with mu held.
func (m *Mapping) setState(s State) {
	m.state = s
	m.signal()
}

// signal wakes whoever awaits something. It is called with mu held.
func (m *Mapping) signal() {
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
	st := Status{State: m.state, StateTransitionReason: m.reason, LastProcessingResult: m.counters.lastResult(), Counters: m.counters.snapshot()}
	for _, s := range m.shards {
		st.Shards = append(st.Shards, s.status())
	}
	return st
}
