package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/sample"
)

// flights gives the first n events of the sample, as they are put.
func flights(t testing.TB, n int) [][]byte {
	t.Helper()
	var out [][]byte
	for f, err := range sample.All() {
		if err != nil {
			t.Fatal(err)
		}
		if out = append(out, f.Event(nil)); len(out) == n {
			break
		}
	}
	return out
}

// fileOf writes events as lines, and gives the file's name.
func fileOf(t testing.TB, events ...[]byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(name, append(bytes.Join(events, []byte("\n")), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func meters(t testing.TB) *meter.Set {
	t.Helper()
	set, err := readMeters("../..")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestSpoil_EveryWay_IsRefusedAndNoTwoAreAlike(t *testing.T) {
	reasons := []string{"EOF", "type is missing", "specversion is a JSON number", "UTF-8"}
	for name, event := range map[string]string{
		"of the sample": string(flights(t, 1)[0]),
		"with spaces":   `{ "id" : "1", "specversion" : "1.0" ,"source":"/s", "ty\u0070e":"t", "time":"2001-01-01T00:00:00Z", "data" : { "n": 1.50 }   }`,
		"odd":           `{"data":{"type":"t","specversion":"1.0"},"x":"\"type\"","id":"1","time":"2001-01-01T00:00:00Z","type":"t","specversion":"1.0","source":"/s"}`,
	} {
		seen := map[string]bool{}
		for n := range 4 * len(reasons) {
			data := spoil([]byte(event), n)
			var d cloudevent.Decoder
			var e cloudevent.Event
			if err := d.Decode(&e, data); err == nil || !strings.Contains(err.Error(), reasons[n%len(reasons)]) {
				t.Errorf("%s, %d: %v, want %s: %q", name, n, err, reasons[n%len(reasons)], data)
			}
			if seen[string(data)] {
				t.Errorf("%s: %d is like one before: %q", name, n, data)
			}
			seen[string(data)] = true
		}
	}
}

func TestSpoil_LeavesTheEventAlone(t *testing.T) {
	event := flights(t, 1)[0]
	before := string(event)
	for n := range 4 {
		spoil(event, n)
	}
	if string(event) != before {
		t.Errorf("the event has become %q", event)
	}
}

func TestReadLoad_NothingAsked_PutsTheFileAsItIs(t *testing.T) {
	events := flights(t, 50)
	l, err := readLoad(t.Context(), options{events: fileOf(t, events...)}, meters(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.puts) != 50 || l.truth.events != 50 || l.copies != 0 || len(l.spoiled) != 0 {
		t.Fatalf("%d puts, %d events, %d copies, %d spoiled", len(l.puts), l.truth.events, l.copies, len(l.spoiled))
	}
	for i, p := range l.puts {
		if !bytes.Equal(p.data, events[i]) || !strings.Contains(string(p.data), `"subject":"`+p.key+`"`) {
			t.Errorf("%d: key %s, %s", i, p.key, p.data)
		}
	}
}

func TestReadLoad_SpoiledAndCopied_AddsUp(t *testing.T) {
	const n = 400
	file, set := fileOf(t, flights(t, n)...), meters(t)
	rapid.Check(t, func(t *rapid.T) {
		o := options{events: file, chaos: rapid.Uint64().Draw(t, "seed"), corrupt: rapid.Float64Range(0, 1).Draw(t, "corrupt")}
		o.duplicates = rapid.Float64Range(0, 1-o.corrupt).Draw(t, "duplicates")
		l, err := readLoad(t.Context(), o, set, nil)
		if err != nil {
			t.Fatal(err)
		}
		times := map[string]int{}
		for _, p := range l.puts {
			times[string(p.data)]++
		}
		if len(l.puts) != n+l.copies || len(times) != n || l.truth.events+len(l.spoiled) != n {
			t.Fatalf("%d puts of %d records: %d events, %d copies, %d spoiled", len(l.puts), len(times), l.truth.events, l.copies, len(l.spoiled))
		}
		for _, p := range l.spoiled {
			if times[string(p)] != 1 {
				t.Fatalf("spoiled %q is put %d times", p, times[string(p)])
			}
		}
		if want := o.duplicates * n; float64(l.copies) < want-80 || float64(l.copies) > want+80 {
			t.Fatalf("%d copies, of %v", l.copies, want)
		}
	})
}

func TestReadLoad_Copies_ComeInAnotherBatch(t *testing.T) {
	const n = 6000
	l, err := readLoad(t.Context(), options{events: fileOf(t, flights(t, n)...), duplicates: 1}, meters(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, p := range l.puts {
		if first, again := at[string(p.data)]; again && i-first < 4000 && len(at) < n {
			t.Fatalf("the copy of put %d is put %d", first, i)
		}
		at[string(p.data)] = i
	}
	if len(at) != n || l.copies != n {
		t.Errorf("%d events, %d copies", len(at), l.copies)
	}
}

func TestReadLoad_SameSeed_IsTheSameLoad(t *testing.T) {
	file, set := fileOf(t, flights(t, 500)...), meters(t)
	var texts [3]string
	for i, seed := range []uint64{7, 7, 8} {
		l, err := readLoad(t.Context(), options{events: file, chaos: seed, corrupt: 0.1, duplicates: 0.1}, set, nil)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = fmt.Sprintf("%s", l.puts)
	}
	if texts[0] != texts[1] || texts[0] == texts[2] {
		t.Errorf("same seed same load %v, other seed same load %v", texts[0] == texts[1], texts[0] == texts[2])
	}
}

func TestReadLoad_NoSuchEvents_NamesFileAndPlace(t *testing.T) {
	good := flights(t, 2)
	for name, c := range map[string]struct {
		file string
		want string
	}{
		"missing":   {filepath.Join(t.TempDir(), "none.jsonl"), "none.jsonl: no such file"},
		"folder":    {t.TempDir(), "is a directory"},
		"empty":     {fileOf(t), "holds no events"},
		"blank":     {fileOf(t, nil, []byte("  ")), "holds no events"},
		"malformed": {fileOf(t, good[0], []byte("{oops"), good[1]), "events.jsonl:2: "},
		"no event":  {fileOf(t, good[0], nil, []byte(`{"specversion":"1.0"}`)), "events.jsonl:3: not a valid CloudEvent"},
		"rubbish":   {fileOf(t, []byte{0x1f, 0x8b, 0, 0xff}), "events.jsonl:1: "},
		"long key":  {fileOf(t, good[0], bytes.Replace(good[1], []byte(`"subject":"`), []byte(`"subject":"`+strings.Repeat("x", 300)), 1)), "events.jsonl:2: cannot be put: partition key"},
		"too long":  {fileOf(t, bytes.Repeat([]byte{'x'}, 2<<20)), "events.jsonl:1: the line has more than"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readLoad(t.Context(), options{events: c.file}, meters(t), nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestParseFlags_GoodOnes_AreTaken(t *testing.T) {
	got, err := parseFlags([]string{"-chaos", "18446744073709551615", "-duplicates", "0.05", "-corrupt", "0.001", "-port", "0", "-listen", "::1", "-json", "-serve", "-events", "f"})
	want := options{events: "f", duplicates: 0.05, corrupt: 0.001, chaos: 18446744073709551615, isChaos: true, listen: "::1", serve: true, json: true}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(options{})); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if zero, err := parseFlags([]string{"-chaos", "0"}); err != nil || !zero.isChaos {
		t.Errorf("-chaos 0 is no chaos: %v", err)
	}
}

func TestFunctionLog_ShowsWhatIsNoMetric_UpToABound(t *testing.T) {
	var out bytes.Buffer
	l := functionLog{out: &out, left: shownLines}
	l.stdout("f", []byte(`{"_aws":{},"Copies":3}`))
	l.stdout("f", []byte("hello"))
	for range 2 * shownLines {
		l.stderr("f", []byte("panic: no"))
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if l.copies != 3 || lines[0] != "f: hello" || len(lines) != shownLines+1 || !strings.Contains(lines[shownLines], "not shown") {
		t.Errorf("%d copies, %q", l.copies, lines)
	}
	l.showAll()
	l.stderr("f", []byte("again"))
	if !strings.HasSuffix(out.String(), "f: again\n") {
		t.Errorf("%q", out.String())
	}
}

func TestWriteFirst_ManyLines_AreListedToABound(t *testing.T) {
	var out bytes.Buffer
	writeFirst(&out, make([]string, shownFirst+5))
	if !strings.HasSuffix(out.String(), "... and 5 more\n") {
		t.Errorf("%q", out.String())
	}
	writeFirst(writerOfNothing{t}, nil)
}

// writerOfNothing fails the test when it is written to.
type writerOfNothing struct{ t *testing.T }

func (w writerOfNothing) Write(p []byte) (int, error) {
	w.t.Errorf("wrote %q", p)
	return len(p), nil
}
