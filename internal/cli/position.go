package cli

import (
	"errors"
	"fmt"
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
	case err != nil:
		err = fmt.Errorf("%w, or trim-horizon, latest, at:SEQUENCE, after:SEQUENCE", err)
	case at.After(now):
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

// Shards adds -shard, which may be given more than once, and gives where the ids will be.
func (f *Flags) Shards() *[]string {
	var ids []string
	f.Func("shard", "only the shard with this `ID`, or number; may be given more than once", func(s string) error {
		id, err := ShardID(s)
		ids = append(ids, id)
		return err
	})
	return &ids
}
