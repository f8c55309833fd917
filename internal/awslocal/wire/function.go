package wire

import "strings"

// SplitFunction reads a reference to a function: its name alone, its ARN, or an end of that ("account:function:name",
// "function:name"), each with a qualifier or without. owner is what stands before "function:": the account at least, or
// nothing.
func SplitFunction(ref string) (owner, name, qualifier string) {
	if before, after, ok := strings.Cut(":"+ref, ":function:"); ok {
		owner, ref = strings.TrimPrefix(before, ":"), after
	}
	name, qualifier, _ = strings.Cut(ref, ":")
	return owner, name, qualifier
}
