// Package kpltest writes aggregates for tests. It shares no code with the reader in package kpl, so that one checks the
// other.
package kpltest

import (
	"crypto/md5"
	"encoding/binary"
	"slices"

	"github.com/millrace/millrace/internal/kpl"
)

// Aggregate packs user records as the Kinesis Producer Library does; package kpl has the format. Sub is not looked at.
func Aggregate(users ...kpl.UserRecord) []byte {
	var keys, hashes table
	var records []byte
	for _, u := range users {
		user := binary.AppendUvarint([]byte{1 << 3}, keys.index(u.PartitionKey))
		if u.ExplicitHashKey != "" {
			user = binary.AppendUvarint(append(user, 2<<3), hashes.index(u.ExplicitHashKey))
		}
		records = append(records, field(3, append(user, field(3, u.Data)...))...)
	}
	return Seal(slices.Concat(keys.fields(1), hashes.fields(2), records))
}

// OneKey packs data under one key. Without data it is an aggregate of nothing, which has the key all the same.
func OneKey(key string, data ...[]byte) []byte {
	if len(data) == 0 {
		return Seal(field(1, []byte(key)))
	}
	users := make([]kpl.UserRecord, len(data))
	for i := range data {
		users[i] = kpl.UserRecord{PartitionKey: key, Data: data[i]}
	}
	return Aggregate(users...)
}

// Seal makes an aggregate of a message, whatever that holds: between the magic bytes and its MD5.
func Seal(message []byte) []byte {
	sum := md5.Sum(message)
	return slices.Concat([]byte{0xF3, 0x89, 0x9A, 0xC2}, message, sum[:])
}

// field writes a length-delimited field of protobuf.
func field(number uint64, value []byte) []byte {
	return append(binary.AppendUvarint(binary.AppendUvarint(nil, number<<3|2), uint64(len(value))), value...)
}

// table is a table of an aggregate, to which its records refer by index.
type table []string

func (t *table) index(s string) uint64 {
	i := slices.Index(*t, s)
	if i < 0 {
		i, *t = len(*t), append(*t, s)
	}
	return uint64(i)
}

func (t *table) fields(number uint64) (b []byte) {
	for _, s := range *t {
		b = append(b, field(number, []byte(s))...)
	}
	return b
}
