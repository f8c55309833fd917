package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func environment(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func TestFromEnvironment_OfAFunction_SignsWithItsOwnKey(t *testing.T) {
	var auth, token, path string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth, token, path = r.Header.Get("Authorization"), r.Header.Get("X-Amz-Security-Token"), r.URL.Path
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, `{"QueueUrls":["a"]}`)
	}))
	defer srv.Close()
	cfg, err := FromEnvironment(environment("AWS_REGION", "eu-north-1", "AWS_ACCESS_KEY_ID", "AKIDX",
		"AWS_SECRET_ACCESS_KEY", "s", "AWS_SESSION_TOKEN", "tok", "AWS_ENDPOINT_URL", srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := cfg.HTTPClient.(wholeBody); !ok {
		t.Errorf("HTTP client is a %T: not safe against a local endpoint", cfg.HTTPClient)
	}
	out, err := sqs.NewFromConfig(cfg).ListQueues(t.Context(), &sqs.ListQueuesInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.QueueUrls) != 1 || token != "tok" || path != "/" {
		t.Errorf("queues %v, token %q, path %q", out.QueueUrls, token, path)
	}
	if !strings.Contains(auth, "Credential=AKIDX/") || !strings.Contains(auth, "/eu-north-1/sqs/") {
		t.Errorf("Authorization: %s", auth)
	}
}

func TestFromEnvironment_Incomplete_NamesWhatIsMissing(t *testing.T) {
	full := []string{"AWS_REGION", "r", "AWS_ACCESS_KEY_ID", "k", "AWS_SECRET_ACCESS_KEY", "s"}
	for i := 0; i < len(full); i += 2 {
		pairs := append([]string{}, full...)
		pairs[i+1] = ""
		if _, err := FromEnvironment(environment(pairs...)); err == nil || !strings.Contains(err.Error(), full[i]) {
			t.Errorf("without %s: error %v", full[i], err)
		}
	}
	if cfg, err := FromEnvironment(environment(full...)); err != nil || cfg.BaseEndpoint != nil {
		t.Errorf("complete: %v, endpoint %v", err, cfg.BaseEndpoint)
	}
}

func TestWithEndpoint_NotAURL_IsRefused(t *testing.T) {
	for _, bad := range []string{"localhost:4566", "127.0.0.1:4566", "http://", "ftp://x", "http://a b", "4566"} {
		pairs := []string{"AWS_REGION", "r", "AWS_ACCESS_KEY_ID", "k", "AWS_SECRET_ACCESS_KEY", "s", "AWS_ENDPOINT_URL", bad}
		if _, err := FromEnvironment(environment(pairs...)); err == nil {
			t.Errorf("%q was taken for an endpoint", bad)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"http://127.0.0.1:4566":               true,
		"http://localhost:4700":               true,
		"http://[::1]:1":                      true,
		"http://127.9.9.9":                    true,
		"http://172.17.0.1:4566":              false,
		"http://localhost.example.com":        false,
		"https://sqs.us-east-1.amazonaws.com": false,
		"":                                    false,
		"%":                                   false,
	} {
		if got := IsLoopback(endpoint); got != want {
			t.Errorf("IsLoopback(%q) = %v", endpoint, got)
		}
	}
}

type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(q *http.Request) (*http.Response, error) { return f(q) }

func TestWholeBody_HidesWriterTo_AndLeavesTheRequestAlone(t *testing.T) {
	body := io.NopCloser(strings.NewReader("x"))
	if _, ok := body.(io.WriterTo); !ok {
		t.Fatal("the test needs a body with WriteTo")
	}
	q, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://x", body)
	if err != nil {
		t.Fatal(err)
	}
	w := wholeBody{doFunc(func(sent *http.Request) (*http.Response, error) {
		if _, ok := sent.Body.(io.WriterTo); ok {
			t.Error("WriteTo is still to be seen")
		}
		b, err := io.ReadAll(sent.Body)
		if string(b) != "x" || err != nil {
			t.Errorf("body %q, %v", b, err)
		}
		return nil, nil
	})}
	if _, err := w.Do(q); err != nil {
		t.Error(err)
	}
	if q.Body != body {
		t.Error("the caller's request was changed")
	}
}

func TestWholeBody_NoBody_StaysNoBody(t *testing.T) {
	w := wholeBody{doFunc(func(sent *http.Request) (*http.Response, error) {
		if sent.Body != http.NoBody {
			t.Errorf("body is %T", sent.Body)
		}
		return nil, nil
	})}
	q := httptest.NewRequest(http.MethodGet, "http://x", http.NoBody)
	if _, err := w.Do(q); err != nil {
		t.Error(err)
	}
}
