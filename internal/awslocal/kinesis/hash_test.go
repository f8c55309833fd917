package kinesis

import (
	"crypto/md5"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func (h hash) big() *big.Int {
	n := new(big.Int).SetUint64(h.hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(h.lo))
}

func drawHash(t *rapid.T) hash {
	return hash{rapid.Uint64().Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")}
}

func TestHash_Text_IsTheDecimalNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHash(t)
		if got, want := h.String(), h.big().String(); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		if back, shaped, ok := parseHash([]byte(h.String())); back != h || !shaped || !ok {
			t.Fatalf("read back as %v, %v, %v", back, shaped, ok)
		}
	})
}

func TestParseHash_TakesWhatAWSTakes(t *testing.T) {
	for text, want := range map[string]struct{ shaped, ok bool }{
		"0":  {true, true},
		"":   {},
		"01": {},
		"-1": {},
		"1a": {},
		"340282366920938463463374607431768211455":  {true, true}, // 2^128-1
		"340282366920938463463374607431768211456":  {true, false},
		"999999999999999999999999999999999999999":  {true, false},
		"1000000000000000000000000000000000000000": {}, // 40 digits
	} {
		if _, shaped, ok := parseHash([]byte(text)); shaped != want.shaped || ok != want.ok && want.shaped {
			t.Errorf("%q: shaped %v, ok %v; want %+v", text, shaped, ok, want)
		}
	}
}

func TestHashOf_IsMD5BigEndian(t *testing.T) {
	sum := md5.Sum([]byte("a key"))
	if got, want := hashOf([]byte("a key")).big(), new(big.Int).SetBytes(sum[:]); got.Cmp(want) != 0 {
		t.Fatalf("%v, want %v", got, want)
	}
}

func TestRouting_CoversTheHashSpaceExactlyOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "shards")
		st := &stream{}
		all := st.firstShards(n)
		want := new(big.Int)
		for _, sh := range all.open { // each begins where the one before ends
			if sh.keys.lo.big().Cmp(want) != 0 {
				t.Fatalf("shard %d starts at %v, want %v", sh.number, sh.keys.lo, want)
			}
			want.Add(sh.keys.hi.big(), big.NewInt(1))
		}
		if want.Cmp(new(big.Int).Lsh(big.NewInt(1), 128)) != 0 {
			t.Fatalf("covered up to %v", want)
		}
		probe := func(h hash) {
			if sh := all.route(h); !sh.keys.contains(h) {
				t.Fatalf("%v went to shard %d, %v", h, sh.number, sh.keys)
			}
		}
		probe(drawHash(t))
		some := all.open[rapid.IntRange(0, n-1).Draw(t, "shard")]
		probe(some.keys.lo)
		probe(some.keys.hi)
	})
}

// As CreateStream on AWS cut a stream of three (test/listShards.js of mhart/kinesalite).
func TestEvenRanges_OfThree_AreAWSs(t *testing.T) {
	want := []hashKeyRange{
		{"0", "113427455640312821154458202477256070484"},
		{"113427455640312821154458202477256070485", "226854911280625642308916404954512140969"},
		{"226854911280625642308916404954512140970", "340282366920938463463374607431768211455"},
	}
	for i, r := range evenRanges(3) {
		if got := r.describe(); got != want[i] {
			t.Errorf("range %d is %v, want %v", i, got, want[i])
		}
	}
}
