package lambda

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// event is one invocation on its way through an instance.
type event struct {
	id       string
	arn      string // of the function, as it was invoked
	payload  []byte
	tail     bool // the caller asks for the log
	began    time.Time
	deadline time.Time
	answer   chan Answer // holds one
}

// guarded keeps web pages out, which a browser lets call loopback: the runtime of a function sends no header of a
// browser, and calls the address that it was given.
func guarded(addr string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != addr || r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			http.Error(w, "the Runtime API of "+addr+" is for the function alone", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// routes is the Runtime API (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
func (i *instance) routes() http.Handler {
	const base = "/2018-06-01/runtime/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"invocation/next", i.next)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", i.respond(""))
	mux.HandleFunc("POST "+base+"invocation/{id}/error", i.respond("Unhandled"))
	mux.HandleFunc("POST "+base+"init/error", i.initError)
	return mux
}

// next gives the process its next event, as soon as there is one.
func (i *instance) next(w http.ResponseWriter, r *http.Request) {
	i.once.Do(func() { close(i.ready) })
	select {
	case e := <-i.events:
		i.set(e)
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", e.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(e.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", e.arn)
		h.Set("Lambda-Runtime-Trace-Id", traceID(e))
		h.Set("Content-Length", strconv.Itoa(len(e.payload)))
		_, _ = w.Write(e.payload) // a process that has gone is noticed by wait
	case <-r.Context().Done():
	}
}

func (i *instance) set(e *event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.current = e
}

// settle gives the event that waits for a response, once.
func (i *instance) settle(id string) *event {
	i.mu.Lock()
	defer i.mu.Unlock()
	e := i.current
	if e == nil || e.id != id {
		return nil
	}
	i.current = nil
	return e
}

// respond takes the answer of the event under way: the function's own, or with functionError its error document.
func (i *instance) respond(functionError string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := wire.ReadAtMost(r.Body, MaxResponse)
		if err != nil && !errors.Is(err, wire.ErrTooLong) {
			return // the connection broke: the process has died or will ask again
		}
		e := i.settle(r.PathValue("id"))
		switch {
		case e == nil:
			reply(w, http.StatusBadRequest, failure{"InvalidRequestID", "no invocation " + r.PathValue("id") + " waits for a response"})
		case err != nil:
			e.answer <- tooLarge()
			reply(w, http.StatusRequestEntityTooLarge, failure{"RequestEntityTooLarge", fmt.Sprintf("response over %d bytes", MaxResponse)})
		default:
			e.answer <- Answer{Payload: body, FunctionError: functionError}
			reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
		}
	}
}

// initError takes the reason for which the function cannot start.
func (i *instance) initError(w http.ResponseWriter, r *http.Request) {
	body, err := wire.ReadAtMost(r.Body, MaxResponse)
	if err != nil {
		body = failure{"Runtime.InitError", "the initialisation failed, and its reason could not be read"}.document()
	}
	select {
	case i.failed <- body:
	default: // one reason is enough
	}
	reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
}
