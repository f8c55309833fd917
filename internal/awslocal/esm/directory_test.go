package esm

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// surroundings are a World with one stream and one function, which takes a minute for each invocation.
type surroundings struct {
	*stream
	*queue
}

func (s surroundings) Source(string) Source { return s.stream }

func (s surroundings) Function(ref string) (Target, bool) {
	_, name, _ := wire.SplitFunction(ref)
	return Target{ARN: functionARN, RoleARN: roleARN, Invoker: slow{}}, name == "fn"
}

type slow struct{}

func (slow) Invoke(ctx context.Context, _ Invocation) (Answer, error) {
	pause(ctx, time.Minute)
	return Answer{ExecutedVersion: "$LATEST"}, ctx.Err()
}

// ask sends a request and gives its status and document.
func ask(d *Directory, method, id, body string) (int, string) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(method, "/2015-03-31/event-source-mappings/"+id, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func busyDirectory(t *testing.T) (d *Directory, s *stream) {
	t.Helper()
	s = newStream()
	d = NewDirectory(DirectoryOptions{Region: "us-east-1", Account: "000000000000", World: surroundings{s, &queue{}}, Mapping: Options{Log: slog.New(slog.DiscardHandler)}})
	if _, err := d.Create("id", "fn:live", testConfig()); err != nil {
		t.Fatal(err)
	}
	s.put(shard0, "r1")
	synctest.Wait()
	return d, s
}

func TestDirectory_Delete_WaitsForTheInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := busyDirectory(t)
		defer d.Close()
		m := d.Mapping("id")
		for _, one := range []struct {
			method, body string
			status       int
			want         string
		}{
			{"GET", "", 200, `"State":"Enabled"`},
			{"DELETE", "", 202, `"State":"Deleting"`},
			{"GET", "", 200, `"State":"Deleting"`},
			{"DELETE", "", 400, "Cannot delete the event source mapping because it is in use."},
			{"PUT", `{"BatchSize":5}`, 400, "Cannot update the event source mapping because it is in use."},
		} {
			if status, doc := ask(d, one.method, "id", one.body); status != one.status || !strings.Contains(doc, one.want) {
				t.Errorf("%s: %d %s, want %d %s", one.method, status, doc, one.status, one.want)
			}
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if status, _ := ask(d, "GET", "id", ""); status != 404 {
			t.Errorf("status %d after the invocation", status)
		}
		if st := m.Status(); st.Counters.Settled != 1 {
			t.Errorf("its invocation was not settled: %+v", st)
		}
	})
}

func TestDirectory_Disable_WaitsForTheInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := busyDirectory(t)
		defer d.Close()
		if status, doc := ask(d, "PUT", "id", `{"Enabled":false}`); status != 202 || !strings.Contains(doc, `"State":"Disabling"`) {
			t.Errorf("%d %s", status, doc)
		}
		synctest.Wait()
		for _, state := range []string{"Disabling", "Disabled"} {
			if _, doc := ask(d, "GET", "id", ""); !strings.Contains(doc, `"State":"`+state+`"`) {
				t.Errorf("%s, want %s", doc, state)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		}
	})
}

func TestDirectory_StreamGone_RestsUntilItIsAskedForSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := busyDirectory(t)
		defer d.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		s.update(func() { s.deleted, s.shards = true, nil })
		synctest.Wait()
		for _, request := range []string{"", `{"Enabled":true}`, `{"BatchSize":7}`} {
			if request != "" {
				ask(d, "PUT", "id", request)
				synctest.Wait()
			}
			if _, doc := ask(d, "GET", "id", ""); !strings.Contains(doc, `"State":"Disabled"`) {
				t.Errorf("after %q: %s", request, doc)
			}
		}
		ask(d, "DELETE", "id", "")
		synctest.Wait()
		if status, _ := ask(d, "GET", "id", ""); status != 404 {
			t.Errorf("status %d", status)
		}
	})
}

func TestDirectory_Close_CancelsAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := busyDirectory(t)
		d.Close()
		d.Close()
		if _, err := d.Create("other", "fn", testConfig()); err == nil || !strings.Contains(err.Error(), "the directory is closed") {
			t.Errorf("error %v", err)
		}
	})
}
