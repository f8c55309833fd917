package main

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/config"
)

func TestSettings_Defaults_AreValid(t *testing.T) {
	if err := DefaultSettings().Validate(); err != nil {
		t.Error(err)
	}
}

// others has for each setting a text that is not the default's.
var others = map[string]string{
	"stack": "Other", "architecture": "x86_64", "encryption": "aws", "keepData": "false",
	"capacity": "on-demand", "shards": "8", "streamRetention": "36h", "startingPosition": "LATEST",
	"batchSize": "100", "batchingWindow": "none", "parallelizationFactor": "2", "retries": "-1", "recordAge": "10h",
	"bisect": "false", "fanOut": "true", "memory": "1024", "timeout": "1m30s", "reservedConcurrency": "8",
	"logRetention": "7d", "failuresTo": "topic", "alarmEmail": "ops@example.com", "archiveFormat": "json",
	"archiveInterval": "1m", "horizon": "none", "meterRetention": "365d", "patience": "1m", "epoch": "5m", "bits": "3",
}

// leaves gives the values of a struct by their path.
func leaves(v reflect.Value, path string) map[string]any {
	if v.Kind() != reflect.Struct {
		return map[string]any{path: v.Interface()}
	}
	all := map[string]any{}
	for i := range v.NumField() {
		maps.Copy(all, leaves(v.Field(i), path+"."+v.Type().Field(i).Name))
	}
	return all
}

func TestFields_EachSettingOfTheStruct_HasOneAndNoOther(t *testing.T) {
	defaults := leaves(reflect.ValueOf(DefaultSettings()), "")
	changed := map[string]string{}
	for _, f := range fields {
		s := DefaultSettings()
		if !f.set(&s, others[f.name]) || !f.valid(s) || f.get(s) != others[f.name] {
			t.Errorf("%s: %q becomes %q", f.name, others[f.name], f.get(s))
		}
		for path, value := range leaves(reflect.ValueOf(s), "") {
			if value == defaults[path] {
				continue
			}
			if other, taken := changed[path]; taken {
				t.Errorf("%s and %s both set %s", f.name, other, path)
			}
			changed[path] = f.name
		}
	}
	if len(changed) != len(defaults) || len(fields) != len(defaults) {
		t.Errorf("%d fields set %d of %d settings", len(fields), len(changed), len(defaults))
	}
}

func TestFields_Default_SurvivesItsText(t *testing.T) {
	for _, f := range fields {
		s := DefaultSettings()
		if !f.set(&s, f.get(s)) || s != DefaultSettings() {
			t.Errorf("%s: %q becomes %q", f.name, f.get(DefaultSettings()), f.get(s))
		}
	}
}

func TestFields_AtItsBound_IsTakenAndBeyondIsNot(t *testing.T) {
	long := "S" + strings.Repeat("-", maxStackName-1)
	for name, texts := range map[string]struct{ taken, refused []string }{
		"stack":                 {[]string{"a", "Prod-2", long}, []string{"", "2nd", "a_b", long + "-", "default", "Primary"}},
		"architecture":          {[]string{"arm64", "x86_64"}, []string{"", "amd64"}},
		"encryption":            {[]string{"customer", "aws"}, []string{"none"}},
		"keepData":              {nil, []string{"yes", "", "TRUE", "1"}},
		"capacity":              {[]string{"provisioned", "on-demand"}, []string{"ON_DEMAND"}},
		"shards":                {[]string{"1", "500"}, []string{"0", "501", "two", "1.5", "", "-1"}},
		"streamRetention":       {[]string{"24h", "1d", "365d"}, []string{"23h", "24h1m", "8761h", "none", "24"}},
		"startingPosition":      {[]string{"TRIM_HORIZON", "LATEST", "2026-01-23T21:00:00Z", "2026-01-23T21:00:00+01:00"}, []string{"2026-01-23T21:00:00.5Z", "2999-01-01T00:00:00Z", "latest", "", "2026-11-23", "1969-07-20T20:17:00Z"}},
		"batchSize":             {[]string{"1", "10000"}, []string{"0", "10001"}},
		"batchingWindow":        {[]string{"none", "1s", "5m"}, []string{"500ms", "5m1s", "0", "0s"}},
		"parallelizationFactor": {[]string{"1", "10"}, []string{"0", "11"}},
		"retries":               {[]string{"-1", "0", "10000"}, []string{"-2", "10001", "none"}},
		"recordAge":             {[]string{"1m", "7d"}, []string{"59s", "169h", "none", "-1", "60500ms"}},
		"bisect":                {nil, []string{"no"}},
		"fanOut":                {nil, []string{"on"}},
		"memory":                {[]string{"256", "10240"}, []string{"255", "10241"}},
		"timeout":               {[]string{"1s", "15m"}, []string{"500ms", "15m1s", "none"}},
		"reservedConcurrency":   {[]string{"0", "100000"}, []string{"-1"}},
		"logRetention":          {[]string{"none", "1d", "24h", "3653d"}, []string{"2d", "25h", "3654d"}},
		"failuresTo":            {[]string{"queue", "topic"}, []string{"sns"}},
		"alarmEmail":            {[]string{"", "a@b.c", "on.call+1@example.com"}, []string{"a", "a@b", "@b.c", "a@b.c, d@e.f", "A <a@b.c>", "a@b.c.", "a b@c.d"}},
		"archiveFormat":         {[]string{"parquet", "json"}, []string{"orc"}},
		"archiveInterval":       {[]string{"1m", "15m"}, []string{"59s", "none", "901s"}},
		"horizon":               {[]string{"1h", "none", "3650d"}, []string{"59m", "3601500ms"}},
		"meterRetention":        {[]string{"none", "1h", "3650d"}, []string{"59m"}},
		"patience":              {[]string{"none", "1s", "30d"}, []string{"1ms"}},
		"epoch":                 {[]string{"1m", "1d"}, []string{"59s", "25h", "none", "90500ms"}},
		"bits":                  {[]string{"0", "8"}, []string{"-1", "9"}},
	} {
		f := fieldNamed(name)
		taken := func(text string) bool {
			s := DefaultSettings()
			return f.set(&s, text) && f.valid(s)
		}
		for _, text := range texts.taken {
			if !taken(text) {
				t.Errorf("%s refuses %q", name, text)
			}
		}
		for _, text := range texts.refused {
			if taken(text) {
				t.Errorf("%s takes %q", name, text)
			}
		}
	}
}

