package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Thousands writes a whole number with separators: 1,234,567.
func Thousands(n int64) string { return separate(strconv.FormatInt(n, 10)) }

// Count writes how many there are of a thing: 1 event, 1,234 events. The plural is the noun with an s.
func Count(n int64, noun string) string { return Thousands(n) + " " + plural(n, noun) }

func plural(n int64, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// Decimal writes a number with separators and at most two decimals: 1,234.5.
func Decimal(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	s := strconv.FormatFloat(v, 'f', 2, 64)
	return separate(strings.TrimSuffix(strings.TrimRight(s, "0"), "."))
}

// separate puts a comma before every three digits of a number's whole part.
func separate(s string) string {
	whole, fraction, has := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	if has {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// Bytes writes a size: 512 B, 1.5 MiB.
func Bytes(n int64) string {
	const units = "KMGTPE"
	if n > -1024 && n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, unit := float64(n)/1024, 0
	for math.Abs(v) >= 1023.95 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", v, units[unit])
}

// Duration writes a length of time as exactly as a person needs it: 850 µs, 12 ms, 4.2 s, 3m05s, 2h05m, 3d04h.
func Duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "-" + Duration(-max(d, -math.MaxInt64))
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Truncate(time.Second/10).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}

// Spark draws a series as one line of blocks, from its least value to its greatest. What is no number is a gap.
func Spark(values []float64) string {
	blocks := []rune("▁▂▃▄▅▆▇█")
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !isGap(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	line := make([]rune, len(values))
	for i, v := range values {
		switch {
		case isGap(v):
			line[i] = ' '
		case high == low:
			line[i] = blocks[0]
		default: // halved, because the span of two numbers may be more than any number
			share := (v/2 - low/2) / (high/2 - low/2)
			line[i] = blocks[int(share*float64(len(blocks)-1)+0.5)]
		}
	}
	return string(line)
}

func isGap(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }
