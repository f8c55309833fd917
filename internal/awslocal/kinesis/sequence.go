package kinesis

import (
	"cmp"
	"errors"
	"math"
	"math/bits"
)

// sequence is a sequence number: 186 bits, in decimal always 56 digits. From the highest bits down, as AWS lays them out
// (db/index.js of mhart/kinesalite, version 2; a number recorded in 2026 still reads so):
//
//	 4 bits  2
//	36 bits  when the shard was created, Unix seconds
//	 4 bits  low bits of the shard's number
//	64 bits  counter: here the record's place in the shard's log plus one, 0 for the shard's start
//	 8 bits  0
//	36 bits  when the record arrived, Unix seconds
//	32 bits  the shard's number
//	 4 bits  2
//
// The shard's creation leads, so a child's numbers are above its parents' as long as it was created in a later second.
type sequence struct{ hi, mid, lo uint64 }

const (
	sequenceDigits  = 56
	sequenceVersion = 2
	// endOfShard is the counter of a closed shard's ending sequence number: above every record's.
	endOfShard = math.MaxInt64
	secondMask = 1<<36 - 1
)

func newSequence(created int64, shard uint32, counter uint64, seconds int64) sequence {
	c, t := uint64(created)&secondMask, uint64(seconds)&secondMask
	return sequence{
		hi:  sequenceVersion<<56 | c<<20 | uint64(shard&0xf)<<16 | counter>>48,
		mid: counter<<16 | t>>28,
		lo:  t<<36 | uint64(shard)<<4 | sequenceVersion,
	}
}

func (n sequence) created() int64  { return int64(n.hi >> 20 & secondMask) }
func (n sequence) counter() uint64 { return n.hi<<48 | n.mid>>16 }
func (n sequence) seconds() int64  { return int64(n.mid&0xff<<28 | n.lo>>36) }
func (n sequence) shard() uint32   { return uint32(n.lo >> 4) }

func (n sequence) compare(o sequence) int {
	return cmp.Or(cmp.Compare(n.hi, o.hi), cmp.Compare(n.mid, o.mid), cmp.Compare(n.lo, o.lo))
}

// append writes the decimal number.
func (n sequence) append(out []byte) []byte {
	mid, rest := bits.Div64(n.hi, n.mid, e19) // hi is under 2^60, so under e19
	low, last := bits.Div64(rest, n.lo, e19)
	first, middle := bits.Div64(mid, low, e19)
	var b [sequenceDigits]byte
	putDigits(b[:18], first)
	putDigits(b[18:37], middle)
	putDigits(b[37:], last)
	return append(out, b[:]...)
}

// String gives the decimal number.
func (n sequence) String() string { return string(n.append(nil)) }

var errSequence = errors.New("not a sequence number")

// parseSequence reads what append writes. AWS knows older shapes, which no stream of this service ever gave out.
func parseSequence(s string) (sequence, error) {
	if len(s) != sequenceDigits {
		return sequence{}, errSequence
	}
	var n sequence
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return sequence{}, errSequence
		}
		n = n.shift(uint64(d))
	}
	if n.hi>>56 != sequenceVersion || n.lo&0xf != sequenceVersion || n.counter() > endOfShard {
		return sequence{}, errSequence
	}
	return n, nil
}

// shift gives n*10 + digit. 56 digits stay under 2^187: nothing is lost.
func (n sequence) shift(digit uint64) sequence {
	c0, lo := bits.Mul64(n.lo, 10)
	lo, carry := bits.Add64(lo, digit, 0)
	c1, mid := bits.Mul64(n.mid, 10)
	mid, carry = bits.Add64(mid, c0, carry)
	return sequence{n.hi*10 + c1 + carry, mid, lo}
}
