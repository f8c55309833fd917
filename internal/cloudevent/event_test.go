package cloudevent

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const flight = `{"specversion":"1.0","id":"1","source":"/bts/on-time","type":"flight.departed","subject":"LAS",` +
	`"time":"2001-01-01T00:01:00Z","datacontenttype":"application/json","data":{"origin":"LAS","destination":"PHL","distance":2176,"delay":33}}`

func TestDecode_FullEvent_GivesEveryAttribute(t *testing.T) {
	var d Decoder
	var e Event
	in := `{"data":{"a":[1,{}]},"specversion":"1.0","id":"\u0041","source":"s","type":"t","subject":"x","partitionkey":"p",` +
		`"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","other":[1],"time":"2026-01-01T01:30:00.5+01:00"}`
	if err := d.Decode(&e, []byte(in)); err != nil {
		t.Fatal(err)
	}
	want := Event{
		ID: "A", Source: "s", Type: "t", Subject: "x", Partition: "p",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Time:        time.Date(2026, 1, 1, 0, 30, 0, 500_000_000, time.UTC),
	}
	if string(e.Data) != `{"a":[1,{}]}` {
		t.Errorf("data = %s", e.Data)
	}
	e.Data = nil
	if e.ID != want.ID || e.Source != want.Source || e.Type != want.Type || e.Subject != want.Subject ||
		e.Partition != want.Partition || e.TraceParent != want.TraceParent || !e.Time.Equal(want.Time) {
		t.Errorf("got %+v, want %+v", e, want)
	}
}

func TestDecode_BadInput_IsRefusedWithItsReason(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(flight, old, new, 1) }
	for _, c := range []struct {
		name, in, reason string
		invalid          bool // JSON, but no event
	}{
		{"nothing", ``, "empty", false},
		{"cut off", flight[:80], "EOF", false},
		{"not UTF-8", with("LAS", "\xff"), "UTF-8", false},
		{"name twice", with(`"id":"1"`, `"id":"1","id":"2"`), "duplicate", false},
		{"name twice in data", with(`"distance":2176`, `"delay":1`), "duplicate", false},
		{"something behind", flight + "{}", "goes on after the JSON object, which ends at byte", false},
		{"lone surrogate", with("LAS", `\ud800`), "surrogate", false},
		{"too deep", with(`"LAS","destination"`, strings.Repeat("[", 20_000)), "depth", false},
		{"array", `[]`, "array", true},
		{"id missing", with(`"id":"1",`, ``), "id is missing", true},
		{"id empty", with(`"id":"1"`, `"id":""`), "id is missing", true},
		{"id null", with(`"id":"1"`, `"id":null`), "id is missing", true},
		{"id a number", with(`"id":"1"`, `"id":1`), "id is a JSON number", true},
		{"source missing", with(`"source":"/bts/on-time",`, ``), "source is missing", true},
		{"type missing", with(`"type":"flight.departed",`, ``), "type is missing", true},
		{"version missing", with(`"specversion":"1.0",`, ``), "specversion is missing", true},
		{"version other", with(`1.0`, `0.3`), "specversion is not 1.0", true},
		{"time missing", with(`"time":"2001-01-01T00:01:00Z",`, ``), "time is missing", true},
		{"time without zone", with(`00:01:00Z`, `00:01:00`), "time is not an RFC 3339", true},
		{"time with a comma", with(`00:01:00Z`, `00:01:00,5Z`), "time is not an RFC 3339", true},
		{"time after the year 9999", with(`2001-01-01T00:01:00Z`, `9999-12-31T23:59:00-01:00`), "time is not an RFC 3339", true},
		{"time before the year 1", with(`2001-01-01T00:01:00Z`, `0001-01-01T00:00:00+01:00`), "time is not an RFC 3339", true},
		{"time a number", with(`"2001-01-01T00:01:00Z"`, `978307260`), "time is a JSON number", true},
		{"subject an object", with(`"subject":"LAS"`, `"subject":{}`), "subject is a JSON object", true},
		{"wrong type before broken JSON", with(`"id":"1"`, `"id":1`)[:90], "EOF", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			var e Event
			err := d.Decode(&e, []byte(c.in))
			if err == nil {
				t.Fatalf("accepted as %+v", e)
			}
			if errors.Is(err, ErrInvalid) != c.invalid || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("got %q (invalid %v), want %q (invalid %v)", err, errors.Is(err, ErrInvalid), c.reason, c.invalid)
			}
			if err := d.Decode(&e, []byte(flight)); err != nil || e.ID != "1" {
				t.Errorf("the next event: %v, %+v", err, e)
			}
		})
	}
}

func TestKey_PrefersThePartitionKeyThenTheSubjectThenTheID(t *testing.T) {
	for _, c := range []struct {
		e    Event
		want string
	}{
		{Event{ID: "i", Subject: "s", Partition: "p"}, "p"},
		{Event{ID: "i", Subject: "s"}, "s"},
		{Event{ID: "i"}, "i"},
	} {
		if got := c.e.Key(); got != c.want {
			t.Errorf("key of %+v = %q, want %q", c.e, got, c.want)
		}
	}
}

func TestFingerprint_DifferentSourceOrID_Differs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A small alphabet makes pairs that join to the same text likely: ("a", "bc") and ("ab", "c").
		word := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00\x01")), 0, 4, -1)
		s1, i1, s2, i2 := word.Draw(t, "s1"), word.Draw(t, "i1"), word.Draw(t, "s2"), word.Draw(t, "i2")
		same := s1 == s2 && i1 == i2
		if (fingerprint(s1, i1) == fingerprint(s2, i2)) != same {
			t.Fatalf("(%q, %q) and (%q, %q): same %v", s1, i1, s2, i2, !same)
		}
	})
}

func TestFingerprint_IsStable(t *testing.T) {
	// Computed with Python: hashlib.sha256(bytes([12])+b"/bts/on-time"+bytes([1])+b"1").hexdigest()[:32]
	if got := fingerprint("/bts/on-time", "1").String(); got != "6025ee25d288dac0076afa6d533f31ea" {
		t.Errorf("got %s: a changed fingerprint forgets every event that was ever counted", got)
	}
	// hashlib.md5(b"ORD").hexdigest()[:16]
	if got := KeyHash("ORD"); got != 0xc23431d0209648a6 {
		t.Errorf("got %x", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(flight))
	f.Add([]byte(`{"specversion":"1.0","id":"\ud83d\ude00","source":"s","type":"t","time":"2026-01-01T00:00:00Z","data":null}`))
	f.Add([]byte(`{"time":"2001-01-01T00:01:00+23:59"}`))
	var d Decoder
	f.Fuzz(func(t *testing.T, in []byte) {
		var e Event
		if d.Decode(&e, in) != nil {
			return
		}
		// encoding/json is laxer, so what we accept it must read to the same values.
		var want struct {
			ID, Source, Type string
			Time             time.Time
		}
		if err := json.Unmarshal(in, &want); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		if again := (Event{ID: e.ID, Source: e.Source}); again.Identity().Fingerprint != e.Identity().Fingerprint {
			t.Fatal("fingerprint depends on more than source and id")
		}
		if !json.Valid(e.Data) && e.Data != nil {
			t.Fatalf("data is not JSON: %q", e.Data)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	var d Decoder
	var e Event
	in := []byte(flight)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decode(&e, in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIdentity(b *testing.B) {
	e := Event{ID: "12345", Source: "/bts/on-time", Subject: "ORD"}
	b.ReportAllocs()
	for b.Loop() {
		_ = e.Identity()
	}
}
