package awslocal

import (
	"mime"
	"net/http"
	"strings"

	"github.com/millrace/millrace/internal/awslocal/sns"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// route hands a request to its service.
func (e *Endpoint) route(w http.ResponseWriter, r *http.Request) {
	if !e.enter() {
		panic(http.ErrAbortHandler)
	}
	defer e.requests.Done()
	switch doorOf(r) {
	case doorControl:
		e.routes.ServeHTTP(w, r)
	case doorJSON:
		e.wire.ServeHTTP(w, r)
	case doorLambda:
		e.serveLambda(w, r)
	case doorQuery:
		e.query(w, r)
	case doorS3:
		e.S3.ServeHTTP(w, r)
	default:
		wire.NotImplemented(w, r.Method+" "+r.URL.Path)
	}
}

// query hands a request of the Query protocol to its service, which the version tells that it names.
func (e *Endpoint) query(w http.ResponseWriter, r *http.Request) {
	if form, err := wire.Form(w, r); err == nil && form.Get("Version") == sns.Version {
		e.SNS.ServeHTTP(w, r)
		return
	}
	e.Stacks.ServeHTTP(w, r)
}

// serveLambda hands a request to the functions or to the mappings. Some clients write a slash behind a collection.
func (e *Endpoint) serveLambda(w http.ResponseWriter, r *http.Request) {
	if path, ok := strings.CutSuffix(r.URL.Path, "/"); ok {
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = path, strings.TrimSuffix(r.URL.RawPath, "/")
	}
	if strings.HasPrefix(r.URL.Path, "/2015-03-31/event-source-mappings") ||
		strings.HasPrefix(r.URL.Path, "/2017-03-31/tags/") && strings.Contains(r.URL.Path, ":event-source-mapping:") {
		e.Mappings.ServeHTTP(w, r)
		return
	}
	e.Lambda.ServeHTTP(w, r)
}

// enter counts a request, unless the endpoint is closing.
func (e *Endpoint) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.requests.Add(1)
	}
	return !e.closed
}

func isForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/x-www-form-urlencoded"
}
