package dynamodb

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func TestDecode_TextBehindTheValue_IsRefused(t *testing.T) {
	for in, ok := range map[string]bool{
		`{"TableName":"t"}`: true, " {\"TableName\":\"t\"}\n ": true,
		`{"TableName":"t"}{}`: false, `{"TableName":"t"} x`: false, `{"TableName":"t"}}`: false, `null null`: false,
	} {
		var q request
		if err := decode([]byte(in), q.read); (err == nil) != ok {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestCache_RefusedText_IsNotKept(t *testing.T) {
	svc := New(Options{})
	for _, text := range []string{"a =", strings.Repeat("a", maxExpression+1), "a, b"} {
		if x := svc.conditions.get(text); x.err == nil {
			t.Errorf("%.10s is a condition", text)
		}
	}
	if n := len(svc.conditions.known); n != 0 {
		t.Errorf("%d refused texts are kept", n)
	}
	if x := svc.conditions.get("a = b"); x.err != nil || svc.conditions.get("a = b") != x {
		t.Errorf("a condition is parsed again, %v", x.err)
	}
}

// FuzzRequest feeds the decoder any bytes: what it takes it must be able to write again, and to read that as the same.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"TableName":"t","Item":{"pk":{"S":"a"},"n":{"N":"1.50"},"b":{"B":"AAE="},"l":{"L":[{"BOOL":true},{"NULL":true}]},"m":{"M":{"x":{"SS":["a"]}}}}}`,
		`{"Item":{"a":{"NS":["1","2"],"S":"x"}},"Limit":3,"ScanIndexForward":false,"ConsistentRead":true}`,
		`{"Key":{"\u0070k":{"S":"\n\ud83d\ude00"}},"ExpressionAttributeNames":{"#a":"b"},"ExpressionAttributeValues":{":v":{"BS":["AA==","AQ=="]}}}`,
		`{"Item":null,"Key":{"a":{"S":null}}}`, `{"Item":{"a":{"N":12}}}`, `[]`, `{`, `{"Item":{"a":{"B":"A"}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var q request
		if err := decode(in, q.read); err != nil || q.invalid != "" {
			return
		}
		for _, d := range []document{q.item.document, q.key.document, q.values.document} {
			out := appendDocument(nil, d)
			if !jsontext.Value(out).IsValid() {
				t.Fatalf("%s became %s", in, out)
			}
			if d.size() < 0 {
				t.Fatalf("%s has a size below 0", out)
			}
			var again optionalDocument
			if err := decode(out, func(r *reader) error { return r.attributes(&again) }); err != nil {
				t.Fatalf("%s became %s: %v", in, out, err)
			}
			if again.document != d {
				t.Fatalf("%s became %q, then %q", in, d, again.document)
			}
		}
	})
}

// FuzzTransaction feeds the whole operation any bytes: it must answer or refuse, and answers must be JSON.
func FuzzTransaction(f *testing.F) {
	for _, s := range []string{
		`{"TransactItems":[{"Put":{"TableName":"ledger","Item":{"pk":{"S":"a"},"sk":{"S":"b"}},"ConditionExpression":"a = :a OR #b < :a","ExpressionAttributeValues":{":a":{"N":"1"}},"ExpressionAttributeNames":{"#b":"b"}}}],"ClientRequestToken":"x","ReturnConsumedCapacity":"TOTAL"}`,
		`{"TransactItems":[{"Delete":{"TableName":"ledger","Key":{"pk":{"S":"a"},"sk":{"S":"b"}}}},{"ConditionCheck":{"TableName":"ledger","Key":{"pk":{"S":"c"},"sk":{"S":"b"}},"ConditionExpression":"attribute_exists(pk)"}}]}`,
		`{"TransactItems":[{}]}`, `{"TransactItems":[{"Put":{},"Delete":{}}]}`, `{"TransactItems":null}`, `{"TransactItems":[{"Update":{}}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		svc := newLedger(t, Options{})
		out, err := svc.transactWriteItems(t.Context(), in, nil)
		if err == nil && !jsontext.Value(out).IsValid() {
			t.Fatalf("%s was answered %s", in, out)
		}
	})
}

func TestDecode_WrongJSON_IsASerializationException(t *testing.T) {
	for in, want := range map[string]string{
		`{"TableName":1}`: "NUMBER_VALUE cannot be converted to String", `{"TableName":true}`: "TRUE_VALUE cannot be converted to String",
		`{"Item":{"a":{"N":1}}}`: "NUMBER_VALUE cannot be converted to String", `{"Item":{"a":{"N":1.5}}}`: "DECIMAL_VALUE cannot be converted to String",
		`{"Limit":"1"}`: "STRING_VALUE cannot be converted to Integer", `{"ConsistentRead":1}`: "NUMBER_VALUE cannot be converted to Boolean",
		`{"Item":{"a":{"B":"abc"}}}`: "Base64 encoded length is expected a multiple of 4 bytes but found: 3", `{"Item":{"a":1}}`: "", `{"Item":[]}`: "", `{`: "", ``: "",
		`{"Item":{"a":{"B":"ab=="}}}`: "", `{"Item":{"a":{"L":"x"}}}`: "", `{"TableName":{}}`: "Start of structure or map found where not expected",
	} {
		var q request
		refused(t, apiError(decode([]byte(in), q.read)), "SerializationException", want)
	}
}

func TestDecode_DeepNesting_IsRefused(t *testing.T) {
	nested := func(depth int) string {
		doc := `{"S":"x"}`
		for range depth {
			doc = `{"L":[` + doc + `]}`
		}
		return `{"Item":{"a":` + doc + `}}`
	}
	for depth, valid := range map[int]bool{maxNesting - 1: true, maxNesting: false} {
		var q request
		if err := decode([]byte(nested(depth)), q.read); err != nil || (q.invalid == "") != valid {
			t.Errorf("depth %d: %v, %q", depth, err, q.invalid)
		}
	}
}

func TestItemSize_IsNamesAndValues(t *testing.T) {
	for in, want := range map[string]int{
		`{}`: 0, `{"ab":{"S":"\u00e9"}}`: 4, `{"a":{"B":"AAEC"}}`: 4, `{"a":{"N":"-12.5"}}`: 1 + 4, `{"a":{"BOOL":false}}`: 2, `{"a":{"NULL":true}}`: 2,
		`{"a":{"SS":["xx","y"]}}`: 4, `{"a":{"NS":["1","22"]}}`: 5, `{"a":{"L":[]}}`: 4, `{"a":{"M":{}}}`: 4, `{"a":{"L":[{"S":"xy"},{"BOOL":true}]}}`: 1 + 3 + 2 + 3,
		`{"a":{"M":{"k":{"S":"xy"}}}}`: 1 + 3 + 1 + 1 + 2,
	} {
		var d optionalDocument
		if err := decode([]byte(in), func(r *reader) error { return r.attributes(&d) }); err != nil {
			t.Fatal(err)
		}
		if got := d.size(); got != want {
			t.Errorf("%s: got %d, want %d", in, got, want)
		}
		var generic any
		if err := json.Unmarshal(appendDocument(nil, d.document), &generic); err != nil {
			t.Errorf("%s: %v", in, err)
		}
	}
}
