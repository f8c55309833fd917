package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/cli"
)

func TestTail_NoTerminal_WritesAnObjectForEachUserRecord(t *testing.T) {
	w := start(t)
	w.putAll(t)
	rows, stderr := w.rows(t)
	var got []string
	for _, r := range rows {
		s := r.PartitionKey
		if r.Sub != nil {
			s += fmt.Sprint(" sub ", *r.Sub)
		}
		if r.Event != nil {
			s += " event " + r.Event.ID + " " + r.Event.Type
		}
		if r.Data != nil {
			s += fmt.Sprintf(" data %.12q", *r.Data)
		}
		if r.Error != "" {
			s += " error"
		}
		got = append(got, s)
		if r.Shard != shard0 || len(r.SequenceNumber) != 56 || time.Since(r.Arrival).Abs() > time.Minute {
			t.Errorf("%+v", r)
		}
	}
	want := []string{
		"plain event 1 sale",
		"zipped event 2 sale",
		"inner sub 0 event 3 sale",
		"inner sub 1 event 4 refund",
		`inner sub 2 data "nonsense" error`,
		`text data "\x1b[2Jnot JSON" error`,
		`broken data "\xf3\x89\x9a\xc2\n\x05inner\x1a" error`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(rows[6].Error, "MD5") {
		t.Errorf("reason %q", rows[6].Error)
	}
	if !regexp.MustCompile(`^read 5 records of 1 shard in .*, printed 7 lines, 3 undecodable; caught up\n$`).MatchString(stderr) {
		t.Errorf("summary %q", stderr)
	}
}

var (
	arrivals = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	numbers  = regexp.MustCompile(`\b\d{10}\b`)
)

func TestTail_ForPeople_IsAlignedAndSafe(t *testing.T) {
	w := start(t)
	w.putAll(t)
	var out bytes.Buffer
	if code, stderr := w.tail(t.Context(), &out, "-json=false"); code != cli.ExitDone {
		t.Fatal(stderr)
	}
	got := numbers.ReplaceAllString(arrivals.ReplaceAllString(out.String(), "TIME"), "NUMBER")
	want := `TIME  0  NUMBER  plain  sale  1  {"n":1}
TIME  0  NUMBER  zipped  sale  2  {"n":2}
TIME  0  NUMBER/0  inner   sale  3  {"n":3}
TIME  0  NUMBER/1  inner   refund  4  {"n":4}
TIME  0  NUMBER/2  inner   undecodable: `
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s", got)
	}
	if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' && r != '\n' }) || !strings.Contains(got, `"\x1b[2Jnot JSON"`) {
		t.Errorf("what a record holds reaches the terminal:\n%q", got)
	}
}

func TestTail_Filters(t *testing.T) {
	w := start(t)
	w.putAll(t)
	for args, want := range map[string][]string{
		"-key zipped":            {"2"},
		"-key inner":             {"3", "4"},
		"-type refund":           {"4"},
		"-type sale -limit 2":    {"1", "2"},
		"-type sale -key nobody": nil,
		"-shard 0 -limit 3":      {"1", "2", "3"},
		"-from 1h -limit 1":      {"1"},
		"-from -15m -limit 1":    {"1"},
		"-from 2001-01-31":       {"1", "2", "3", "4"},
	} {
		if rows, _ := w.rows(t, strings.Fields(args)...); !slices.Equal(idsOf(rows), want) {
			t.Errorf("%s: events %v, want %v", args, idsOf(rows), want)
		}
	}
}

func TestTail_Raw_GivesRecordsAsTheyAre(t *testing.T) {
	w := start(t)
	w.putAll(t)
	rows, _ := w.rows(t, "-raw")
	if len(rows) != 5 {
		t.Fatalf("%d rows", len(rows))
	}
	for i, r := range rows {
		if r.Event != nil || r.Sub != nil || r.Error != "" || r.Data == nil {
			t.Errorf("row %d: %+v", i, r)
		}
	}
	if !bytes.Equal(*rows[1].Data, zip(event(2, "sale"))) {
		t.Error("data is not what was put")
	}
}

