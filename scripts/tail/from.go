package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/stream"
)

// parsePosition reads where to begin.
func parsePosition(s string, now time.Time) (stream.Position, error) {
	switch s {
	case "trim-horizon":
		return stream.TrimHorizon, nil
	case "latest":
		return stream.Latest, nil
	}
	for prefix, position := range map[string]func(string) stream.Position{"at:": stream.AtSequence, "after:": stream.AfterSequence} {
		if number, ok := strings.CutPrefix(s, prefix); ok {
			return position(number), checkSequence(number)
		}
	}
	at, err := parseTime(s, now)
	if err == nil && at.After(now) {
		err = errors.New("the time is to come")
	}
	return stream.AtTime(at), err
}

func checkSequence(number string) error {
	if number == "" || strings.ContainsFunc(number, func(r rune) bool { return r < '0' || r > '9' }) {
		return errors.New("want the decimal sequence number of a record")
	}
	return nil
}

// parseTime reads a time, or how long ago it is, with or without a minus.
func parseTime(s string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(strings.TrimPrefix(s, "-")); err == nil {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("want trim-horizon, latest, a time as in 2001-01-31T23:00:00Z, a while ago as in 15m, at:SEQUENCE or after:SEQUENCE")
}

const shardPrefix = "shardId-"

// shardID takes a shard's id, or its number.
func shardID(s string) (string, error) {
	if strings.HasPrefix(s, shardPrefix) {
		return s, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return "", errors.New("want a number, or an id as in shardId-000000000000")
	}
	return fmt.Sprintf("%s%012d", shardPrefix, n), nil
}

// shortShard is the number in a shard's id.
func shortShard(id string) string {
	number, ok := strings.CutPrefix(id, shardPrefix)
	if short := strings.TrimLeft(number, "0"); ok && short != "" {
		return short
	}
	if ok && number != "" {
		return "0"
	}
	return id
}

func setBool(to *bool, s string) (err error) {
	*to, err = strconv.ParseBool(s)
	return err
}
