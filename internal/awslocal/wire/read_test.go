package wire

import (
	"errors"
	"io"
	"testing"
)

// endless counts what is read of a body without end.
type endless struct{ read int64 }

func (e *endless) Read(b []byte) (int, error) {
	e.read += int64(len(b))
	if e.read > 10*maxDrain {
		return 0, io.ErrUnexpectedEOF
	}
	return len(b), nil
}

func TestReadAtMost_BodyWithoutEnd_IsLeft(t *testing.T) {
	body := new(endless)
	if b, err := ReadAtMost(body, 10); !errors.Is(err, ErrTooLong) || b != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if body.read > maxDrain+1<<20 {
		t.Errorf("%d bytes taken", body.read)
	}
}
