package lambda

import "bytes"

// MaxLine bounds a line of a function's output: longer ones are handed on in pieces of this size. CloudWatch Logs took
// events of 256 KiB until 2025, and a log line beyond is no line.
const MaxLine = 256 << 10

// lines cuts what is written to it into lines. It is not safe for concurrent use.
type lines struct {
	emit func([]byte) // must not keep its argument
	rest []byte       // a line's beginning, at most MaxLine
}

// Write never fails.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, after, ended := bytes.Cut(p, []byte{'\n'})
		if room := MaxLine - len(l.rest); len(line) > room {
			line, after, ended = p[:room], p[room:], true
		}
		p = after
		switch {
		case !ended:
			l.rest = append(l.rest, line...)
		case len(l.rest) > 0:
			l.rest = append(l.rest, line...)
			l.flush()
		default:
			l.emit(line)
		}
	}
	return n, nil
}

// flush hands on the last line, which has no end.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.emit(l.rest)
		l.rest = l.rest[:0]
	}
}
