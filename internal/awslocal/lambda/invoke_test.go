package lambda

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

func TestInvoke_SecondTime_ReusesTheInstance(t *testing.T) {
	s, _ := service(t, "plain", nil)
	for range 3 {
		if a := invoke(t, s, []byte(`{"x":1}`)); string(a.Payload) != `{"x":1}` || a.FunctionError != "" || a.ExecutedVersion != "$LATEST" {
			t.Fatalf("answer %+v %s", a, a.Payload)
		}
	}
	st := s.Stats("f")
	if st.Invocations != 3 || st.ColdStarts != 1 || len(st.Inits) != 1 || st.Inits[0] <= 0 || st.Errors != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestInvoke_Environment_IsTheFunctionsOwn(t *testing.T) {
	t.Setenv("SECRET_OF_THE_PARENT", "x")
	t.Setenv("AWS_SESSION_TOKEN", "x")
	s, _ := service(t, "plain", func(f *Function) {
		f.Environment = map[string]string{"MILLRACE_TABLE": "T", "AWS_ENDPOINT_URL": ""}
		f.MemoryMB, f.Handler = 512, "bootstrap"
	})
	env := environment(t, s)
	for name, want := range map[string]string{
		"MILLRACE_TABLE": "T", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "us-east-1",
		"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"LAMBDA_TASK_ROOT": filepath.Join(built, "plain"), "_HANDLER": "bootstrap", "AWS_ACCESS_KEY_ID": "ASIALOCAL00000000001",
	} {
		if env[name] != want {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
	for _, name := range []string{"SECRET_OF_THE_PARENT", "AWS_SESSION_TOKEN", "HOME"} {
		if v, ok := env[name]; ok {
			t.Errorf("%s is set to %q", name, v)
		}
	}
}

func TestInvoke_Headers_TellTheInvocation(t *testing.T) {
	s, _ := service(t, "plain", func(f *Function) { f.Timeout = time.Minute })
	before := time.Now().Add(time.Minute).UnixMilli()
	var h http.Header
	if err := json.Unmarshal(invoke(t, s, script("headers", "", 0)).Payload, &h); err != nil {
		t.Fatal(err)
	}
	if got := h.Get("Lambda-Runtime-Aws-Request-Id"); got != "id-1" {
		t.Errorf("request id %q", got)
	}
	if got := h.Get("Lambda-Runtime-Invoked-Function-Arn"); got != "arn:aws:lambda:us-east-1:000000000000:function:f" {
		t.Errorf("arn %q", got)
	}
	if ms, err := strconv.ParseInt(h.Get("Lambda-Runtime-Deadline-Ms"), 10, 64); err != nil || ms < before {
		t.Errorf("deadline %d, want at least %d: %v", ms, before, err)
	}
	mustContain(t, h.Get("Lambda-Runtime-Trace-Id"), "Root=1-", ";Parent=", ";Sampled=0")
}

func TestInvoke_FunctionReturnsAnError_KeepsTheInstance(t *testing.T) {
	s, _ := service(t, "plain", nil)
	if f := failureOf(t, invoke(t, s, script("error", "why", 0))); f != (failure{"Sad", "why"}) {
		t.Errorf("%+v", f)
	}
	invoke(t, s, []byte("{}"))
	if st := s.Stats("f"); st.ColdStarts != 1 || st.Errors != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestInvoke_Crash_IsAnExitErrorAndTheNextStartsCold(t *testing.T) {
	s, out := service(t, "plain", nil)
	if f := failureOf(t, invoke(t, s, script("kill", "", 7))); f != (failure{"Runtime.ExitError", "RequestId: id-1 Error: Runtime exited with error: exit status 7"}) {
		t.Errorf("%+v", f)
	}
	if f := failureOf(t, invoke(t, s, script("kill", "", 0))); f.Message != "RequestId: id-1 Error: Runtime exited without providing a reason" {
		t.Errorf("%+v", f)
	}
	if got := strings.Count(out.text(), "f out last words"); got != 2 {
		t.Errorf("%d last words, want 2: %s", got, out.text())
	}
	invoke(t, s, []byte("{}"))
	if st := s.Stats("f"); st.ColdStarts != 3 || st.Errors != 2 {
		t.Errorf("stats %+v", st)
	}
}

func TestInvoke_ProcessEndsAfterItsAnswer_NextEventIsNotLost(t *testing.T) {
	s, _ := service(t, "plain", nil)
	for range 3 {
		if a := invoke(t, s, script("answer and exit", "", 0)); a.FunctionError != "" {
			t.Errorf("answer %s", a.Payload)
		}
	}
}

func TestInvoke_Timeout_KillsTheProcess(t *testing.T) {
	s, _ := service(t, "plain", func(f *Function) { f.Timeout = 50 * time.Millisecond })
	f := failureOf(t, invoke(t, s, script("hang", "", 0)))
	if f.Type != "Sandbox.Timedout" || f.Message != "RequestId: id-1 Error: Task timed out after 0.05 seconds" {
		t.Errorf("%+v", f)
	}
	if st := s.Stats("f"); st.Timeouts != 1 || st.Errors != 1 || st.Kills != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestInvoke_ResponseSize_IsBounded(t *testing.T) {
	s, out := service(t, "plain", nil)
	if a := invoke(t, s, script("big", "", MaxResponse)); len(a.Payload) != MaxResponse || a.FunctionError != "" {
		t.Errorf("%d bytes, %q", len(a.Payload), a.FunctionError)
	}
	f := failureOf(t, invoke(t, s, script("big", "", MaxResponse+1)))
	if f != (failure{"Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes)."}) {
		t.Errorf("%+v", f)
	}
	invoke(t, s, []byte("{}"))
	s.Close() // which waits for the output
	mustContain(t, out.text(), "refused with 413")
}

func TestInvoke_RequestSize_IsBounded(t *testing.T) {
	s, _ := service(t, "plain", nil)
	payload := append([]byte(`{}`), bytes.Repeat([]byte(" "), MaxRequest-2)...)
	if a := invoke(t, s, payload); len(a.Payload) != MaxRequest {
		t.Errorf("%d bytes came back", len(a.Payload))
	}
	_, err := s.Invoke(t.Context(), "f", Invocation{Payload: append(payload, ' ')})
	e := new(wire.Error)
	if !errors.As(err, &e) || e.Code != "RequestEntityTooLargeException" || e.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("error %v", err)
	}
}

func TestInvoke_NothingReturned_IsAnEmptyAnswer(t *testing.T) {
	s, _ := service(t, "plain", nil)
	if a := invoke(t, s, script("nothing", "", 0)); len(a.Payload) != 0 || a.FunctionError != "" {
		t.Errorf("%+v", a)
	}
}

func TestInvoke_ResponseToAnotherRequest_IsRefused(t *testing.T) {
	s, _ := service(t, "plain", nil)
	if a := invoke(t, s, script("wrong id", "", 0)); string(a.Payload) != "400" {
		t.Errorf("answer %s", a.Payload)
	}
}

func TestInvoke_BeyondTheReservation_IsThrottled(t *testing.T) {
	s, _ := service(t, "plain", func(f *Function) { f.ReservedConcurrency = 1 })
	key := environment(t, s)["AWS_ACCESS_KEY_ID"]
	p := newPipe(t)
	answer := start(t, s, script("hang", p.path, 0))
	p.up(t)
	_, err := s.Invoke(t.Context(), "f", Invocation{Payload: []byte("{}")})
	e := new(wire.Error)
	if !errors.As(err, &e) || e.Code != "TooManyRequestsException" || e.Fields["Reason"] != "ReservedFunctionConcurrentInvocationLimitExceeded" {
		t.Errorf("error %v, want a throttle", err)
	}
	s.Kill(key)
	if f := failureOf(t, <-answer); f.Message != "RequestId: id-1 Error: Runtime exited with error: signal: killed" {
		t.Errorf("%+v", f)
	}
	invoke(t, s, []byte("{}"))
	if st := s.Stats("f"); st.Throttles != 1 || st.Kills != 1 || st.Invocations != 3 {
		t.Errorf("stats %+v", st)
	}
}

func TestInvoke_AfterClose_IsAnErrorOfTheService(t *testing.T) {
	s, _ := service(t, "plain", nil)
	s.Close()
	_, err := s.Invoke(t.Context(), "f", Invocation{Payload: []byte("{}")})
	e := new(wire.Error)
	if !errors.As(err, &e) || e.Code != "ServiceException" || e.Status != http.StatusInternalServerError {
		t.Errorf("error %v", err)
	}
}

func TestInvoke_Crash_LeavesNoIdleInstance(t *testing.T) {
	s, _ := service(t, "plain", nil)
	invoke(t, s, script("kill", "", 1))
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.functions["f"].latest.idle); n != 0 {
		t.Errorf("%d ended instances wait for an event", n)
	}
}

func TestInvoke_Concurrently_StartsInstances(t *testing.T) {
	s, _ := service(t, "plain", nil)
	a, b := newPipe(t), newPipe(t)
	one, two := start(t, s, script("hang", a.path, 0)), start(t, s, script("hang", b.path, 0))
	a.up(t)
	b.up(t)
	if st := s.Stats("f"); st.ColdStarts != 2 {
		t.Errorf("stats %+v", st)
	}
	s.Close()
	failureOf(t, <-one)
	failureOf(t, <-two)
}

func TestInvoke_ContextEnds_InvocationRunsOn(t *testing.T) {
	s, _ := service(t, "plain", nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	p := newPipe(t)
	failed := make(chan error, 1)
	go func() {
		_, err := s.Invoke(ctx, "f", Invocation{Payload: script("hang", p.path, 0)})
		failed <- err
	}()
	p.up(t)
	gone := errors.New("gone")
	cancel(gone)
	if err := <-failed; !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
	s.Close()
	p.down(t)
}

func TestInvoke_UnknownFunction_IsNotFound(t *testing.T) {
	s, _ := service(t, "plain", nil)
	_, err := s.Invoke(t.Context(), "g", Invocation{})
	if err == nil || !strings.Contains(err.Error(), "ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:000000000000:function:g") {
		t.Errorf("error %v", err)
	}
}

func TestInvoke_InitFails_AnswersItsReason(t *testing.T) {
	for mode, want := range map[string]failure{
		"error": {"Init", "no table"},
		"exit":  {"Runtime.ExitError", "RequestId: id-1 Error: Runtime exited with error: exit status 3"},
	} {
		s, out := service(t, "plain", func(f *Function) { f.Environment = map[string]string{"INIT": mode} })
		if f := failureOf(t, invoke(t, s, []byte("{}"))); f != want {
			t.Errorf("%s: %+v", mode, f)
		}
		s.Close() // which waits for the output
		mustContain(t, out.text(), "f out starting")
		if st := s.Stats("f"); st.ColdStarts != 1 || st.Errors != 1 || len(st.Inits) != 0 {
			t.Errorf("%s: stats %+v", mode, st)
		}
	}
}

func TestInvoke_Output_ComesByLines(t *testing.T) {
	s, out := service(t, "plain", nil)
	invoke(t, s, script("print", "one\ntwo", 0))
	s.Close()
	mustContain(t, out.text(), "f out starting", "f out one\nf out two", "f err ONE\nf err TWO")
}

func TestInvoke_Output_IsHandedOnBeforeTheAnswer(t *testing.T) {
	s, out := service(t, "plain", nil)
	for n := range 300 {
		line := "line " + strconv.Itoa(n)
		invoke(t, s, script("print", line, 0))
		if text := out.text(); !strings.Contains(text, "f out "+line) || !strings.Contains(text, "f err "+strings.ToUpper(line)) {
			t.Fatalf("no %s in what has been handed on", line)
		}
	}
}

func TestUpdate_NextInvocation_StartsColdWithTheNewEnvironment(t *testing.T) {
	s, _ := service(t, "plain", nil)
	environment(t, s)
	f, _ := s.Function("f")
	f.Environment = map[string]string{"NEW": "yes"}
	if err := s.Update(f); err != nil {
		t.Fatal(err)
	}
	if env := environment(t, s); env["NEW"] != "yes" {
		t.Errorf("NEW is %q", env["NEW"])
	}
	if st := s.Stats("f"); st.ColdStarts != 2 {
		t.Errorf("stats %+v", st)
	}
}

func TestClose_ProcessStartedByTheFunction_EndsToo(t *testing.T) {
	s, _ := service(t, "plain", nil)
	p := newPipe(t)
	answer := start(t, s, script("child", p.path, 0))
	p.up(t)
	s.Close()
	p.down(t)
	failureOf(t, <-answer)
	if _, err := s.Invoke(t.Context(), "f", Invocation{}); err == nil {
		t.Error("a closed service invoked")
	}
}

func TestAWSRuntime_Context_HasRequestAndDeadline(t *testing.T) {
	s, _ := service(t, "aws", func(f *Function) { f.MemoryMB = 256 })
	var encoded []byte
	if err := json.Unmarshal(invoke(t, s, []byte("{}")).Payload, &encoded); err != nil {
		t.Fatal(err)
	}
	mustContain(t, string(encoded), `"id":"id-1"`, `"memory":256`, `"name":"f"`, `:function:f"`)
}

func TestAWSRuntime_Errors_AreItsOwnDocuments(t *testing.T) {
	s, _ := service(t, "aws", nil)
	if f := failureOf(t, invoke(t, s, script("error", "sad", 0))); f != (failure{"errorString", "sad"}) {
		t.Errorf("%+v", f)
	}
	if f := failureOf(t, invoke(t, s, script("panic", "oh", 0))); f != (failure{"string", "oh"}) {
		t.Errorf("%+v", f)
	}
	if a := invoke(t, s, []byte("{}")); a.FunctionError != "" {
		t.Errorf("after a panic: %s", a.Payload)
	}
	if st := s.Stats("f"); st.ColdStarts != 2 || st.Errors != 2 {
		t.Errorf("stats %+v", st)
	}
}

// A killed parent closes nothing itself: busy instances are ended by the kernel, and idle ones, where that is not to be
// had, by aws-lambda-go, whose next fails.
func TestParentKilled_Instances_End(t *testing.T) {
	for _, do := range []string{"hang", "idle"} {
		p := newPipe(t)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LAMBDA_TEST_PARENT="+filepath.Join(built, "aws"))
		cmd.Stdin = bytes.NewReader(script(do, p.path, 0))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p.up(t)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		p.down(t)
	}
}

func TestFaults_ActedOut(t *testing.T) {
	for _, c := range []struct {
		kind    fault.Kind
		timeout time.Duration
		want    string // in the answer or the error
		stats   func(Stats) bool
	}{
		{fault.Throttle, 0, "TooManyRequestsException", func(s Stats) bool { return s.Throttles == 1 && s.Invocations == 1 }},
		{fault.Error, 0, "ServiceException", func(s Stats) bool { return s.Invocations == 1 }},
		{fault.Delay, 0, `{"x":1}`, func(s Stats) bool { return s.Invocations == 2 && s.ColdStarts == 1 }},
		{fault.Timeout, 50 * time.Millisecond, "Task timed out after 0.05 seconds", func(s Stats) bool { return s.Timeouts == 1 && s.ColdStarts == 2 }},
		{fault.KillBefore, 0, "signal: killed", func(s Stats) bool { return s.Kills == 1 && s.ColdStarts == 2 }},
		{fault.KillAfter, 0, "signal: killed", func(s Stats) bool { return s.Kills == 1 && s.ColdStarts == 2 }},
		{fault.DropAfter, 0, ErrDropped.Error(), func(s Stats) bool { return s.Invocations == 2 && s.ColdStarts == 1 }},
		{fault.Hang, 0, ErrDropped.Error(), func(s Stats) bool { return s.Invocations == 2 && s.ColdStarts == 1 }},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			rule := fault.Rule{Operation: "Lambda.Invoke", Kind: c.kind, Probability: 1, Count: 1, Delay: time.Millisecond}
			s, out := service(t, "plain", func(f *Function) { f.Timeout = c.timeout }, rule)
			payload := []byte(`{"x":1}`)
			if c.kind == fault.KillBefore || c.kind == fault.KillAfter {
				payload = script("print", "was here", 0)
			}
			a, err := s.Invoke(t.Context(), "f", Invocation{RequestID: "id-1", Payload: payload})
			text := string(a.Payload)
			if err != nil {
				text = err.Error()
			}
			mustContain(t, text, c.want)
			f, _ := s.Function("f")
			f.Timeout = 20 * time.Second
			if c.timeout > 0 {
				if err := s.Update(f); err != nil {
					t.Fatal(err)
				}
			}
			if a := invoke(t, s, []byte(`{"y":1}`)); string(a.Payload) != `{"y":1}` {
				t.Errorf("after the fault: %s", a.Payload)
			}
			if st := s.Stats("f"); !c.stats(st) {
				t.Errorf("stats %+v", st)
			}
			s.Close()
			if ran := strings.Contains(out.text(), "was here"); ran != (c.kind == fault.KillAfter) {
				t.Errorf("the function has run: %v", ran)
			}
		})
	}
}
