package dynamodb

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// recordRequests gives the bodies of n transactions of one writer as the SDK sends them.
func recordRequests(t testing.TB, n int) [][]byte {
	t.Helper()
	var bodies [][]byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies = append(bodies, body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	c, w := dial(t, server.URL), newBatchWriter(1)
	for range n {
		if _, err := c.TransactWriteItems(context.Background(), w.next()); err != nil {
			t.Fatal(err)
		}
	}
	return bodies
}