func TestTail_BySequenceNumber_BeginsThere(t *testing.T) {
	w := start(t)
	numbers := w.putEvents(t, 1, 4)
	if rows, _ := w.rows(t, "-from", "at:"+numbers[1], "-shard", "0"); !slices.Equal(idsOf(rows), upTo(2, 4)) {
		t.Errorf("at: %v", idsOf(rows))
	}
	if rows, _ := w.rows(t, "-from", "after:"+numbers[1], "-shard", shard0); !slices.Equal(idsOf(rows), upTo(3, 4)) {
		t.Errorf("after: %v", idsOf(rows))
	}
	code, stderr := w.tail(t.Context(), io.Discard, "-from", "at:17", "-shard", "0")
	if code != cli.ExitFailed || !strings.Contains(stderr, "another shard's") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestTail_ThrottlesErrorsAndExpiredIterators_EachEventOnce(t *testing.T) {
	rule := func(k fault.Kind) fault.Rule {
		return fault.Rule{Operation: "Kinesis.GetRecords", Kind: k, Probability: 0.5, Count: 1}
	}
	w := start(t, rule(fault.Throttle), rule(fault.Expire), rule(fault.Error), rule(fault.DropAfter))
	w.putEvents(t, 1, 20)
	var rows []row
	stderr := ""
	for !w.spent() { // until every fault has struck
		if rows, stderr = w.rows(t); !slices.Equal(idsOf(rows), upTo(1, 20)) {
			t.Fatalf("events %v\n%s", idsOf(rows), stderr)
		}
	}
}

func TestTail_FollowThroughSplitAndMerge_UntilCtrlC(t *testing.T) {
	for name, args := range map[string][]string{"polling": {"-from", "trim-horizon"}, "fanout": {"-from", "trim-horizon", "-fanout"}} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			w.putEvents(t, 1, 5)
			f := w.follow(t, args...)
			if got := f.next(t, 5); !slices.Equal(got, upTo(1, 5)) {
				t.Errorf("read %v", got)
			}
			if _, err := w.Kinesis.SplitShard(w.stream, shard0); err != nil {
				t.Fatal(err)
			}
			w.putEvents(t, 6, 5)
			if got := slices.Sorted(slices.Values(f.next(t, 5))); !slices.Equal(got, slices.Sorted(slices.Values(upTo(6, 10)))) {
				t.Errorf("read %v", got)
			}
			if _, err := w.Kinesis.MergeShards(w.stream, "shardId-000000000001"); err != nil {
				t.Fatal(err)
			}
			w.putEvents(t, 11, 5)
			if got := f.next(t, 5); !slices.Equal(got, upTo(11, 15)) {
				t.Errorf("read %v", got)
			}
			if end := f.end(); !regexp.MustCompile(`^0 read 15 records of 4 shards in .*, printed 15 lines; caught up\n$`).MatchString(end) {
				t.Errorf("end %q", end)
			}
			if n := w.consumers(t); n != 0 {
				t.Errorf("%d consumers are left", n)
			}
		})
	}
}

func TestTail_ConsumerThatIsThere_StaysThere(t *testing.T) {
	w := start(t)
	if _, err := w.Kinesis.RegisterConsumer(w.stream, "mine", time.Now()); err != nil {
		t.Fatal(err)
	}
	w.putEvents(t, 1, 3)
	if rows, _ := w.rows(t, "-consumer", "mine", "-limit", "3"); !slices.Equal(idsOf(rows), upTo(1, 3)) {
		t.Errorf("events %v", idsOf(rows))
	}
	if n := w.consumers(t); n != 1 {
		t.Errorf("%d consumers", n)
	}
}

