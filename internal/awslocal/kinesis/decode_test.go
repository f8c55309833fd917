package kinesis

import (
	"bytes"
	"runtime"
	"testing"
	"weak"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/go-json-experiment/json"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// plainRequest is a PutRecords as encoding/json/v2 decodes it: the oracle.
type plainRequest struct {
	StreamName, StreamARN string
	Records               []struct {
		Data            *[]byte
		PartitionKey    *string
		ExplicitHashKey *string
	}
}

func requestOf(stream string, entries []types.PutRecordsRequestEntry) []byte {
	type plain struct {
		Data         []byte
		PartitionKey *string
	}
	in := struct {
		StreamName string
		Records    []plain
	}{StreamName: stream}
	for _, e := range entries {
		in.Records = append(in.Records, plain{e.Data, e.PartitionKey})
	}
	b, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return b
}

func TestReset_LetsGoOfTheRequest(t *testing.T) {
	r := newPutRequest()
	kept := func(data int) weak.Pointer[byte] {
		request := requestOf("s", []types.PutRecordsRequestEntry{{Data: make([]byte, data), PartitionKey: aws.String("k")}})
		if err := r.decode(request); err != nil {
			t.Fatal(err)
		}
		r.reset()
		return weak.Make(&request[0])
	}
	p := kept(1000)
	runtime.GC()
	if p.Value() != nil {
		t.Error("the request's memory is held")
	}
	if cap(r.arena) == 0 {
		t.Error("a small arena is not kept")
	}
	if kept(wire.MaxScratch); cap(r.arena) != 0 {
		t.Errorf("an arena of %d bytes is kept", cap(r.arena))
	}
	runtime.KeepAlive(r)
}

func FuzzDecodePutRecords(f *testing.F) {
	f.Add([]byte(`{"StreamName":"s","Records":[{"Data":"YWJj","PartitionKey":"k"},{"PartitionKey":"\u00e9\n","Data":"","ExplicitHashKey":"12"}]}`))
	f.Add([]byte(`{"Records":[{"Dat\u0061":"YW\u004aj","PartitionKey":null,"X":{"Y":[1,true]}},null,{}],"StreamARN":"arn:aws:kinesis:r:a:stream/s","DryRun":false}`))
	f.Add([]byte(`{"Records":null} `))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"Records":[{"Data":"YWJj\n"}]}`))
	f.Add([]byte(`{"Records":[{"Data":"YWJ"}]}`))
	f.Add([]byte(`{"Records":[{"Data":1}]}`))
	f.Add([]byte(`{"Records":{}}`))
	f.Add([]byte(`{"StreamName":"a","StreamName":"b"}`))
	f.Add([]byte(`{} {}`))
	r := newPutRequest()
	f.Fuzz(func(t *testing.T, request []byte) {
		defer r.reset()
		var want plainRequest
		wantErr := json.Unmarshal(request, &want)
		err := r.decode(request)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, want %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if r.StreamName != want.StreamName || r.StreamARN != want.StreamARN || len(r.entries) != min(len(want.Records), maxEntries+1) {
			t.Fatalf("%q, %q, %d entries; want %+v", r.StreamName, r.StreamARN, len(r.entries), want)
		}
		for i, e := range r.entries {
			w := want.Records[i]
			same := func(name string, got []byte, has bool, want *string) {
				if has != (want != nil) || want != nil && string(got) != *want {
					t.Errorf("record %d: %s is %q, %v", i, name, got, has)
				}
			}
			same("key", e.key, e.hasKey, w.PartitionKey)
			same("hash key", e.explicit, e.hasHash, w.ExplicitHashKey)
			if e.hasData != (w.Data != nil) || w.Data != nil && !bytes.Equal(e.data, *w.Data) {
				t.Errorf("record %d: data is %q, %v", i, e.data, e.hasData)
			}
		}
	})
}
