package dynamodb

import (
	"encoding/binary"
	"strings"
)

// kind is the type of an attribute value.
type kind byte

// The kinds. The letters stand in the encoded form only.
const (
	kindString    kind = 'S'
	kindNumber    kind = 'N'
	kindBinary    kind = 'B'
	kindBool      kind = 'T'
	kindNull      kind = 'Z'
	kindStringSet kind = 's'
	kindNumberSet kind = 'n'
	kindBinarySet kind = 'b'
	kindList      kind = 'L'
	kindMap       kind = 'M'
)

// kindOf reads a kind's name on the wire; 0 for a name that is none.
func kindOf(name string) kind {
	switch name {
	case "S", "N", "B", "L", "M":
		return kind(name[0])
	case "BOOL":
		return kindBool
	case "NULL":
		return kindNull
	case "SS":
		return kindStringSet
	case "NS":
		return kindNumberSet
	case "BS":
		return kindBinarySet
	}
	return 0
}

// String gives the kind's name on the wire.
func (k kind) String() string {
	switch k {
	case kindBool:
		return "BOOL"
	case kindNull:
		return "NULL"
	case kindStringSet, kindNumberSet, kindBinarySet:
		return strings.ToUpper(string(k)) + "S"
	}
	return string(k)
}

// ordered tells whether values of the kind can be less or more than one another.
func (k kind) ordered() bool { return k == kindString || k == kindNumber || k == kindBinary }

// value is one attribute value. data holds, by kind: the bytes of a string or binary; a number as appendNumber writes it;
// a bool as one byte; nothing for null; the members of a set, each with its length before it; a list's values; a map's
// document.
type value struct {
	kind kind
	data string
}

// document is an item, a key, or any map of names to values, encoded in one immutable string: what is stored, what
// conditions look at, and what a nested map holds. An item costs one allocation, 7 bytes for each attribute above its
// own bytes, and nothing to the garbage collector's scan.
//
//	document  = *( name-length(2) name value )
//	value     = kind(1) length(4) data
//	list data = *value
//	set data  = *( length(4) member )
type document string

// Sizes of the lengths in the encoded form.
const (
	nameHead   = 2
	valueHead  = 5
	memberHead = 4
)

// cut splits off the first attribute of a document that is not empty.
func (d document) cut() (name string, v value, rest document) {
	n := nameHead + (int(d[0]) | int(d[1])<<8)
	v, tail := cutValue(string(d[n:]))
	return string(d[nameHead:n]), v, document(tail)
}

func cutValue(s string) (v value, rest string) {
	n := valueHead + length(s[1:])
	return value{kind: kind(s[0]), data: s[valueHead:n]}, s[n:]
}

func cutMember(s string) (member, rest string) {
	n := memberHead + length(s)
	return s[memberHead:n], s[n:]
}

func length(s string) int {
	return int(s[0]) | int(s[1])<<8 | int(s[2])<<16 | int(s[3])<<24
}

func appendName(dst []byte, name string) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(name)))
	return append(dst, name...)
}

// beginValue appends the head of a value whose data follows; endValue writes its length, given where it began.
func beginValue(dst []byte, k kind) []byte {
	return append(dst, byte(k), 0, 0, 0, 0)
}

func endValue(dst []byte, began int) {
	binary.LittleEndian.PutUint32(dst[began+1:], uint32(len(dst)-began-valueHead))
}

func appendValue(dst []byte, v value) []byte {
	dst = append(dst, byte(v.kind))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(v.data)))
	return append(dst, v.data...)
}

func appendMember(dst []byte, member string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(member)))
	return append(dst, member...)
}

// get finds an attribute.
func (d document) get(name string) (value, bool) {
	for len(d) > 0 {
		n, v, rest := d.cut()
		if n == name {
			return v, true
		}
		d = rest
	}
	return value{}, false
}

// count counts the attributes.
func (d document) count() (n int) {
	for ; len(d) > 0; n++ {
		_, _, d = d.cut()
	}
	return n
}

// size is the item's size as AWS counts it: the bytes of names and values (developer guide, "Item sizes and formats").
func (d document) size() (n int) {
	for len(d) > 0 {
		name, v, rest := d.cut()
		n += len(name) + v.size()
		d = rest
	}
	return n
}

// Overheads of nested values (developer guide, "Item sizes and formats").
const (
	nestedSize  = 3 // a list or a map, whatever it holds
	elementSize = 1 // each of its elements
)

func (v value) size() int {
	switch v.kind {
	case kindNumber:
		return numberSize(v.data)
	case kindBool, kindNull:
		return 1
	case kindStringSet, kindBinarySet:
		n := 0
		for m := range v.members {
			n += len(m)
		}
		return n
	case kindNumberSet:
		n := 0
		for m := range v.members {
			n += numberSize(m)
		}
		return n
	case kindList:
		n := nestedSize
		for e := range v.elements {
			n += elementSize + e.size()
		}
		return n
	case kindMap:
		d := document(v.data)
		return nestedSize + d.count()*elementSize + d.size()
	}
	return len(v.data)
}

// members yields a set's members.
func (v value) members(yield func(string) bool) {
	for s := v.data; len(s) > 0; {
		var m string
		if m, s = cutMember(s); !yield(m) {
			return
		}
	}
}

// elements yields a list's elements.
func (v value) elements(yield func(value) bool) {
	for s := v.data; len(s) > 0; {
		var e value
		if e, s = cutValue(s); !yield(e) {
			return
		}
	}
}

// length counts members, elements or attributes, and of a string or binary its bytes. ok is false for kinds without a
// length.
func (v value) length() (n int, ok bool) {
	switch v.kind {
	case kindString, kindBinary:
		return len(v.data), true
	case kindStringSet, kindNumberSet, kindBinarySet:
		for range v.members {
			n++
		}
		return n, true
	case kindList:
		for range v.elements {
			n++
		}
		return n, true
	case kindMap:
		return document(v.data).count(), true
	}
	return 0, false
}

// equal compares by value: the order in sets and maps does not matter.
func (v value) equal(w value) bool {
	switch {
	case v.kind != w.kind:
		return false
	case v.data == w.data:
		return true
	}
	switch v.kind {
	case kindStringSet, kindNumberSet, kindBinarySet:
		return len(v.data) == len(w.data) && v.holdsAll(w)
	case kindList:
		return equalLists(v.data, w.data)
	case kindMap:
		return equalMaps(document(v.data), document(w.data))
	}
	return false
}

// holdsAll tells whether a set has each member of another.
func (v value) holdsAll(w value) bool {
	for m := range w.members {
		if !v.has(m) {
			return false
		}
	}
	return true
}

// has tells whether a set has a member.
func (v value) has(member string) bool {
	for m := range v.members {
		if m == member {
			return true
		}
	}
	return false
}

func equalLists(a, b string) bool {
	for len(a) > 0 && len(b) > 0 {
		var x, y value
		x, a = cutValue(a)
		y, b = cutValue(b)
		if !x.equal(y) {
			return false
		}
	}
	return len(a) == len(b)
}

func equalMaps(a, b document) bool {
	if a.count() != b.count() {
		return false
	}
	for len(a) > 0 {
		name, v, rest := a.cut()
		w, ok := b.get(name)
		if !ok || !v.equal(w) {
			return false
		}
		a = rest
	}
	return true
}

// compare orders two values of one ordered kind: numbers by value, strings and binaries by their bytes.
func (v value) compare(w value) int {
	if v.kind == kindNumber {
		return compareNumbers(v.data, w.data)
	}
	return strings.Compare(v.data, w.data)
}
