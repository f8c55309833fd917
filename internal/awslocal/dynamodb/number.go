package dynamodb

import (
	"bytes"
	"strings"
)

// Limits of a number (developer guide, "Data types"): 38 significant digits, magnitudes from 1E-130 to 9.99...E+125.
const (
	maxDigits   = 38
	maxExponent = 125
	minExponent = -130
)

// hugeExponent is where reading an exponent stops counting: further than any point a request can move it back.
const hugeExponent = 1 << 30

// The texts with which AWS refuses a number.
const (
	textNotNumber = "The parameter cannot be converted to a numeric value"
	textOverflow  = "Number overflow. Attempting to store a number with magnitude larger than supported range"
	textUnderflow = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
	textPrecision = "Attempting to store more than 38 significant digits in a Number"
)

// decimal is a number taken apart: the value is 0.d1d2d3... x 10^(exponent+1), d1 not 0; zero has no digits.
type decimal struct {
	negative bool
	exponent int // of the first digit, as in scientific notation
	count    int
	digits   [maxDigits]byte // '0' to '9', without trailing zeros
}

// appendNumber appends the number in the form in which DynamoDB returns it: plain decimal notation without exponent,
// plus sign or superfluous zeros. The form is unique, so equal numbers are equal texts. The second result is the text
// of AWS's refusal, "" for a number.
func appendNumber(dst, text []byte) ([]byte, string) {
	d, refusal := parseNumber(text)
	if refusal != "" {
		return dst, refusal
	}
	return d.append(dst), ""
}

// parseNumber reads what Java's BigDecimal reads: sign, digits with a point, exponent.
func parseNumber(text []byte) (d decimal, refusal string) {
	if len(text) == 0 {
		return d, textNotNumber
	}
	rest := text
	if rest[0] == '-' || rest[0] == '+' {
		d.negative = rest[0] == '-'
		rest = rest[1:]
	}
	rest, significant, ok := d.mantissa(rest)
	if !ok {
		return d, textNotNumber + ": " + string(text)
	}
	shift, ok := parseExponent(rest)
	if !ok {
		return d, textNotNumber + ": " + string(text)
	}
	if significant == 0 {
		return decimal{}, ""
	}
	d.exponent += shift
	switch {
	case d.exponent > maxExponent:
		return d, textOverflow
	case d.exponent < minExponent:
		return d, textUnderflow
	case significant > maxDigits:
		return d, textPrecision
	}
	d.count = significant
	return d, ""
}

// mantissa reads digits and point. significant counts the digits from the first to the last that is not zero, also
// those for which there is no room.
func (d *decimal) mantissa(text []byte) (rest []byte, significant int, ok bool) {
	var seen, digits, whole int // digits since the first that is not 0; digits in all; of the former, before the point
	point := false
	leading := 0 // zeros right after the point
	i := 0
	for ; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
			d.exponent = whole - leading - 1
			return text[i:], significant, digits > 0
		}
		digits++
		if c == '0' && seen == 0 {
			if point {
				leading++
			}
			continue
		}
		if seen < maxDigits {
			d.digits[seen] = c
		}
		seen++
		if !point {
			whole++
		}
		if c != '0' {
			significant = seen
		}
	}
	d.exponent = whole - leading - 1
	return nil, significant, digits > 0
}

func parseExponent(text []byte) (int, bool) {
	if len(text) == 0 {
		return 0, true
	}
	if text[0] != 'e' && text[0] != 'E' {
		return 0, false
	}
	text = text[1:]
	sign := 1
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	if len(text) == 0 {
		return 0, false
	}
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+int(c-'0'), hugeExponent)
	}
	return sign * n, true
}

// append writes plain decimal notation.
func (d *decimal) append(dst []byte) []byte {
	if d.count == 0 {
		return append(dst, '0')
	}
	if d.negative {
		dst = append(dst, '-')
	}
	digits := d.digits[:d.count]
	whole := d.exponent + 1
	switch {
	case whole <= 0:
		dst = append(dst, "0."...)
		dst = appendZeros(dst, -whole)
		return append(dst, digits...)
	case whole >= len(digits):
		dst = append(dst, digits...)
		return appendZeros(dst, whole-len(digits))
	}
	dst = append(dst, digits[:whole]...)
	dst = append(dst, '.')
	return append(dst, digits[whole:]...)
}

func appendZeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, '0')
	}
	return dst
}

// decompose takes apart a number in the form that appendNumber writes.
func decompose(canonical string) (d decimal) {
	if canonical[0] == '-' {
		d.negative = true
		canonical = canonical[1:]
	}
	point := strings.IndexByte(canonical, '.')
	if point < 0 {
		point = len(canonical)
	}
	significant, first := 0, -1
	for i := range len(canonical) {
		c := canonical[i]
		if c == '.' || c == '0' && first < 0 {
			continue
		}
		if first < 0 {
			first = i
		}
		if d.count < maxDigits {
			d.digits[d.count] = c
		}
		d.count++
		if c != '0' {
			significant = d.count
		}
	}
	d.count = significant
	if first < point {
		d.exponent = point - first - 1
	} else {
		d.exponent = point - first
	}
	return d
}

// orderedSize is the longest text that appendOrdered writes: class, exponent, digits, end.
const orderedSize = 3 + maxDigits

// appendOrdered appends bytes that sort as the numbers do. The argument is in the form that appendNumber writes.
func appendOrdered(dst []byte, canonical string) []byte {
	const negative, zero, positive = 1, 2, 3
	d := decompose(canonical)
	if d.count == 0 {
		return append(dst, zero)
	}
	exponent := byte(d.exponent - minExponent)
	if !d.negative {
		dst = append(dst, positive, exponent)
		return append(dst, d.digits[:d.count]...)
	}
	dst = append(dst, negative, ^exponent)
	for _, c := range d.digits[:d.count] {
		dst = append(dst, ^c)
	}
	return append(dst, 0xff) // -1.2 is more than -1.23
}

// compareNumbers orders two numbers in the form that appendNumber writes.
func compareNumbers(a, b string) int {
	if a == b {
		return 0
	}
	var x, y [orderedSize]byte
	return bytes.Compare(appendOrdered(x[:0], a), appendOrdered(y[:0], b))
}

// numberSize is what a number adds to its item's size: a byte for the exponent, one for each two digits (aligned to an
// even exponent) and one for a minus sign. AWS documents it as approximate; this is what dynalite found by measuring.
func numberSize(canonical string) int {
	d := decompose(canonical)
	if d.count == 0 {
		return 1
	}
	digits := d.count
	if d.exponent%2 == 0 {
		digits++
	}
	size := 1 + (digits+1)/2
	if d.negative {
		size++
	}
	return size
}
