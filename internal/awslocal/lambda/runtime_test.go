package lambda

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestRuntimeAPI_CallOfAWebPage_IsRefused(t *testing.T) {
	const addr = "127.0.0.1:4567"
	api := guarded(addr, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, c := range map[string]struct {
		host, header, value string
		want                int
	}{
		"the function":           {addr, "User-Agent", "aws-lambda-go/go1.26", http.StatusOK},
		"a page":                 {addr, "Origin", "http://evil.example", http.StatusForbidden},
		"a page without origin":  {addr, "Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		"a name pointed here":    {"evil.example:4567", "User-Agent", "browser", http.StatusForbidden},
		"another instance's API": {"127.0.0.1:4568", "User-Agent", "aws-lambda-go/go1.26", http.StatusForbidden},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/2018-06-01/runtime/invocation/next", nil)
		r.Host = c.host
		r.Header.Set(c.header, c.value)
		api.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}
