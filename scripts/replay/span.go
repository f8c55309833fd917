package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/stream"
)

// span is the part of the stream that is asked for.
type span struct {
	from    stream.Position
	text    string            // of from, as a flag that means the same at any time
	since   time.Time         // what from is, when it is a time
	first   string            // sequence number that from names, when it names one
	until   time.Time         // before which records must have arrived
	through string            // sequence number of the last record, of the one shard; "" is by time alone
	shards  []string          // only these; none is all
	after   map[string]string // by shard: the record behind which it begins
}

// addAfter takes SHARD:SEQUENCE.
func (s *span) addAfter(text string) error {
	name, number, ok := strings.Cut(text, ":")
	if !ok {
		return errors.New("want SHARD:SEQUENCE")
	}
	shard, err := cli.ParseShard(name)
	if err != nil {
		return err
	}
	if s.after == nil {
		s.after = map[string]string{}
	}
	s.after[shard] = number
	return cli.CheckSequence(number)
}

// parse reads -from and -to.
func (s *span) parse(f *cli.Flags, from, to string, now time.Time) error {
	if from == "" {
		return f.Usagef("want -from: where to begin; -from trim-horizon is all that the stream has")
	}
	if err := s.parseFrom(from, now); err != nil {
		return usage(f, "-from "+from, err)
	}
	s.until = now
	if err := s.parseTo(to, now); err != nil {
		return usage(f, "-to "+to, err)
	}
	for shard := range s.after {
		if len(s.shards) > 0 && !slices.Contains(s.shards, shard) {
			return f.Usagef("-after names shard %s, which is not among those of -shard", cli.ShortShard(shard))
		}
	}
	switch {
	case (s.first != "" || s.through != "") && len(s.shards) != 1:
		return f.Usagef("a sequence number is a place in one shard: name it by -shard")
	case !s.since.IsZero() && !s.since.Before(s.until),
		s.first != "" && s.through != "" && stream.CompareSequence(s.first, s.through) > 0:
		return f.Usagef("the range is upside down: -from %s is not before -to %s", from, cmp.Or(to, "now"))
	}
	return nil
}

func (s *span) parseFrom(from string, now time.Time) (err error) {
	s.from, err = cli.ParsePosition(from, now)
	s.text = from
	switch {
	case err != nil:
	case s.from == stream.Latest:
		err = errors.New("there is nothing behind it yet; `tail -f` shows what comes")
	case s.from.Numbered():
		_, s.first, _ = strings.Cut(from, ":")
	case s.from != stream.TrimHorizon:
		s.since, err = cli.ParseTime(from, now)
		s.text = s.since.UTC().Format(time.RFC3339Nano)
	}
	return err
}

func (s *span) parseTo(to string, now time.Time) (err error) {
	if number, ok := strings.CutPrefix(to, "through:"); ok {
		s.through = number
		return cli.CheckSequence(number)
	}
	if to == "" {
		return nil
	}
	if s.until, err = cli.ParseTime(to, now); err != nil {
		return fmt.Errorf("%w, or through:SEQUENCE", err)
	}
	if s.until.After(now) {
		return errors.New("the time is to come")
	}
	return nil
}

// flags are those that ask for it, and in each shard for what is behind its last record.
func (s *span) flags(last map[string]string) string {
	text := "-from " + s.text + " -to "
	if s.through != "" {
		text += "through:" + s.through
	} else {
		text += s.until.UTC().Format(time.RFC3339Nano)
	}
	for _, id := range s.shards {
		text += " -shard " + cli.ShortShard(id)
	}
	all := map[string]string{}
	maps.Copy(all, s.after)
	maps.Copy(all, last)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		text += " -after " + cli.ShortShard(id) + ":" + all[id]
	}
	return text
}

// known gives the record that a flag names as the beginning of a shard, and whether only what is behind it is asked
// for; "" when none does.
func (s *span) known(shard string) (number string, behind bool) {
	if number, ok := s.after[shard]; ok {
		return number, true
	}
	return s.first, strings.HasPrefix(s.text, "after:")
}

// end leaves out what is behind the last record that is asked for, and tells whether that was reached, and found.
func (s *span) end(records []types.Record) (_ []types.Record, reached, found bool) {
	if s.through == "" {
		return records, false, false
	}
	for i := range records {
		switch c := stream.CompareSequence(aws.ToString(records[i].SequenceNumber), s.through); {
		case c == 0:
			return records[:i+1], true, true
		case c > 0:
			return records[:i], true, false
		}
	}
	return records, false, false
}

// trimmed words the part of the range that is older than what the stream keeps, "" when there is none. How many records
// that was nobody can tell any more.
func (s *span) trimmed(keeps time.Duration, created, now time.Time) string {
	oldest := now.Add(-keeps)
	if s.since.IsZero() || !s.since.Before(oldest) || !created.Before(oldest) {
		return ""
	}
	first, last := s.since, oldest
	if first.Before(created) {
		first = created
	}
	if s.until.Before(oldest) {
		last = s.until
	}
	return fmt.Sprintf("what arrived from %s until %s: the stream keeps %s", seconds(first), seconds(last), cli.Duration(keeps))
}

func seconds(t time.Time) string { return t.UTC().Format(time.RFC3339) }
