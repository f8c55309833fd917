package cloudevent

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxLine bounds a line, in bytes: what a Kinesis record holds.
const MaxLine = 1 << 20

// Line is one event of a file of JSON lines.
type Line struct {
	Number int    // from 1
	Key    string // of the event
	Data   []byte // the event as it stands there, without the white space around it
}

// Lines reads JSON lines of events; blank lines are passed over. A line that is no event is the last thing it gives: an
// error with the name and the line's number.
func Lines(name string, r io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		var d Decoder
		var e Event
		in := bufio.NewReaderSize(r, 1<<16)
		for n := 1; ; n++ {
			text, end, err := readLine(in)
			if err == nil && len(text) > 0 {
				if err = d.Decode(&e, text); err != nil && !errors.Is(err, ErrInvalid) {
					err = fmt.Errorf("%w; want one CloudEvents JSON object a line", err)
				}
			}
			if err != nil {
				yield(Line{Number: n}, fmt.Errorf("%s:%d: %w", name, n, err))
				return
			}
			if len(text) > 0 && !yield(Line{n, e.Key(), text}, nil) || end {
				return
			}
		}
	}
}

func readLine(in *bufio.Reader) (text []byte, end bool, err error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if line = append(line, part...); len(line) > MaxLine+1 {
			return nil, true, fmt.Errorf("the line has more than the %d bytes that a record holds", MaxLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, true, err
		}
		return bytes.TrimSpace(line), err != nil, nil
	}
}
