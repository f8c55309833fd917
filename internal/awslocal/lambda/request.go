package lambda

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// maxBody bounds a request to the control plane: the number is in AWS's message (recorded by LocalStack,
// test_oversized_request_create_lambda). A zip of MaxZip is a third larger in base64.
const maxBody = 70_167_211

// reference is what a request may name a function by.
type reference struct {
	pattern *regexp.Regexp
	most    int // characters
}

// owner is what may stand before a function's name. Of its groups, ownerRegion and ownerAccount are what they say.
const (
	owner = `^(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?`

	ownerRegion, ownerAccount = 3, 9
)

// References and their texts by AWS (recorded by LocalStack: test_function_arns, test_invalid_invoke); which operation has
// which, the SDK's model tells.
var (
	anyReference  = reference{regexp.MustCompile(owner + `([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?$`), 140}
	readReference = reference{regexp.MustCompile(owner + `([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?$`), 256}
)

// referenceOf tells by what an operation may be asked for a function.
func referenceOf(operation string) reference {
	switch operation {
	case "Invoke", "GetFunction", "GetFunctionConfiguration", "ListVersionsByFunction":
		return readReference
	}
	return anyReference
}

// Patterns of names (API reference).
var (
	validRole = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)
	// validVariable is of names in an environment.
	validVariable = regexp.MustCompile(`^[a-zA-Z]([a-zA-Z0-9_])+$`)
	validAlias    = regexp.MustCompile(`^[0-9]*[a-zA-Z-_][0-9a-zA-Z-_]*$`) // not a number alone
	aliasPattern  = `(?!^[0-9]+$)([a-zA-Z0-9-_]+)`                         // as AWS says it, which Go's regexp cannot
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

// checkTarget gives AWS's error for a reference that is none or of elsewhere, and for two qualifiers that differ.
func (s *Service) checkTarget(r *http.Request, operation string) error {
	ref := r.PathValue("name")
	if ref == "" {
		return nil
	}
	var v violations
	v.reference(ref, referenceOf(operation))
	if err := cmp.Or(v.Err(), s.reach(ref)); err != nil {
		return err
	}
	_, derived := SplitName(ref)
	if q := r.URL.Query().Get("Qualifier"); q != "" && derived != "" && q != derived {
		return invalid("The derived qualifier from the function name does not match the specified qualifier.")
	}
	return nil
}

// reach gives AWS's error for a reference to a function of another region or account. The first text was recorded by
// LocalStack (test_get_function_wrong_region); for the second only code and status were, for AWS's text names who asks.
func (s *Service) reach(ref string) error {
	m := readReference.pattern.FindStringSubmatch(ref)
	if m == nil {
		return nil // no reference at all: nothing has such a name
	}
	region, account := strings.TrimSuffix(m[ownerRegion], ":"), strings.TrimSuffix(m[ownerAccount], ":")
	switch {
	case region != "" && region != s.opt.Region:
		return missing(fmt.Sprintf("Functions from '%s' are not reachable in this region ('%s')", region, s.opt.Region))
	case account != "" && account != s.opt.Account:
		return user("AccessDeniedException", "Functions of account "+account+" are not open to account "+s.opt.Account+".", http.StatusForbidden)
	}
	return nil
}

// maxItems bounds a page of a list (ListFunctions in the API reference).
const maxItems = 50

// violations checks what several operations of Lambda take.
type violations struct{ wire.Violations }

func (v *violations) match(member, value string, pattern *regexp.Regexp) {
	if !pattern.MatchString(value) {
		v.Mismatch(value, member, strings.Trim(pattern.String(), "^$"))
	}
}

func (v *violations) reference(ref string, form reference) {
	v.match("functionName", ref, form.pattern)
	if len(ref) > form.most {
		v.TooLong(wire.Quoted(ref), "functionName", form.most)
	}
}

func (v *violations) alias(name string) {
	if !validAlias.MatchString(name) {
		v.Mismatch(name, "name", aliasPattern)
	}
}

// keys checks the keys of a map. AWS names none of them (https://github.com/klothoplatform/klotho/issues/317).
func (v *violations) keys(member string, values map[string]string, pattern *regexp.Regexp) {
	for key := range values {
		if !pattern.MatchString(key) {
			v.Add("", member, "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: "+
				strings.Trim(pattern.String(), "^$")+"]")
			return
		}
	}
}

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
