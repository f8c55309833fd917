package ledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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
		return fmt.Errorf("set %q: want 1 to %d lower case letters, digits and hyphens, a letter or digit first", name, maxSet)
	}
	return nil
}

// ErrNoSet is of a set that does not exist. The error that wraps it names those that do.
var ErrNoSet = errors.New("there is no such set")

// errDropping is of a set whose drop has begun and not ended.
var errDropping = errors.New("it is being dropped: if its drop was cut short, run that again")

// Sets gives the names of the sets that exist, sorted: live once anything was counted, and each that a replay has begun
// and nobody has dropped whole.
func Sets(ctx context.Context, db Reader, table string) ([]string, error) {
	layout, err := readLayoutItem(ctx, db, table)
	if err != nil {
		return nil, err
	}
	var names []string
	if layout != nil {
		names = append(names, LiveSet)
	}
	err = eachItem(ctx, db, inPartition(table, setsPK), func(i item) error {
		name, err := textOf(i, attrSK)
		names = append(names, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the table's sets: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// entry is the item by which a set exists. Only the live set has none.
type entry struct {
	name     string
	id       string // of this beginning: a set that is dropped and begun anew gets another one
	dropping bool
}

// space stands for the set in the keys of its items. No two beginnings share one: whoever still writes into a set that
// was dropped, out of memory, writes what nobody reads.
func (e entry) space() string { return e.name + "." + e.id }

func (e entry) item() item {
	i := key(setsPK, e.name)
	i[attrSetID] = text(e.id)
	i[attrDropping] = &types.AttributeValueMemberBOOL{Value: e.dropping}
	return i
}

// readEntry gives a set's entry, strongly consistent; nil: the set does not exist.
func readEntry(ctx context.Context, db Reader, table, set string) (*entry, error) {
	items, err := getItems(ctx, db, table, []item{key(setsPK, set)})
	if err != nil {
		return nil, fmt.Errorf("read its entry: %w", err)
	}
	if len(items) == 0 {
		return nil, nil
	}
	id, err := textOf(items[0], attrSetID)
	if err != nil {
		return nil, fmt.Errorf("read its entry: %w", err)
	}
	dropping, _ := items[0][attrDropping].(*types.AttributeValueMemberBOOL)
	return &entry{set, id, dropping != nil && dropping.Value}, nil
}

// openSet reads a set's entry, or writes it if there is none; of two that write at once one wins, and both read what it
// wrote. Like the layout's, it comes before anything is counted.
func (l *Ledger) openSet(ctx context.Context, set string) (*entry, error) {
	if err := CheckSet(set); err != nil {
		return nil, err
	}
	found, err := readEntry(ctx, l.db, l.table, set)
	if err == nil && found == nil {
		put := &dynamodb.PutItemInput{TableName: &l.table, Item: entry{name: set, id: newSetID()}.item(), ConditionExpression: &absent}
		if _, err := l.db.PutItem(ctx, put); err != nil && judge(err).kind != lost {
			return nil, fmt.Errorf("write its entry: %w", err)
		}
		if found, err = readEntry(ctx, l.db, l.table, set); err == nil && found == nil {
			err = fmt.Errorf("its entry is gone right after it was written: %w", errDropping)
		}
	}
	if err != nil {
		return nil, err
	}
	if found.dropping {
		return nil, errDropping
	}
	return found, nil
}

// setIDLength is of characters of five random bits.
const setIDLength = 13

func newSetID() string { return strings.ToLower(rand.Text()[:setIDLength]) }

// spaceOf finds the space of a set that exists.
func spaceOf(ctx context.Context, db Reader, table, set string) (string, error) {
	if set == LiveSet {
		return LiveSet, nil
	}
	e, err := findEntry(ctx, db, table, set)
	if err != nil {
		return "", err
	}
	if e.dropping {
		return "", fmt.Errorf("set %s in table %s: %w", set, table, errDropping)
	}
	return e.space(), nil
}

// findEntry reads the entry of a set that must exist.
func findEntry(ctx context.Context, db Reader, table, set string) (*entry, error) {
	if err := CheckSet(set); err != nil {
		return nil, err
	}
	e, err := readEntry(ctx, db, table, set)
	if err != nil {
		return nil, fmt.Errorf("set %s in table %s: %w", set, table, err)
	}
	if e != nil {
		return e, nil
	}
	names, err := Sets(ctx, db, table)
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("set %s in table %s: %w: it has %s", set, table, ErrNoSet, cmp.Or(strings.Join(names, ", "), "none"))
}
