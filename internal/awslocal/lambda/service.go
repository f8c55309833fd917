// Package lambda runs Lambda functions on this machine: as processes of their compiled bootstrap, each behind a Runtime
// API of its own, with the time-outs, crashes, concurrency limits and payload limits of AWS, and with faults on demand.
// Over the wire it has what creates, changes, publishes and invokes them.
//
// What AWS has and this has not: memory limits (the size is only told to the function), frozen idle processes, layers,
// retries and destinations of asynchronous invocations.
package lambda

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

const (
	// MaxRequest bounds the payload of a synchronous invocation: 6 MiB.
	MaxRequest = 6 << 20
	// MaxResponse bounds its answer: 100 bytes more, as AWS's own error message says (6291556).
	MaxResponse = MaxRequest + 100

	// MaxConcurrency is how many instances a function without a reservation may have: a tenth of an AWS account's
	// default quota, for each is a process of this machine.
	MaxConcurrency = 100

	// InitTimeout is what AWS gives a function to come to its first next.
	InitTimeout = 10 * time.Second

	// keptInits bounds Stats.Inits.
	keptInits = 1000

	// Latest is the version of a function that its updates change.
	Latest = "$LATEST"
)

// Options says where functions find themselves. Region, Account and Log are required; the rest may be left out.
type Options struct {
	Region, Account string
	Endpoint        string          // URL that the functions' SDKs call: AWS_ENDPOINT_URL
	Faults          *fault.Injector // asked for "Lambda.Invoke" at each invocation
	Log             *slog.Logger
	// Objects gives an object of S3, for code that a request names by bucket and key; without it such code is NotImplemented.
	// What is not there is a *wire.Error of S3's.
	Objects func(bucket, key string) ([]byte, error)
	// Stdout and Stderr get each line that a function writes, without its end, at most MaxLine bytes at once; those that it
	// wrote before its answer they have when Invoke returns. A line must not be kept after the return. Lines of several
	// instances arrive concurrently. Without them lines go to Log.
	Stdout, Stderr func(function string, line []byte)
}

// Service holds functions and their running instances. It is safe for concurrent use.
type Service struct {
	opt       Options
	mux       *http.ServeMux
	mu        sync.Mutex // guards all below, and the functions
	functions map[string]*function
	instances map[string]*instance // by access key
	started   int
	queued    int    // asynchronous invocations that have not ended
	folder    string // holds the code that was uploaded; "" until there is some
	closed    bool
	done      chan struct{}  // closed by Close
	running   sync.WaitGroup // invocations and uploads
	processes sync.WaitGroup
}

// function is what the service knows of one function: what its versions have in common.
type function struct {
	name      string
	latest    *version
	published []*version // in the order of their numbers
	last      int        // number of the version that was published last
	aliases   map[string]*alias
	tags      map[string]string
	reserved  *int // concurrency of all versions together; nil reserves none
	busy      int
	stats     Stats
}

// Stats counts what has happened to one function.
type Stats struct {
	Invocations int // that reached an instance or tried to: throttled ones are not among them
	Errors      int // invocations answered with a FunctionError
	Throttles   int
	Timeouts    int
	Kills       int // processes killed by Kill or by a fault
	ColdStarts  int
	Inits       []time.Duration // from the process's start to its first next, of the last 1,000 cold starts
}

// New makes a service without functions. Close it, or its processes stay until this process ends.
func New(opt Options) *Service {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{opt: opt, functions: map[string]*function{}, instances: map[string]*instance{}, done: make(chan struct{})}
	s.mux = s.routes()
	return s
}