func TestTail_ConsumerThatCannotBeGivenBack_IsAnError(t *testing.T) {
	w := start(t, fault.Rule{Operation: "Kinesis.DeregisterStreamConsumer", Kind: fault.Error, Probability: 1})
	w.putEvents(t, 1, 3)
	code, stderr := w.tail(t.Context(), io.Discard, "-fanout", "-limit", "3")
	if code != cli.ExitFailed || !strings.Contains(stderr, "deregister consumer arn:aws:kinesis:") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestTail_TrimmedStream_GivesWhatIsLeft(t *testing.T) {
	w := start(t)
	old := w.putEvents(t, 1, 5)
	if _, err := w.Kinesis.Trim(w.stream, time.Time{}); err != nil {
		t.Fatal(err)
	}
	w.putEvents(t, 6, 5)
	for _, from := range []string{"trim-horizon", "at:" + old[2], "after:" + old[4], "1h"} {
		if rows, stderr := w.rows(t, "-from", from, "-shard", "0"); !slices.Equal(idsOf(rows), upTo(6, 10)) {
			t.Errorf("%s: %v\n%s", from, idsOf(rows), stderr)
		}
	}
}

func TestTail_ClosedPipe_EndsInSilence_AndGivesItsConsumerBack(t *testing.T) {
	w := start(t)
	w.putEvents(t, 1, 10)
	for _, args := range [][]string{{"-limit", "3"}, {"-f", "-from", "trim-horizon"}, {"-fanout"}} {
		if code, stderr := w.tail(t.Context(), closed{}, args...); code != cli.ExitDone || stderr != "" {
			t.Errorf("%v: exit %d, %q", args, code, stderr)
		}
	}
	if n := w.consumers(t); n != 0 {
		t.Errorf("%d consumers are left", n)
	}
}

func TestTail_EmptyStream_SaysThatItHasCaughtUp(t *testing.T) {
	w := start(t)
	rows, stderr := w.rows(t)
	if len(rows) != 0 || !strings.Contains(stderr, "read 0 records of 1 shard") || !strings.HasSuffix(stderr, "; caught up\n") {
		t.Errorf("%d rows, %q", len(rows), stderr)
	}
}

func TestTail_NoSuchStreamOrShard_SaysSo(t *testing.T) {
	w := start(t)
	code, stderr := w.tail(t.Context(), io.Discard, "-shard", "7")
	if code != cli.ExitFailed || stderr != "tail: stream "+w.stream+" has no shard shardId-000000000007 to be read from there\n" {
		t.Errorf("exit %d, %s", code, stderr)
	}
	code, stderr = w.tail(t.Context(), io.Discard, "-stream", "nobodys")
	if code != cli.ExitFailed || !strings.HasPrefix(stderr, "tail: there is no stream nobodys: -stream or -stack names another one") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestTail_WrongUsage_ExitsWith2AndAHint(t *testing.T) {
	for args, want := range map[string]string{
		"-from yesterday":                     "want trim-horizon, latest, a time",
		"-from latest":                        "-from latest without -f would print nothing",
		"-from 2999-01-01":                    "the time is to come",
		"-from at:12":                         "is a place in one shard: name it by -shard",
		"-from at:12 -shard 0 -shard 1":       "is a place in one shard",
		"-from after:x -shard 0":              "want the decimal sequence number",
		"-shard first":                        "want a number, or an id",
		"-limit -1":                           "-limit cannot be negative",
		"-raw -type sale":                     "what is not decoded has no type",
		"-json=perhaps":                       "json",
		"FILE":                                `unexpected argument "FILE"`,
		"-endpoint 127.0.0.1:4566 -stream s1": "want a URL",
	} {
		var words bytes.Buffer
		code := cli.Execute(t.Context(), "tail", run, strings.Fields(args), nil, io.Discard, &words)
		if code != cli.ExitUsage || !strings.Contains(words.String(), want) || strings.Count(words.String(), "\n") != 2 {
			t.Errorf("%s: exit %d\n%s", args, code, words.String())
		}
	}
}
