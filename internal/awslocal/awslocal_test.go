package awslocal

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/awslocal/esm"
	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/stack"
)

// built is the folder that the template's code path starts from.
var built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "awslocal")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags=-s -w", "-o", filepath.Join(dir, "copy", "bootstrap"), "./testdata/copy")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// world is an endpoint with the test's stack on it.
type world struct {
	*Endpoint
	*stack.Stack
	settled chan esm.Settled
}

func deploy(t *testing.T, rules ...fault.Rule) world {
	t.Helper()
	settled := make(chan esm.Settled, 1000)
	e := Start(t, Options{Faults: fault.New(1, rules...), Mapping: esm.Options{
		Settled: func(s esm.Settled) { settled <- s }, MaxRest: 10 * time.Millisecond,
	}})
	b, err := os.ReadFile("testdata/copy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	template, err := stack.Parse("testdata/copy.yaml", b)
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Deploy(t.Context(), template, stack.Options{Name: "S", BaseDir: built})
	if err != nil {
		t.Fatal(err)
	}
	return world{e, s, settled}
}

// put puts records with the keys 0 to n-1, and waits until all are settled.
func (w world) put(t *testing.T, n int, data string) {
	t.Helper()
	in := &kinesis.PutRecordsInput{StreamName: aws.String(w.Outputs["Stream"])}
	for i := range n {
		in.Records = append(in.Records, kinesistypes.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(i)), Data: []byte(data)})
	}
	if _, err := kinesis.NewFromConfig(w.Config()).PutRecords(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	for left := n; left > 0; left -= len((<-w.settled).Records) {
	}
}

// item gives what the function has written for a key.
func (w world) item(t *testing.T, key int) (data, by string) {
	t.Helper()
	out, err := dynamodb.NewFromConfig(w.Config()).GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String(w.Outputs["Table"]), ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: fmt.Sprint(key)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Item) == 0 {
		t.Fatalf("no item %d", key)
	}
	return string(out.Item["data"].(*types.AttributeValueMemberB).Value), out.Item["by"].(*types.AttributeValueMemberS).Value
}

func TestDeploy_RecordsPut_ReachTheTableThroughTheFunction(t *testing.T) {
	w := deploy(t)
	w.put(t, 50, "hello")
	for i := range 50 {
		if data, by := w.item(t, i); data != "hello" || !strings.HasPrefix(by, "ASIALOCAL") {
			t.Errorf("item %d is %q by %q", i, data, by)
		}
	}
	if st := w.Lambda.Stats("S-Copy"); st.Errors != 0 || st.Invocations == 0 {
		t.Errorf("stats %+v", st)
	}
	if status := w.Mapping(w.Outputs["Mapping"]).Status(); status.State != esm.Enabled || status.Counters.Settled != 50 {
		t.Errorf("mapping %+v", status)
	}
	if w.Mapping("another") != nil {
		t.Error("an unknown mapping is there")
	}
}

func TestKillAfter_CallOfTheFunction_KillsTheProcessThatCalled(t *testing.T) {
	for _, kind := range []fault.Kind{fault.KillBefore, fault.KillAfter} {
		w := deploy(t, fault.Rule{Operation: "DynamoDB.PutItem", Kind: kind, Probability: 1, Count: 1})
		w.put(t, 20, "x")
		for i := range 20 {
			w.item(t, i)
		}
		if st := w.Lambda.Stats("S-Copy"); st.Kills != 1 || st.Errors != 1 || st.ColdStarts < 2 {
			t.Errorf("%v: stats %+v", kind, st)
		}
	}
}

func TestFunctionFails_DocumentsReachTheQueue(t *testing.T) {
	w := deploy(t)
	w.put(t, 1, "bad")
	out, err := sqs.NewFromConfig(w.Config()).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(w.Outputs["Queue"]), WaitTimeSeconds: 5})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Messages) != 1 || !strings.Contains(*out.Messages[0].Body, `"condition":"RetryAttemptsExhausted","approximateInvokeCount":2`) {
		t.Errorf("messages %+v", out.Messages)
	}
}

