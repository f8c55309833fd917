package dynamodb

import (
	"hash/maphash"
	"math/bits"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// tokenSeconds is how long a ClientRequestToken makes its transaction idempotent (API reference).
const tokenSeconds = 10 * 60

var errTokenReused = wire.Errorf("IdempotentParameterMismatchException",
	"The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with different requests, unless the requests are identical.")

var seed = maphash.MakeSeed()

// tokens remembers the transactions that were done in the last ten minutes, by their tokens' hashes: the SDKs send a token
// with each, so this has to be small. Two generations, each as long as a token lives, make forgetting free.
type tokens struct {
	young, old map[uint64]doneTransaction
	since      int64 // when the young generation began
}

// doneTransaction is what is known of a transaction that was done. The 64 bits of its token's hash and of its own keep
// a mistake to one in billions.
type doneTransaction struct {
	fingerprint uint64
	at          int64
}

// find gives the fingerprint of the transaction that was done with a token.
func (t *tokens) find(token optional, now int64) (fingerprint uint64, known bool) {
	if !token.set {
		return 0, false
	}
	h := maphash.String(seed, token.text)
	done, ok := t.young[h]
	if !ok {
		done, ok = t.old[h]
	}
	if !ok || now-done.at >= tokenSeconds {
		return 0, false
	}
	return done.fingerprint, true
}

// add remembers a transaction that was done.
func (t *tokens) add(token optional, fingerprint uint64, now int64) {
	if !token.set {
		return
	}
	if t.young == nil || now-t.since >= tokenSeconds {
		t.old, t.young, t.since = t.young, map[uint64]doneTransaction{}, now
	}
	t.young[maphash.String(seed, token.text)] = doneTransaction{fingerprint, now}
}

// fingerprint hashes what the transaction does. The order of actions counts, that of attributes in a map does not: a
// program that sends the same request again may well encode its maps in another order.
func (t *transaction) fingerprint() uint64 {
	if !t.token.set {
		return 0
	}
	var all uint64
	for i, a := range t.actions {
		q := &t.items[i].request
		h := mix(hashText(a.name), uint64(a.kind))
		h = mix(h, hashText(q.condition.text))
		h = mix(h, hashText(q.onFailure.text))
		h = mix(h, hashText(q.update.text))
		for _, d := range []document{q.item.document, q.key.document, q.names.document, q.values.document} {
			h = mix(h, hashDocument(d))
		}
		all = mix(all, h)
	}
	return all
}

func hashText(s string) uint64 { return maphash.String(seed, s) }

// mix hashes two hashes into one, by a multiplication that keeps all of its 128 bits (wyhash's step).
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return high ^ low
}

func hashDocument(d document) (sum uint64) {
	for len(d) > 0 {
		name, v, rest := d.cut()
		sum += mix(hashText(name), hashValue(v))
		d = rest
	}
	return sum
}

func hashValue(v value) uint64 {
	h := uint64(v.kind)
	switch v.kind {
	case kindMap:
		return mix(h, hashDocument(document(v.data)))
	case kindList:
		for e := range v.elements {
			h = mix(h, hashValue(e))
		}
		return h
	case kindStringSet, kindNumberSet, kindBinarySet:
		var sum uint64
		for m := range v.members {
			sum += hashText(m)
		}
		return mix(h, sum)
	}
	return mix(h, hashText(v.data))
}
