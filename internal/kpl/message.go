package kpl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The fields of AggregatedRecord.
const (
	fieldPartitionKey    = 1
	fieldExplicitHashKey = 2
	fieldRecord          = 3
)

// The fields of Record.
const (
	fieldPartitionKeyIndex    = 1
	fieldExplicitHashKeyIndex = 2
	fieldData                 = 3
)

// tables holds what user records refer to by index.
type tables struct {
	partitionKeys    []string
	explicitHashKeys []string
	records          int // how many user records the message has
}

// readTables collects the keys, which may stand anywhere in the message, and counts the user records. All keys share
// one piece of memory of their own, so they outlive the record's.
func readTables(message []byte) (tables, error) {
	var t tables
	var partitionKeys, hashKeys, size int
	err := eachField(message, func(f field) error {
		switch f.number {
		case fieldPartitionKey:
			partitionKeys++
			size += len(f.bytes)
		case fieldExplicitHashKey:
			hashKeys++
			size += len(f.bytes)
		case fieldRecord:
			t.records++
		default:
			return nil
		}
		return f.want(wireBytes)
	})
	if err == nil {
		err = errors.Join(bounded("partition keys", partitionKeys), bounded("explicit hash keys", hashKeys), bounded("user records", t.records))
	}
	if err != nil {
		return tables{}, err
	}
	t.partitionKeys = make([]string, 0, partitionKeys)
	t.explicitHashKeys = make([]string, 0, hashKeys)
	var arena strings.Builder
	arena.Grow(size)
	return t, eachField(message, func(f field) error {
		switch f.number {
		case fieldPartitionKey:
			t.partitionKeys = append(t.partitionKeys, cut(&arena, f.bytes))
		case fieldExplicitHashKey:
			t.explicitHashKeys = append(t.explicitHashKeys, cut(&arena, f.bytes))
		}
		return nil
	})
}

// cut copies a key into the arena, which has been grown to hold it, and gives it as a string.
func cut(arena *strings.Builder, key []byte) string {
	from := arena.Len()
	arena.Write(key)
	return arena.String()[from:]
}

func bounded(what string, n int) error {
	if n > MaxUserRecords {
		return fmt.Errorf("%d %s: at most %d are read", n, what, MaxUserRecords)
	}
	return nil
}

func appendRecords(into []UserRecord, message []byte, t tables) ([]UserRecord, error) {
	into = slices.Grow(into, t.records)
	sub := 0
	err := eachField(message, func(f field) error {
		if f.number != fieldRecord {
			return nil
		}
		r, err := readRecord(f.bytes, t)
		if err != nil {
			return fmt.Errorf("user record %d: %w", sub, err)
		}
		r.Sub = sub
		sub++
		into = append(into, r)
		return nil
	})
	return into, err
}

// readRecord reads one Record. Of a field that is there twice the last counts, as proto2 says.
func readRecord(message []byte, t tables) (UserRecord, error) {
	var r UserRecord
	var hasKey, hasData bool
	err := eachField(message, func(f field) (err error) {
		switch f.number {
		case fieldPartitionKeyIndex:
			hasKey = true
			r.PartitionKey, err = f.key("partition key", t.partitionKeys)
		case fieldExplicitHashKeyIndex:
			r.ExplicitHashKey, err = f.key("explicit hash key", t.explicitHashKeys)
		case fieldData:
			hasData = true
			r.Data, err = f.bytes, f.want(wireBytes)
		}
		return err
	})
	switch {
	case err != nil:
		return UserRecord{}, err
	case !hasKey:
		return UserRecord{}, errors.New("no partition key index")
	case !hasData:
		return UserRecord{}, errors.New("no data")
	}
	return r, nil
}

// key looks up the key that a field points to.
func (f field) key(what string, table []string) (string, error) {
	if err := f.want(wireVarint); err != nil {
		return "", err
	}
	if f.value >= uint64(len(table)) {
		return "", fmt.Errorf("%s index %d of a table of %d", what, f.value, len(table))
	}
	return table[f.value], nil
}