func TestAnswersLost_CostNoRetries_ThoughTheFunctionRan(t *testing.T) {
	const lost = 5 // more than the mapping's retries
	w := deploy(t, fault.Rule{Operation: "Lambda.Invoke", Kind: fault.DropAfter, Probability: 1, Count: lost})
	w.put(t, 1, "hello")
	if data, _ := w.item(t, 0); data != "hello" {
		t.Errorf("item %q", data)
	}
	if st := w.Lambda.Stats("S-Copy"); st.Invocations != lost+1 {
		t.Errorf("stats %+v", st)
	}
	if st := w.Mapping(w.Outputs["Mapping"]).Status(); st.Counters.Invocations != 1 || st.Counters.Delivered != 0 {
		t.Errorf("mapping %+v", st)
	}
}

func TestDeploy_Outputs_AreFoundOverTheWire(t *testing.T) {
	w := deploy(t)
	out, err := cloudformation.NewFromConfig(w.Config()).DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("S")})
	if err != nil {
		t.Fatal(err)
	}
	if o := out.Stacks[0].Outputs[2]; *o.OutputKey != "Queue" || *o.OutputValue != w.URL()+"/000000000000/S-Queue" {
		t.Errorf("output %v: %v", *o.OutputKey, *o.OutputValue)
	}
	template, err := stack.Parse("x.yaml", []byte("Resources: {}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Deploy(t.Context(), template, stack.Options{Name: "S"}); err == nil || !strings.Contains(err.Error(), "Stack [S] already exists") {
		t.Errorf("a second time: %v", err)
	}
}

func TestDeploy_WithoutTheProgram_SaysHowToBuildIt(t *testing.T) {
	e := Start(t, Options{})
	b, err := os.ReadFile("testdata/copy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	template, err := stack.Parse("testdata/copy.yaml", b)
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Deploy(t.Context(), template, stack.Options{BaseDir: "/nowhere"})
	for _, part := range []string{"deploy stack Millrace: create Copy (AWS::Lambda::Function)", "there is no /nowhere/copy/bootstrap", "go build"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want %q in it", err, part)
		}
	}
}

