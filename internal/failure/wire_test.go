package failure

import (
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/millrace/millrace/internal/awslocal/fault"
	local "github.com/millrace/millrace/internal/awslocal/sqs"
	"github.com/millrace/millrace/internal/awslocal/wire"
	"github.com/millrace/millrace/internal/client"
)

// localQueue serves an empty queue and dials it as our binaries do.
func localQueue(t *testing.T, rules ...fault.Rule) (*Queue, *fault.Injector) {
	t.Helper()
	faults, svc := fault.New(1, rules...), local.New(local.Options{})
	srv := httptest.NewServer(wire.NewServer(faults, nil, svc.Wire()))
	t.Cleanup(srv.Close)
	url, _, err := svc.CreateQueue("failures", nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := client.FromEnvironment(func(name string) string {
		if name == "AWS_ENDPOINT_URL" {
			return srv.URL
		}
		return "us-east-1" // region, key and secret alike
	})
	if err != nil {
		t.Fatal(err)
	}
	return NewQueue(sqs.NewFromConfig(cfg), url), faults
}

func TestQueue_FaultsOfTheWire_EveryFailureIsListed(t *testing.T) {
	rule := func(k fault.Kind) fault.Rule {
		return fault.Rule{Operation: "SQS.SendMessageBatch", Kind: k, Probability: 1, Count: 1}
	}
	q, faults := localQueue(t, rule(fault.Partial), rule(fault.Error), rule(fault.DropAfter))
	records := failures(30, 10)
	records[3].Key = "\uFFFE\x00"
	records[4].Payload = make([]byte, MaxMessage)
	if err := q.Send(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	received, err := q.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := Fold(received)
	if len(got) != len(records) || len(received) <= len(got) {
		t.Fatalf("%d failures in %d messages: want 30, and copies of what was sent before the connection dropped", len(got), len(received))
	}
	for i, f := range got {
		if f.Record.Sub != i || f.Record.Key != records[i].Key || (f.Record.Payload == nil) != (i == 4) {
			t.Errorf("failure %d: %+v", i, f.Record)
		}
	}
	for _, f := range faults.Report() {
		if f.Times == 0 {
			t.Errorf("fault %s never fired", f.Kind)
		}
	}
}
