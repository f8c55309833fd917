package kinesis

import (
	"crypto/md5"
	"encoding/binary"
	"math/bits"
)

// hash is a partition key's place in the hash space: an unsigned 128-bit number.
type hash struct{ hi, lo uint64 }

var maxHash = hash{^uint64(0), ^uint64(0)}

// hashOf is how AWS maps partition keys: MD5, read as a big-endian number.
func hashOf(key []byte) hash {
	sum := md5.Sum(key)
	return hash{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

func (h hash) bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], h.hi)
	binary.BigEndian.PutUint64(b[8:], h.lo)
	return b
}

func (h hash) less(o hash) bool { return h.hi < o.hi || h.hi == o.hi && h.lo < o.lo }

// hashPattern is of hash keys, in AWS's words.
const hashPattern = `0|([1-9]\d{0,38})`

// maxHashDigits is what hashPattern lets through: more than 128 bits hold.
const maxHashDigits = 39

// parseHash reads a decimal hash key. shaped: it has the pattern that AWS wants; ok: it is also less than 2^128.
func parseHash(s []byte) (h hash, shaped, ok bool) {
	if len(s) == 0 || len(s) > maxHashDigits || s[0] == '0' && len(s) > 1 {
		return hash{}, false, false
	}
	ok = true
	for _, c := range s {
		if c < '0' || c > '9' {
			return hash{}, false, false
		}
		over, hi := bits.Mul64(h.hi, 10)
		carry, lo := bits.Mul64(h.lo, 10)
		lo, c1 := bits.Add64(lo, uint64(c-'0'), 0)
		hi, c2 := bits.Add64(hi, carry, c1)
		ok = ok && over == 0 && c2 == 0
		h = hash{hi, lo}
	}
	return h, true, ok
}

const e19 = 10_000_000_000_000_000_000 // the largest power of ten in 64 bits

// String gives the decimal number.
func (h hash) String() string {
	top, rest := h.hi/e19, h.hi%e19
	mid, low := bits.Div64(rest, h.lo, e19)
	high, mid := bits.Div64(top, mid, e19)
	var b [57]byte
	putDigits(b[:19], high)
	putDigits(b[19:38], mid)
	putDigits(b[38:], low)
	i := 0
	for i < len(b)-1 && b[i] == '0' {
		i++
	}
	return string(b[i:])
}

// putDigits fills b with the last decimal digits of n.
func putDigits(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// keyRange is the part of the hash space that a shard serves, both ends included.
type keyRange struct{ lo, hi hash }

func (r keyRange) contains(h hash) bool { return !h.less(r.lo) && !r.hi.less(h) }

// evenRanges cuts the hash space into n ranges as CreateStream does: each of floor(2^128/n) keys, and what is left over
// goes to the last. n is 1 or more.
func evenRanges(n int) []keyRange {
	if n == 1 {
		return []keyRange{{hi: maxHash}}
	}
	d := uint64(n)
	qhi, rest := bits.Div64(1, 0, d) // 2^128 / n in two steps of 64 bits
	qlo, _ := bits.Div64(rest, 0, d)
	ranges := make([]keyRange, n)
	var lo hash
	for i := range ranges {
		end := lo.plus(hash{qhi, qlo})
		ranges[i] = keyRange{lo, end.previous()}
		lo = end
	}
	ranges[n-1].hi = maxHash
	return ranges
}

func (h hash) previous() hash { return h.minus(hash{0, 1}) }
func (h hash) next() hash     { return h.plus(hash{0, 1}) }
func (h hash) half() hash     { return hash{h.hi >> 1, h.hi<<63 | h.lo>>1} }

// plus and minus are modulo 2^128.
func (h hash) plus(o hash) hash {
	lo, carry := bits.Add64(h.lo, o.lo, 0)
	return hash{h.hi + o.hi + carry, lo}
}

func (h hash) minus(o hash) hash {
	lo, borrow := bits.Sub64(h.lo, o.lo, 0)
	return hash{h.hi - o.hi - borrow, lo}
}
