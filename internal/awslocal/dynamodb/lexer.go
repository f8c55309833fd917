package dynamodb

import (
	"fmt"
	"strings"
)

// tokenKind tells the words of the expression grammar apart.
type tokenKind byte

const (
	tokenEnd         tokenKind = iota
	tokenName                  // an attribute's name, or a function's
	tokenNameRef               // #name
	tokenValueRef              // :value
	tokenIndex                 // digits
	tokenPunctuation           // ( ) [ ] , . + - and the comparators
	tokenKeyword               // AND OR NOT BETWEEN IN, and of updates the verbs, upper case
	tokenUnknown
)

type token struct {
	kind       tokenKind
	text       string // keywords in upper case
	start, end int    // in the expression
}

// is tells whether the token is that keyword or punctuation.
func (t token) is(text string) bool {
	return (t.kind == tokenPunctuation || t.kind == tokenKeyword) && t.text == text
}

// endOfExpression is how AWS names the token after the last.
const endOfExpression = "<EOF>"

// lex cuts an expression into tokens, the last of which is the end.
func lex(expression string) []token {
	var tokens []token
	for at := 0; ; {
		for at < len(expression) && strings.IndexByte(" \t\r\n", expression[at]) >= 0 {
			at++
		}
		t := nextToken(expression, at)
		tokens = append(tokens, t)
		if t.kind == tokenEnd {
			return tokens
		}
		at = t.end
	}
}

func nextToken(expression string, at int) token {
	if at == len(expression) {
		return token{kind: tokenEnd, text: endOfExpression, start: at, end: at}
	}
	t := token{start: at, end: at + 1}
	switch c := expression[at]; {
	case c == '#' || c == ':':
		t.kind = map[byte]tokenKind{'#': tokenNameRef, ':': tokenValueRef}[c]
		t.end = wordEnd(expression, at+1)
		if t.end == at+1 {
			t.kind = tokenUnknown
		}
	case isDigit(c):
		t.kind = tokenIndex
		for t.end < len(expression) && isDigit(expression[t.end]) {
			t.end++
		}
	case isWord(c):
		t.kind = tokenName
		t.end = wordEnd(expression, at)
	case strings.IndexByte("()[],.=+-", c) >= 0:
		t.kind = tokenPunctuation
	case c == '<' || c == '>':
		t.kind = tokenPunctuation
		if rest := expression[at+1:]; strings.HasPrefix(rest, "=") || c == '<' && strings.HasPrefix(rest, ">") {
			t.end++
		}
	default:
		t.kind = tokenUnknown
	}
	t.text = expression[t.start:t.end]
	if upper := strings.ToUpper(t.text); t.kind == tokenName && isKeyword(upper) {
		t.kind, t.text = tokenKeyword, upper
	}
	return t
}

func wordEnd(expression string, at int) int {
	for at < len(expression) && isWord(expression[at]) {
		at++
	}
	return at
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

func isKeyword(upper string) bool {
	switch upper {
	case "AND", "OR", "NOT", "BETWEEN", "IN":
		return true
	}
	return false
}

// syntaxError words an unexpected token: near is the text from the token before it to the token after it.
func syntaxError(expression string, tokens []token, at int) error {
	start, end := tokens[at].start, tokens[at].end
	if at > 0 {
		start = tokens[at-1].start
	}
	if at+1 < len(tokens) {
		end = tokens[at+1].end
	}
	text := tokens[at].text
	if tokens[at].kind == tokenKeyword {
		text = expression[tokens[at].start:tokens[at].end]
	}
	return fmt.Errorf("Syntax error; token: %q, near: %q", text, expression[start:end])
}
