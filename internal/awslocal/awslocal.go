// Package awslocal is AWS on one loopback port, as far as this application needs it: Kinesis, DynamoDB, SQS, SNS, S3,
// Lambda with its event source mappings, and CloudFormation's templates and outputs. It speaks AWS's wire protocols, keeps
// all state in memory, checks no credentials, and can be told to fail. What it does not have it answers with
// NotImplemented, by name.
//
// It is for the commands that run the stack on one machine, and for tests.
package awslocal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/millrace/millrace/internal/awslocal/dynamodb"
	"github.com/millrace/millrace/internal/awslocal/esm"
	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/kinesis"
	"github.com/millrace/millrace/internal/awslocal/lambda"
	"github.com/millrace/millrace/internal/awslocal/s3"
	"github.com/millrace/millrace/internal/awslocal/sns"
	"github.com/millrace/millrace/internal/awslocal/sqs"
	"github.com/millrace/millrace/internal/awslocal/stack"
	"github.com/millrace/millrace/internal/awslocal/wire"
	"github.com/millrace/millrace/internal/client"
)

const (
	// DefaultAddr has the port that local AWS endpoints are looked for at since LocalStack.
	DefaultAddr = "127.0.0.1:4566"

	// Region is where everything on the endpoint is.
	Region = "us-east-1"
	// Account is whose everything is.
	Account = "000000000000"

	// headerTime and maxHeader bound a request's header: loopback brings it at once, and a signed one has about 1 KB.
	headerTime = 10 * time.Second
	maxHeader  = 64 << 10
)

// Options are an endpoint's settings. The zero value is good.
type Options struct {
	Addr    string          // to listen at; "" is DefaultAddr, port 0 is any free one
	Public  bool            // allows an address that other machines or containers reach; nothing is authenticated
	Enforce bool            // holds Kinesis shards to AWS's limits
	Faults  *fault.Injector // nil makes one without rules
	Log     *slog.Logger    // nil discards
	Mapping esm.Options     // of every event source mapping; its Log, if nil, is Log
	// Stdout and Stderr get the lines that functions write, as lambda.Options says. Without them lines go to Log.
	Stdout, Stderr func(function string, line []byte)
}

// Endpoint is a running local AWS. It is safe for concurrent use.
type Endpoint struct {
	Kinesis  *kinesis.Service
	DynamoDB *dynamodb.Service
	SQS      *sqs.Service
	SNS      *sns.Service
	S3       *s3.Service
	Lambda   *lambda.Service
	Mappings *esm.Directory // event source mappings
	Stacks   *stack.Directory
	Faults   *fault.Injector // never nil

	opt     Options
	url     string
	config  aws.Config
	routes  *http.ServeMux
	wire    *wire.Server
	server  *http.Server
	running context.Context // of requests; ends with Close
	cancel  context.CancelFunc
	served  sync.WaitGroup // the server

	mu       sync.Mutex
	closed   bool
	requests sync.WaitGroup
}

// Listen starts an endpoint. ctx is for the start alone; what has been started ends with Close. A port that is taken
// and an address that is not this machine's own are errors that say what to do.
func Listen(ctx context.Context, opt Options) (*Endpoint, error) {
	opt.Addr = cmp.Or(opt.Addr, DefaultAddr)
	opt.Log = cmp.Or(opt.Log, slog.New(slog.DiscardHandler))
	opt.Faults = cmp.Or(opt.Faults, fault.New(0))
	opt.Mapping.Log = cmp.Or(opt.Mapping.Log, opt.Log)
	l, err := listen(ctx, opt)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{opt: opt, url: urlOf(l.Addr()), Faults: opt.Faults, Stacks: new(stack.Directory)}
	e.config, err = client.WithEndpoint(aws.Config{
		Region:      Region,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient:  client.HTTP(),
	}, e.url)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	e.serve(l)
	return e, nil
}

