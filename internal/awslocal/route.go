package awslocal

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/sns"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// maxControl bounds a request of the control API: fault.MaxRules rules of 256 bytes.
const maxControl = 256 << 10

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

// control is the API of the endpoint itself, which AWS does not have:
//
//	GET    /_millrace/health   200 when the endpoint answers
//	GET    /_millrace/mappings every event source mapping with its state, counters and shards
//	GET    /_millrace/faults   the rules as they were added, with how often each has fired
//	POST   /_millrace/faults   adds rules: a list as Rule has them
//	DELETE /_millrace/faults   takes all rules away
//
// and what controlStreams adds.
func (e *Endpoint) control() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_millrace/health", func(w http.ResponseWriter, _ *http.Request) { reply(w, map[string]string{"status": "ok"}) })
	mux.HandleFunc("GET /_millrace/mappings", func(w http.ResponseWriter, _ *http.Request) { reply(w, report(e.Mappings.Entries())) })
	mux.HandleFunc("GET /_millrace/faults", func(w http.ResponseWriter, _ *http.Request) { reply(w, e.Faults.Report()) })
	mux.HandleFunc("POST /_millrace/faults", e.addFaults)
	mux.HandleFunc("DELETE /_millrace/faults", func(w http.ResponseWriter, _ *http.Request) {
		e.Faults.Clear()
		reply(w, e.Faults.Report())
	})
	e.controlStreams(mux)
	return mux
}

// Rule is a fault.Rule in JSON.
type Rule struct {
	Operation   string   `json:"operation"`             // as in "DynamoDB.TransactWriteItems"
	Kind        string   `json:"kind"`                  // as in "drop-after"
	Probability *float64 `json:"probability,omitempty"` // 0 to 1; left out it is 1
	Count       int      `json:"count,omitempty"`       // how often at most; 0 is without bound
	Delay       string   `json:"delay,omitempty"`       // as in "500ms", of delay and hang
}

// rule checks a rule on its way in.
func (r Rule) rule() (fault.Rule, error) {
	out := fault.Rule{Operation: r.Operation, Probability: 1, Count: r.Count}
	var err error
	if out.Kind, err = fault.ParseKind(r.Kind); err != nil {
		return out, err
	}
	if r.Delay != "" {
		if out.Delay, err = time.ParseDuration(r.Delay); err != nil || out.Delay < 0 {
			return out, fmt.Errorf("delay %q: want a duration, as in 500ms", r.Delay)
		}
	}
	if r.Probability != nil {
		out.Probability = *r.Probability
	}
	service, operation, ok := strings.Cut(r.Operation, ".")
	switch {
	case !ok || service == "" || operation == "":
		return out, fmt.Errorf("operation %q: want service and operation, as in DynamoDB.GetItem", r.Operation)
	case !(out.Probability >= 0 && out.Probability <= 1):
		return out, fmt.Errorf("probability %v: want 0 to 1", out.Probability)
	case r.Count < 0:
		return out, fmt.Errorf("count %d: want 0 (no bound) or more", r.Count)
	}
	return out, nil
}

func (e *Endpoint) addFaults(w http.ResponseWriter, r *http.Request) {
	rules, err := readRules(http.MaxBytesReader(w, r.Body, maxControl))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := e.Faults.Add(rules...); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply(w, e.Faults.Report())
}

// readRules reads all rules or none.
func readRules(body io.Reader) ([]fault.Rule, error) {
	var in []Rule
	if err := json.UnmarshalRead(body, &in, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	var out []fault.Rule
	for i, r := range in {
		rule, err := r.rule()
		if err != nil {
			return nil, fmt.Errorf("rule %d: %w", i, err)
		}
		out = append(out, rule)
	}
	return out, nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, v, json.Deterministic(true)) // the caller has gone: nobody is left to tell
}
