package kinesis

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func (n sequence) big() *big.Int {
	b := new(big.Int).SetUint64(n.hi)
	b.Lsh(b, 64).Or(b, new(big.Int).SetUint64(n.mid))
	return b.Lsh(b, 64).Or(b, new(big.Int).SetUint64(n.lo))
}

func drawSequence(t *rapid.T) sequence {
	return newSequence(
		rapid.Int64Range(0, 1<<36-1).Draw(t, "created"),
		rapid.Uint32Range(0, maxShards).Draw(t, "shard"),
		rapid.Uint64Range(0, endOfShard).Draw(t, "counter"),
		rapid.Int64Range(0, 1<<36-1).Draw(t, "seconds"))
}

func TestSequence_Text_Is56DigitsAndReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawSequence(t)
		if n.String() != n.big().String() || len(n.String()) != sequenceDigits {
			t.Fatalf("%s, want %s", n, n.big())
		}
		if back, err := parseSequence(n.String()); err != nil || back != n {
			t.Fatalf("read back as %v, %v", back, err)
		}
	})
}

func TestSequence_Parts_ComeBack(t *testing.T) {
	n := newSequence(1_790_000_000, 19_999, 1<<62+5, 1_790_000_123)
	if n.created() != 1_790_000_000 || n.shard() != 19_999 || n.counter() != 1<<62+5 || n.seconds() != 1_790_000_123 {
		t.Fatalf("created %d, shard %d, counter %d, seconds %d", n.created(), n.shard(), n.counter(), n.seconds())
	}
}

// The number that design/esm.md quotes from a recording of 2026.
func TestParseSequence_NumberFromAWS_HasItsTimes(t *testing.T) {
	n, err := parseSequence("49678482485914992647128486738460559735979993999471542274")
	if err != nil || n.created() != 1789808963 || n.seconds() != 1789809023 || n.shard() != 0 {
		t.Fatalf("created %d, arrived %d, shard %d, %v", n.created(), n.seconds(), n.shard(), err)
	}
}

func TestSequence_Order_IsCreationThenCounter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSequence(t), drawSequence(t)
		if got, want := a.compare(b), a.big().Cmp(b.big()); got != want {
			t.Fatalf("compare gives %d, the numbers %d", got, want)
		}
		if a.created() < b.created() && a.compare(b) >= 0 {
			t.Fatal("an older shard's number is above a younger one's")
		}
	})
}

func FuzzParseSequence(f *testing.F) {
	f.Add("49678482485914992647128486738460559735979993999471542274")
	f.Add("0")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseSequence(s)
		if err == nil && n.String() != s {
			t.Fatalf("%q read as %s", s, n)
		}
	})
}
