package kinesis

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// The texts of this package's errors were recorded on AWS by mhart/kinesalite (its test folder), except where a comment
// says otherwise.

// throttled is the code of every limit on throughput, of whole requests and of single records in PutRecords.
const throttled = "ProvisionedThroughputExceededException"

func invalid(format string, args ...any) error {
	return wire.Errorf("InvalidArgumentException", format, args...)
}

const codeNotFound = "ResourceNotFoundException"

func notFound(format string, args ...any) error {
	return wire.Errorf(codeNotFound, format, args...)
}

// maxViolations is how many violated constraints AWS names in one error.
const maxViolations = 10

// violations collects the violated constraints of a request, which AWS reports together.
type violations []string

// add notes that the member at a path violates a constraint. value is as AWS prints it: quoted, null or nothing.
func (v *violations) add(value, at, constraint string) {
	if len(*v) == maxViolations {
		return
	}
	if value != "" {
		value += " "
	}
	*v = append(*v, "Value "+value+"at '"+at+"' failed to satisfy constraint: "+constraint)
}

// atLeast and atMost check a number.
func (v *violations) atLeast(n, bound int, at string) {
	if n < bound {
		v.add(fmt.Sprintf("'%d'", n), at, fmt.Sprintf("Member must have value greater than or equal to %d", bound))
	}
}

func (v *violations) atMost(n, bound int, at string) {
	if n > bound {
		v.add(fmt.Sprintf("'%d'", n), at, fmt.Sprintf("Member must have value less than or equal to %d", bound))
	}
}

// Names, of streams and consumers, by the API reference.
var anyName = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

const maxName = 128

// name checks a name, which must be given.
func (v *violations) name(name, at string) {
	if name == "" {
		v.notNull(name, at)
		return
	}
	if !anyName.MatchString(name) {
		v.add("'"+name+"'", at, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	}
	if len(name) > maxName {
		v.add("'"+name+"'", at, fmt.Sprintf("Member must have length less than or equal to %d", maxName))
	}
}

// optional checks a name that need not be given. One that is given and empty is as good as not given.
func (v *violations) optional(name, at string) {
	if name != "" {
		v.name(name, at)
	}
}

// numberPattern is of sequence numbers, in AWS's words.
const numberPattern = `0|([1-9]\d{0,128})`

var anyNumber = regexp.MustCompile(`^(` + numberPattern + `)$`)

// number checks a sequence number that need not be given.
func (v *violations) number(number, at string) {
	if number != "" && !anyNumber.MatchString(number) {
		v.add("'"+number+"'", at, "Member must satisfy regular expression pattern: "+numberPattern)
	}
}

// position checks where reading is to start.
func (v *violations) position(p PositionType, at string) {
	switch p {
	case "":
		v.notNull("", at)
	case AfterSequence, Latest, AtTimestamp, AtSequence, TrimHorizon:
	default:
		v.add("'"+string(p)+"'", at, "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]")
	}
}

// notNull checks a member that must be given.
func (v *violations) notNull(value, at string) {
	if value == "" {
		v.add("null", at, "Member must not be null")
	}
}

// count gives a number of at least 1, which must be given.
func (v *violations) count(n *int, at string) int {
	if n == nil {
		v.notNull("", at)
		return 0
	}
	v.atLeast(*n, 1, at)
	return *n
}

// only checks a member that must be given and can have one value.
func (v *violations) only(value, want, at string) {
	if value == "" {
		v.notNull(value, at)
	} else if value != want {
		v.add("'"+value+"'", at, "Member must satisfy enum value set: ["+want+"]")
	}
}

func (v *violations) mode(mode string) {
	if mode != provisioned && mode != onDemand {
		v.add("'"+mode+"'", "streamModeDetails.streamMode", "Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]")
	}
}

// limit checks an optional number and gives it or its default.
func (v *violations) limit(n *int, def, most int, at string) int {
	if n == nil {
		return def
	}
	v.atLeast(*n, 1, at)
	v.atMost(*n, most, at)
	return *n
}

// err gives the one error for all that was violated, nil for nothing.
func (v violations) err() error {
	if len(v) == 0 {
		return nil
	}
	plural := ""
	if len(v) > 1 {
		plural = "s"
	}
	return wire.Errorf("ValidationException", "%d validation error%s detected: %s", len(v), plural, strings.Join(v, "; "))
}
