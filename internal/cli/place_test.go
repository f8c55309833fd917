package cli

import (
	"testing"
	"time"
)

func TestShortShard_IsItsNumber(t *testing.T) {
	for id, want := range map[string]string{"shardId-000000000000": "0", "shardId-000000000120": "120", "shardId-": "shardId-", "other": "other"} {
		if got := ShortShard(id); got != want {
			t.Errorf("%s: %s", id, got)
		}
		if back, err := ShardID(want); id != "other" && (err != nil || back != id) {
			t.Errorf("%s: back %s, %v", want, back, err)
		}
	}
	if _, err := ShardID("first"); err == nil {
		t.Error("first is taken for a shard")
	}
}

func TestParseTime_AsPeopleWriteIt(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"2h": now.Add(-2 * time.Hour), "-90s": now.Add(-90 * time.Second), "2026-11-27": now.Add(-36 * time.Hour), "2026-11-28T11:00:00Z": now.Add(-time.Hour),
	} {
		if got, err := ParseTime(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	if _, err := ParseTime("yesterday", now); err == nil {
		t.Error("yesterday is taken for a time")
	}
}
