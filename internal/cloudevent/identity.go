package cloudevent

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Fingerprint stands for an event's identity, (source, id): the first 16 bytes of SHA-256 over both with their lengths
// before them, so that no two pairs share an encoding. By the birthday bound a log of 10^9 events holds two that
// collide with a probability of about 10^-21.
type Fingerprint [16]byte

// String gives the fingerprint in hexadecimal.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// Identity is all that the ledger needs to know of an event. Copies of one event agree in it.
type Identity struct {
	Fingerprint Fingerprint
	// KeyHash is the first 8 bytes of MD5 over the event's key: the hash by which Kinesis picks a shard, so that the
	// top bits of both agree when the producer uses the event's key as the record's.
	KeyHash uint64
	Time    time.Time
}

// Identity computes the event's identity.
func (e *Event) Identity() Identity {
	return Identity{Fingerprint: fingerprint(e.Source, e.ID), KeyHash: KeyHash(e.Key()), Time: e.Time}
}

func fingerprint(source, id string) Fingerprint {
	var space [256]byte // longer ones allocate
	b := binary.AppendUvarint(space[:0], uint64(len(source)))
	b = append(b, source...)
	b = binary.AppendUvarint(b, uint64(len(id)))
	b = append(b, id...)
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:16])
}

// KeyHash gives the first 8 bytes of MD5 over a key, as a big-endian number.
func KeyHash(key string) uint64 {
	var space [256]byte // Kinesis allows keys of 256 characters; longer ones allocate
	sum := md5.Sum(append(space[:0], key...))
	return binary.BigEndian.Uint64(sum[:8])
}
