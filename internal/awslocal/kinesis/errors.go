package kinesis

import (
	"regexp"

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

// violations checks what several operations of Kinesis take.
type violations struct{ wire.Violations }

// Names, of streams and consumers, by the API reference.
var anyName = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

const maxName = 128

// name checks a name, which must be given.
func (v *violations) name(name, at string) {
	if name == "" {
		v.Null(at)
		return
	}
	if !anyName.MatchString(name) {
		v.Mismatch(name, at, "[a-zA-Z0-9_.-]+")
	}
	if len(name) > maxName {
		v.TooLong(wire.Quoted(name), at, maxName)
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
		v.Mismatch(number, at, numberPattern)
	}
}

// position checks where reading is to start.
func (v *violations) position(p PositionType, at string) {
	v.oneOf(string(p), at, string(AfterSequence), string(Latest), string(AtTimestamp), string(AtSequence), string(TrimHorizon))
}

// given checks a member that must be given.
func (v *violations) given(value, at string) {
	if value == "" {
		v.Null(at)
	}
}

// oneOf checks a member that must be given and can have few values.
func (v *violations) oneOf(value, at string, allowed ...string) {
	if value == "" {
		v.Null(at)
		return
	}
	v.OneOf(value, at, allowed...)
}

// count gives a number of at least 1, which must be given.
func (v *violations) count(n *int, at string) int {
	if n == nil {
		v.Null(at)
		return 0
	}
	v.AtLeast(*n, at, 1)
	return *n
}

func (v *violations) mode(mode string) {
	v.OneOf(mode, "streamModeDetails.streamMode", provisioned, onDemand)
}

// limit checks an optional number and gives it or its default.
func (v *violations) limit(n *int, def, most int, at string) int {
	if n == nil {
		return def
	}
	v.Within(*n, at, 1, most)
	return *n
}
