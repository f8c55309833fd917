package dynamodb

import "math/big"

// maxDecimals is how many digits can stand behind a number's point: the smallest exponent, and all digits but the first.
const maxDecimals = -minExponent + maxDigits - 1

// add gives the sum of two numbers, or their difference. As of a number in a request, a result of more than 38 digits or
// beyond the range is refused.
func add(a, b value, negate bool) (value, error) {
	if a.kind != kindNumber || b.kind != kindNumber {
		return value{}, errUpdateOperand
	}
	x, _ := new(big.Rat).SetString(a.data)
	y, _ := new(big.Rat).SetString(b.data)
	if negate {
		y.Neg(y)
	}
	sum, refusal := appendNumber(nil, []byte(x.Add(x, y).FloatString(maxDecimals)))
	if refusal != "" {
		return value{}, invalid("%s", refusal)
	}
	return value{kindNumber, string(sum)}, nil
}

// union gives a set with another's members behind its own.
func (v value) union(w value) value {
	data := []byte(v.data)
	for m := range w.members {
		if !v.has(m) {
			data = appendMember(data, m)
		}
	}
	return value{v.kind, string(data)}
}

// without gives a set without another's members.
func (v value) without(w value) value {
	var data []byte
	for m := range v.members {
		if !w.has(m) {
			data = appendMember(data, m)
		}
	}
	return value{v.kind, string(data)}
}

// depth is how deep lists and maps are nested in a document: 0 when there are none.
func (d document) depth() (deepest int) {
	for len(d) > 0 {
		_, v, rest := d.cut()
		deepest = max(deepest, v.depth())
		d = rest
	}
	return deepest
}

func (v value) depth() (deepest int) {
	switch v.kind {
	case kindMap:
		return 1 + document(v.data).depth()
	case kindList:
		for e := range v.elements {
			deepest = max(deepest, e.depth())
		}
		return 1 + deepest
	}
	return 0
}
