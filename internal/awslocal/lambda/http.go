package lambda

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// ServeHTTP answers Invoke and GetFunction of Lambda's REST API, below /2015-03-31/; everything else is NotImplemented
// by name.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Service) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", s.invoke)
	mux.HandleFunc("GET /2015-03-31/functions/{name}", s.get)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		wire.WriteREST(w, wire.Unimplemented("Lambda "+r.Method+" "+r.URL.Path))
	})
	return mux
}

func (s *Service) invoke(w http.ResponseWriter, r *http.Request) {
	name, err := s.nameOf(r)
	if err != nil {
		wire.WriteREST(w, err)
		return
	}
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
	case "DryRun":
		s.dryRun(w, name)
		return
	default:
		wire.WriteREST(w, wire.Unimplemented("Lambda Invoke with invocation type "+strconv.Quote(kind)))
		return
	}
	in, err := invocation(r)
	if err != nil {
		wire.WriteREST(w, err)
		return
	}
	w.Header().Set("X-Amzn-Requestid", in.RequestID)
	answer, err := s.Invoke(r.Context(), name, in)
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
	h.Set("Content-Length", strconv.Itoa(len(a.Payload)))
	_, _ = w.Write(a.Payload) // the caller has gone: nobody is left to tell
}

// invocation reads the payload; none is the empty object, as on AWS.
func invocation(r *http.Request) (Invocation, error) {
	payload, err := readAtMost(r.Body, MaxRequest)
	switch {
	case errors.Is(err, errTooLong):
		return Invocation{}, errRequestTooLarge
	case err != nil:
		return Invocation{}, wire.Errorf("InvalidRequestContentException", "read the payload: %v", err)
	case len(bytes.TrimSpace(payload)) == 0:
		payload = []byte("{}")
	case !jsontext.Value(payload).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
		return Invocation{}, wire.Errorf("InvalidRequestContentException", "Could not parse request body into json")
	}
	return Invocation{RequestID: wire.NewID(), Payload: payload}, nil
}

func (s *Service) dryRun(w http.ResponseWriter, name string) {
	if _, ok := s.Function(name); !ok {
		wire.WriteREST(w, s.notFound(name))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// get answers GetFunction.
func (s *Service) get(w http.ResponseWriter, r *http.Request) {
	name, err := s.nameOf(r)
	if err != nil {
		wire.WriteREST(w, err)
		return
	}
	f, ok := s.Function(name)
	if !ok {
		wire.WriteREST(w, s.notFound(name))
		return
	}
	doc := map[string]any{
		"Configuration": map[string]any{
			"FunctionName": f.Name, "FunctionArn": s.ARN(f.Name), "Role": f.RoleARN, "Handler": f.Handler,
			"Runtime": "provided.al2023", "PackageType": "Zip", "State": "Active", "LastUpdateStatus": "Successful",
			"Version": Latest, "Timeout": int(f.Timeout.Seconds()), "MemorySize": f.MemoryMB,
			"Architectures": []string{f.Architecture}, "Environment": map[string]any{"Variables": f.Environment},
		},
		"Code": map[string]any{"RepositoryType": "local", "Location": f.CodeDir},
	}
	if f.ReservedConcurrency > 0 {
		doc["Concurrency"] = map[string]int{"ReservedConcurrentExecutions": f.ReservedConcurrency}
	}
	reply(w, http.StatusOK, doc)
}

// nameOf reads the function's name out of the path. The only version there is is Latest.
func (s *Service) nameOf(r *http.Request) (string, error) {
	name, qualifier := SplitName(r.PathValue("name"))
	if q := r.URL.Query().Get("Qualifier"); q != "" {
		qualifier = q
	}
	if qualifier != "" && qualifier != Latest {
		return "", &wire.Error{
			Code:    "ResourceNotFoundException",
			Message: fmt.Sprintf("Function not found: %s:%s (the local endpoint has no versions or aliases)", s.ARN(name), qualifier),
			Status:  http.StatusNotFound,
		}
	}
	return name, nil
}

// SplitName reads a reference to a function: its name alone, "account:function:name" or an ARN, each with a qualifier or
// without.
func SplitName(ref string) (name, qualifier string) {
	if _, after, ok := strings.Cut(ref, ":function:"); ok {
		ref = after
	}
	name, qualifier, _ = strings.Cut(ref, ":")
	return name, qualifier
}
