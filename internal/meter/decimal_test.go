package meter

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// numberText draws the text of a JSON number, often near the bounds.
func numberText(t *rapid.T, label string) string {
	digits := func(min, max int, label string) string {
		return rapid.StringOfN(rapid.RuneFrom([]rune("0019")), min, max, -1).Draw(t, label)
	}
	s := strings.TrimLeft(digits(0, 17, label+" integer"), "0")
	if s == "" {
		s = "0"
	}
	if f := digits(0, 12, label+" fraction"); f != "" {
		s += "." + f
	}
	if rapid.Bool().Draw(t, label+" has exponent") {
		s += "e" + strconv.Itoa(rapid.IntRange(-20, 20).Draw(t, label+" exponent"))
	}
	if rapid.Bool().Draw(t, label+" negative") {
		s = "-" + s
	}
	return s
}

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic("not a number: " + s)
	}
	return r
}

func TestParseDecimal_AnyNumber_IsExactOrRefused(t *testing.T) {
	limit := rat("1e15")
	rapid.Check(t, func(t *rapid.T) {
		s := numberText(t, "n")
		want := rat(s)
		scaled := new(big.Rat).Mul(want, rat("1e9"))
		got, err := ParseDecimal(s)
		switch {
		case new(big.Rat).Abs(want).Cmp(limit) >= 0:
			if !errors.Is(err, errTooLarge) {
				t.Fatalf("%s: %v, %v", s, got, err)
			}
		case !scaled.IsInt():
			if !errors.Is(err, errTooFine) {
				t.Fatalf("%s: %v, %v", s, got, err)
			}
		case err != nil || rat(got.String()).Cmp(want) != 0:
			t.Fatalf("%s: got %s, %v", s, got, err)
		}
	})
}

func TestParseDecimal_NotANumber_IsRefused(t *testing.T) {
	for _, s := range []string{"", "-", ".5", "1.", "1e", "1e+", "1.5.2", "0x10", "1 ", " 1", "NaN", "--1", "1e5.0", "１"} {
		if d, err := ParseDecimal(s); !errors.Is(err, errNotNumber) {
			t.Errorf("%q: %s, %v", s, d, err)
		}
	}
}

func TestParseDecimal_HugeExponents_AreAnsweredAtOnce(t *testing.T) {
	for s, want := range map[string]error{"1e999999999999": errTooLarge, "1e-999999999999": errTooFine, "0e999999999999": nil, "-0.0e-99999999": nil} {
		if d, err := ParseDecimal(s); !errors.Is(err, want) || d != (Decimal{}) {
			t.Errorf("%s: %s, %v", s, d, err)
		}
	}
}

func TestDecimal_AddAndCompare_AgreeWithBigRat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Custom(func(t *rapid.T) Decimal {
			s := rapid.Int64Range(-999_999_999_999_999, 999_999_999_999_999).Draw(t, "integer")
			d, err := ParseDecimal(fmt.Sprintf("%d.%09d", s, rapid.IntRange(0, 999_999_999).Draw(t, "fraction")))
			if err != nil {
				t.Fatal(err)
			}
			return d
		})
		var sum Decimal
		want := new(big.Rat)
		for _, d := range rapid.SliceOfN(value, 1, 20).Draw(t, "values") {
			if got := sum.Compare(d); got != want.Cmp(rat(d.String())) {
				t.Fatalf("compare %s with %s: %d", sum, d, got)
			}
			sum = sum.Add(d)
			want.Add(want, rat(d.String()))
		}
		again, err := ParseSum(sum.String())
		if rat(sum.String()).Cmp(want) != 0 || again != sum || err != nil {
			t.Fatalf("sum %s, want %s; read back %s, %v", sum, want.FloatString(9), again, err)
		}
	})
}

func TestDecimal_LargestSum_HasItsDigits(t *testing.T) {
	const largest = "99999999999999999999999999999.999999999" // 38 digits
	for _, s := range []string{largest, "-" + largest} {
		d, err := ParseSum(s)
		if err != nil || d.String() != s {
			t.Errorf("%s: %s, %v", s, d, err)
		}
	}
}

func TestDecimalOf_Extremes(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 1 << 62, -1 << 63} {
		if got := DecimalOf(n).String(); got != strconv.FormatInt(n, 10) {
			t.Errorf("%d: %s", n, got)
		}
	}
}
