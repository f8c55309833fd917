package lambda

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func TestInvoke_Event_RunsInTheBackground(t *testing.T) {
	s, c := empty(t, Options{})
	create(t, c, "plain")
	name, p := aws.String("f"), newPipe(t)
	if _, err := c.PutFunctionConcurrency(t.Context(), &sdk.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	out, err := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: name, InvocationType: types.InvocationTypeEvent, Payload: script("hang", p.path, 0)})
	if err != nil || out.StatusCode != 202 || len(out.Payload) != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := c.DeleteFunctionConcurrency(t.Context(), &sdk.DeleteFunctionConcurrencyInput{FunctionName: name}); err != nil {
		t.Fatal(err)
	}
	p.up(t) // it waited for its concurrency, and runs
	s.Close()
	p.down(t)
	_, err = c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("g"), InvocationType: types.InvocationTypeEvent}, func(o *sdk.Options) { o.RetryMaxAttempts = 1 })
	if err == nil {
		t.Error("a closed service takes events")
	}
}

func TestInvoke_Tail_GivesTheEndOfTheLog(t *testing.T) {
	_, c := empty(t, Options{})
	create(t, c, "plain")
	for _, text := range []string{"one", "two"} {
		out, err := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("f"), LogType: types.LogTypeTail, Payload: script("print", text, 0)})
		if err != nil {
			t.Fatal(err)
		}
		b, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
		log := string(b)
		mustContain(t, log, "START RequestId: ", "Version: $LATEST\n", text+"\n", strings.ToUpper(text)+"\n", "END RequestId: ", "REPORT RequestId: ")
		if err != nil || text == "two" && strings.Contains(log, "one") {
			t.Errorf("log %q, %v", log, err)
		}
	}
	if out := ask(t, c, "f", "", []byte("{}")); out.LogResult != nil {
		t.Errorf("log %s", *out.LogResult)
	}
}

func TestTail_LongLog_IsCut(t *testing.T) {
	l, e := new(tail), &event{id: "id"}
	l.begin(e, "1")
	for range 100 {
		l.add(bytes.Repeat([]byte("x"), 1000))
	}
	if got := l.end(e, time.Second, 128); len(got) != MaxLog || !bytes.HasSuffix(got, []byte("Memory Size: 128 MB\n")) {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}