func TestLambda_OverTheWire_IsRouted(t *testing.T) {
	w := deploy(t)
	out, err := lambda.NewFromConfig(w.Config()).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("S-Copy"), Payload: []byte(`{"Records":[]}`)})
	if err != nil || out.FunctionError != nil {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestListen_PortTaken_SaysWhatToDo(t *testing.T) {
	e := Start(t, Options{})
	_, err := Listen(t.Context(), Options{Addr: strings.TrimPrefix(e.URL(), "http://")})
	if err == nil || !strings.Contains(err.Error(), "is taken, perhaps by another local endpoint: stop that one, or choose another port") {
		t.Errorf("error %v", err)
	}
}

func TestListen_PublicAddress_NeedsToBeAskedFor(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "172.17.0.1:0", "example.org:0"} {
		if _, err := Listen(t.Context(), Options{Addr: addr}); err == nil || !strings.Contains(err.Error(), "can be reached from other machines") {
			t.Errorf("%s: error %v", addr, err)
		}
	}
	if _, err := Listen(t.Context(), Options{Addr: "4566"}); err == nil || !strings.Contains(err.Error(), "want host and port") {
		t.Errorf("error %v", err)
	}
	var log bytes.Buffer
	e := Start(t, Options{Addr: "0.0.0.0:0", Public: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "listens on a public address and checks no credentials") {
		t.Errorf("log %q", log.String())
	}
	if !strings.HasPrefix(e.URL(), "http://127.0.0.1:") {
		t.Errorf("URL %s", e.URL())
	}
}

func TestClose_Twice_FreesThePort(t *testing.T) {
	e := Start(t, Options{})
	e.Close()
	e.Close()
	l, err := net.Listen("tcp", strings.TrimPrefix(e.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestRoute_UnknownRequest_IsNamed(t *testing.T) {
	e := Start(t, Options{})
	_, err := kinesis.NewFromConfig(e.Config()).ListTagsForStream(t.Context(), &kinesis.ListTagsForStreamInput{StreamName: aws.String("s")})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "NotImplemented" || !strings.Contains(api.ErrorMessage(), "Kinesis ListTagsForStream") {
		t.Errorf("error %v", err)
	}
	if status, body := call(t, http.MethodPatch, e.URL()+"/bucket/key", ""); status != http.StatusNotImplemented || !strings.Contains(body, "S3 PATCH") {
		t.Errorf("%d %s", status, body)
	}
}

func call(t *testing.T, method, url, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(b.String())
}

func TestControl_Faults_AreAddedReportedAndCleared(t *testing.T) {
	e := Start(t, Options{})
	faults := e.URL() + "/_millrace/faults"
	if status, body := call(t, http.MethodGet, e.URL()+"/_millrace/health", ""); status != http.StatusOK || body != `{"status":"ok"}` {
		t.Errorf("health %d %s", status, body)
	}
	rules := `[{"operation":"Kinesis.ListStreams","kind":"throttle","count":1},{"operation":"Lambda.Invoke","kind":"delay","probability":0.5,"delay":"20ms"}]`
	if status, body := call(t, http.MethodPost, faults, rules); status != http.StatusOK || !strings.Contains(body, `{"operation":"Kinesis.ListStreams","kind":"throttle","probability":1,"count":1,"times":0}`) {
		t.Errorf("add: %d %s", status, body)
	}
	once := kinesis.NewFromConfig(e.Config(), func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
	var api smithy.APIError
	if _, err := once.ListStreams(t.Context(), &kinesis.ListStreamsInput{}); !errors.As(err, &api) || !strings.Contains(api.ErrorMessage(), "injected") {
		t.Errorf("error %v", err)
	}
	want := `[{"operation":"Kinesis.ListStreams","kind":"throttle","probability":1,"count":1,"times":1},` +
		`{"operation":"Lambda.Invoke","kind":"delay","probability":0.5,"delay":"20ms","times":0}]`
	if _, body := call(t, http.MethodGet, faults, ""); body != want {
		t.Errorf("report %s", body)
	}
	if _, body := call(t, http.MethodDelete, faults, ""); body != "[]" {
		t.Errorf("cleared %s", body)
	}
}

func TestControl_WrongRule_AddsNone(t *testing.T) {
	e := Start(t, Options{})
	for want, rule := range map[string]string{
		`fault kind "explode"`:            `{"operation":"A.B","kind":"explode"}`,
		`fault kind "none"`:               `{"operation":"A.B","kind":"none"}`,
		`want at most 1000`:               `{"operation":"A.B","kind":"error"}` + strings.Repeat(`,{"operation":"A.B","kind":"error"}`, fault.MaxRules),
		`operation "GetItem": want`:       `{"operation":"GetItem","kind":"error"}`,
		`probability 2: want 0 to 1`:      `{"operation":"A.B","kind":"error","probability":2}`,
		`count -1: want 0 (no bound)`:     `{"operation":"A.B","kind":"error","count":-1}`,
		`delay "soon": want a duration`:   `{"operation":"A.B","kind":"delay","delay":"soon"}`,
		`unknown object member name "oop`: `{"oops":1}`,
	} {
		status, body := call(t, http.MethodPost, e.URL()+"/_millrace/faults", `[{"operation":"A.B","kind":"error"},`+rule+`]`)
		if status != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%d %s, want %q", status, body, want)
		}
	}
	if got := e.Faults.Report(); len(got) != 0 {
		t.Errorf("rules %v", got)
	}
}

func FuzzReadRules(f *testing.F) {
	f.Add([]byte(`[{"operation":"A.B","kind":"error","probability":0.5,"count":2,"delay":"1s"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rules, err := readRules(bytes.NewReader(b))
		if err != nil && rules != nil {
			t.Errorf("%v and rules %v", err, rules)
		}
		for _, r := range rules {
			if r.Kind.String() == "" || !(r.Probability >= 0 && r.Probability <= 1) || r.Count < 0 || r.Delay < 0 {
				t.Errorf("rule %+v", r)
			}
		}
	})
}
