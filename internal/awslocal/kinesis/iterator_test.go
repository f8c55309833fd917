package kinesis

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// TestReading_WithoutWhatIsRequired_HasAWSsTexts asks over the wire: the SDK would not send such requests. The texts were
// recorded by mhart/kinesalite (test/getShardIterator.js, test/getRecords.js).
func TestReading_WithoutWhatIsRequired_HasAWSsTexts(t *testing.T) {
	server := wire.NewServer(fault.New(1), nil, New(Options{}).Wire())
	ask := func(operation, body, want string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if got := w.Body.String(); w.Code != http.StatusBadRequest || !strings.Contains(got, want) {
			t.Errorf("%s %s: %d %s, want %s", operation, body, w.Code, got, want)
		}
	}
	ask("GetShardIterator", "{}", "2 validation errors detected: Value null at 'shardId' failed to satisfy constraint: Member must not be null; "+
		"Value null at 'shardIteratorType' failed to satisfy constraint: Member must not be null")
	ask("GetRecords", "{}", "1 validation error detected: Value null at 'shardIterator' failed to satisfy constraint: Member must not be null")
}
