package esm

import (
	"context"
	"errors"
)

// Config gives the settings, with a change that Update has accepted and that is not in effect yet. Enabled tells what
// Enable, Disable and Update last asked for.
func (m *Mapping) Config() Config { return *m.cfg }

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
	return m.state, errors.New("not yet")
}

// Delete ends the mapping for good: the state is Deleting until the invocations under way have finished, and then Run
// gives nil. It does not wait: Wait does.
func (m *Mapping) Delete() {}

// Wait returns when no change is under way: the mapping is Enabled or Disabled, or was deleted and Run has returned. It
// gives ctx's error if that ends first. A mapping whose Run is not called stays as it is, so that Wait does not return.
func (m *Mapping) Wait(ctx context.Context) error { return nil }

// StreamARN is the ARN of the stream behind EventSourceARN, which may name one of the stream's fan-out consumers.
func (c *Config) StreamARN() string { return c.EventSourceARN }
