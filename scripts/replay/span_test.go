package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/stream"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func TestReplay_WrongUsage_ExitsWith2AndAHint(t *testing.T) {
	for args, want := range map[string]string{
		"":                                   "want -from: where to begin",
		"-to 1h":                             "want -from",
		"-from yesterday":                    "want trim-horizon, latest, a time as in",
		"-from latest":                       "there is nothing behind it yet",
		"-from 2999-01-01":                   "the time is to come",
		"-from 1h -to 2999-01-01":            "the time is to come",
		"-from 1h -shard 0 -after 1:12":      "which is not among those of -shard",
		"-from 1h -to 2h":                    "upside down: -from 1h is not before -to 2h",
		"-from 1h -to tomorrow":              "want a time as in 2001-01-31T23:00:00Z or 2001-01-31, or a while ago as in 15m, or through:SEQUENCE",
		"-from at:12":                        "is a place in one shard: name it by -shard",
		"-from 1h -to through:12":            "is a place in one shard",
		"-from at:12 -shard 0 -shard 1":      "is a place in one shard",
		"-from at:12 -to through:9 -shard 0": "upside down",
		"-from at:x -shard 0":                "want the decimal sequence number",
		"-from 1h -shard first":              "want a number, or an id",
		"-from 1h -after 12":                 "want SHARD:SEQUENCE",
		"-from 1h -after x:12":               "want a number, or an id",
		"-from 1h -after 0:x":                "want the decimal sequence number",
		"-from 1h -into live":                "that is where a replay counts without -into",
		"-from 1h -into Recount":             "want 1 to 32 lower case letters",
		"-from 1h -rate -1":                  "-rate cannot be negative",
		"-from 1h -rate NaN":                 "-rate cannot be negative",
		"-from 1h -patience 0s":              "-patience must be more than nothing",
		"-drop live":                         "it cannot be dropped",
		"-drop a.b":                          "want 1 to 32 lower case letters",
		"-drop a -from 1h":                   "stand alone",
		"-drop a -sets":                      "stand alone",
		"-sets -into a":                      "stand alone",
		"FILE":                               `unexpected argument "FILE"`,
	} {
		code, stdout, stderr := execute(t.Context(), strings.Fields(args)...)
		if code != cli.ExitUsage || stdout != "" || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 2 {
			t.Errorf("%s: exit %d\n%s", args, code, stderr)
		}
	}
}

func parsed(t *testing.T, args string) options {
	t.Helper()
	o, err := parseFlags(strings.Fields(args), noon)
	if err != nil {
		t.Fatalf("%s: %v", args, err)
	}
	return o
}

// The command that goes on asks for the same range, whenever it is run.
func TestFlags_OfARange_AreReadBackAsTheSame(t *testing.T) {
	last := map[string]string{"shardId-000000000001": "17"}
	for args, want := range map[string]string{
		"-from 3h -rate 5 -json":               "-json=true -rate=5 -from 2026-11-28T09:00:00Z -to 2026-11-28T12:00:00Z -after 1:17",
		"-from trim-horizon -to 15m -into x":   "-into=x -from trim-horizon -to 2026-11-28T11:45:00Z -after 1:17",
		"-from 1h -after 1:9 -after 0:5":       "-from 2026-11-28T11:00:00Z -to 2026-11-28T12:00:00Z -after 0:5 -after 1:17",
		"-shard 1 -from at:3 -to through:20":   "-from at:3 -to through:20 -shard 1 -after 1:17",
		"-shard 1 -shard 2 -from 2026-11-28":   "-from 2026-11-28T00:00:00Z -to 2026-11-28T12:00:00Z -shard 1 -shard 2 -after 1:17",
		"-from 2026-11-28T11:00:00.25Z -to 1m": "-from 2026-11-28T11:00:00.25Z -to 2026-11-28T11:59:00Z -after 1:17",
	} {
		o := parsed(t, args)
		got := strings.TrimSpace(o.others + " " + o.span.flags(last))
		if got != want {
			t.Errorf("%s:\n%s, want\n%s", args, got, want)
		}
		again, err := parseFlags(strings.Fields(got), noon.Add(time.Hour))
		if err != nil || !again.span.until.Equal(o.span.until) && o.span.through == "" || again.span.from != o.span.from || strings.TrimSpace(again.others+" "+again.span.flags(nil)) != got {
			t.Errorf("%s: read back as %s, %v", got, again.others+" "+again.span.flags(nil), err)
		}
	}
}

func TestTrimmed_ByTime_IsWhatIsOlderThanTheStreamKeeps(t *testing.T) {
	const keeps = 24 * time.Hour
	old := noon.Add(-90 * keeps)
	for _, x := range []struct {
		args    string
		created time.Time
		want    string
	}{
		{"-from 23h", old, ""},
		{"-from trim-horizon", old, ""},
		{"-from at:1 -shard 0", old, ""},
		{"-from 72h", noon.Add(-keeps), ""}, // there was nothing before
		{"-from 72h", old, "what arrived from 2026-11-25T12:00:00Z until 2026-11-27T12:00:00Z: the stream keeps 1d00h"},
		{"-from 72h -to 48h", old, "what arrived from 2026-11-25T12:00:00Z until 2026-11-26T12:00:00Z: the stream keeps 1d00h"},
		{"-from 72h", noon.Add(-48 * time.Hour), "what arrived from 2026-11-26T12:00:00Z until 2026-11-27T12:00:00Z: the stream keeps 1d00h"},
	} {
		o := parsed(t, x.args)
		if got := o.span.trimmed(keeps, x.created, noon); got != x.want {
			t.Errorf("%s of a stream of %s: %q, want %q", x.args, x.created, got, x.want)
		}
	}
}

// slow gives a record a page.
type slow struct{ n int }

func (s *slow) Close() {}

func (s *slow) Next(context.Context) (stream.Page, error) {
	s.n++
	return stream.Page{Records: []types.Record{{SequenceNumber: aws.String(fmt.Sprint(s.n)), ApproximateArrivalTimestamp: aws.Time(time.Now().Add(-30 * time.Minute))}}}, nil
}

func TestWatched_ReadMoreSlowlyThanTheStreamForgets_TellsTheGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reading{source: &source{keeps: time.Hour}}
		w := &watched{Pages: &slow{}, shard: "s", reading: r}
		for _, pause := range []time.Duration{0, 20 * time.Minute, 31 * time.Minute, 0} {
			time.Sleep(pause) // of the one who takes the pages
			if _, err := w.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.gaps) != 1 || !strings.HasPrefix(r.gaps[0].What, "perhaps what stood between records 2 and 3: ") {
			t.Errorf("gaps %v", r.gaps)
		}
	})
}
