package meter

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
)

// Bounds of a measured value. DynamoDB keeps 38 digits; with these a sum of 10^14 values still has all of its own.
const (
	MaxIntegerDigits  = 15
	MaxFractionDigits = 9
	maxSumDigits      = 38
)

// unit is one in multiples of the smallest fraction.
const unit = 1_000_000_000

// Decimal is an exact decimal number with 9 fraction digits: a 128-bit two's complement multiple of 10^-9. The zero
// value is 0. Values are compared with ==.
type Decimal struct {
	hi int64
	lo uint64
}

// DecimalOf gives n as a Decimal.
func DecimalOf(n int64) Decimal {
	neg := n < 0
	m := uint64(n)
	if neg {
		m = -m
	}
	hi, lo := bits.Mul64(m, unit)
	return signed(hi, lo, neg)
}

func signed(hi, lo uint64, neg bool) Decimal {
	if neg {
		lo, hi = -lo, ^hi
		if lo == 0 {
			hi++
		}
	}
	return Decimal{int64(hi), lo}
}

// magnitude gives the absolute value.
func (d Decimal) magnitude() (hi, lo uint64) {
	m := signed(uint64(d.hi), d.lo, d.hi < 0)
	return uint64(m.hi), m.lo
}

// Add gives d + e. It wraps beyond 128 bits, which takes 10^14 values of the largest size.
func (d Decimal) Add(e Decimal) Decimal {
	lo, carry := bits.Add64(d.lo, e.lo, 0)
	hi, _ := bits.Add64(uint64(d.hi), uint64(e.hi), carry)
	return Decimal{int64(hi), lo}
}

// Compare gives -1, 0 or +1 as d is less than, equal to or greater than e.
func (d Decimal) Compare(e Decimal) int {
	return cmp.Or(cmp.Compare(d.hi, e.hi), cmp.Compare(d.lo, e.lo))
}

// Float gives the nearest float64, for averages and pictures.
func (d Decimal) Float() float64 {
	f, _ := strconv.ParseFloat(d.String(), 64) // String always gives a number
	return f
}

// Errors of ParseDecimal.
var (
	errNotNumber = errors.New("is not a number")
	errTooLarge  = fmt.Errorf("has more than %d integer digits", MaxIntegerDigits)
	errSumTooBig = fmt.Errorf("has more than %d integer digits", maxSumDigits-MaxFractionDigits)
	errTooFine   = fmt.Errorf("has more than %d fraction digits", MaxFractionDigits)
)

// ParseDecimal reads a number as JSON writes it (RFC 8259: sign, digits, fraction, exponent), exactly. A number with
// more digits than a measured value may have is refused, never rounded.
func ParseDecimal[T ~string | ~[]byte](s T) (Decimal, error) {
	return parse(s, MaxIntegerDigits)
}

// ParseSum reads what AppendText wrote of a sum, which may have more integer digits than a measured value.
func ParseSum(s string) (Decimal, error) {
	d, err := parse(s, maxSumDigits-MaxFractionDigits)
	if errors.Is(err, errTooLarge) {
		err = errSumTooBig
	}
	return d, err
}

func parse[T ~string | ~[]byte](s T, maxInteger int) (Decimal, error) {
	n, err := scan(s)
	if err != nil {
		return Decimal{}, err
	}
	var hi, lo uint64
	// place is the power of ten of the digit; digits beyond the bounds must be zeros.
	place := n.point - 1 + n.exponent
	for i := n.first; i < n.last; i++ {
		if s[i] == '.' {
			continue
		}
		digit := uint64(s[i] - '0')
		if digit != 0 && place >= maxInteger {
			return Decimal{}, errTooLarge
		}
		if place < -MaxFractionDigits {
			if digit != 0 {
				return Decimal{}, errTooFine
			}
			continue
		}
		hi, lo = timesTen(hi, lo, digit)
		place--
	}
	for ; place >= -MaxFractionDigits && hi|lo != 0; place-- {
		hi, lo = timesTen(hi, lo, 0)
	}
	return signed(hi, lo, n.negative), nil
}

func timesTen(hi, lo, add uint64) (uint64, uint64) {
	over, lo := bits.Mul64(lo, 10)
	lo, carry := bits.Add64(lo, add, 0)
	return hi*10 + over + carry, lo
}

// number is where the parts of a number's text are.
type number struct {
	negative    bool
	first, last int // digits and point: s[first:last]
	point       int // integer digits before the point
	exponent    int
}

func scan[T ~string | ~[]byte](s T) (number, error) {
	var n number
	i := 0
	if i < len(s) && s[i] == '-' {
		n.negative = true
		i++
	}
	n.first = i
	i = digits(s, i)
	n.point = i - n.first
	if n.point == 0 {
		return n, errNotNumber
	}
	if i < len(s) && s[i] == '.' {
		from := i + 1
		if i = digits(s, from); i == from {
			return n, errNotNumber
		}
	}
	n.last = i
	if i < len(s) && s[i]|0x20 == 'e' {
		var err error
		if n.exponent, i, err = exponent(s, i+1); err != nil {
			return n, err
		}
	}
	if i != len(s) {
		return n, errNotNumber
	}
	return n, nil
}

func digits[T ~string | ~[]byte](s T, i int) int {
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	return i
}

// maxExponent keeps the arithmetic small: a megabyte of zeros after the point is within it.
const maxExponent = 1 << 24

func exponent[T ~string | ~[]byte](s T, i int) (value, end int, err error) {
	negative := false
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		negative = s[i] == '-'
		i++
	}
	end = digits(s, i)
	if end == i {
		return 0, i, errNotNumber
	}
	for ; i < end && value < maxExponent; i++ {
		value = value*10 + int(s[i]-'0')
	}
	if negative {
		value = -value
	}
	return value, end, nil
}

// AppendText appends the shortest exact decimal notation, without an exponent: as DynamoDB's numbers are written.
func (d Decimal) AppendText(b []byte) []byte {
	if d.hi < 0 {
		b = append(b, '-')
	}
	hi, lo := d.magnitude()
	whole, fraction := divUnit(hi, lo)
	b = appendUint128(b, whole[0], whole[1])
	if fraction == 0 {
		return b
	}
	var f [MaxFractionDigits]byte
	for i := range f {
		f[len(f)-1-i] = byte('0' + fraction%10)
		fraction /= 10
	}
	b = append(b, '.')
	return append(b, bytes.TrimRight(f[:], "0")...)
}

// String gives what AppendText appends.
func (d Decimal) String() string {
	var space [maxSumDigits + len("-.")]byte
	return string(d.AppendText(space[:0]))
}

func divUnit(hi, lo uint64) (whole [2]uint64, fraction uint64) {
	whole[0], fraction = hi/unit, hi%unit
	whole[1], fraction = bits.Div64(fraction, lo, unit)
	return whole, fraction
}

func appendUint128(b []byte, hi, lo uint64) []byte {
	const e18 = 1_000_000_000_000_000_000
	if hi == 0 {
		return strconv.AppendUint(b, lo, 10)
	}
	q, r := hi/e18, hi%e18
	rest, low := bits.Div64(r, lo, e18)
	b = appendUint128(b, q, rest)
	var space [20]byte
	text := strconv.AppendUint(space[:0], low, 10)
	b = append(b, "000000000000000000"[len(text):]...)
	return append(b, text...)
}
