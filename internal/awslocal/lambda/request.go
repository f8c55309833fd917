package lambda

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// maxBody bounds a request to the control plane: the number is in AWS's message (recorded by LocalStack,
// test_oversized_request_create_lambda). A zip of MaxZip is a third larger in base64.
const maxBody = 70_167_211

// Patterns of names (API reference).
var (
	validRef  = regexp.MustCompile(`^(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-[a-z]+)+-\d:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?$`)
	validRole = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)
	// validVariable is of names in an environment.
	validVariable = regexp.MustCompile(`^[a-zA-Z]([a-zA-Z0-9_])+$`)
	validAlias    = regexp.MustCompile(`^[0-9]*[a-zA-Z-_][0-9a-zA-Z-_]*$`) // not a number alone
)

var errBody = &wire.Error{
	Code: "RequestEntityTooLargeException", Status: http.StatusRequestEntityTooLarge,
	Message: fmt.Sprintf("Request must be smaller than %d bytes for the CreateFunction operation", maxBody),
}

// read reads a request's document.
func read(r *http.Request, into any) error { return wire.ReadREST(r, maxBody, errBody, into) }

// target reads which function a request's path and query name.
func target(r *http.Request) (name, qualifier string) {
	name, qualifier = SplitName(r.PathValue("name"))
	return name, cmp.Or(r.URL.Query().Get("Qualifier"), qualifier)
}

// checkTarget gives AWS's error for a reference that is none, and for two qualifiers that differ.
func checkTarget(r *http.Request) error {
	ref := r.PathValue("name")
	if ref == "" {
		return nil
	}
	var v violations
	v.match("functionName", ref, validRef)
	if err := v.err(); err != nil {
		return err
	}
	_, derived := SplitName(ref)
	if q := r.URL.Query().Get("Qualifier"); q != "" && derived != "" && q != derived {
		return invalid("The derived qualifier from the function name does not match the specified qualifier.")
	}
	return nil
}

// maxItems bounds a page of a list (ListFunctions in the API reference).
const maxItems = 50

// violations are the members of a request that break a documented constraint; AWS names them all in one error.
type violations []string

func (v *violations) add(value any, member, constraint string) {
	*v = append(*v, fmt.Sprintf("Value '%v' at '%s' failed to satisfy constraint: Member must %s", value, member, constraint))
}

func (v *violations) null(member string) {
	*v = append(*v, fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", member))
}

func (v *violations) match(member, value string, pattern *regexp.Regexp) {
	if !pattern.MatchString(value) {
		v.add(value, member, "satisfy regular expression pattern: "+strings.Trim(pattern.String(), "^$"))
	}
}

// keys checks the keys of a map. AWS names none of them (https://github.com/klothoplatform/klotho/issues/317).
func (v *violations) keys(member string, values map[string]string, pattern *regexp.Regexp) {
	for key := range values {
		if !pattern.MatchString(key) {
			*v = append(*v, fmt.Sprintf("Value at '%s' failed to satisfy constraint: Map keys must satisfy constraint: "+
				"[Member must satisfy regular expression pattern: %s]", member, strings.Trim(pattern.String(), "^$")))
			return
		}
	}
}

func (v *violations) within(member string, value, low, high int) {
	if value < low {
		v.add(value, member, "have value greater than or equal to "+strconv.Itoa(low))
	}
	if value > high {
		v.add(value, member, "have value less than or equal to "+strconv.Itoa(high))
	}
}

func (v violations) err() error { return wire.Violated(v) }

// invalid is the error for values that AWS refuses after it has read the request.
func invalid(message string) *wire.Error { return user("InvalidParameterValueException", message, 0) }

func conflict(message string) *wire.Error {
	return user("ResourceConflictException", message, http.StatusConflict)
}

func missing(message string) *wire.Error {
	return user("ResourceNotFoundException", message, http.StatusNotFound)
}

var errRevision = user("PreconditionFailedException",
	"The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
	http.StatusPreconditionFailed)

// user makes an error that the API marks as the caller's own.
func user(code, message string, status int) *wire.Error {
	return &wire.Error{Code: code, Message: message, Status: status, Fields: map[string]any{"Type": "User"}}
}
