package esm

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"math/big"

	"github.com/millrace/millrace/internal/kpl"
)

// unpacked is what the front of a page comes to.
type unpacked struct {
	taken   int      // so many of the page's records
	records []Record // what they carry, in order
	dropped []Record // of aggregates that hold a record of another shard
}

// unpack takes the aggregates at the front of a page apart, as Lambda does for a fan-out consumer: their user records all
// have the aggregate's sequence number and time of arrival. It stops after limit records or a few more, for an aggregate
// may hold very many. What only looks like an aggregate stays as it is. When one user record's hash key is not in the
// shard, the whole aggregate is dropped, without a failure document.
func unpack(shard *Shard, page []Record, limit int) unpacked {
	u := unpacked{records: make([]Record, 0, min(len(page), limit))}
	var scratch []kpl.UserRecord
	for _, r := range page {
		if len(u.records)+len(u.dropped) >= limit {
			break
		}
		u.taken++
		if !kpl.IsAggregate(r.Data) {
			u.records = append(u.records, r)
			continue
		}
		users, err := kpl.Split(r.Data, scratch[:0])
		scratch = users
		all, mine := true, false
		if err == nil {
			all, err = shard.holds(users)
			mine = err == nil
		}
		switch {
		case !mine:
			u.records = append(u.records, r)
		case all:
			u.records = appendUsers(u.records, r, users)
		default:
			u.dropped = appendUsers(u.dropped, r, users)
		}
	}
	return u
}

func appendUsers(dst []Record, outer Record, users []kpl.UserRecord) []Record {
	for i := range users {
		r := outer
		r.PartitionKey, r.Data = users[i].PartitionKey, users[i].Data
		dst = append(dst, r)
	}
	return dst
}

// holds tells whether all user records belong in the shard, by their explicit hash key if they have one.
func (s *Shard) holds(users []kpl.UserRecord) (bool, error) {
	for i := range users {
		hash, err := hashOf(&users[i])
		if err != nil {
			return false, err
		}
		if bytes.Compare(hash[:], s.First[:]) < 0 || bytes.Compare(hash[:], s.Last[:]) > 0 {
			return false, nil
		}
	}
	return true, nil
}

func hashOf(u *kpl.UserRecord) (hash [md5.Size]byte, err error) {
	if u.ExplicitHashKey == "" {
		return md5.Sum([]byte(u.PartitionKey)), nil
	}
	n, ok := new(big.Int).SetString(u.ExplicitHashKey, 10)
	if !ok || n.Sign() < 0 || n.BitLen() > 8*len(hash) {
		return hash, fmt.Errorf("explicit hash key %q is no number of 128 bits", u.ExplicitHashKey)
	}
	n.FillBytes(hash[:])
	return hash, nil
}
