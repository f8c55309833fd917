package main

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/kpl/kpltest"
	"github.com/millrace/millrace/internal/ledger"
)

// expect demands what a replay came to.
func (w *world) expect(t *testing.T, args, want string) report {
	t.Helper()
	got, r := w.outcome(t, args)
	if got != want {
		t.Errorf("%s: %s, want %s", args, got, want)
	}
	return r
}

// equal demands that two sets hold the same.
func (w *world) equal(t *testing.T, a, b string) {
	t.Helper()
	if diff := cmp.Diff(w.content(t, a, metersFile), w.content(t, b, metersFile)); diff != "" {
		t.Errorf("%s and %s: %s", a, b, diff)
	}
}

func TestReplay_WhatTheStreamHasCounted_IsACopyInLiveAndEqualInASetOfItsOwn(t *testing.T) {
	w := start(t, conditions{template: strings.Replace(template, "Outputs:", mapping, 1)})
	w.flights(t, 0, 1500)
	for left := 1500; left > 0; {
		left -= <-w.settled
	}
	before := w.content(t, ledger.LiveSet, metersFile)
	for range 2 {
		w.expect(t, "-from 1h", "exit 0: 1500 records, 0 counted, 1500 copies, 0 nothing")
	}
	if diff := cmp.Diff(before, w.content(t, ledger.LiveSet, metersFile)); diff != "" || len(before) == 0 {
		t.Errorf("a replay has changed what the stream has counted: %s", diff)
	}
	w.expect(t, "-from 1h -into recount", "exit 0: 1500 records, 1500 counted, 0 copies, 0 nothing")
	w.expect(t, "-from trim-horizon -into recount", "exit 0: 1500 records, 0 counted, 1500 copies, 0 nothing")
	w.equal(t, ledger.LiveSet, "recount")
}

func TestReplay_ChangedMeters_AreCountedBesideTheLiveOnes(t *testing.T) {
	w := start(t, conditions{})
	w.flights(t, 0, 300)
	w.expect(t, "-from 1h", "exit 0: 300 records, 300 counted, 0 copies, 0 nothing")
	before := w.content(t, ledger.LiveSet, metersFile)
	w.recompile(t)
	w.expect(t, "-from 1h", "exit 0: 300 records, 0 counted, 300 copies, 0 nothing")
	w.expect(t, "-from 1h -into hourly", "exit 0: 300 records, 300 counted, 0 copies, 0 nothing")
	if diff := cmp.Diff(before, w.content(t, ledger.LiveSet, metersFile)); diff != "" {
		t.Errorf("live: %s", diff)
	}
	if got := w.content(t, "hourly", metersFile); len(got) != 0 {
		t.Errorf("meters that the function no longer has: %v", got)
	}
	// Three days of up to five hours, ten origins, seven destinations.
	arrivals := 0
	for _, line := range w.content(t, "hourly", otherMeters) {
		if strings.HasPrefix(line, "arrivals") {
			arrivals++
		}
	}
	if n := len(w.content(t, "hourly", otherMeters)) - arrivals; arrivals != 3*7 || n != 3*5*10 {
		t.Errorf("%d rows of arrivals, %d of departures", arrivals, n)
	}
}

// goOn are the flags of the command that the summary names.
var goOn = regexp.MustCompile(`(?m)^  go run ./scripts/replay (.*)$`)

