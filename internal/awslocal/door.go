package awslocal

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// door is where a request goes in.
type door int

const (
	doorNone door = iota
	doorControl
	doorJSON
	doorLambda
	doorQuery
	doorS3
)

// lambdaPath is how paths of Lambda's API begin: with the day on which an operation came into it.
var lambdaPath = regexp.MustCompile(`^/20\d\d-\d\d-\d\d/`)

// doorOf tells whose request it is by what only one has: a path of our own, X-Amz-Target of the JSON protocols, Lambda's
// paths, the form of the Query protocol. The rest is S3's, unless it is signed for another service. A signature for S3
// comes before them, since a bucket or a key may have any name.
func doorOf(r *http.Request) door {
	_, service := wire.Credential(r)
	switch {
	case strings.HasPrefix(r.URL.Path, "/_millrace/"):
		return doorControl
	case service == "s3":
		return doorS3
	case r.Header.Get("X-Amz-Target") != "":
		return doorJSON
	case lambdaPath.MatchString(r.URL.Path):
		return doorLambda
	case r.Method == http.MethodPost && isForm(r):
		return doorQuery
	case service == "":
		return doorS3
	}
	return doorNone
}