// Each rule, just kept and just broken.
func TestRules_EachOne_IsHeldAtItsBound(t *testing.T) {
	const day = 24 * time.Hour
	broken := map[string]bool{}
	for _, c := range []struct {
		names  string
		keeps  func(*Settings)
		breaks func(*Settings)
	}{
		{
			"recordAge is 21h36m1s, streamRetention is 1d: want recordAge at most nine tenths of streamRetention, here at most 21h36m: ",
			func(s *Settings) { s.RecordAge = day / 10 * 9 },
			func(s *Settings) { s.RecordAge = day/10*9 + time.Second },
		},
		{
			"batchingWindow is 2m, recordAge is 2m: ",
			func(s *Settings) { s.BatchingWindow, s.RecordAge = 2*time.Minute, 2*time.Minute+time.Second },
			func(s *Settings) { s.BatchingWindow, s.RecordAge = 2*time.Minute, 2*time.Minute },
		},
		{
			"timeout is 14s, batchSize is 1000: want timeout at least 5s and 10ms for each record of batchSize, here 15s: ",
			func(s *Settings) { s.Timeout = 15 * time.Second },
			func(s *Settings) { s.Timeout = 14 * time.Second },
		},
		{
			"reservedConcurrency is 5, shards is 2, parallelizationFactor is 3: ",
			func(s *Settings) { s.ReservedConcurrency, s.ParallelizationFactor = 6, 3 },
			func(s *Settings) { s.ReservedConcurrency, s.ParallelizationFactor = 5, 3 },
		},
		{ // an on-demand stream begins with four shards
			"reservedConcurrency is 3, capacity is on-demand, parallelizationFactor is 1: ",
			func(s *Settings) { s.Capacity, s.Processor.Bits, s.ReservedConcurrency = OnDemand, 2, 4 },
			func(s *Settings) { s.Capacity, s.Processor.Bits, s.ReservedConcurrency = OnDemand, 2, 3 },
		},
		{
			"horizon is 21d, recordAge is 7d: want horizon none, or longer than recordAge and the failure queue's 14d together, here more than 21d: ",
			func(s *Settings) {
				s.StreamRetention, s.RecordAge, s.Processor.Horizon = 30*day, 7*day, config.Span(21*day+time.Second)
			},
			func(s *Settings) { s.StreamRetention, s.RecordAge = 30*day, 7*day },
		},
		{
			"meterRetention is 20d, horizon is 21d: ",
			func(s *Settings) { s.Processor.Retention = config.Span(21 * day) },
			func(s *Settings) { s.Processor.Retention = config.Span(20 * day) },
		},
		{
			"meterRetention is 20d, horizon is none: ",
			func(s *Settings) { s.Processor.Horizon, s.Processor.Retention = config.None, config.None },
			func(s *Settings) { s.Processor.Horizon, s.Processor.Retention = config.None, config.Span(20*day) },
		},
		{
			"bits is 2, shards is 5: ",
			func(s *Settings) { s.Shards, s.Processor.Bits = 4, 2 },
			func(s *Settings) { s.Shards, s.Processor.Bits = 5, 2 },
		},
		{
			"bits is 7, shards is 500: ",
			func(s *Settings) { s.Shards, s.Processor.Bits = 500, 8 },
			func(s *Settings) { s.Shards, s.Processor.Bits = 500, 7 },
		},
		{
			"bits is 1, capacity is on-demand: ",
			func(s *Settings) { s.Capacity, s.Processor.Bits = OnDemand, 2 },
			func(s *Settings) { s.Capacity, s.Processor.Bits = OnDemand, 1 },
		},
	} {
		s := DefaultSettings()
		c.keeps(&s)
		if err := s.Validate(); err != nil {
			t.Errorf("%s kept, and the error is: %v", c.names, err)
		}
		s = DefaultSettings()
		c.breaks(&s)
		if err := s.Validate(); err == nil || !strings.HasPrefix(err.Error(), c.names) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line: %s", err, c.names)
		}
		broken[strings.SplitN(c.names, " ", 2)[0]] = true
	}
	for _, r := range rules {
		if !broken[r.fields[0]] {
			t.Errorf("no test breaks: %s", r.says)
		}
	}
}