// serve makes the services, now that the URL is known, and answers requests.
func (e *Endpoint) serve(l net.Listener) {
	e.Kinesis = kinesis.New(kinesis.Options{Region: Region, Account: Account, Enforce: e.opt.Enforce})
	e.DynamoDB = dynamodb.New(dynamodb.Options{Region: Region, Account: Account})
	e.SQS = sqs.New(sqs.Options{Region: Region, Account: Account, BaseURL: e.url})
	e.SNS = sns.New(sns.Options{Region: Region, Account: Account, BaseURL: e.url, Deliver: e.SQS.Send, Log: e.opt.Log})
	e.S3 = s3.New()
	e.Lambda = lambda.New(lambda.Options{
		Region: Region, Account: Account, Endpoint: e.url, Faults: e.Faults, Log: e.opt.Log,
		Stdout: e.opt.Stdout, Stderr: e.opt.Stderr, Objects: e.S3.Get,
	})
	e.Mappings = esm.NewDirectory(esm.DirectoryOptions{
		Region: Region, Account: Account, World: outside{e.Kinesis, e.Lambda, destination{e.SQS, e.SNS, e.S3}}, Mapping: e.opt.Mapping,
	})
	e.wire = wire.NewServer(e.Faults, e.Lambda.Kill, e.Kinesis.Wire(), e.DynamoDB.Wire(), e.SQS.Wire())
	e.routes = e.control()
	e.running, e.cancel = context.WithCancel(context.Background())
	var spoken http.Protocols
	spoken.SetHTTP1(true)
	spoken.SetUnencryptedHTTP2(true) // so AWS's SDKs for JavaScript and Java call Kinesis
	e.server = &http.Server{
		Protocols:         &spoken,
		Handler:           e.opt.guarded(http.HandlerFunc(e.route)),
		ReadHeaderTimeout: headerTime,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return e.running },
		ErrorLog:          slog.NewLogLogger(e.opt.Log.Handler(), slog.LevelDebug),
	}
	e.served.Go(func() {
		if err := e.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			e.opt.Log.Error("local endpoint stopped", "url", e.url, "error", err)
		}
	})
}

// listen opens the socket, on loopback unless the options say otherwise.
func listen(ctx context.Context, opt Options) (net.Listener, error) {
	host, _, err := net.SplitHostPort(opt.Addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: want host and port, as in %s: %w", opt.Addr, DefaultAddr, err)
	}
	if !loopback(host) {
		if !opt.Public {
			return nil, fmt.Errorf("address %s can be reached from other machines, and the local endpoint checks no credentials: "+
				"listen on 127.0.0.1, or ask for a public address in so many words", opt.Addr)
		}
		opt.Log.Warn("local endpoint listens on a public address and checks no credentials", "address", opt.Addr)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", opt.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("address %s is taken, perhaps by another local endpoint: stop that one, or choose another port (0 is any free one): %w", opt.Addr, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", opt.Addr, err)
	}
	return l, nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// urlOf gives the URL under which this machine reaches a listener, also one on all addresses.
func urlOf(a net.Addr) string {
	at, err := netip.ParseAddrPort(a.String())
	if err == nil && at.Addr().IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", at.Port())
	}
	return "http://" + a.String()
}

// URL is where the endpoint is reached, as in http://127.0.0.1:4566.
func (e *Endpoint) URL() string { return e.url }

// Config is the configuration of SDK clients of this endpoint. All share its connections.
func (e *Endpoint) Config() aws.Config { return e.config.Copy() }

// Mapping gives the event source mapping with that UUID, nil if there is none.
func (e *Endpoint) Mapping(id string) *esm.Mapping { return e.Mappings.Mapping(id) }

// Close ends all mappings, function processes and requests, and returns when none is left. Requests under way lose
// their connection. It may be called more than once.
func (e *Endpoint) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	_ = e.server.Close() // of a listener: nothing is lost with it
	e.Mappings.Close()
	e.Lambda.Close()
	e.served.Wait()
	e.requests.Wait()
}
