package config

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// env makes of a map what os.Getenv is to ReadProcessor.
func env(m map[string]string) func(string) string {
	return func(name string) string { return m[name] }
}

func TestReadProcessor_NothingSet_GivesValidDefaults(t *testing.T) {
	got, err := ReadProcessor(env(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got != DefaultProcessor() {
		t.Errorf("got %+v, want the defaults %+v", got, DefaultProcessor())
	}
}

func TestReadProcessor_OwnEnvironment_GivesSameSettings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := processors().Draw(t, "processor")
		if err := want.Validate(); err != nil {
			t.Fatalf("generator: %v", err)
		}
		got, err := ReadProcessor(env(want.Environment()))
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// processors generates valid settings.
func processors() *rapid.Generator[Processor] {
	return rapid.Custom(func(t *rapid.T) Processor {
		p := Processor{
			Patience: time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "patience")),
			Epoch:    time.Duration(rapid.Int64Range(60, 86400).Draw(t, "epoch")) * time.Second,
			Bits:     rapid.IntRange(0, MaxBits).Draw(t, "bits"),
		}
		if rapid.Bool().Draw(t, "bounded") {
			p.Horizon = Span(rapid.Int64Range(int64(time.Hour), int64(400*day)).Draw(t, "horizon"))
			if rapid.Bool().Draw(t, "expires") {
				p.Retention = p.Horizon + Span(rapid.Int64Range(0, int64(400*day)).Draw(t, "more"))
			}
		}
		return p
	})
}

func TestReadProcessor_UnreadableValues_NamesEachVariable(t *testing.T) {
	values := map[string]string{
		EnvHorizon: "soon", EnvRetention: "-1d", EnvPatience: "0s", EnvEpoch: "15", EnvBits: "one",
	}
	_, err := ReadProcessor(env(values))
	if err == nil {
		t.Fatal("no error")
	}
	for name, value := range values {
		if !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), `"`+value+`"`) {
			t.Errorf("error names not %s with %q:\n%v", name, value, err)
		}
	}
}

func TestReadProcessor_ValueOutOfRange_IsRefused(t *testing.T) {
	for _, c := range []struct{ variable, value, names string }{
		{EnvHorizon, "59m", "horizon"},
		{EnvRetention, "20d", "retention"}, // the default horizon is 21 days
		{EnvEpoch, "59s", "epoch"},
		{EnvEpoch, "25h", "epoch"},
		{EnvEpoch, "90500ms", "epoch"},
		{EnvEpoch, "none", "epoch"},
		{EnvBits, "-1", "bits"},
		{EnvBits, "9", "bits"},
	} {
		t.Run(c.variable+"="+c.value, func(t *testing.T) {
			_, err := ReadProcessor(env(map[string]string{c.variable: c.value}))
			if err == nil || !strings.HasPrefix(err.Error(), c.names+" is ") {
				t.Errorf("got %v, want an error about the %s", err, c.names)
			}
		})
	}
}

func TestReadProcessor_ValueAtItsBound_IsTaken(t *testing.T) {
	for variable, values := range map[string][]string{
		EnvHorizon:   {"1h", "none"},
		EnvRetention: {"21d", "none"},
		EnvPatience:  {"1ns", "none"},
		EnvEpoch:     {"1m", "1d"},
		EnvBits:      {"0", "8"},
	} {
		for _, value := range values {
			if _, err := ReadProcessor(env(map[string]string{variable: value})); err != nil {
				t.Errorf("%s=%s: %v", variable, value, err)
			}
		}
	}
}

func TestValidate_SeveralSettingsWrong_NamesAll(t *testing.T) {
	err := Processor{Horizon: 1, Retention: 0, Patience: -1, Epoch: 1, Bits: -1}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"horizon", "patience", "epoch", "bits"} {
		if !strings.Contains(err.Error(), name+" is ") {
			t.Errorf("error names not the %s:\n%v", name, err)
		}
	}
}

func TestValidate_RetentionWithoutHorizon_IsRefused(t *testing.T) {
	p := DefaultProcessor()
	p.Horizon, p.Retention = None, 365*day
	if err := p.Validate(); err == nil {
		t.Error("aggregates may expire before the events that can still be accepted")
	}
}
