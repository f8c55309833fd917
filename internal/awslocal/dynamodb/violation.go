package dynamodb

import (
	"strings"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// violations checks what several operations of DynamoDB take.
type violations struct{ wire.Violations }

// required notes a member that is missing.
func (v *violations) required(set bool, member string) {
	if !set {
		v.Null(member)
	}
}

// oneOf notes a text that is none of those allowed.
func (v *violations) oneOf(o optional, member string, allowed ...string) {
	if o.set {
		v.OneOf(o.text, member, allowed...)
	}
}

// Limits of a table's name; operations on items also take shorter ones.
const (
	minTableName = 3
	maxTableName = 255
)

// tableName notes what is wrong with a table's name.
func (v *violations) tableName(o optional, shortest int) {
	v.required(o.set, "tableName")
	if !o.set {
		return
	}
	if len(o.text) < shortest {
		v.TooShort(wire.Quoted(o.text), "tableName", shortest)
	}
	if len(o.text) > maxTableName {
		v.TooLong(wire.Quoted(o.text), "tableName", maxTableName)
	}
	if strings.ContainsFunc(o.text, func(c rune) bool { return c > 'z' || c != '.' && c != '-' && !isWord(byte(c)) }) {
		v.Mismatch(o.text, "tableName", "[a-zA-Z0-9_.-]+")
	}
}

// atLeast notes a number, if there is one, that is too small.
func (v *violations) atLeast(n *int, member string, least int) {
	if n != nil {
		v.AtLeast(*n, member, least)
	}
}

// within notes a number, if there is one, that is too small or too large.
func (v *violations) within(n *int, member string, least, most int) {
	if n != nil {
		v.Within(*n, member, least, most)
	}
}
