package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

// ticker serves a stream that sends its request twice and then ends, with an error when the request is "fail"; "no" it
// refuses. started counts.
func ticker(started *int, rules ...fault.Rule) *Server {
	return NewServer(fault.New(1, rules...), nil, &Service{Name: "Ticker", Target: "T", Version: "1.1", ThrottledAs: "Throttled", Streams: map[string]Stream{
		"Tick": func(_ context.Context, request []byte) (func(context.Context, *Events) error, error) {
			*started++
			text := string(request)
			if text == "no" {
				return nil, Errorf("NotToday", "no")
			}
			return func(_ context.Context, to *Events) error {
				err := errors.Join(to.Send("Tick", []byte(text)), to.Send("Tick", []byte(text)))
				if text == "fail" {
					return Errorf("Broken", "it broke")
				}
				return err
			}, nil
		},
	}})
}

func tick(s *Server, request string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(request))
	r.Header.Set("X-Amz-Target", "T.Tick")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// frames spells out the frames of an answer.
func frames(t *testing.T, body io.Reader) (out []string) {
	t.Helper()
	for {
		m, err := eventstream.NewDecoder().Decode(body, nil)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		kind := m.Headers.Get(":message-type").String()
		if got := m.Headers.Get(":content-type").String(); got != "application/x-amz-json-1.1" {
			t.Errorf("content type %s", got)
		}
		out = append(out, kind+" "+m.Headers.Get(":"+kind+"-type").String()+" "+string(m.Payload))
	}
}

func TestStream_Events_FollowTheInitialResponse(t *testing.T) {
	for request, want := range map[string]string{
		`{"n":1}`: "",
		"fail":    `exception Broken {"message":"it broke"}`,
	} {
		w := tick(ticker(new(int)), request)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/vnd.amazon.eventstream" || !w.Flushed {
			t.Errorf("%d %v, flushed %t", w.Code, w.Header(), w.Flushed)
		}
		got := strings.Join(frames(t, w.Body), "\n")
		if all := "event initial-response {}" + strings.Repeat("\nevent Tick "+request, 2) + strings.TrimSuffix("\n"+want, "\n"); got != all {
			t.Errorf("%s: got %s, want %s", request, got, all)
		}
	}
}

func TestStream_Refused_IsAnOrdinaryError(t *testing.T) {
	w := tick(ticker(new(int)), "no")
	if w.Code != http.StatusBadRequest || !bytes.Contains(w.Body.Bytes(), []byte(`"NotToday"`)) || w.Header().Get("Content-Type") != "application/x-amz-json-1.1" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestStream_Faults_StrikeBeforeTheFirstEvent(t *testing.T) {
	for kind, want := range map[fault.Kind]struct{ started, status int }{
		fault.Throttle:  {0, http.StatusBadRequest},
		fault.Error:     {0, http.StatusInternalServerError},
		fault.DropAfter: {1, 0},
	} {
		started := 0
		s := ticker(&started, fault.Rule{Operation: "Ticker.Tick", Kind: kind, Probability: 1, Count: 1})
		status := func() (status int) {
			defer func() {
				if r := recover(); r != nil && r != http.ErrAbortHandler {
					panic(r)
				}
			}()
			return tick(s, "x").Code
		}()
		if status != want.status || started != want.started {
			t.Errorf("%v: status %d, started %d times", kind, status, started)
		}
		if w := tick(s, "x"); w.Code != http.StatusOK {
			t.Errorf("then %d", w.Code)
		}
	}
}
