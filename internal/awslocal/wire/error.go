package wire

import (
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Error is an AWS error. Return it from an operation to choose what the caller sees.
type Error struct {
	Code    string // as in "ResourceNotFoundException", without a namespace
	Message string
	Status  int            // HTTP status; 0 is 400
	Fields  map[string]any // further members of the error document, such as CancellationReasons
}

// Error gives code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an error of status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Unreadable is the error of a request that does not have the form of its operation.
func Unreadable(err error) *Error {
	return &Error{Code: "SerializationException", Message: err.Error()}
}

// Unimplemented is the error that names what AWS has and the local endpoint has not.
func Unimplemented(what string) *Error {
	return &Error{
		Code:    "NotImplemented",
		Message: "the local AWS endpoint does not implement " + what + " (docs/local.md lists what it does)",
		Status:  http.StatusNotImplemented,
	}
}

// NotImplemented answers a request that is for no service with Unimplemented.
func NotImplemented(w http.ResponseWriter, what string) {
	(&Service{Version: "1.0"}).fail(w, Unimplemented(what))
}

// WriteREST writes an error as AWS's REST JSON protocol has it, with its code in a header. An error that is not an
// *Error is a ServiceException.
func WriteREST(w http.ResponseWriter, err error) {
	e := asError(err, "ServiceException")
	kind := "User"
	if e.status() >= http.StatusInternalServerError {
		kind = "Service"
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Amzn-Errortype", e.Code)
	w.WriteHeader(e.status())
	doc := map[string]any{"Type": kind, "Message": e.Message}
	if e.Code == "ValidationException" { // comes from before the service itself, and has no type: recorded by LocalStack
		delete(doc, "Type")
	}
	_, _ = w.Write(e.document(doc)) // the caller has gone: nobody is left to tell
}

// asError gives the *Error in err, or one of status 500 with the code that the service has for its own mistakes.
func asError(err error, internal string) *Error {
	e := new(Error)
	if !errors.As(err, &e) {
		e = &Error{Code: internal, Message: err.Error(), Status: http.StatusInternalServerError}
	}
	return e
}

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// document is the error in JSON; doc has the members of one protocol alone.
func (e *Error) document(doc map[string]any) []byte {
	doc["message"] = e.Message
	maps.Copy(doc, e.Fields)
	b, err := json.Marshal(doc, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		b = fmt.Appendf(nil, `{"__type":%q}`, e.Code)
	}
	return b
}
