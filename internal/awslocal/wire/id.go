package wire

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync/atomic"
)

// NewID makes a random UUID (version 4), as AWS's ids of requests, messages and tables are.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid(b)
}

// IDOf makes a UUID of one's own making (version 8) that follows from a name, where AWS's ids are random: a template's
// references can have it before what it names is made.
func IDOf(name string) string {
	b := sha256.Sum256([]byte(name))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return uuid([16]byte(b[:16]))
}

func uuid(b [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

var requests atomic.Uint64

// requestID is the id of one answer. Those of the JSON protocols are counted: they tell answers apart, and there are many.
func requestID() string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", requests.Add(1)) }
