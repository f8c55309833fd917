package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/stream"
)

// ParsePosition reads where in the stream to begin: trim-horizon, latest, a time or a while ago as ParseTime has them,
// or, of one shard, at:SEQUENCE or after:SEQUENCE. A time that is to come is an error.
func ParsePosition(s string, now time.Time) (stream.Position, error) {
	switch s {
	case "trim-horizon":
		return stream.TrimHorizon, nil
	case "latest":
		return stream.Latest, nil
	}
	for prefix, position := range map[string]func(string) stream.Position{"at:": stream.AtSequence, "after:": stream.AfterSequence} {
		if number, ok := strings.CutPrefix(s, prefix); ok {
			return position(number), CheckSequence(number)
		}
	}
	at, err := ParseTime(s, now)
	switch {
	case errors.Is(err, errNoTime):
		err = errors.New("want trim-horizon, latest, a time as in 2001-01-31T23:00:00Z, a while ago as in 15m, at:SEQUENCE or after:SEQUENCE")
	case err == nil && at.After(now):
		err = errors.New("the time is to come")
	}
	return stream.AtTime(at), err
}

// CheckSequence tells what is wrong with a sequence number.
func CheckSequence(number string) error {
	if number == "" || strings.ContainsFunc(number, func(r rune) bool { return r < '0' || r > '9' }) {
		return errors.New("want the decimal sequence number of a record")
	}
	return nil
}

var errNoTime = errors.New("want a time as in 2001-01-31T23:00:00Z or 2001-01-31, or a while ago as in 15m")

// ParseTime reads a time, or how long ago it is, with or without a minus.
func ParseTime(s string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(strings.TrimPrefix(s, "-")); err == nil {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errNoTime
}

const shardPrefix = "shardId-"

// ParseShard takes a shard's id, or its number, and gives the id.
func ParseShard(s string) (string, error) {
	if strings.HasPrefix(s, shardPrefix) {
		return s, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return "", errors.New("want a number, or an id as in shardId-000000000000")
	}
	return fmt.Sprintf("%s%012d", shardPrefix, n), nil
}

// ShortShard is the number in a shard's id: what ParseShard takes and people read.
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

// Shards adds -shard, which may be given more than once, and gives where its ids will be.
func (f *Flags) Shards() *[]string {
	var ids []string
	f.Func("shard", "only the shard with this `ID`, or number; may be given more than once", func(s string) error {
		id, err := ParseShard(s)
		ids = append(ids, id)
		return err
	})
	return &ids
}
