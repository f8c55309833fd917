package pattern

import (
	"errors"
	"strings"
)

// parseWildcard reads a text in which * stands for any run of characters, \* for a star and \\ for a backslash. Two
// stars side by side are refused, as EventBridge does.
func parseWildcard(text string) (func(string) bool, error) {
	parts := []string{""} // what stands between the stars
	star := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '*' {
			if star {
				return nil, errors.New("wildcard has two stars side by side")
			}
			parts, star = append(parts, ""), true
			continue
		}
		if c == '\\' {
			i++
			if i == len(text) || text[i] != '*' && text[i] != '\\' {
				return nil, errors.New("wildcard has a backslash that escapes nothing")
			}
			c = text[i]
		}
		parts[len(parts)-1] += string([]byte{c})
		star = false
	}
	return func(s string) bool { return matchParts(s, parts) }, nil
}

// matchParts takes for each star as little as it can: that leaves the most for those that follow.
func matchParts(s string, parts []string) bool {
	last := len(parts) - 1
	if last == 0 {
		return s == parts[0]
	}
	s, ok := strings.CutPrefix(s, parts[0])
	for _, p := range parts[1:last] {
		if !ok {
			break
		}
		_, s, ok = strings.Cut(s, p)
	}
	return ok && strings.HasSuffix(s, parts[last])
}
