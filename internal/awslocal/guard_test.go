package awslocal

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// send makes a request with the headers of a browser, or of another Host, and gives what was answered.
func send(t *testing.T, e *Endpoint, method string, header map[string]string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, e.URL()+"/_millrace/faults", strings.NewReader("[]"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestGuard_RequestOfAnotherSite_IsRefused(t *testing.T) {
	e := Start(t, Options{})
	for name, c := range map[string]struct {
		header map[string]string
		want   int
	}{
		"a page of another site":      {map[string]string{"Sec-Fetch-Site": "cross-site"}, http.StatusForbidden},
		"a page of another port":      {map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"}, http.StatusForbidden},
		"an older browser":            {map[string]string{"Origin": "http://evil.example"}, http.StatusForbidden},
		"a page of its own":           {map[string]string{"Sec-Fetch-Site": "same-origin"}, http.StatusOK},
		"a page of its own by Origin": {map[string]string{"Origin": e.URL()}, http.StatusOK},
		"no browser":                  {nil, http.StatusOK},
	} {
		if status, body := send(t, e, http.MethodPost, c.header); status != c.want {
			t.Errorf("%s: %d %s, want %d", name, status, body, c.want)
		}
	}
}

func TestGuard_HostOfAStranger_IsRefused(t *testing.T) {
	local, public := Start(t, Options{}), Start(t, Options{Addr: "0.0.0.0:0", Public: true})
	for host, want := range map[string]struct{ local, public bool }{
		"127.0.0.1":                  {true, true},
		"127.0.0.1:4566":             {true, true},
		"[::1]:4566":                 {true, true},
		"[::1]":                      {true, true},
		"172.17.0.1:4566":            {true, true},
		"localhost":                  {true, true},
		"LocalHost:80":               {true, true},
		"localhost.:80":              {true, true},
		"sqs.us-east-1.localhost:80": {true, true},
		"host.docker.internal:4566":  {false, true},
		"evil.example":               {},
		"evil.example:4566":          {},
		"localhost.evil.example":     {},
		"notlocalhost":               {},
		"127.0.0.1.evil.example":     {},
		"0x7f000001:4566":            {},
	} {
		for e, ok := range map[*Endpoint]bool{local: want.local, public: want.public} {
			status, body := send(t, e, http.MethodGet, map[string]string{"Host": host})
			if (status == http.StatusOK) != ok {
				t.Errorf("public %t, host %s: %d %s", e == public, host, status, body)
			}
			if !ok && (status != http.StatusForbidden || !strings.Contains(body, "is not a name of the local endpoint")) {
				t.Errorf("public %t, host %s: %d %s", e == public, host, status, body)
			}
		}
	}
}

func TestGuard_PublicName_IsServedUnderIt(t *testing.T) {
	for _, c := range []struct {
		opt  Options
		host string
		want bool
	}{
		{Options{Addr: "build-box:4566", Public: true}, "build-box:4566", true},
		{Options{Addr: "build-box:4566", Public: true}, "Build-Box:80", true},
		{Options{Addr: "build-box:4566", Public: true}, "other-box:4566", false},
		{Options{Addr: ":4566", Public: true}, "", false},
	} {
		if got := c.opt.serves(c.host); got != c.want {
			t.Errorf("listening at %s, host %q: %t", c.opt.Addr, c.host, got)
		}
	}
}
