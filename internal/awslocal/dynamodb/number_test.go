package dynamodb

import (
	"bytes"
	"cmp"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// anyNumber draws a number in some way of writing it.
func anyNumber(t *rapid.T) string {
	digits := rapid.StringMatching(`[0-9]{1,38}`).Draw(t, "digits")
	point := rapid.IntRange(0, len(digits)).Draw(t, "point")
	sign := rapid.SampledFrom([]string{"", "-", "+"}).Draw(t, "sign")
	text := sign + rapid.SampledFrom([]string{"", "0", "000"}).Draw(t, "zeros") + digits[:point] + "." + digits[point:]
	if e := rapid.IntRange(-60, 60).Draw(t, "exponent"); e != 0 {
		text += fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"e", "E"}).Draw(t, "e"), e)
	}
	return text
}

func rational(t interface{ Fatalf(string, ...any) }, text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("math/big does not read %q", text)
	}
	return r
}

func canonical(t interface{ Fatalf(string, ...any) }, text string) string {
	b, refusal := appendNumber(nil, []byte(text))
	if refusal != "" {
		t.Fatalf("%q: %s", text, refusal)
	}
	return string(b)
}

func TestNumber_KeepsItsValue_AndHasOneForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := anyNumber(t)
		c := canonical(t, text)
		if rational(t, c).Cmp(rational(t, text)) != 0 {
			t.Fatalf("%q became %q", text, c)
		}
		if again := canonical(t, c); again != c {
			t.Fatalf("%q became %q", c, again)
		}
		if strings.ContainsAny(c, "eE+") || c != "0" && strings.HasPrefix(strings.TrimPrefix(c, "-"), "00") || strings.Contains(c, ".") && strings.HasSuffix(c, "0") {
			t.Fatalf("%q is not plain", c)
		}
	})
}

func TestNumber_SortsByValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := canonical(t, anyNumber(t)), canonical(t, anyNumber(t))
		want := rational(t, a).Cmp(rational(t, b))
		if got := compareNumbers(a, b); got != want {
			t.Fatalf("compare %s, %s: got %d, want %d", a, b, got, want)
		}
		if got := bytes.Compare(appendOrdered(nil, a), appendOrdered(nil, b)); got != want {
			t.Fatalf("keys of %s, %s: got %d, want %d", a, b, got, want)
		}
	})
}

func TestNumber_NearOnes_SortByValue(t *testing.T) {
	rising := []string{
		"-9.9999999999999999999999999999999999999E125", "-1E125", "-100", "-99.9", "-10", "-1.23", "-1.2", "-1", "-0.5", "-1E-130",
		"0", "1E-130", "1.1E-130", "0.5", "1", "1.2", "1.23", "2", "10", "99.9", "100", "1E125",
	}
	for i, a := range rising {
		for j, b := range rising {
			got := compareNumbers(canonical(t, a), canonical(t, b))
			if want := cmp.Compare(i, j); got != want {
				t.Errorf("compare %s, %s: got %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestNumber_Size_IsThatOfDigitPairs(t *testing.T) {
	for text, want := range map[string]int{
		"0": 1, "1": 2, "12": 2, "123": 3, "1234": 3, "-1": 3, "0.1": 2, "0.01": 2, "1.2": 3, "100": 2, "1000": 2, "12345678901234567890123456789012345678": 20,
	} {
		if got := numberSize(canonical(t, text)); got != want {
			t.Errorf("size of %s: got %d, want %d", text, got, want)
		}
	}
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"1", "-1.5e10", ".", "1.", "1e", "--1", "00.100", "1E99999999999999999999", "9e-99999999999", "+.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, refusal := appendNumber(nil, []byte(text))
		if refusal != "" {
			return
		}
		c := string(b)
		if again := canonical(t, c); again != c {
			t.Fatalf("%q became %q, then %q", text, c, again)
		}
		if !strings.ContainsAny(text, "eE") && rational(t, text).Cmp(rational(t, c)) != 0 {
			t.Fatalf("%q became %q", text, c)
		}
	})
}
