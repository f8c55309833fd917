package wire

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// echo serves a service whose one operation answers with what it was sent.
func echo() *Server {
	return NewServer(nil, nil, &Service{Name: "Echo", Target: "E", Version: "1.0", Operations: map[string]Operation{
		"Echo": func(_ context.Context, request, out []byte) ([]byte, error) { return append(out, request...), nil },
	}})
}

func call(t *testing.T, target string, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	r.Header.Set("X-Amz-Target", target)
	w := httptest.NewRecorder()
	echo().ServeHTTP(w, r)
	return w
}

func TestServer_AnySize_IsReadWhole(t *testing.T) {
	for _, n := range []int{0, 1, readAhead, 3 * readAhead, MaxRequest, MaxRequest + 1} {
		body := bytes.Repeat([]byte("x"), n)
		for _, announced := range []bool{true, false} {
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			if !announced {
				r.ContentLength = -1
			}
			w := call(t, "E.Echo", r)
			if n > MaxRequest {
				if w.Code != http.StatusRequestEntityTooLarge {
					t.Errorf("%d bytes, announced %t: %d", n, announced, w.Code)
				}
				continue
			}
			if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), body) {
				t.Errorf("%d bytes, announced %t: %d and %d bytes", n, announced, w.Code, w.Body.Len())
			}
		}
	}
}

func TestServer_CBOR_IsNamedAsNotImplemented(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("\xa0"))
	r.Header.Set("Content-Type", "application/x-amz-cbor-1.1")
	w := call(t, "E.Echo", r)
	if got := w.Body.String(); w.Code != http.StatusNotImplemented || !strings.Contains(got, "CBOR") || !strings.Contains(got, "aws.cborEnabled=false") {
		t.Errorf("%d %s", w.Code, got)
	}
}

// silent is a body of which nothing comes: it notes how much room there was to read into.
type silent struct{ room int }

func (s *silent) Read(b []byte) (int, error) {
	s.room = max(s.room, len(b))
	return 0, errors.New("the connection broke")
}

func TestRead_AnnouncedBody_TakesNoMemoryBeforeItComes(t *testing.T) {
	body := new(silent)
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.ContentLength = MaxRequest
	if _, err := read(r, nil); err == nil {
		t.Error("a broken connection is a request")
	}
	if body.room > 2*readAhead {
		t.Errorf("%d bytes were waiting", body.room)
	}
}

func TestRelease_LargeBuffer_IsNotKept(t *testing.T) {
	for n, keep := range map[int]bool{1 << 10: true, MaxScratch: true, MaxScratch + 1: false} {
		b := make([]byte, n)
		release(&b)
		if (b != nil) != keep {
			t.Errorf("%d bytes: kept %t", n, b != nil)
		}
	}
}

func TestServer_UnknownCalls_AreNamed(t *testing.T) {
	for target, want := range map[string]string{"E.Other": "Echo Other", "F.Echo": `target \"F.Echo\"`} {
		w := call(t, target, httptest.NewRequest(http.MethodPost, "/", nil))
		if body := w.Body.String(); w.Code != http.StatusNotImplemented || !strings.Contains(body, `"NotImplemented"`) || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", target, w.Code, body)
		}
	}
}

func TestWriteREST_TellsWhoseFaultItIs(t *testing.T) {
	for _, c := range []struct {
		err        error
		status     int
		code, kind string
	}{
		{Errorf("InvalidParameterValueException", "no"), 400, "InvalidParameterValueException", `"User"`},
		{Unimplemented("Lambda Fly"), 501, "NotImplemented", `"Service"`},
		{errors.New("broken"), 500, "ServiceException", `"Service"`},
	} {
		w := httptest.NewRecorder()
		WriteREST(w, c.err)
		if w.Code != c.status || w.Header().Get("X-Amzn-Errortype") != c.code || !strings.Contains(w.Body.String(), `"Type":`+c.kind) {
			t.Errorf("%v: %d %v %s", c.err, w.Code, w.Header(), w.Body)
		}
	}
}

func TestAccessKey_IsReadOutOfTheSignature(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	if key, _ := Credential(r); key != "" {
		t.Errorf("unsigned: %q", key)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=ASIALOCAL00000000001/20261123/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0")
	if key, _ := Credential(r); key != "ASIALOCAL00000000001" {
		t.Errorf("key %q", key)
	}
}

func TestNewID_IsARandomUUID(t *testing.T) {
	a, b := NewID(), NewID()
	if a == b || len(a) != 36 || a[14] != '4' {
		t.Errorf("ids %s and %s", a, b)
	}
}
