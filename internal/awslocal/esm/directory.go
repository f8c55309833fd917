package esm

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// World is what the mappings of a Directory touch. It must be safe for concurrent use.
type World interface {
	// Source gives the stream of an ARN: its own, or the one of a fan-out consumer of it. Whether there is one, Shards
	// tells.
	Source(arn string) Source
	// Function finds a function by its name or ARN, with a qualifier or without; false when there is none.
	Function(ref string) (Target, bool)
	Destination
}

// Target is a function as a mapping names it.
type Target struct {
	ARN     string // with the qualifier that was given
	RoleARN string
	Invoker Invoker
}

// DirectoryOptions are a Directory's settings. All but Mapping are required.
type DirectoryOptions struct {
	Region, Account string
	World           World
	Mapping         Options // of each mapping, which gets a UUID of its own; its Log is the directory's too
}

// Directory holds mappings by their UUIDs, and runs them until they are deleted or it is closed. As an http.Handler it is
// the part of Lambda's REST API that is about event source mappings. It is safe for concurrent use.
type Directory struct {
	opt     DirectoryOptions
	log     *slog.Logger
	mux     *http.ServeMux
	ctx     context.Context // of the mappings' Run; ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	entries map[string]*entry
}

// entry is one mapping with what the API tells beside its status.
type entry struct {
	id       string
	mapping  *Mapping
	wake     chan struct{}     // of capacity 1: something has been asked of the mapping
	changing sync.Mutex        // held while a request changes the mapping
	modified time.Time         // under Directory.mu
	tags     map[string]string // of its creation; under Directory.mu
}

// NewDirectory makes one without mappings. Close it.
func NewDirectory(opt DirectoryOptions) *Directory {
	d := &Directory{opt: opt, log: opt.Mapping.Log, entries: map[string]*entry{}}
	if d.log == nil {
		d.log = slog.Default()
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.mux = wire.Mux("Lambda", d.table())
	return d
}

// Create makes a mapping of the function that ref names, and runs it. Of cfg it sets the function's ARN and role; id is
// its UUID, "" makes one. The error is the one of CreateEventSourceMapping, a *wire.Error, or says that the directory is
// closed.
func (d *Directory) Create(id, ref string, cfg Config) (*Mapping, error) {
	e, err := d.create(id, ref, cfg)
	if err != nil {
		return nil, err
	}
	return e.mapping, nil
}

// create looks for mistakes in the order in which AWS does: what stands in the request, the function, the stream, and
// what is there already (recorded by LocalStack, test_event_source_mapping_exceptions).
func (d *Directory) create(id, ref string, cfg Config) (*entry, error) {
	if id == "" {
		id = wire.NewID()
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	target, ok := d.opt.World.Function(ref)
	if !ok {
		return nil, errNoFunction
	}
	cfg.FunctionARN, cfg.RoleARN = target.ARN, target.RoleARN
	opt := d.opt.Mapping
	opt.UUID = id
	m, err := New(cfg, d.opt.World.Source(cfg.EventSourceARN), target.Invoker, d.opt.World, opt)
	if err != nil {
		return nil, err
	}
	e := &entry{id: id, mapping: m, modified: time.Now(), wake: make(chan struct{}, 1)}
	return e, d.add(e)
}

// errNoFunction was recorded by LocalStack (test_event_source_mapping_exceptions, create_unknown_params).
var errNoFunction = invalid("Function does not exist")

// add takes a mapping in and runs it, unless its stream and function have one.
func (d *Directory) add(e *entry) error {
	cfg := e.mapping.Config()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return fmt.Errorf("create event source mapping %s: the directory is closed", e.id)
	}
	if err := d.duplicate(e, cfg); err != nil {
		return err
	}
	d.entries[e.id] = e
	d.running.Go(func() { d.run(e) })
	return nil
}

// duplicate gives AWS's error if another mapping than e has the source and the function of cfg. It is called with mu held.
func (d *Directory) duplicate(e *entry, cfg Config) error {
	_, function, _ := wire.SplitFunction(cfg.FunctionARN)
	for _, other := range d.entries {
		o := other.mapping.Config()
		if other != e && o.EventSourceARN == cfg.EventSourceARN && latest(o.FunctionARN) == latest(cfg.FunctionARN) {
			return &wire.Error{
				Code: "ResourceConflictException", Status: http.StatusConflict, Fields: map[string]any{"Type": "User"},
				Message: fmt.Sprintf(`The event source arn (" %s ") and function (" %s ") provided mapping already exists. `+
					`Please update or delete the existing mapping with UUID %s`, cfg.EventSourceARN, function, other.id),
			}
		}
	}
	return nil
}

// latest takes the qualifier off an ARN that says what is meant without it.
func latest(arn string) string { return strings.TrimSuffix(arn, ":$LATEST") }

// run is with a mapping until it is deleted or the directory closes. When the stream cannot be read the mapping is
// disabled, and rests until somebody asks something of it.
func (d *Directory) run(e *entry) {
	for {
		err := e.mapping.Run(d.ctx)
		if d.ctx.Err() != nil {
			return
		}
		if err == nil { // deleted
			d.mu.Lock()
			delete(d.entries, e.id)
			d.mu.Unlock()
			return
		}
		d.log.Error("event source mapping stopped", "mapping", e.id, "function", e.mapping.Config().FunctionARN, "error", err)
		select {
		case <-e.wake:
		case <-d.ctx.Done():
			return
		}
	}
}

// stir has run take notice of what was asked of the mapping, should it rest. The mapping's own Run notices by itself.
func (e *entry) stir() {
	select {
	case e.wake <- struct{}{}:
	default: // it will notice
	}
}

// Mapping gives the mapping with that UUID, nil if there is none.
func (d *Directory) Mapping(id string) *Mapping {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.entries[id]; e != nil {
		return e.mapping
	}
	return nil
}

// Entry is a snapshot of one mapping of a directory.
type Entry struct {
	UUID   string
	Config Config
	Status Status
}

// Entries gives all mappings, sorted by their UUIDs.
func (d *Directory) Entries() []Entry {
	var out []Entry
	for _, e := range d.sorted() {
		out = append(out, Entry{e.id, e.mapping.Config(), e.mapping.Status()})
	}
	return out
}

func (d *Directory) sorted() []*entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*entry
	for _, id := range slices.Sorted(maps.Keys(d.entries)) {
		out = append(out, d.entries[id])
	}
	return out
}

// Close ends all mappings, cancelling their invocations, and returns when none of their goroutines is left. Later ones
// are refused.
func (d *Directory) Close() {
	d.mu.Lock()
	d.cancel()
	d.mu.Unlock()
	d.running.Wait()
}
