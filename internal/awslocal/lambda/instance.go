package lambda

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"time"
)

// headerTime bounds how long the header of a request to the Runtime API may take: loopback brings it at once.
const headerTime = 10 * time.Second

// instance is one process with the Runtime API that it talks to: the address of the API tells whose request it is.
type instance struct {
	key        string // its access key
	version    *version
	generation int // of conf
	conf       Function
	cmd        *exec.Cmd
	api        *http.Server
	code       *code
	output     [2]*outlet    // stdout, stderr
	log        *tail         // of both
	events     chan *event   // taken by next, which waits for one
	ready      chan struct{} // closed by the first next
	once       sync.Once     // closes ready
	failed     chan []byte   // holds the document of init/error; the runtime exits after it
	exited     chan struct{} // closed when the process has ended, its output is out and its API is down
	exit       error         // why; read it after exited

	mu      sync.Mutex
	current *event // the one that next gave out and that has no response yet
}

// start starts a process of f. It returns before the function's own initialisation.
func (s *Service) start(v *version) (*instance, error) {
	s.mu.Lock()
	s.started++
	i := &instance{
		key:        fmt.Sprintf("ASIALOCAL%011d", s.started),
		version:    v,
		generation: v.generation,
		conf:       v.Function,
		code:       v.code.use(),
		log:        new(tail),
		events:     make(chan *event),
		ready:      make(chan struct{}),
		failed:     make(chan []byte, 1),
		exited:     make(chan struct{}),
	}
	s.mu.Unlock()
	if err := s.launch(i); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		i.code.drop()
		return nil, err
	}
	return i, nil
}

// launch starts the instance's process and its Runtime API.
func (s *Service) launch(i *instance) error {
	conf := i.conf
	if err := checkBootstrap(conf.bootstrap()); err != nil {
		return err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open a runtime API for %s: %w", conf.Name, err)
	}
	i.api = &http.Server{
		Handler:           guarded(l.Addr().String(), i.routes()),
		ReadHeaderTimeout: headerTime,
		ErrorLog:          slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug),
	}
	i.cmd = exec.Command(conf.bootstrap())
	i.cmd.Dir = conf.CodeDir
	i.cmd.Env = conf.environment(s.opt, i.version.number, i.key, l.Addr().String())
	i.cmd.SysProcAttr = attributes()
	if err := s.spawn(i); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", conf.bootstrap(), err), l.Close())
	}
	s.register(i)
	s.processes.Go(func() { _ = i.api.Serve(l) }) // ends with Close, and then the process has ended too
	s.processes.Go(func() { s.wait(i) })
	return nil
}

// spawn starts the instance's process, and follows its output.
func (s *Service) spawn(i *instance) error {
	for n, emit := range []func([]byte){s.emitter(i, "stdout", s.opt.Stdout), s.emitter(i, "stderr", s.opt.Stderr)} {
		o, err := newOutlet(emit)
		if err != nil {
			return err
		}
		defer o.in.Close() // the process has its own by then, or there is none
		s.processes.Go(o.follow)
		i.output[n] = o
	}
	i.cmd.Stdout, i.cmd.Stderr = i.output[0].in, i.output[1].in
	return i.cmd.Start()
}

// register makes the instance known to Kill and Close. A process that started while Close went round is killed here.
func (s *Service) register(i *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances[i.key] = i
	i.version.function.stats.ColdStarts++
	if s.closed {
		i.kill()
	}
}

// wait is with the process until it has ended, and then clears up after it.
func (s *Service) wait(i *instance) {
	i.exit = i.cmd.Wait()
	i.kill() // what it started and left behind
	for _, o := range i.output {
		o.end()
	}
	_ = i.api.Close()
	s.mu.Lock()
	delete(s.instances, i.key)
	i.code.drop()
	s.mu.Unlock()
	close(i.exited)
}

// kill kills the process and all that it started. It may be called at any time and does not wait. A process that has
// ended is left alone: its id may be another's by now.
func (i *instance) kill() {
	if !i.ended() {
		killGroup(i.cmd.Process.Pid)
	}
}

// stop leaves the process and all that it started as they are, doing nothing, until they are killed.
func (i *instance) stop() {
	if !i.ended() {
		stopGroup(i.cmd.Process.Pid)
	}
}

// emitter is what becomes of a line of one of the instance's outputs.
func (s *Service) emitter(i *instance, stream string, to func(string, []byte)) func([]byte) {
	if to == nil {
		to = func(function string, line []byte) {
			s.opt.Log.Info("function output", "function", function, "stream", stream, "line", string(line))
		}
	}
	return func(line []byte) {
		i.log.add(line)
		to(i.conf.Name, line)
	}
}
