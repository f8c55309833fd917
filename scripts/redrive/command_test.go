package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/failure"
)

// mixed is a queue with a failure of each kind, and messages that are none of ours.
func mixed(t *testing.T) *world {
	t.Helper()
	w := start(t, inRanges)
	w.down(t, []sale{{"a", 1, ""}, {"a", 2, "permanent"}})
	undecodable := w.failed(sale{"b", 1, ""}, 7)
	undecodable.Class, undecodable.Text, undecodable.Payload = failure.Undecodable, "no JSON: \x1b[2J", []byte("\x1b[2Jno JSON")
	pointer := w.failed(sale{"c", 1, ""}, 8)
	pointer.Class, pointer.Text, pointer.Payload, pointer.Arrival = failure.TooLarge, "inflates to more than 10 MiB", nil, time.Now().Add(-25*time.Hour)
	strange := w.failed(sale{"d", 1, ""}, 9)
	strange.Stream = "Another"
	w.send(t, []failure.Record{w.failed(sale{"b", 2, ""}, 6), undecodable, pointer, strange})
	queue := w.outputs[config.OutputFailureQueue]
	for _, body := range []string{"hello", `{"millrace":99}`} {
		if _, err := sqs.NewFromConfig(w.Config()).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func TestCommand_ListShowForeseeGo_OnEveryKindOfMessage(t *testing.T) {
	w := mixed(t)
	code, stdout, stderr := w.redrive(t.Context())
	t.Log("\n" + stdout + stderr)
	for _, want := range []string{`in stream`, `in message`, `trimmed`, `RetryAttemptsExhausted`, `given up by the mapping after 2 attempts: the function failed (Unhandled)`, `"no JSON: \x1b[2J"`, `of stream Another`, `not ours`, `version 99 of Millrace's message`} {
		if code != cli.ExitDone || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, no %q", code, want)
		}
	}
	if want := "the queue has 4 failures; 1 failure of another stream, and left alone; 2 messages are not ours, and left alone\n"; stderr != want && !strings.HasPrefix(stderr, "the queue has 5 failures") {
		t.Errorf("%s", stderr)
	}
	code, stdout, stderr = w.redrive(t.Context(), "-show")
	t.Log("\n" + stdout + stderr)
	if code != cli.ExitDone || !strings.Contains(stdout, `"id":"b-2"`) || !strings.Contains(stdout, `"id":"a-1"`) || !strings.Contains(stdout, "cannot be decoded: ") || strings.Contains(stdout, "\x1b") || !strings.Contains(stderr, "trimmed: shard 0") {
		t.Errorf("exit %d", code)
	}
	_, stdout, _ = w.redrive(t.Context(), "-show", "-json")
	for line := range strings.Lines(stdout) {
		var row struct{ ID, Shard, SequenceNumber, PartitionKey, Class, Reason string }
		if err := json.Unmarshal([]byte(line), &row); err != nil || row.ID == "" || row.PartitionKey == "" || row.Class == "" {
			t.Errorf("%s: %v", line, err)
		}
	}
	code, stdout, stderr = w.redrive(t.Context(), "-dry-run")
	t.Log("\n" + stdout + stderr)
	if code != cli.ExitDone || !strings.Contains(stderr, "-go would hand over 4 records") || !strings.Contains(stdout, "trimmed: shard 0") || len(w.totals0(t)) != 0 {
		t.Errorf("exit %d", code)
	}
	code, stdout, stderr = w.redrive(t.Context(), "-go")
	t.Log("\n" + stdout + stderr)
	if code != cli.ExitFailed || !strings.Contains(stdout, "counted") || !strings.Contains(stderr, "3 failures are "+leftOver) {
		t.Errorf("exit %d", code)
	}
	var rows []struct{ ID, Kind, Class, Readable string }
	w.done(t, &rows)
	var left []string
	for _, r := range rows {
		left = append(left, r.Kind+" "+r.Class)
	}
	if got := strings.Join(left, ", "); got != "record refused, record undecodable, pointer too-large, other stream gave-up, not ours , not ours " && got != "record undecodable, pointer too-large, record refused, other stream gave-up, not ours , not ours " {
		t.Errorf("left: %s", got)
	}
}

func (w *world) totals0(t *testing.T) map[string]holding {
	t.Helper()
	if w.Lambda.Stats(w.outputs[config.OutputProcessor]).Errors > 0 {
		return nil // nothing was ever counted: there is no layout
	}
	return w.totals(t)
}

func TestCommand_FunctionKeepsFailing_StopsWithASummaryAndDeletesNothing(t *testing.T) {
	w := start(t, soon)
	var failures []failure.Record
	for i := range 30 {
		failures = append(failures, w.failed(sale{key: fmt.Sprint("k", i), n: i, fault: "transient"}, i))
	}
	w.send(t, failures)
	code, stdout, stderr := w.redrive(t.Context(), "-go", "-patience", "1s") // the bank is closed
	if code != cli.ExitFailed || !strings.Contains(stderr, "30 records are unsettled, and still in the queue") || len(w.failures(t)) != 30 {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	w.touch(t, "down")
	code, stdout, stderr = w.redrive(t.Context(), "-go", "-patience", "100ms", "-json")
	var r result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != cli.ExitFailed || !strings.Contains(stderr, "the processor function settles nothing") ||
		!strings.Contains(r.Stopped, "settles nothing") || len(w.failures(t)) != 30 || r.Failures.Untouched == 0 {
		t.Errorf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	if err := os.Remove(filepath.Join(w.dir, "down")); err != nil {
		t.Fatal(err)
	}
	w.touch(t, "open")
	w.done(t, &r, "-go")
	if len(w.failures(t)) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestCommand_WrongQueue_SaysSoAndTouchesNothing(t *testing.T) {
	w := start(t, soon)
	code, _, stderr := w.redrive(t.Context(), "-queue", w.URL()+"/000000000000/nowhere")
	if code != cli.ExitFailed || !strings.Contains(stderr, "there is no such queue: -queue or -stack names another one") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	name := "orders"
	api := sqs.NewFromConfig(w.Config())
	out, err := api.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"order":1}`, `{"order":2}`} {
		if _, err := api.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		var r result
		w.done(t, &r, "-go", "-queue", *out.QueueUrl)
		if r.Messages.NotOurs != 2 || r.Records.HandedOver != 0 {
			t.Errorf("%+v", r)
		}
	}
	if code, stdout, stderr := w.redrive(t.Context()); code != cli.ExitDone || stdout != "" || stderr != "the queue has 0 failures\n" {
		t.Errorf("an empty queue: %q, %q", stdout, stderr)
	}
}

func TestCommand_TwoAtOnce_CountOnce(t *testing.T) {
	w := start(t, soon)
	w.touch(t, "open")
	var sold []sale
	var failures []failure.Record
	for i := range 500 {
		sold = append(sold, sale{key: fmt.Sprint("k", i%7), n: i})
		failures = append(failures, w.failed(sold[i], i), w.failed(sold[i], i))
	}
	w.send(t, failures)
	done := make(chan string, 2)
	for range 2 {
		go func() {
			code, stdout, stderr := w.redrive(t.Context(), "-go")
			done <- fmt.Sprint(code, stdout, stderr)
		}()
	}
	for range 2 { // one may come when the other has all of them
		if got := <-done; !strings.HasPrefix(got, "0") && !strings.Contains(got, "all that is in the queue is hidden") {
			t.Error(got)
		}
	}
	n := int64(0)
	for _, h := range w.totals(t) {
		n += h.Count
	}
	if n != 500 || len(w.failures(t)) != 0 {
		t.Errorf("%d are counted, %d are left", n, len(w.failures(t)))
	}
}

// As after a redrive that was killed: nobody should take that for an empty queue.
func TestCommand_AllIsHidden_IsNotDone(t *testing.T) {
	w := start(t, soon)
	w.touch(t, "open")
	w.send(t, []failure.Record{w.failed(sale{key: "k"}, 1)})
	queue := w.outputs[config.OutputFailureQueue]
	out, err := sqs.NewFromConfig(w.Config()).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, VisibilityTimeout: 3600})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("%v: %d messages", err, len(out.Messages))
	}
	for _, args := range [][]string{{"-go"}, {"-go", "-json"}} {
		code, _, stderr := w.redrive(t.Context(), args...)
		if code != cli.ExitFailed || !strings.HasSuffix(stderr, "redrive: all that is in the queue is hidden: redrive again when it appears\n") {
			t.Errorf("exit %d\n%s", code, stderr)
		}
	}
}

// Interrupted, it settles what it knows of, and nothing stays hidden.
func TestCommand_Interrupted_SettlesWhatWasToldAndShowsTheRest(t *testing.T) {
	w := start(t, soon)
	w.touch(t, "open")
	var failures []failure.Record
	for i := range 300 {
		failures = append(failures, w.failed(sale{key: fmt.Sprint("k", i%7), n: i}, i))
	}
	w.send(t, failures)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for w.Lambda.Stats(w.outputs[config.OutputProcessor]).Invocations < 2 && ctx.Err() == nil { // what the first call told is noted
			<-time.After(10 * time.Millisecond)
		}
		cancel()
	}()
	code, stdout, stderr := w.redrive(ctx, "-go", "-rate", "50", "-json")
	var r result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code == cli.ExitDone || r.Stopped == "" || r.Messages.Deleted == 0 || r.Failures.Untouched == 0 {
		t.Errorf("exit %d, %v: %+v\n%s", code, err, r, stderr)
	}
	if n, err := failure.InFlight(t.Context(), sqs.NewFromConfig(w.Config()), w.outputs[config.OutputFailureQueue]); n != 0 || err != nil {
		t.Errorf("%d messages are hidden, %v", n, err)
	}
	if left := len(w.failures(t)); left != 300-r.Messages.Deleted || r.Records.Counted != r.Messages.Deleted {
		t.Errorf("%d are left: %+v", left, r)
	}
}

func TestCommand_WrongUsage_ExitsWith2AndAHint(t *testing.T) {
	for args, want := range map[string]string{
		"-show -go":             "-show and -go",
		"-show -dry-run":        "-show and -dry-run",
		"-rate -1":              "-rate -1: want records a second",
		"-rate NaN":             "-rate NaN",
		"-rate Inf":             "-rate +Inf",
		"-patience 0s":          "-patience 0s",
		"-hold 100ms":           "-hold 100ms: want 1s to 12h0m0s",
		"-since tomorrow":       "want a time as in",
		"-shard first":          "want a number, or an id",
		"ID":                    `unexpected argument "ID"`,
		"-endpoint 127.0.0.1:1": "want a URL",
	} {
		var words bytes.Buffer
		code := cli.Execute(t.Context(), "redrive", run, strings.Fields(args), nil, io.Discard, &words)
		if code != cli.ExitUsage || !strings.Contains(words.String(), want) || strings.Count(words.String(), "\n") != 2 {
			t.Errorf("%s: exit %d\n%s", args, code, words.String())
		}
	}
}

func TestExplain_NotAllowed_NamesWhatItNeeds(t *testing.T) {
	err := explain("s", fmt.Errorf("invoke function f: %w", &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}))
	if !strings.Contains(err.Error(), "lambda:InvokeFunction") || !regexp.MustCompile(`sqs:\w+`).MatchString(err.Error()) {
		t.Error(err)
	}
	if other := errors.New("other"); !errors.Is(explain("s", other), other) {
		t.Error("another error is changed")
	}
}
