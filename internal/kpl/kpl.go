// Package kpl reads the aggregated records that the Kinesis Producer Library writes: many user records in one Kinesis
// record.
//
// The format (https://github.com/awslabs/amazon-kinesis-producer, aggregation-format.md) is four magic bytes, a proto2
// message and the MD5 of that message:
//
//	message AggregatedRecord {
//	  repeated string partition_key_table     = 1;
//	  repeated string explicit_hash_key_table = 2;
//	  repeated Record records                 = 3;
//	}
//	message Record {
//	  required uint64 partition_key_index     = 1;
//	  optional uint64 explicit_hash_key_index = 2;
//	  required bytes  data                    = 3;
//	  repeated Tag    tags                    = 4;
//	}
//
// Aggregates do not nest: a user record that looks like one is data. Tags are passed over, as every known reader does.
package kpl

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
)

// MaxUserRecords bounds the user records, and the keys, of one aggregate: the largest Kinesis record (10 MiB) has no
// room for more events, because the shortest CloudEvent takes over 80 bytes. It bounds what a hostile record, with its
// two bytes an empty user record, can make a reader allocate.
const MaxUserRecords = 10 << 20 / 80

// ErrChecksum says that a record begins like an aggregate but that its MD5 is not that of its message.
//
// Amazon's readers take such a record for plain data that happens to begin with the magic bytes. It is an error here,
// to be told apart with errors.Is, because the bytes F3 89 9A C2 begin neither a JSON text nor a gzip stream: the
// record is undecodable either way, and this says why.
var ErrChecksum = errors.New("aggregate is damaged: its MD5 does not match")

var magic = []byte{0xF3, 0x89, 0x9A, 0xC2}

// UserRecord is one record as its producer put it, before the library packed it with others.
type UserRecord struct {
	PartitionKey    string
	ExplicitHashKey string // "" when the producer gave none
	Data            []byte // a part of the aggregate's memory
	Sub             int    // its place in the aggregate, from 0: the sub-sequence number
}

// IsAggregate tells by its first bytes and its length whether a record claims to be an aggregate. It is cheap: the MD5
// is checked by Split.
func IsAggregate(data []byte) bool {
	return len(data) > len(magic)+md5.Size && bytes.HasPrefix(data, magic)
}

// Split appends the user records of an aggregate to into, in their order. Data is not copied: it stays valid as long
// as data does. An aggregate is read as a whole or not at all: with an error, into comes back as it was. An aggregate
// without user records is no error.
func Split(data []byte, into []UserRecord) ([]UserRecord, error) {
	if !IsAggregate(data) {
		return into, errors.New("not an aggregate: no magic bytes")
	}
	message, sum := data[len(magic):len(data)-md5.Size], data[len(data)-md5.Size:]
	if got := md5.Sum(message); !bytes.Equal(got[:], sum) {
		return into, ErrChecksum
	}
	t, err := readTables(message)
	if err != nil {
		return into, fmt.Errorf("read aggregate: %w", err)
	}
	out, err := appendRecords(into, message, t)
	if err != nil {
		return into, fmt.Errorf("read aggregate: %w", err)
	}
	return out, nil
}