func TestValidate_SeveralWrong_EachHasALineWithItsReason(t *testing.T) {
	s := DefaultSettings()
	s.Shards, s.BatchSize, s.Memory, s.Timeout = 501, 0, 1, 5*time.Second
	err := s.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	want := `shards is 501: want a whole number, 1 to 500: 500 is the lowest default quota of an account
batchSize is 0: want a whole number, 1 to 10000: Lambda takes no other
memory is 1: want a whole number, 256 to 10240: Lambda takes no more, and with less the processor has no room beside what it remembers of the ledger`
	if diff := cmp.Diff(want, err.Error()); diff != "" { // the time-out is not held against a batch size that is none
		t.Error(diff)
	}
}

// What passes here must not be refused by the processor when it starts.
func TestValidate_AnySettingsThatPass_TheProcessorTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := func(name string, units ...time.Duration) time.Duration {
			return time.Duration(rapid.IntRange(-1, 100).Draw(t, name)) * rapid.SampledFrom(units).Draw(t, name+" unit")
		}
		s := DefaultSettings()
		s.Processor = config.Processor{
			Horizon:   config.Span(span("horizon", time.Minute, 24*time.Hour)),
			Retention: config.Span(span("retention", time.Minute, 24*time.Hour)),
			Patience:  span("patience", time.Millisecond, time.Minute),
			Epoch:     span("epoch", time.Second, time.Minute, time.Hour),
			Bits:      rapid.IntRange(-1, 10).Draw(t, "bits"),
		}
		if s.Validate() == nil && s.Processor.Validate() != nil {
			t.Fatalf("%+v: %v", s.Processor, s.Processor.Validate())
		}
	})
}

func TestRecordAge_AnyRetention_LeavesTimeToReadTheRecordBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		retention := time.Duration(rapid.IntRange(24, 8760).Draw(t, "hours")) * time.Hour
		age := recordAge(retention)
		if age > retention*8/10 || age < min(retention*8/10, 7*24*time.Hour) {
			t.Fatalf("%v of %v", age, retention)
		}
		if age < time.Minute || age > 604800*time.Second || age%time.Second != 0 { // what Lambda takes
			t.Fatalf("Lambda refuses %v", age)
		}
	})
}

func TestNeededBits_Shards_HaveABucketEach(t *testing.T) {
	for shards, want := range map[int]int{1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 8: 3, 9: 4, 256: 8, 257: 8, 500: 8} {
		s := DefaultSettings()
		s.Shards = shards
		if got := s.neededBits(); got != want {
			t.Errorf("%d shards: %d bits, want %d", shards, got, want)
		}
	}
}

func TestSettingsPage_CommittedFile_IsCurrent(t *testing.T) {
	got, err := os.ReadFile("../" + settingsPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(settingsMarkdown()), string(got)); diff != "" {
		t.Errorf("%s is stale: run go generate ./infra\n%s", settingsPage, diff)
	}
}

func TestSettingsPage_Table_HasAllOfEverySetting(t *testing.T) {
	text := string(settingsMarkdown())
	for _, f := range fields {
		row := fmt.Sprintf("| `%s` | ", f.name)
		if strings.Count(text, row) != 1 || f.meaning == "" || f.allowed == "" || strings.Contains(f.meaning+f.allowed, "|") {
			t.Errorf("%s: its row is missing or broken", f.name)
		}
	}
}
