package kpl

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The wire types of protobuf (https://protobuf.dev/programming-guides/encoding). Groups (3 and 4) are not read: no
// message of this format ever had one.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// maxFieldNumber is protobuf's own limit, 2^29 - 1.
const maxFieldNumber = 1<<29 - 1

// field is one field of a message.
type field struct {
	number uint64
	wire   uint64
	value  uint64 // of a varint
	bytes  []byte // of a length-delimited field, never nil
}

// want refuses a field whose wire type is not the one that the format says.
func (f field) want(wire uint64) error {
	if f.wire != wire {
		return fmt.Errorf("field %d has wire type %d, not %d", f.number, f.wire, wire)
	}
	return nil
}

// eachField hands over the fields of a message in their order, until f gives an error.
func eachField(message []byte, f func(field) error) error {
	for rest := message; len(rest) > 0; {
		at := len(message) - len(rest)
		fd, after, err := nextField(rest)
		if err != nil {
			return fmt.Errorf("byte %d: %w", at, err)
		}
		if err := f(fd); err != nil {
			return err
		}
		rest = after
	}
	return nil
}

// nextField cuts the first field off a message.
func nextField(b []byte) (f field, rest []byte, err error) {
	tag, rest, err := varint(b)
	if err != nil {
		return field{}, nil, fmt.Errorf("field tag: %w", err)
	}
	f.number, f.wire = tag>>3, tag&7
	if f.number == 0 || f.number > maxFieldNumber {
		return field{}, nil, fmt.Errorf("field number %d", f.number)
	}
	switch f.wire {
	case wireVarint:
		f.value, rest, err = varint(rest)
	case wireBytes:
		f.bytes, rest, err = lengthDelimited(rest)
	case wireFixed64:
		rest, err = skip(rest, 8)
	case wireFixed32:
		rest, err = skip(rest, 4)
	default:
		err = fmt.Errorf("wire type %d", f.wire)
	}
	if err != nil {
		return field{}, nil, fmt.Errorf("field %d: %w", f.number, err)
	}
	return f, rest, nil
}

var (
	errCutShort = errors.New("varint is cut short")
	errOverflow = errors.New("varint is over 64 bits")
)

func varint(b []byte) (v uint64, rest []byte, err error) {
	v, n := binary.Uvarint(b)
	switch {
	case n == 0:
		return 0, nil, errCutShort
	case n < 0:
		return 0, nil, errOverflow
	}
	return v, b[n:], nil
}

func lengthDelimited(b []byte) (value, rest []byte, err error) {
	n, rest, err := varint(b)
	if err != nil {
		return nil, nil, err
	}
	if n > uint64(len(rest)) {
		return nil, nil, fmt.Errorf("length %d with %d bytes left", n, len(rest))
	}
	return rest[:n:n], rest[n:], nil
}

func skip(b []byte, n int) ([]byte, error) {
	if len(b) < n {
		return nil, fmt.Errorf("%d bytes wanted, %d left", n, len(b))
	}
	return b[n:], nil
}
