package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const shardPrefix = "shardId-"

// ShardID takes a shard's id, or its number, as people write it.
func ShardID(s string) (string, error) {
	if strings.HasPrefix(s, shardPrefix) {
		return s, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return "", errors.New("want a number, or an id as in shardId-000000000000")
	}
	return fmt.Sprintf("%s%012d", shardPrefix, n), nil
}

// ShortShard is the number in a shard's id.
func ShortShard(id string) string {
	number, ok := strings.CutPrefix(id, shardPrefix)
	if short := strings.TrimLeft(number, "0"); ok && short != "" {
		return short
	}
	if ok && number != "" {
		return "0"
	}
	return id
}

// ParseTime reads a time, or how long ago it is, with or without a minus. The error says what it wants.
func ParseTime(s string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(strings.TrimPrefix(s, "-")); err == nil {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("want a time as in 2001-01-31T23:00:00Z or 2001-01-31, or a while ago as in 15m")
}
