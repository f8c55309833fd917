package esm

import (
	"bytes"
	"testing"
)

func threeRecords() []Record {
	return []Record{{SequenceNumber: "9"}, {SequenceNumber: "10"}, {SequenceNumber: "11"}}
}

// The rows are those of section 6 of the design.
func TestClassify(t *testing.T) {
	list := func(entries string) string { return `{"batchItemFailures":[` + entries + `]}` }
	for _, c := range []struct {
		row     string
		payload string
		want    verdict // while reporting; without, all are succeeded
		settled int
	}{
		{"2", list(``), succeeded, 0},
		{"3", `{"batchItemFailures":null}`, succeeded, 0},
		{"4", `{}`, succeeded, 0},
		{"5", `null`, succeeded, 0},
		{"6", `[]`, succeeded, 0},
		{"7", `""`, succeeded, 0},
		{"8", ``, succeeded, 0},
		{"8, blank", " \n", succeeded, 0},
		{"9", list(`{"itemIdentifier":""}`), failed, 0},
		{"10", list(`{"itemIdentifier":null}`), failed, 0},
		{"11, foo 123", list(`{"foo":123}`), failed, 0},
		{"11, foo null", list(`{"foo":null}`), failed, 0},
		{"11, empty entry", list(`{}`), failed, 0},
		{"12, number", list(`{"itemIdentifier":123}`), failed, 0},
		{"12, number that names a record", list(`{"itemIdentifier":10}`), failed, 0},
		{"12, not in the batch", list(`{"itemIdentifier":"12"}`), failed, 0},
		{"13", list(`{"itemIdentifier":"10"}`), advanced, 1},
		{"13, lowest by number, any order", list(`{"itemIdentifier":"11"},{"itemIdentifier":"10"}`), advanced, 1},
		{"13, twice", list(`{"itemIdentifier":"11"},{"itemIdentifier":"11"}`), advanced, 2},
		{"13, further keys", `{"x":1,"batchItemFailures":[{"y":2,"itemIdentifier":"11"}]}`, advanced, 2},
		{"13, the list twice: the last", `{"batchItemFailures":[{"itemIdentifier":"10"}],"batchItemFailures":[{"itemIdentifier":"11"}]}`, advanced, 2},
		{"14", list(`{"itemIdentifier":"9"}`), failed, 0},
		{"15", list(`{"itemIdentifier":"10"},{"itemIdentifier":"12"}`), failed, 0},
		{"15, valid and null", list(`{"itemIdentifier":"10"},null`), failed, 0},
		{"16, string", `{"batchItemFailures":"10"}`, failed, 0},
		{"16, object", `{"batchItemFailures":{"itemIdentifier":"10"}}`, failed, 0},
		{"16, number", `{"batchItemFailures":1}`, failed, 0},
		{"16, false", `{"batchItemFailures":false}`, failed, 0},
		{"16, list of strings", list(`"10"`), failed, 0},
		{"16, list of lists", list(`["10"]`), failed, 0},
		{"17, string", `"ok"`, succeeded, 0},
		{"17, number", `42`, succeeded, 0},
		{"17, other object", `{"x":1}`, succeeded, 0},
		{"17, other case", `{"BatchItemFailures":[{"itemIdentifier":"10"}]}`, succeeded, 0},
		{"no JSON", `oops`, failed, 0},
		{"cut off", `{"batchItemFailures":[`, failed, 0},
	} {
		a := Answer{Payload: []byte(c.payload), ExecutedVersion: "7"}
		got := classify(a, true, threeRecords())
		if got.verdict != c.want || got.settled != c.settled {
			t.Errorf("row %s: %s = verdict %d, %d settled; want %d, %d", c.row, c.payload, got.verdict, got.settled, c.want, c.settled)
		}
		if got.response == nil || got.response.functionError != "" || got.response.version != "7" {
			t.Errorf("row %s: response %+v", c.row, got.response)
		}
		if got := classify(a, false, threeRecords()); got.verdict != succeeded || got.problem {
			t.Errorf("row %s: not reporting: verdict %d", c.row, got.verdict)
		}
		a.FunctionError = "Unhandled" // row 1: the body is irrelevant
		for _, reports := range []bool{true, false} {
			if got := classify(a, reports, threeRecords()); got.verdict != failed || got.response.functionError != "Unhandled" || !got.problem {
				t.Errorf("row 1 with %s: %+v", c.payload, got)
			}
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add([]byte(`{"batchItemFailures":[{"itemIdentifier":"10"}]}`))
	f.Add([]byte(`{"batchItemFailures":[{"itemIdentifier":"\u0039"},null]}`))
	f.Add([]byte(`[{"a":{"b":[1,2,{}]}}]`))
	records := threeRecords()
	f.Fuzz(func(t *testing.T, payload []byte) {
		got := classify(Answer{Payload: payload}, true, records)
		switch got.verdict {
		case succeeded, failed:
			if got.settled != 0 {
				t.Errorf("%q: verdict %d settles %d", payload, got.verdict, got.settled)
			}
		case advanced:
			if got.settled < 1 || got.settled >= len(records) || !bytes.Contains(payload, []byte("batchItemFailures")) && !bytes.ContainsRune(payload, '\\') {
				t.Errorf("%q settles %d", payload, got.settled)
			}
		default:
			t.Errorf("%q: verdict %d", payload, got.verdict)
		}
	})
}
