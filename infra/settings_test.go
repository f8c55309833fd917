package main

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSettings_Defaults_AreValid(t *testing.T) {
	if err := DefaultSettings().Validate(); err != nil {
		t.Error(err)
	}
}

func TestSettings_OutOfRange_IsNamed(t *testing.T) {
	for name, spoil := range map[string]func(*Settings){
		"architecture is": func(s *Settings) { s.Architecture = "amd64" },
		"shards is 0":     func(s *Settings) { s.Shards = 0 },
		"shards is 501":   func(s *Settings) { s.Shards = 501 },
		"retention is 23": func(s *Settings) { s.StreamRetention = 23 * time.Hour },
		"retention is 24": func(s *Settings) { s.StreamRetention = 24*time.Hour + time.Minute },
		"retention is 87": func(s *Settings) { s.StreamRetention = 8761 * time.Hour },
		"processor: bits": func(s *Settings) { s.Processor.Bits = -1 },
	} {
		s := DefaultSettings()
		spoil(&s)
		if err := s.Validate(); err == nil {
			t.Errorf("no error, want %s...", name)
		} else if !strings.HasPrefix(err.Error(), name) {
			t.Errorf("got %q, want %s...", err.Error(), name)
		}
	}
}

func TestRecordAge_AnyRetention_LeavesTimeToReadTheRecordBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		retention := time.Duration(rapid.IntRange(24, 8760).Draw(t, "hours")) * time.Hour
		age := recordAge(retention)
		if age > retention*8/10 || age < min(retention*8/10, 7*24*time.Hour) {
			t.Fatalf("%v of %v", age, retention)
		}
		if age < time.Minute || age > 604800*time.Second || age%time.Second != 0 { // what Lambda takes
			t.Fatalf("Lambda refuses %v", age)
		}
	})
}
