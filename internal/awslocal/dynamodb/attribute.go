package dynamodb

import (
	"encoding/base64"
	"fmt"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Limits of a value (developer guide, "Quotas").
const (
	maxNesting = 32         // levels of lists and maps
	maxName    = 64<<10 - 1 // bytes of an attribute's name
)

// optionalDocument is a document that a request may leave out, which is not the same as an empty one.
type optionalDocument struct {
	document
	set bool
}

// document keeps what read appends.
func (r *reader) document(to *optionalDocument, read func() error) error {
	began := len(r.buf)
	to.set = r.dec.PeekKind() != 'n'
	err := read()
	to.document = document(r.buf[began:])
	r.buf = r.buf[:began]
	return err
}

// attributes reads a map of attribute values: an item or a key.
func (r *reader) attributes(to *optionalDocument) error {
	return r.document(to, func() error { return r.attributeMap(0) })
}

// values reads the values of an expression. A refusal names the value.
func (r *reader) values(to *optionalDocument) error {
	return r.document(to, func() error {
		return r.members(func(name []byte) error {
			at := len(r.buf) + nameHead
			r.name(name)
			valid, end := r.invalid == "", len(r.buf)
			err := r.value(0)
			if valid && r.invalid != "" {
				r.invalid = "ExpressionAttributeValues contains invalid value: " + r.invalid + " for key " + string(r.buf[at:end])
			}
			return err
		})
	})
}

// names reads a map of texts, the names of an expression, as a document of strings.
func (r *reader) names(to *optionalDocument) error {
	return r.document(to, func() error {
		return r.members(func(name []byte) error {
			r.name(name)
			v, err := r.text("String")
			if err != nil {
				return err
			}
			at := len(r.buf)
			r.buf = append(beginValue(r.buf, kindString), v...)
			endValue(r.buf, at)
			return nil
		})
	})
}

func (r *reader) name(name []byte) {
	switch {
	case len(name) == 0:
		r.reject("One or more parameter values were invalid: An attribute name may not be empty")
	case len(name) > maxName:
		r.reject(fmt.Sprintf("One or more parameter values were invalid: Attribute name is too large, must be less than %d bytes", maxName+1))
		name = name[:maxName]
	}
	r.buf = append(r.buf, byte(len(name)), byte(len(name)>>8))
	r.buf = append(r.buf, name...)
}

func (r *reader) attributeMap(depth int) error {
	return r.members(func(name []byte) error {
		r.name(name)
		return r.value(depth)
	})
}

// value reads an attribute value, {"S":"..."}, and appends it.
func (r *reader) value(depth int) error {
	began, kinds := len(r.buf), 0
	err := r.members(func(name []byte) error {
		k := kindOf(string(name))
		if k == 0 {
			return r.dec.SkipValue()
		}
		if null, err := r.null(); null || err != nil {
			return err
		}
		kinds++
		r.buf = beginValue(r.buf[:began], k)
		err := r.data(k, depth)
		endValue(r.buf, began)
		return err
	})
	switch {
	case err != nil:
		return err
	case kinds == 0:
		r.buf = beginValue(r.buf, kindNull)
		r.reject("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case kinds > 1:
		r.reject("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	return nil
}

func (r *reader) data(k kind, depth int) error {
	switch k {
	case kindString:
		s, err := r.text("String")
		r.buf = append(r.buf, s...)
		return err
	case kindNumber:
		return r.number()
	case kindBinary:
		return r.binary()
	case kindBool, kindNull:
		return r.flag(k)
	case kindStringSet, kindNumberSet, kindBinarySet:
		return r.set(k)
	}
	if depth++; depth >= maxNesting {
		r.reject("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
	}
	if k == kindMap {
		return r.attributeMap(depth)
	}
	return r.elements(func() error { return r.value(depth) })
}

func (r *reader) number() error {
	s, err := r.text("String")
	if err != nil {
		return err
	}
	var refusal string
	if r.buf, refusal = appendNumber(r.buf, s); refusal != "" {
		r.reject(refusal)
		r.buf = append(r.buf, '0')
	}
	return nil
}

func (r *reader) binary() (err error) {
	s, err := r.text("Blob")
	if err != nil {
		return err
	}
	if len(s)%4 != 0 {
		return wire.Errorf("SerializationException", "Base64 encoded length is expected a multiple of 4 bytes but found: %d", len(s))
	}
	if r.buf, err = base64.StdEncoding.Strict().AppendDecode(r.buf, s); err != nil {
		return serialization(err)
	}
	return nil
}

func (r *reader) flag(k kind) error {
	var b bool
	if err := r.bool(&b); err != nil {
		return err
	}
	switch {
	case k == kindBool && b:
		r.buf = append(r.buf, 1)
	case k == kindBool:
		r.buf = append(r.buf, 0)
	case !b:
		r.reject("One or more parameter values were invalid: Null attribute value types must have the value of true")
	}
	return nil
}

// set reads a set, and refuses an empty one and double members.
func (r *reader) set(k kind) error {
	read := map[kind]func() error{kindStringSet: r.stringMember, kindNumberSet: r.number, kindBinarySet: r.binary}[k]
	seen := map[string]bool{}
	began := len(r.buf)
	double := false
	err := r.elements(func() error {
		at := len(r.buf)
		r.buf = append(r.buf, 0, 0, 0, 0)
		if err := read(); err != nil {
			return err
		}
		m := string(r.buf[at+memberHead:])
		r.buf = appendMember(r.buf[:at], m)
		double = double || seen[m]
		seen[m] = true
		return nil
	})
	if err != nil {
		return err
	}
	r.refuseSet(k, len(seen) == 0, double, value{k, string(r.buf[began:])})
	return nil
}

func (r *reader) stringMember() error {
	s, err := r.text("String")
	r.buf = append(r.buf, s...)
	return err
}

// refuseSet words AWS's refusals of sets, with its own grammar and spaces.
func (r *reader) refuseSet(k kind, empty, double bool, v value) {
	const invalid = "One or more parameter values were invalid: "
	switch {
	case empty && k == kindBinarySet:
		r.reject(invalid + "Binary sets should not be empty")
	case empty:
		r.reject(invalid + "An " + map[kind]string{kindStringSet: "string", kindNumberSet: "number"}[k] + " set  may not be empty")
	case double && k == kindNumberSet:
		r.reject("Input collection contains duplicates")
	case double && k == kindBinarySet:
		r.reject(invalid + "Input collection " + v.String() + "of type BS contains duplicates.")
	case double:
		r.reject(invalid + "Input collection " + v.String() + " contains duplicates.")
	}
}