// Create adds a function; no process starts before its first invocation. It fails on a name that is taken, on values
// that AWS refuses, and on a bootstrap that this machine cannot run: the error says what to do.
func (s *Service) Create(f Function) error {
	f, c, err := f.onDisk()
	if err != nil {
		return fmt.Errorf("create function %s: %w", f.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.add(f, c)
	return err
}

// CreateFromZip adds a function as Create does, with its code from a deployment package within AWS's limits. CodeDir is
// not looked at.
func (s *Service) CreateFromZip(f Function, zip []byte) error {
	if len(zip) > MaxZip {
		return fmt.Errorf("create function %s: %w", f.Name, errZipped)
	}
	c, err := s.upload(zip)
	if err != nil {
		return fmt.Errorf("create function %s: %w", f.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer c.use().drop() // if nobody else uses it
	f.CodeDir = c.dir
	if f, err = f.checked(); err == nil {
		err = checkBootstrap(f.bootstrap())
	}
	if err != nil {
		return fmt.Errorf("create function %s from a zip: %w", f.Name, err)
	}
	_, err = s.add(f, c)
	return err
}

// add adds a checked function, with mu held.
func (s *Service) add(f Function, c *code) (*function, error) {
	if s.functions[f.Name] != nil {
		return nil, conflict("Function already exist: " + f.Name)
	}
	fn := &function{name: f.Name, aliases: map[string]*alias{}}
	if f.ReservedConcurrency > 0 {
		fn.reserved = &f.ReservedConcurrency
	}
	fn.latest = &version{function: fn, number: Latest}
	s.functions[f.Name] = fn
	s.replace(fn.latest, f, c)
	return fn, nil
}

// Update replaces a function's code and configuration, its reserved concurrency too; published versions stay as they
// are. Invocations under way end as they began; the next one of each instance starts cold.
func (s *Service) Update(f Function) error {
	f, c, err := f.onDisk()
	if err != nil {
		return fmt.Errorf("update function %s: %w", f.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.functions[f.Name]
	if old == nil {
		return s.notFound(f.Name)
	}
	if c.dir == old.latest.code.dir {
		c = old.latest.code
	}
	switch off := old.reserved != nil && *old.reserved == 0; {
	case f.ReservedConcurrency > 0:
		old.reserved = &f.ReservedConcurrency
	case !off: // which a Function cannot say
		old.reserved = nil
	}
	s.replace(old.latest, f, c)
	return nil
}

// Function gives the configuration of a function by any reference to it that SplitName reads, false when there is no
// such function, version or alias, and for the ARN of another account's or region's.
func (s *Service) Function(ref string) (Function, bool) {
	if s.reach(ref) != nil {
		return Function{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.resolve(SplitName(ref))
	if err != nil {
		return Function{}, false
	}
	f := v.Function
	f.ReservedConcurrency = 0
	if r := v.function.reserved; r != nil {
		f.ReservedConcurrency = *r
	}
	return f, true
}

// Stats gives a function's counts so far; those of an unknown function are zero.
func (s *Service) Stats(name string) Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[name]
	if f == nil {
		return Stats{}
	}
	out := f.stats
	out.Inits = slices.Clone(out.Inits)
	return out
}

// ARN is the Amazon resource name of a function, or of "name:qualifier"; it need not exist.
func (s *Service) ARN(name string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", s.opt.Region, s.opt.Account, name)
}

// Kill kills the instance that signs with this access key, together with the processes it has started; an unknown key
// is nobody. The invocation that it was working on is answered as a crash.
func (s *Service) Kill(accessKey string) {
	s.mu.Lock()
	i := s.instances[accessKey]
	if i != nil {
		i.version.function.stats.Kills++
	}
	s.mu.Unlock()
	if i != nil {
		i.kill()
	}
}

// Close kills every instance and returns when all processes have ended, their output has been handed on, and the code
// that was uploaded is removed. Invocations under way are answered as crashes, later ones with an error.
func (s *Service) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	all := slices.Collect(maps.Values(s.instances))
	s.mu.Unlock()
	for _, i := range all {
		i.kill()
	}
	s.running.Wait()
	s.processes.Wait()
	s.removeUploads()
}

var errClosed = &wire.Error{Code: "ServiceException", Message: "the local Lambda service is closed", Status: http.StatusInternalServerError}

func (s *Service) notFound(name string) error {
	return missing("Function not found: " + s.ARN(name))
}
