package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/stream"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func TestParsePosition_EachKind(t *testing.T) {
	for s, want := range map[string]stream.Position{
		"trim-horizon":         stream.TrimHorizon,
		"latest":               stream.Latest,
		"at:17":                stream.AtSequence("17"),
		"after:17":             stream.AfterSequence("17"),
		"15m":                  stream.AtTime(now.Add(-15 * time.Minute)),
		"-3h":                  stream.AtTime(now.Add(-3 * time.Hour)),
		"2026-11-28":           stream.AtTime(now.Add(-12 * time.Hour)),
		"2026-11-28T11:00:00Z": stream.AtTime(now.Add(-time.Hour)),
	} {
		if got, err := ParsePosition(s, now); err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"yesterday": "want trim-horizon, latest, a time", "2999-01-01": "the time is to come", "--15m": "the time is to come",
		"at:": "want the decimal sequence number", "after:x": "want the decimal sequence number",
	} {
		if _, err := ParsePosition(s, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestParseTime_NoTime_SaysWhatIs(t *testing.T) {
	if _, err := ParseTime("at:17", now); err == nil || !strings.HasPrefix(err.Error(), "want a time as in ") {
		t.Error(err)
	}
}

func TestShortShard_IsItsNumber(t *testing.T) {
	for id, want := range map[string]string{"shardId-000000000000": "0", "shardId-000000000120": "120", "shardId-": "shardId-", "other": "other"} {
		if got := ShortShard(id); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
}

func TestShards_IdsAndNumbers(t *testing.T) {
	f := NewFlags("x", "", "")
	ids := f.Shards()
	if err := f.Parse([]string{"-shard", "3", "-shard", "shardId-000000000012"}); err != nil || !slices.Equal(*ids, []string{"shardId-000000000003", "shardId-000000000012"}) {
		t.Errorf("%v, %v", *ids, err)
	}
	if err := f.Parse([]string{"-shard", "first"}); err == nil || !strings.Contains(err.Error(), "want a number, or an id") {
		t.Error(err)
	}
}
