package main

import (
	"strings"
	"testing"
)

func TestCosts_Settings_AreInTheExpressions(t *testing.T) {
	provisioned, onDemand, jsonLines := DefaultSettings(), DefaultSettings(), DefaultSettings()
	jsonLines.ArchiveFormat = JSON
	provisioned.Shards, provisioned.Memory, provisioned.Architecture = 3, 1024, X86
	onDemand.Capacity = OnDemand
	for _, c := range []struct {
		settings    Settings
		label, want string
	}{
		{DefaultSettings(), "table", "(FILL(writes, 0) * 0.625 + FILL(reads, 0) * 0.125) / 1000000 * 3600 / PERIOD(writes)"},
		{DefaultSettings(), "stream", "2 * 0.015 + FILL(records, 0) * 0.014 / 1000000 * 3600 / PERIOD(records)"},
		{DefaultSettings(), "processor", "(FILL(duration, 0) / 1000 * 0.5 * 0.0000133334 + FILL(calls, 0) * 0.2 / 1000000) * 3600 / PERIOD(duration)"},
		{DefaultSettings(), "archive", "FILL(read, 0) * 5120 * 0.047 / 1073741824 * 3600 / PERIOD(read)"},
		{jsonLines, "archive", "FILL(read, 0) * 5120 * 0.029 / 1073741824 * 3600 / PERIOD(read)"},
		{provisioned, "stream", "3 * 0.015 + FILL(records, 0) * 0.014 / 1000000 * 3600 / PERIOD(records)"},
		{provisioned, "processor", "(FILL(duration, 0) / 1000 * 1 * 0.0000166667 + FILL(calls, 0) * 0.2 / 1000000) * 3600 / PERIOD(duration)"},
		{onDemand, "stream", "0.04 + (FILL(bytesin, 0) * 0.08 + FILL(bytesout, 0) * 0.04) / 1073741824 * 3600 / PERIOD(bytesin)"},
	} {
		got := ""
		for _, l := range costs(c.settings, standIns()) {
			if l.label == c.label {
				got = l.formula.text
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.label, got, c.want)
		}
	}
}

func TestDecimal_Small_HasNoExponent(t *testing.T) {
	if got := decimal(0.0000001); strings.ContainsAny(got, "eE") {
		t.Error(got)
	}
}