func TestReplay_BrokenOff_GoesOnWhereItSays(t *testing.T) {
	// The function dies after a commit, too: what it has counted is a copy to the next call.
	w := start(t, conditions{faults: []fault.Rule{{Operation: "DynamoDB.TransactWriteItems", Kind: fault.KillAfter, Probability: 0.3, Count: 1}}})
	w.flights(t, 0, 500)
	w.split(t, shard0)
	w.flights(t, 500, 2700)
	ctx, cancel := context.WithCancel(t.Context())
	w.calls(t, func(n int, _ []byte) bool {
		if n == 3 {
			cancel()
		}
		return true
	})
	code, stdout, stderr := w.replay(ctx, "-from", "1h", "-into", "recount")
	m := goOn.FindStringSubmatch(stderr)
	if code != cli.ExitFailed || m == nil || !strings.HasSuffix(stderr, "replay: interrupted\n") || !strings.Contains(stdout, "counted") {
		t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	if !strings.Contains(m[1], "-into=recount -from 20") || !strings.Contains(m[1], " -after 0:") {
		t.Errorf("go on with %s", m[1])
	}
	code, stdout, stderr = w.replay(t.Context(), strings.Fields(m[1])...)
	read := regexp.MustCompile(`replayed ([\d,]+) records`).FindStringSubmatch(stderr)
	if code != cli.ExitDone || read == nil || read[1] >= "3,000" {
		t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	w.expect(t, "-from 1h", "exit 0: 3200 records, 3200 counted, 0 copies, 0 nothing")
	w.equal(t, ledger.LiveSet, "recount")
	w.expect(t, "-from 1h -into recount", "exit 0: 3200 records, 0 counted, 3200 copies, 0 nothing")
}

func TestReplay_Killed_IsRunAgainAndCountsTheRest(t *testing.T) {
	w := start(t, conditions{})
	w.flights(t, 0, 3200)
	w.expect(t, "-from 1h", "exit 0: 3200 records, 3200 counted, 0 copies, 0 nothing")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	w.calls(t, func(n int, _ []byte) bool {
		if n == 2 {
			_ = cmd.Process.Kill() // the function has the call all the same
		}
		return true
	})
	cmd.Args = append(cmd.Args, "-endpoint", w.url, "-from", "1h", "-into", "recount")
	cmd.Env = append(os.Environ(), asCommand+"=1")
	if text, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("it was not killed: %v\n%s", err, text)
	}
	got, r := w.outcome(t, "-from 1h -into recount")
	if r.Copies < 1000 || r.Copies > 2000 || r.Counted != 3200-r.Copies || !r.Complete {
		t.Error(got)
	}
	w.equal(t, ledger.LiveSet, "recount")
}

func (w *world) split(t *testing.T, id string) {
	t.Helper()
	if _, err := w.Kinesis.SplitShard(w.stream, id); err != nil {
		t.Fatal(err)
	}
}

func TestReplay_AcrossSplitAndMerge_HandsParentsOverBeforeChildren(t *testing.T) {
	w := start(t, conditions{})
	w.flights(t, 0, 50)
	w.split(t, shard0)
	w.flights(t, 50, 50)
	if _, err := w.Kinesis.MergeShards(w.stream, "shardId-000000000001"); err != nil {
		t.Fatal(err)
	}
	w.flights(t, 100, 50)
	order := ""
	w.calls(t, func(_ int, payload []byte) bool {
		order += regexp.MustCompile(`"shardId-0{0,11}(\d+):`).FindStringSubmatch(string(payload))[1]
		return true
	})
	if r := w.expect(t, "-from 1h", "exit 0: 150 records, 150 counted, 0 copies, 0 nothing"); r.Shards != 4 {
		t.Errorf("%d shards", r.Shards)
	}
	if order != "0123" && order != "0213" {
		t.Errorf("shards were handed over as %s", order)
	}
	w.expect(t, "-from 1h -shard 2", "exit 0: "+count(w.put["shardId-000000000002"])+" records, 0 counted, "+count(w.put["shardId-000000000002"])+" copies, 0 nothing")
}

func count(n int) string { return strings.ReplaceAll(cli.Thousands(int64(n)), ",", "") }

func TestReplay_BySequence_BeginsAndEndsThere(t *testing.T) {
	w := start(t, conditions{})
	w.flights(t, 0, 10)
	n := w.numbers[shard0]
	for i, x := range []struct{ args, want string }{
		{"-from at:" + n[2] + " -to through:" + n[4], "3 records, 3 counted, 0 copies"},
		{"-from after:" + n[2] + " -to through:" + n[2], "0 records, 0 counted, 0 copies"},
		{"-from after:" + n[2], "7 records, 5 counted, 2 copies"},
		{"-from 1h -after 0:" + n[8], "1 records, 0 counted, 1 copies"},
		{"-from trim-horizon -to through:" + n[0], "1 records, 1 counted, 0 copies"},
	} {
		r := w.expect(t, "-shard 0 "+x.args, "exit 0: "+x.want+", 0 nothing")
		if len(r.Trimmed) > 0 {
			t.Errorf("%d: trimmed %v", i, r.Trimmed)
		}
	}
}

func TestReplay_TrimmedPart_IsTold(t *testing.T) {
	w := start(t, conditions{})
	w.flights(t, 0, 10)
	if _, err := w.Kinesis.Trim(w.stream, time.Time{}); err != nil {
		t.Fatal(err)
	}
	w.flights(t, 10, 5)
	n := w.numbers[shard0]
	for args, want := range map[string]string{
		"-from at:" + n[3]:                           "record " + n[3] + ", and what stood between it and record " + n[10],
		"-from after:" + n[9]:                        "what stood behind record " + n[9] + " and before record " + n[10] + ", if anything did",
		"-from 1h -after 0:" + n[4]:                  "what stood behind record " + n[4] + " and before record " + n[10] + ", if anything did",
		"-from 1h -to through:" + n[2]:               "record " + n[2] + ", with which it ends: it is not in the shard",
		"-from trim-horizon -after 7:" + n[2]:        "record " + n[2] + " and all behind it",
		"-from at:" + n[3] + " -to through:" + n[12]: "record " + n[3] + ", and what stood between it and record " + n[10],
	} {
		args := strings.Fields(args)
		if !strings.Contains(strings.Join(args, " "), " 7:") {
			args = append(args, "-shard", "0")
		}
		code, _, stderr := w.replay(t.Context(), args...)
		if code != cli.ExitFailed || strings.Count(stderr, "trimmed: shard ") != 1 || !strings.Contains(stderr, ": "+want) || !strings.Contains(stderr, "does not have all of the range") {
			t.Errorf("%v: exit %d\n%s", args, code, stderr)
		}
	}
	code, stdout, stderr := w.replay(t.Context(), "-from", "at:"+n[3], "-shard", "0", "-dry-run")
	if code != cli.ExitFailed || !strings.Contains(stderr, "trimmed: shard 0: record "+n[3]) || !strings.Contains(stdout, "\n0            5             5") {
		t.Errorf("dry run: exit %d\n%s\n%s", code, stdout, stderr)
	}
}

func TestReplay_LateInLive_IsSaidWithTheWayOut(t *testing.T) {
	w := start(t, conditions{horizon: "21d"})
	w.flights(t, 0, 5) // of 2001
	for i := range 3 {
		w.record(t, "k", flightAt(1000+i, time.Now().Add(-time.Hour)))
	}
	code, stdout, stderr := w.replay(t.Context(), "-from", "1h")
	if code != cli.ExitFailed || !strings.Contains(stderr, "5 events beyond the horizon of live: -into NAME counts them") || !strings.Contains(stderr, "5 user records failed") ||
		!regexp.MustCompile(`(?m)^late +5 +failed$`).MatchString(stdout) {
		t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	w.expect(t, "-from 1h -into history", "exit 0: 8 records, 8 counted, 0 copies, 0 nothing")
}

func TestReplay_AggregatesGzipAndWhatCannotBeDecoded_GoAsRecords(t *testing.T) {
	w := start(t, conditions{})
	w.record(t, "zipped", zip(flight(1)))
	packed := w.record(t, "packed", kpltest.OneKey("inner", flight(2), zip(flight(3)), []byte("nonsense"), flight(4)))
	w.record(t, "text", []byte("not JSON"))
	w.record(t, "other", []byte(`{"specversion":"1.0","id":"1","source":"/s","type":"other","time":"2001-01-01T00:00:00Z"}`))
	r := w.expect(t, "-from 1h", "exit 1: 4 records, 4 counted, 0 copies, 1 nothing, 2 undecodable")
	if e := r.Failed[0].Examples; len(e) != 2 || e[0].SequenceNumber != packed || e[0].Sub != 2 || e[0].Reason == "" || e[1].Sub != 0 {
		t.Errorf("examples %+v", e)
	}
	code, stdout, stderr := w.replay(t.Context(), "-from", "1h", "-dry-run")
	if code != cli.ExitDone || !strings.Contains(stdout, "\n0            4             7            2") || !strings.Contains(stderr, "into set live") {
		t.Errorf("dry run: exit %d\n%s\n%s", code, stdout, stderr)
	}
}

func TestReplay_DryRun_CountsNothing(t *testing.T) {
	w := start(t, conditions{})
	w.flights(t, 0, 20)
	code, stdout, stderr := w.replay(t.Context(), "-from", "1h", "-into", "recount", "-dry-run", "-json")
	if code != cli.ExitDone || !strings.HasSuffix(stderr, ", into set recount, which would begin\n") || !strings.HasPrefix(stdout, `{"set":"recount","shards":[{"shard":"shardId-000000000000","records":20,"userRecords":20,"undecodable":0,`) {
		t.Errorf("exit %d, %s", code, stdout)
	}
	if code, stdout, _ := w.replay(t.Context(), "-sets", "-json"); code != cli.ExitDone || stdout != "{\"sets\":[]}\n" {
		t.Errorf("exit %d, sets %q", code, stdout)
	}
}

func TestDrop_RemovesTheSetAndItsName(t *testing.T) {
	w := start(t, conditions{})
	w.flights(t, 0, 50)
	w.expect(t, "-from 1h", "exit 0: 50 records, 50 counted, 0 copies, 0 nothing")
	w.expect(t, "-from 1h -into recount", "exit 0: 50 records, 50 counted, 0 copies, 0 nothing")
	if code, stdout, _ := w.replay(t.Context(), "-sets"); code != cli.ExitDone || stdout != "live\nrecount\n" {
		t.Errorf("exit %d, sets %q", code, stdout)
	}
	if code, stdout, _ := w.replay(t.Context(), "-drop", "recount", "-dry-run"); code != cli.ExitDone || !strings.Contains(stdout, "would be removed") {
		t.Errorf("dry run: exit %d, %q", code, stdout)
	}
	code, stdout, stderr := w.replay(t.Context(), "-drop", "recount")
	if code != cli.ExitDone || !regexp.MustCompile(`^set recount is removed from table Millrace-Table: \d+ items\n$`).MatchString(stdout) || !strings.HasPrefix(stderr, "removed ") {
		t.Errorf("drop: exit %d, %q, %q", code, stdout, stderr)
	}
	code, _, stderr = w.replay(t.Context(), "-drop", "recount")
	if code != cli.ExitFailed || !strings.HasSuffix(stderr, "there is no such set: it has live\n") {
		t.Errorf("drop again: exit %d, %q", code, stderr)
	}
	w.expect(t, "-from 1h -into recount", "exit 0: 50 records, 50 counted, 0 copies, 0 nothing")
	w.equal(t, ledger.LiveSet, "recount")
}

func TestDrop_WhileAReplayFillsTheSet_TheReplayFails(t *testing.T) {
	for _, first := range []string{"-from 1h", "-from 1h -into recount"} { // the set begins with the replay, or is there
		t.Run(first, func(t *testing.T) {
			w := start(t, conditions{})
			w.flights(t, 0, 2500)
			w.expect(t, first, "exit 0: 2500 records, 2500 counted, 0 copies, 0 nothing")
			w.calls(t, func(n int, _ []byte) bool {
				if n == 3 {
					if code, _, stderr := w.replay(t.Context(), "-drop", "recount"); code != cli.ExitDone {
						t.Errorf("drop: exit %d, %q", code, stderr)
					}
				}
				return true
			})
			if code, stdout, stderr := w.replay(t.Context(), "-from", "1h", "-into", "recount"); code != cli.ExitFailed || !strings.Contains(stderr, "dropped in the meantime") || strings.Contains(stderr, "go on with") {
				t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
			}
		})
	}
}

func TestDrop_CutShort_SaysToRunItAgain_AndNobodyCountsIntoTheRest(t *testing.T) {
	w := start(t, conditions{})
	w.flights(t, 0, 50)
	w.expect(t, "-from 1h -into recount", "exit 0: 50 records, 50 counted, 0 copies, 0 nothing")
	if err := w.Faults.Add(fault.Rule{Operation: "DynamoDB.DeleteItem", Kind: fault.Error, Probability: 1}); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := w.replay(t.Context(), "-drop", "recount"); code != cli.ExitFailed || !strings.Contains(stderr, "set recount cannot be read any more, and is not gone: run the same command again\n") {
		t.Errorf("exit %d, %q", code, stderr)
	}
	if code, _, stderr := w.replay(t.Context(), "-from", "1h", "-into", "recount", "-dry-run"); code != cli.ExitFailed || !strings.Contains(stderr, "it is being dropped") {
		t.Errorf("dry run: exit %d, %q", code, stderr)
	}
	if code, _, stderr := w.replay(t.Context(), "-from", "1h", "-into", "recount"); code != cli.ExitFailed || !strings.Contains(stderr, "it is being dropped") {
		t.Errorf("replay: exit %d, %q", code, stderr)
	}
	w.Faults.Clear()
	if code, _, stderr := w.replay(t.Context(), "-drop", "recount"); code != cli.ExitDone {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestReplay_ProcessorThatKeepsFailing_StopsAndTellsWhatWasDone(t *testing.T) {
	w := start(t, conditions{})
	w.flights(t, 0, 1500)
	w.calls(t, func(n int, _ []byte) bool {
		if n == 2 { // the table is away from now on
			_ = w.Faults.Add(fault.Rule{Operation: "DynamoDB.TransactWriteItems", Kind: fault.Error, Probability: 1}, fault.Rule{Operation: "DynamoDB.Query", Kind: fault.Error, Probability: 1})
		}
		return true
	})
	code, stdout, stderr := w.replay(t.Context(), "-from", "1h", "-patience", "50ms")
	if code != cli.ExitFailed || !regexp.MustCompile(`(?m)^counted +1,000 `).MatchString(stdout) || !strings.Contains(stderr, "settles nothing") || !goOn.MatchString(stderr) {
		t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	w.Faults.Clear()
	args := strings.Fields(goOn.FindStringSubmatch(stderr)[1])
	if code, stdout, stderr := w.replay(t.Context(), args...); code != cli.ExitDone || !regexp.MustCompile(`(?m)^counted +500 `).MatchString(stdout) {
		t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	w.expect(t, "-from 1h", "exit 0: 1500 records, 0 counted, 1500 copies, 0 nothing")
}

func TestReplay_FunctionThatMayNotBeCalled_IsNamed(t *testing.T) {
	w := start(t, conditions{})
	w.flights(t, 0, 5)
	w.calls(t, func(int, []byte) bool { return false })
	for _, args := range [][]string{{"-dry-run"}, nil} {
		code, stdout, stderr := w.replay(t.Context(), append([]string{"-from", "1h"}, args...)...)
		if code != cli.ExitFailed || stdout != "" || !strings.Contains(stderr, "invoke function Millrace-Processor: ") || !strings.Contains(stderr, "not authorized to perform: lambda:InvokeFunction\na replay needs ") {
			t.Errorf("%v: exit %d\n%s\n%s", args, code, stdout, stderr)
		}
	}
}

func TestReplay_NoSuchStreamShardSetOrFunction_SaysSo(t *testing.T) {
	w := start(t, conditions{template: strings.Replace(template, "ProcessorName: {Value: !Ref Processor}", "ProcessorName: {Value: nobody}", 1)})
	w.flights(t, 0, 5)
	for args, want := range map[string]string{
		"-from 1h":                          "invoke function nobody: ",
		"-from 1h -stream nobodys":          "there is no stream nobodys: -stream or -stack names another one",
		"-from 1h -shard 7":                 "has no shard shardId-000000000007 to be read from there",
		"-from at:17 -shard 0":              "may be another shard's",
		"-drop other":                       "there is no such set: it has none",
		"-from 1h -stack Others":            "stack Others not found",
		"-from 1h -stream nobodys -dry-run": "there is no stream nobodys",
	} {
		if code, stdout, stderr := w.replay(t.Context(), strings.Fields(args)...); code != cli.ExitFailed || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %q\n%s", args, code, stdout, stderr)
		}
	}
}
