// Package wire speaks AWS's protocols over HTTP for the emulated services. For the JSON protocols (1.0 and 1.1) it routes a
// request by its X-Amz-Target, acts out faults, and writes answers, events and errors as the SDKs expect them; for the REST
// and Query protocols it has the parts that services share.
package wire

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

// MaxRequest bounds a request's body. The largest that AWS takes here is a PutRecords of 10 MiB, which base64 and
// JSON make a third larger.
const MaxRequest = 16 << 20

// Operation answers one call. It appends the response's JSON to out and returns it. The request must not be kept after
// the return: its memory is used again.
type Operation func(ctx context.Context, request, out []byte) ([]byte, error)

// JSON makes an operation of a function over values, by way of encoding/json/v2: for all but the busiest calls.
func JSON[In, Out any](f func(context.Context, *In) (*Out, error)) Operation {
	return func(ctx context.Context, request, out []byte) ([]byte, error) {
		var in In
		if err := json.Unmarshal(request, &in); err != nil {
			return nil, Unreadable(err)
		}
		res, err := f(ctx, &in)
		if err != nil {
			return nil, err
		}
		buf := bytes.NewBuffer(out)
		if err := json.MarshalWrite(buf, res); err != nil {
			return nil, fmt.Errorf("encode %T: %w", res, err)
		}
		return buf.Bytes(), nil
	}
}

// Service is one emulated service.
type Service struct {
	Name        string // "Kinesis", "DynamoDB", "SQS": what faults and messages call it
	Target      string // what stands before the dot in X-Amz-Target: "Kinesis_20131202"
	Version     string // of AWS JSON: "1.0" or "1.1"
	CRC32       bool   // DynamoDB's clients check X-Amz-Crc32
	ThrottledAs string // the code of the service's throttling error
	Operations  map[string]Operation
	Streams     map[string]Stream // operations that answer with events
	// QueryCodes are the codes that errors had in the Query protocol which the service once spoke: SDKs and the aws CLI
	// still know them by these, and read them from a header.
	// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#awsquerycompatible-trait
	QueryCodes map[string]string
}

// Server serves several services on one handler. It is safe for concurrent use.
type Server struct {
	services map[string]*Service
	faults   *fault.Injector
	kill     func(accessKey string)
}

// NewServer makes a server. kill is called to kill the function process that signs with an access key; both it and
// faults may be nil.
func NewServer(faults *fault.Injector, kill func(accessKey string), services ...*Service) *Server {
	s := &Server{services: map[string]*Service{}, faults: faults, kill: kill}
	for _, svc := range services {
		s.services[svc.Target] = svc
	}
	return s
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// MaxScratch is the largest buffer that is kept for the next request, here and in kinesis: a GetRecords page of 10,000
// records of 300 bytes is 5 MB of JSON, and a quarter faster with it than with 1 MiB. What is larger is rare, and gets
// memory of its own.
const MaxScratch = 8 << 20

// readAhead bounds the memory that is allocated for a request by what it announces, before it has come: for a connection
// that falls silent it is no more than that, or twice what has been sent.
const readAhead = 1 << 20

// release gives a buffer back, unless it has grown beyond what is kept.
func release(b *[]byte) {
	if cap(*b) > MaxScratch {
		*b = nil
	}
	buffers.Put(b)
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	svc := s.services[target]
	if svc == nil {
		NotImplemented(w, "target "+strconv.Quote(r.Header.Get("X-Amz-Target")))
		return
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-cbor") {
		svc.fail(w, Unimplemented(svc.Name+" in CBOR, which AWS's SDK for Java sends unless it runs with -Daws.cborEnabled=false or CBOR_ENABLED=false"))
		return
	}
	if f := svc.Streams[op]; f != nil {
		s.stream(w, r, svc, op, f)
		return
	}
	f := svc.Operations[op]
	if f == nil {
		svc.fail(w, Unimplemented(svc.Name+" "+op))
		return
	}
	in, out := buffers.Get().(*[]byte), buffers.Get().(*[]byte)
	defer release(in)
	defer release(out)
	body, err := read(r, *in)
	if err != nil {
		svc.fail(w, err)
		return
	}
	*in = body
	rule := s.faults.Next(svc.Name + "." + op)
	res, err := s.call(svc, f, r, rule, body, (*out)[:0])
	if err != nil {
		svc.fail(w, err)
		return
	}
	*out = res
	svc.answer(w, http.StatusOK, res)
}

// call runs the operation and whatever fault was drawn for it. A dropped connection is net/http's ErrAbortHandler.
func (s *Server) call(svc *Service, f Operation, r *http.Request, rule fault.Rule, in, out []byte) ([]byte, error) {
	ctx := r.Context()
	switch rule.Kind {
	case fault.Throttle:
		return nil, Errorf(svc.ThrottledAs, "injected: rate exceeded")
	case fault.Error:
		return nil, &Error{Code: "InternalServerError", Message: "injected: internal error", Status: http.StatusInternalServerError}
	case fault.Delay:
		pause(ctx, rule.Delay)
	case fault.KillBefore:
		s.killCaller(r)
		panic(http.ErrAbortHandler)
	case fault.Partial, fault.Expire:
		ctx = fault.With(ctx, rule.Kind)
	}
	res, err := f(ctx, in, out)
	switch rule.Kind {
	case fault.Hang:
		pause(ctx, rule.Delay)
		panic(http.ErrAbortHandler)
	case fault.DropAfter:
		panic(http.ErrAbortHandler)
	case fault.KillAfter:
		s.killCaller(r)
		panic(http.ErrAbortHandler)
	}
	return res, err
}

func (s *Server) killCaller(r *http.Request) {
	if s.kill != nil {
		key, _ := Credential(r)
		s.kill(key)
	}
}

// Credential reads the access key and the service out of a request's signature (version 4), or out of a presigned URL;
// both are "" when it is not signed. Nothing is verified: the key only tells one function process from another, and the
// service whose request it is.
func Credential(r *http.Request) (accessKey, service string) {
	_, scope, found := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	if !found {
		scope = r.URL.Query().Get("X-Amz-Credential")
	}
	scope, _, _ = strings.Cut(scope, ",")
	parts := strings.Split(scope, "/") // key, date, region, service, "aws4_request"
	if len(parts) == 5 {
		service = parts[3]
	}
	return parts[0], service
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

var errTooLarge = &Error{Code: "RequestEntityTooLargeException", Message: "request over 16 MiB", Status: http.StatusRequestEntityTooLarge}

func read(r *http.Request, into []byte) ([]byte, error) {
	if r.ContentLength > MaxRequest {
		return nil, errTooLarge
	}
	buf := bytes.NewBuffer(into[:0])
	if r.ContentLength > 0 {
		buf.Grow(min(int(r.ContentLength), readAhead) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(io.LimitReader(r.Body, MaxRequest+1)); err != nil {
		return nil, Unreadable(fmt.Errorf("read request: %w", err))
	}
	if buf.Len() > MaxRequest {
		return nil, errTooLarge
	}
	return buf.Bytes(), nil
}

func (svc *Service) answer(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-"+svc.Version)
	h.Set("X-Amzn-Requestid", requestID())
	if svc.CRC32 {
		h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller has gone: nobody is left to tell
}

func (svc *Service) fail(w http.ResponseWriter, err error) {
	e := asError(err, "InternalServerError")
	if code := svc.QueryCodes[e.Code]; code != "" {
		w.Header().Set("X-Amzn-Query-Error", code+";Sender")
	}
	svc.answer(w, e.status(), e.document(map[string]any{"__type": e.Code}))
}
