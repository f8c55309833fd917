package dynamodb

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// violations are the members of a request that break a documented constraint; AWS names them all in one error.
type violations []string

func (v *violations) add(value, member, constraint string) {
	*v = append(*v, "Value "+value+" at '"+member+"' failed to satisfy constraint: "+constraint)
}

// required notes a member that is missing.
func (v *violations) required(set bool, member string) {
	if !set {
		v.add("null", member, "Member must not be null")
	}
}

// oneOf notes a text that is none of those allowed.
func (v *violations) oneOf(o optional, member string, allowed ...string) {
	if o.set && !slices.Contains(allowed, o.text) {
		v.add("'"+o.text+"'", member, "Member must satisfy enum value set: ["+strings.Join(allowed, ", ")+"]")
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
	quoted := "'" + o.text + "'"
	if len(o.text) < shortest {
		v.add(quoted, "tableName", fmt.Sprintf("Member must have length greater than or equal to %d", shortest))
	}
	if len(o.text) > maxTableName {
		v.add(quoted, "tableName", fmt.Sprintf("Member must have length less than or equal to %d", maxTableName))
	}
	if strings.ContainsFunc(o.text, func(c rune) bool { return c > 'z' || c != '.' && c != '-' && !isWord(byte(c)) }) {
		v.add(quoted, "tableName", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	}
}

// atLeast and atMost note a number, if there is one, that is too small or too large.
func (v *violations) atLeast(n *int, member string, least int) {
	if n != nil && *n < least {
		v.add(fmt.Sprintf("'%d'", *n), member, fmt.Sprintf("Member must have value greater than or equal to %d", least))
	}
}

func (v *violations) atMost(n *int, member string, most int) {
	if n != nil && *n > most {
		v.add(fmt.Sprintf("'%d'", *n), member, fmt.Sprintf("Member must have value less than or equal to %d", most))
	}
}

func (v violations) err() error { return wire.Violated(v) }
