package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSpan_Texts_ReadAndWrittenAlike(t *testing.T) {
	for text, want := range map[string]Span{
		"none":     None,
		"21d":      21 * day,
		"36h":      Span(36 * time.Hour),
		"15m":      Span(15 * time.Minute),
		"1h30m":    Span(90 * time.Minute),
		"1h0m30s":  Span(time.Hour + 30*time.Second),
		"10s":      Span(10 * time.Second),
		"10m10s":   Span(10*time.Minute + 10*time.Second),
		"250ms":    Span(250 * time.Millisecond),
		"65535d":   65535 * day,
		"1h0m0.5s": Span(time.Hour + 500*time.Millisecond),
	} {
		got, err := ParseSpan(text)
		if err != nil || got != want {
			t.Errorf("ParseSpan(%q) = %v, %v, want %v", text, got, err, want)
		}
		if s := want.String(); s != text {
			t.Errorf("String is %q, want %q", s, text)
		}
	}
}

func TestParseSpan_NotASpan_IsRefused(t *testing.T) {
	for _, text := range []string{
		"", "None", "0", "0s", "0d", "-1d", "-1h", "+1d", "1.5d", "d", "1 d", "21", "21D", "65536d", "never", "9999999999h",
	} {
		if got, err := ParseSpan(text); err == nil {
			t.Errorf("ParseSpan(%q) = %v, want an error", text, got)
		}
	}
}

func TestSpan_AnyLength_SurvivesItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]Span{1, Span(time.Second), Span(time.Minute), Span(time.Hour), day}).Draw(t, "unit")
		want := unit * Span(rapid.Int64Range(0, int64(65535*day/unit)).Draw(t, "n"))
		got, err := ParseSpan(want.String())
		if err != nil || got != want {
			t.Fatalf("%v becomes %v, %v", want, got, err)
		}
	})
}

func FuzzParseSpan(f *testing.F) {
	for _, text := range []string{"none", "21d", "36h", "1h0m0.5s", "-1d", "65536d", "1e3h", "0d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		span, err := ParseSpan(text)
		if err != nil {
			return
		}
		if span < 0 || (span == None) != (text == "none") {
			t.Errorf("ParseSpan(%q) = %d", text, span)
		}
		if again, err := ParseSpan(span.String()); err != nil || again != span {
			t.Errorf("%q is %d, written %q, read again as %d, %v", text, span, span.String(), again, err)
		}
	})
}
