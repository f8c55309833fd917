package cli

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestNumbers_ForPeople(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for want, got := range map[string]string{
		"0":                          Thousands(0),
		"999":                        Thousands(999),
		"1,000":                      Thousands(1000),
		"-1,234,567":                 Thousands(-1234567),
		"-9,223,372,036,854,775,808": Thousands(math.MinInt64),
		"1 event":                    Count(1, "event"),
		"0 events":                   Count(0, "event"),
		"1,001 events":               Count(1001, "event"),
		"1,234.5":                    Decimal(1234.5),
		"-0.13":                      Decimal(-0.125001),
		"100":                        Decimal(100),
		"-":                          Decimal(nan) + Decimal(inf)[1:],
		"1023 B":                     Bytes(1023),
		"-5 B":                       Bytes(-5),
		"1.0 KiB":                    Bytes(1024),
		"1.5 MiB":                    Bytes(3 << 19),
		"1.0 MiB":                    Bytes(1<<20 - 1),
		"8.0 EiB":                    Bytes(math.MaxInt64),
		"850 µs":                     Duration(850 * time.Microsecond),
		"0 µs":                       Duration(0),
		"12 ms":                      Duration(12 * time.Millisecond),
		"4.2 s":                      Duration(4250 * time.Millisecond),
		"59.9 s":                     Duration(time.Minute - 1),
		"3m05s":                      Duration(185 * time.Second),
		"2h05m":                      Duration(125 * time.Minute),
		"3d04h":                      Duration(76 * time.Hour),
		"-3m05s":                     Duration(-185 * time.Second),
		"-106751d23h":                Duration(math.MinInt64),
		"▁▄█":                        Spark([]float64{0, 4, 10}),
		"▁▁ ▁":                       Spark([]float64{7, 7, nan, 7}),
		"▁ █":                        Spark([]float64{-math.MaxFloat64, inf, math.MaxFloat64}),
		"":                           Spark(nil),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestThousands_WithoutSeparators_IsTheNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n")
		got := Thousands(n)
		if strings.ReplaceAll(got, ",", "") != strconv.FormatInt(n, 10) {
			t.Fatalf("%d became %s", n, got)
		}
		for i, group := range strings.Split(strings.TrimPrefix(got, "-"), ",") {
			if len(group) != 3 && (i > 0 || len(group) > 3 || group == "") {
				t.Fatalf("%s", got)
			}
		}
	})
}

func TestSpark_AnySeries_IsAsLongAndKeepsItsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.Float64()).Draw(t, "values")
		line := []rune(Spark(values))
		if len(line) != len(values) || !utf8.ValidString(string(line)) {
			t.Fatalf("%q of %v", string(line), values)
		}
		for i := range values {
			for j := range values {
				if !isGap(values[i]) && !isGap(values[j]) && values[i] < values[j] && line[i] > line[j] {
					t.Fatalf("%q of %v", string(line), values)
				}
			}
		}
	})
}
