package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
)

// Route is one operation of a REST API. It serves what its function gives: a status with a document, or without one for
// nil, or an error as WriteREST has it.
type Route struct {
	Operation string // as in "CreateFunction"
	Pattern   string // method and path as http.ServeMux has them
	Answer    func(r *http.Request) (status int, document any, err error)
}

// OperationsOf names the operations of an API.
func OperationsOf(api []Route) []string {
	names := make([]string, len(api))
	for i := range api {
		names[i] = api[i].Operation
	}
	return names
}

// ServeHTTP answers one call.
func (rt Route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-Requestid", NewID())
	status, document, err := rt.Answer(r)
	if err != nil {
		WriteREST(w, err)
		return
	}
	if document == nil {
		w.WriteHeader(status)
		return
	}
	b, err := json.Marshal(document, json.Deterministic(true))
	if err != nil {
		WriteREST(w, fmt.Errorf("encode %T: %w", document, err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the caller has gone: nobody is left to tell
}

// Mux serves routes by their patterns, and names what is asked for beyond them as an operation of service that is not
// implemented.
func Mux(service string, routes []Route) *http.ServeMux {
	mux := http.NewServeMux()
	for _, rt := range routes {
		mux.Handle(rt.Pattern, rt)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		WriteREST(w, Unimplemented(service+" "+r.Method+" "+r.URL.Path))
	})
	return mux
}

// ErrTooLong is what ReadAtMost gives for a body that is.
var ErrTooLong = errors.New("too long")

// maxDrain bounds what is taken of a body that is too long.
const maxDrain = 64 << 20

// ReadAtMost reads a body to its end, or fails with ErrTooLong beyond most bytes. Of the rest it takes up to 64 MiB
// without keeping it: a client that is still writing would not read the answer. Beyond that net/http closes the
// connection.
func ReadAtMost(body io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, most+1))
	if err != nil || int64(len(b)) <= most {
		return b, err
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(body, maxDrain)); err != nil {
		return nil, err
	}
	return nil, ErrTooLong
}

// ReadREST reads a request's document of at most most bytes; what is longer gives tooLong, and no document is none of
// its members.
func ReadREST(r *http.Request, most int64, tooLong error, into any) error {
	body, err := ReadAtMost(r.Body, most)
	switch {
	case errors.Is(err, ErrTooLong):
		return tooLong
	case err != nil:
		return Unreadable(fmt.Errorf("read the request: %w", err))
	case len(body) == 0:
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return Unreadable(err)
	}
	return nil
}

// Given sets a value to what a request gives, if it does.
func Given[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// maxAsked is the largest MaxItems that Lambda's lists take (API reference).
const maxAsked = 10_000

// Page gives a page of a list that is sorted by key: what comes after Marker, at most MaxItems and at most most, and the
// next marker if there is more.
func Page[T any](q url.Values, most int, all []T, key func(T) string) (page []T, next string, err error) {
	limit := most
	if text := q.Get("MaxItems"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxAsked {
			var v Violations
			v.Add(Quoted(text), "maxItems", fmt.Sprintf("Member must have value between 1 and %d", maxAsked))
			return nil, "", v.Err()
		}
		limit = min(n, most)
	}
	if marker := q.Get("Marker"); marker != "" {
		i := slices.IndexFunc(all, func(v T) bool { return key(v) > marker })
		if i < 0 {
			i = len(all)
		}
		all = all[i:]
	}
	if len(all) > limit {
		return all[:limit], key(all[limit-1]), nil
	}
	return all, "", nil
}
