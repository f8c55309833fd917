package awslocal

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

// maxControl bounds a request of the control API: fault.MaxRules rules of 256 bytes.
const maxControl = 256 << 10

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
