package lambda

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

// Answer is what an invocation came to.
type Answer struct {
	Payload         []byte
	FunctionError   string // "", or "Unhandled": then Payload is an error document
	ExecutedVersion string // Latest or a number
	Log             []byte // the last MaxLog bytes of the invocation's log, if Invocation.Tail asked for it
}

// failure is the error document in which Lambda and its runtimes say what went wrong.
type failure struct {
	Type    string `json:"errorType,omitempty"`
	Message string `json:"errorMessage"`
}

func (f failure) document() []byte { return encode(f) }

func (f failure) answer() Answer {
	return Answer{Payload: f.document(), FunctionError: "Unhandled"}
}

// timedOut is as LocalStack recorded it in November 2025 (test_lambda_invoke_with_timeout). Before, AWS gave no type, and
// began the message with the time.
func timedOut(id string, after time.Duration) Answer {
	return failure{"Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, after.Seconds())}.answer()
}

// crashed says how the process ended: exit is what os/exec's Wait returned, "signal: killed" for one.
func crashed(id string, exit error) Answer {
	why := "Runtime exited without providing a reason"
	if exit != nil {
		why = "Runtime exited with error: " + exit.Error()
	}
	return failure{"Runtime.ExitError", "RequestId: " + id + " Error: " + why}.answer()
}

func tooLarge() Answer {
	return failure{
		"Function.ResponseSizeTooLarge",
		fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxResponse),
	}.answer()
}

// encode writes a value of ours, which cannot fail.
func encode(v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return []byte(`{}`)
	}
	return b
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encode(v)) // the caller has gone: nobody is left to tell
}

// traceID is a trace that nobody records, in X-Ray's form.
func traceID(e *event) string {
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", e.deadline.Unix(), hex(12), hex(8))
}

func hex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return fmt.Sprintf("%x", b)
}
