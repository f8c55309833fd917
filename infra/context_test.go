package main

import (
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/config"
)

// inFile gives a context that names a file of that text, in a folder of its own.
func inFile(t *testing.T, text string, more map[string]any) map[string]any {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("prod.json", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	context := map[string]any{"config": "prod.json"}
	maps.Copy(context, more)
	return context
}

// wantSettings checks that a context gives the default settings but for what change does.
func wantSettings(t *testing.T, context map[string]any, change func(*Settings)) {
	t.Helper()
	got, err := readSettings(context)
	if err != nil {
		t.Error(err)
		return
	}
	want := DefaultSettings()
	change(&want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%v: %s", context, diff)
	}
}

func wantError(t *testing.T, context map[string]any, want string) {
	t.Helper()
	_, err := readSettings(context)
	if err == nil {
		t.Errorf("%v: no error, want %s", context, want)
		return
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("%v: %s", context, diff)
	}
}

// What the CDK command line 2.1148.1 puts into the context, and what it looks up and keeps in cdk.context.json.
func TestReadSettings_KeysOfTheCDK_AreLeftAlone(t *testing.T) {
	wantSettings(t, nil, func(*Settings) {})
	wantSettings(t, map[string]any{
		"@aws-cdk/core:failSynthOnValidationErrors":                             false,
		"@aws-cdk-containers/ecs-service-extensions:enableDefaultLogDriver":     true,
		"aws-cdk:enableDiffNoFail":                                              true,
		"aws:cdk:enable-path-metadata":                                          true,
		"aws:cdk:bundling-stacks":                                               []any{"**"},
		"availability-zones:account=000000000000:region=us-east-1":              []any{"us-east-1a"},
		"ssm:account=000000000000:parameterName=/a:region=us-east-1":            "b",
		"vpc-provider:account=000000000000:filter.isDefault=true:region=eu-1":   map[string]any{},
		"cc-api-provider:account=000000000000:typeName=AWS::S3::Bucket:exact=1": nil,
	}, func(*Settings) {})
}

func TestReadSettings_StringsNumbersAndBooleans_AreTaken(t *testing.T) {
	want := func(s *Settings) {
		s.Shards, s.Processor.Bits, s.Bisect, s.AlarmEmail, s.Timeout = 8, 3, false, "a@b.c", 90*time.Second
	}
	wantSettings(t, map[string]any{"shards": "8", "bisect": "false", "alarmEmail": "a@b.c", "timeout": "90s"}, want)
	wantSettings(t, map[string]any{"shards": 8.0, "bisect": false, "alarmEmail": "a@b.c", "timeout": "1m30s"}, want)
	wantSettings(t, inFile(t, `{"shards": 8, "bisect": false, "alarmEmail": "a\u0040b.c", "timeout": "90s"}`, nil), want)
}

func TestReadSettings_FileAndKeys_KeyWinsOverFileOverDefault(t *testing.T) {
	context := inFile(t, `{"shards": 8, "batchSize": 500}`, map[string]any{"shards": "4"})
	wantSettings(t, context, func(s *Settings) { s.Shards, s.Processor.Bits, s.BatchSize = 4, 2, 500 })
}

func TestReadSettings_EverySettingAtOnce_IsRead(t *testing.T) {
	context := map[string]any{}
	for name, text := range others {
		context[name] = text
	}
	context["meterRetention"] = "none" // as the horizon
	delete(context, "shards")          // on-demand
	got, err := readSettings(context)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range context {
		if value := fieldNamed(name).get(got); value != text {
			t.Errorf("%s is %s, want %s", name, value, text)
		}
	}
}

func TestReadSettings_NotGiven_FollowsFromOthers(t *testing.T) {
	const day = 24 * time.Hour
	wantSettings(t, map[string]any{"streamRetention": "5d"}, func(s *Settings) { s.StreamRetention, s.RecordAge = 5*day, 4*day })
	wantSettings(t, map[string]any{"streamRetention": "30d", "horizon": "22d"}, func(s *Settings) {
		s.StreamRetention, s.RecordAge, s.Processor.Horizon = 30*day, 7*day, config.Span(22*day)
	})
	wantSettings(t, map[string]any{"streamRetention": "5d", "recordAge": "1h"}, func(s *Settings) { s.StreamRetention, s.RecordAge = 5*day, time.Hour })
	wantSettings(t, map[string]any{"shards": "1"}, func(s *Settings) { s.Shards = 1 }) // bits stay at the default
	wantSettings(t, map[string]any{"shards": "500"}, func(s *Settings) { s.Shards, s.Processor.Bits = 500, config.MaxBits })
	wantSettings(t, map[string]any{"shards": "2", "bits": "5"}, func(s *Settings) { s.Processor.Bits = 5 })
	wantSettings(t, map[string]any{"capacity": "on-demand"}, func(s *Settings) { s.Capacity, s.Processor.Bits = OnDemand, 2 })
}

func TestReadSettings_ShardsOfAnOnDemandStream_Contradict(t *testing.T) {
	wantError(t, inFile(t, `{"capacity": "on-demand"}`, map[string]any{"shards": "4"}),
		"capacity is on-demand (prod.json:1), shards is 4 (-c or cdk.json): want shards left out: Kinesis chooses the shards of an on-demand stream")
}

func TestReadSettings_RuleBroken_NamesWhereEachIsFrom(t *testing.T) {
	wantError(t, inFile(t, "{\n\"batchSize\": 10000}", nil),
		"timeout is 1m (default), batchSize is 10000 (prod.json:2): want timeout at least 5s and 10ms for each record of batchSize, here 1m45s: "+
			"the processor stops a second before its time ends, and what it has not got through comes again")
}

func TestReadSettings_RuleAboutShardsOfAnOnDemandStream_NamesTheCapacity(t *testing.T) {
	wantError(t, map[string]any{"capacity": "on-demand", "bits": "1"},
		"bits is 1 (-c or cdk.json), capacity is on-demand (-c or cdk.json): want bits enough for a bucket a shard: log2 of shards, at most 8 "+
			"(an on-demand stream: 2), here 2: shards that share a log of the ledger hinder each other, and the table keeps the bits that it was first used with")
}

func TestReadSettings_UnknownKey_NamesTheNearest(t *testing.T) {
	for key, near := range map[string]string{
		"shard": "shards", "Shards": "shards", "stream-retention": "streamRetention", "parallelisationFactor": "parallelizationFactor",
		"alarm_email": "alarmEmail", "retention": "streamRetention", "baches": "",
	} {
		want := "there is no setting " + key + " (-c or cdk.json)"
		if near != "" {
			want += "; did you mean " + near + "?"
		}
		wantError(t, map[string]any{key: "1"}, want+"; docs/settings.md lists them")
	}
	wantError(t, inFile(t, `{"config": "other.json"}`, nil), "there is no setting config (prod.json:1); docs/settings.md lists them")
}

func TestReadSettings_WrongValue_SaysWhatIsAllowed(t *testing.T) {
	const number = "want a whole number, 1 to 500: 500 is the lowest default quota of an account"
	wantError(t, map[string]any{"shards": "eight"}, `shards is "eight" (-c or cdk.json): `+number)
	wantError(t, map[string]any{"shards": "501"}, `shards is 501 (-c or cdk.json): `+number)
	wantError(t, map[string]any{"shards": true}, `shards is "true" (-c or cdk.json): `+number)
	wantError(t, map[string]any{"shards": 1.5}, `shards is "1.5" (-c or cdk.json): `+number)
	wantError(t, map[string]any{"shards": []any{1.0}}, `shards is [1] (-c or cdk.json): `+number)
	wantError(t, map[string]any{"stack": ""}, `stack is empty (-c or cdk.json): want a letter, then letters, digits and hyphens, at most 128 in all; not default or primary: CloudFormation takes no other, and Glue and Athena have those two already`)
	wantError(t, inFile(t, "{\n \"shards\": {\"n\": 8}\n}", nil), `shards is {"n": 8} (prod.json:2): `+number)
	wantError(t, inFile(t, `{"shards": null}`, nil), `shards is null (prod.json:1): `+number)
	wantError(t, inFile(t, `{"timeout": 60}`, nil), `timeout is "60" (prod.json:1): want 1s to 15m in whole seconds: Lambda takes no other`)
}

func TestReadSettings_SeveralWrong_AreAllSaidOneALine(t *testing.T) {
	wantError(t, inFile(t, "{\"memory\": 64,\n\"epoch\": \"soon\", \"colour\": \"red\"}", map[string]any{"batchSize": "many", "timeout": "5s"}),
		`batchSize is "many" (-c or cdk.json): want a whole number, 1 to 10000: Lambda takes no other
there is no setting colour (prod.json:2); docs/settings.md lists them
epoch is "soon" (prod.json:2): want 1m to 1d in whole seconds: a shorter one scatters each batch, a longer one makes a cold start slow
memory is 64 (prod.json:1): want a whole number, 256 to 10240: Lambda takes no more, and with less the processor has no room beside what it remembers of the ledger`)
}

// What follows from a setting that is wrong is not held against anybody: nobody wrote it.
func TestReadSettings_WrongSettingThatOthersFollowFrom_IsTheOnlyOneSaid(t *testing.T) {
	for text, value := range map[string]string{"two days": `"two days"`, "2h": "2h", "10000d": "10000d", "none": "none"} {
		wantError(t, map[string]any{"streamRetention": text},
			"streamRetention is "+value+" (-c or cdk.json): want 1d to 365d in whole hours: Kinesis takes no other")
	}
}

func TestReadSettings_FileThatIsNone_SaysWhereAndWhat(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "prod.json:1: want one JSON object, as in {\"shards\": 8}: there is nothing",
		" \n":                            "prod.json:1: want one JSON object, as in {\"shards\": 8}: there is nothing",
		"\ufeff{\"shards\": 8}":          "prod.json:1: byte 0: no JSON: a byte order mark: save the file as UTF-8 without one",
		"{\"shards\": 8,}":               "prod.json:1: byte 12: no JSON: a comma too many",
		"{\"shards\": 8,, \"bits\": 3}":  "prod.json:1: byte 13: no JSON: a comma too many",
		"{":                              "prod.json:1: ",
		"{\n  \"shards\": 8,\n}":         "prod.json:2: byte 15: no JSON: a comma too many",
		"{\n  \"shards\": 8\n  \"a\"":    "prod.json:3: byte 18: no JSON: ",
		"{\"shards\": \n08}":             "prod.json:2: ",
		"{'shards': 8}":                  "prod.json:1: byte 1: no JSON: ",
		"[8]":                            "prod.json:1: want one JSON object",
		"8":                              "prod.json:1: want one JSON object",
		"{}\n{}":                         "prod.json:2: something follows the object",
		"{\"shards\": \"\xff\"}":         "prod.json:1: byte 12: no JSON: ",
		"{\"bits\": 1,\n \"bits\": 1\n}": "prod.json:2: bits is there twice, first at prod.json:1",
	} {
		_, err := readSettings(inFile(t, text, nil))
		if err == nil || !strings.HasPrefix(err.Error(), "read settings: "+want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestReadSettings_FileThatCannotBeRead_IsNamed(t *testing.T) {
	t.Chdir(t.TempDir())
	wantError(t, map[string]any{"config": "prod.json"},
		"read the settings' file, whose path is from the project's root: open prod.json: no such file or directory")
	wantError(t, map[string]any{"config": ""}, "config is empty (-c or cdk.json): want the path of a JSON file, from the project's root")
	for _, value := range []any{"", 1.0} {
		if _, err := readSettings(map[string]any{"config": value}); err == nil || !strings.Contains(err.Error(), "want the path of a JSON file") {
			t.Errorf("%v: got %v", value, err)
		}
	}
}

func FuzzParseFile(f *testing.F) {
	for _, text := range []string{`{"shards": 8, "bisect": false}`, `{"a":{"b":[1,"\n"]}}`, "{\n}", "[", `{"a":1,"a":2}`, "\xff"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		values, err := parseFile("f", text)
		if err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("error names not the file: %v", err)
		}
		for name, value := range values {
			if value.where == "" || value.text != "" && value.bad != "" {
				t.Errorf("%q: %+v", name, value)
			}
		}
	})
}
