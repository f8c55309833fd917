package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// maxSet is the longest name of a set, in bytes.
const maxSet = 32

// CheckSet tells what is wrong with the name of a set: lower case letters, digits and hyphens, a letter or digit first,
// 1 to 32 of them. So no name holds a separator of the table's keys. LiveSet is one.
func CheckSet(name string) error {
	ok := name != "" && len(name) <= maxSet && name[0] != '-'
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return fmt.Errorf("set %q: want 1 to %d lower case letters, digits and hyphens, none of them first", name, maxSet)
	}
	return nil
}

// ErrNoSet is of a set that does not exist. The error that wraps it names those that do.
var ErrNoSet = errors.New("there is no such set")

// Sets gives the names of the sets that exist, sorted: live once anything was counted, and each that a replay has begun
// and nobody has dropped whole.
func Sets(ctx context.Context, db Reader, table string) ([]string, error) {
	return nil, errors.New("not yet")
}

// Dropper is what dropping takes of *dynamodb.Client.
type Dropper interface {
	Reader
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
}

// Drop deletes everything of a set: its meters, its marks, and at last its name, which may then be used again. It
// refuses LiveSet. progress (may be nil) is told of so many items more that are deleted, never by two calls at once.
// From its first moment nobody can count into the set or read it any more. A drop that was cut short, by ctx or by a
// kill, has to be run again, and goes on where it was; one of a set that does not exist is ErrNoSet. What an invocation
// that is under way when the drop begins still writes is never read by anybody, but may stay: end replays first.
func Drop(ctx context.Context, db Dropper, table, set string, progress func(items int)) error {
	return errors.New("not yet")
}
