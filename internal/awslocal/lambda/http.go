package lambda

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// ServeHTTP answers Lambda's REST API, without its event source mappings; what is not among Operations is NotImplemented
// by name.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Operations names what ServeHTTP answers.
func (s *Service) Operations() []string { return append(wire.OperationsOf(s.table()), "Invoke") }

// table is the control plane.
func (s *Service) table() []wire.Route {
	const functions, one = "/2015-03-31/functions", "/2015-03-31/functions/{name}"
	return []wire.Route{
		{Operation: "CreateFunction", Pattern: "POST " + functions, Answer: s.createFunction},
		{Operation: "ListFunctions", Pattern: "GET " + functions, Answer: s.listFunctions},
		{Operation: "GetFunction", Pattern: "GET " + one, Answer: s.getFunction},
		{Operation: "DeleteFunction", Pattern: "DELETE " + one, Answer: s.deleteFunction},
		{Operation: "GetFunctionConfiguration", Pattern: "GET " + one + "/configuration", Answer: s.getConfiguration},
		{Operation: "UpdateFunctionConfiguration", Pattern: "PUT " + one + "/configuration", Answer: s.updateConfiguration},
		{Operation: "UpdateFunctionCode", Pattern: "PUT " + one + "/code", Answer: s.updateCode},
		{Operation: "PublishVersion", Pattern: "POST " + one + "/versions", Answer: s.publishVersion},
		{Operation: "ListVersionsByFunction", Pattern: "GET " + one + "/versions", Answer: s.listVersions},
		{Operation: "CreateAlias", Pattern: "POST " + one + "/aliases", Answer: s.createAlias},
		{Operation: "ListAliases", Pattern: "GET " + one + "/aliases", Answer: s.listAliases},
		{Operation: "GetAlias", Pattern: "GET " + one + "/aliases/{alias}", Answer: s.getAlias},
		{Operation: "UpdateAlias", Pattern: "PUT " + one + "/aliases/{alias}", Answer: s.updateAlias},
		{Operation: "DeleteAlias", Pattern: "DELETE " + one + "/aliases/{alias}", Answer: s.deleteAlias},
		{Operation: "PutFunctionConcurrency", Pattern: "PUT /2017-10-31/functions/{name}/concurrency", Answer: s.putConcurrency},
		{Operation: "GetFunctionConcurrency", Pattern: "GET /2019-09-30/functions/{name}/concurrency", Answer: s.getConcurrency},
		{Operation: "DeleteFunctionConcurrency", Pattern: "DELETE /2017-10-31/functions/{name}/concurrency", Answer: s.deleteConcurrency},
		{Operation: "ListTags", Pattern: "GET /2017-03-31/tags/{arn}", Answer: s.listTags},
	}
}

func (s *Service) routes() *http.ServeMux {
	table := s.table()
	for i := range table {
		operation, answer := table[i].Operation, table[i].Answer
		table[i].Answer = func(r *http.Request) (int, any, error) {
			if err := s.checkTarget(r, operation); err != nil {
				return 0, nil, err
			}
			return answer(r)
		}
	}
	mux := wire.Mux("Lambda", table)
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", s.invoke)
	return mux
}

func (s *Service) invoke(w http.ResponseWriter, r *http.Request) {
	if err := s.checkTarget(r, "Invoke"); err != nil {
		wire.WriteREST(w, err)
		return
	}
	name, qualifier := target(r)
	if _, ok := s.Function(name); !ok { // recorded so by LocalStack (test_invoke_exceptions)
		wire.WriteREST(w, s.notFound(qualified(name, cmp.Or(qualifier, Latest))))
		return
	}
	ref := qualified(name, qualifier)
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
		s.invokeNow(w, r, ref)
	case "DryRun":
		s.dryRun(w, ref)
	case "Event":
		s.invokeLater(w, r, ref)
	default:
		var v violations
		v.OneOf(kind, "invocationType", "Event", "RequestResponse", "DryRun")
		wire.WriteREST(w, v.Err())
	}
}

func (s *Service) invokeNow(w http.ResponseWriter, r *http.Request, ref string) {
	in, err := invocation(r)
	if err != nil {
		wire.WriteREST(w, err)
		return
	}
	in.Tail = r.Header.Get("X-Amz-Log-Type") == "Tail"
	w.Header().Set("X-Amzn-Requestid", in.RequestID)
	answer, err := s.Invoke(r.Context(), ref, in)
	switch {
	case errors.Is(err, ErrDropped):
		panic(http.ErrAbortHandler)
	case err != nil:
		wire.WriteREST(w, err)
	default:
		answer.write(w)
	}
}

func (a Answer) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Amz-Executed-Version", a.ExecutedVersion)
	if a.FunctionError != "" {
		h.Set("X-Amz-Function-Error", a.FunctionError)
	}
	if a.Log != nil {
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(a.Log))
	}
	h.Set("Content-Length", strconv.Itoa(len(a.Payload)))
	_, _ = w.Write(a.Payload) // the caller has gone: nobody is left to tell
}

// invocation reads the payload; none is the empty object, as on AWS.
func invocation(r *http.Request) (Invocation, error) {
	payload, err := wire.ReadAtMost(r.Body, MaxRequest)
	switch {
	case errors.Is(err, wire.ErrTooLong):
		return Invocation{}, errRequestTooLarge
	case err != nil:
		return Invocation{}, &wire.Error{Code: "InvalidRequestContentException", Message: "read the payload: " + err.Error()}
	case len(bytes.TrimSpace(payload)) == 0:
		payload = []byte("{}")
	case !jsontext.Value(payload).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
		return Invocation{}, wire.Errorf("InvalidRequestContentException", "Could not parse request body into json")
	}
	return Invocation{RequestID: wire.NewID(), Payload: payload}, nil
}

func (s *Service) dryRun(w http.ResponseWriter, ref string) {
	s.mu.Lock()
	_, err := s.resolve(SplitName(ref))
	s.mu.Unlock()
	if err != nil {
		wire.WriteREST(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// SplitName reads a reference to a function, in any form that wire.SplitFunction knows, whoever owns it.
func SplitName(ref string) (name, qualifier string) {
	_, name, qualifier = wire.SplitFunction(ref)
	return name, qualifier
}
