package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/config"
)

func columnNames() []string {
	var names []string
	for _, c := range config.ArchiveColumns() {
		names = append(names, c.Name)
	}
	return names
}

// members gives the names of a JSON object in their order, and its values.
func members(t *testing.T, row []byte) (names []string, values map[string]any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(row)))
	for depth := 0; d.More() || depth > 0; {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		if token == json.Delim('{') {
			depth++
			continue
		}
		if token == json.Delim('}') {
			break
		}
		names = append(names, token.(string))
		if _, err := d.Token(); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(row, &values); err != nil {
		t.Fatal(err)
	}
	return names, values
}

func TestAppendRow_EachColumn_IsWrittenWithItsType(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 15, 0, 187_999_999, time.UTC)
	e := cloudevent.Event{ID: "i", Source: "s", Type: "t", Subject: "u", Time: at}
	row := appendRow(nil, &e, []byte(`{"any":"JSON"}`), place{shard: "shardId-000000000000", sequence: []byte("1"), sub: 2, key: "k", arrival: at})
	names, values := members(t, row)
	if diff := cmp.Diff(columnNames(), names); diff != "" {
		t.Error(diff)
	}
	for _, c := range config.ArchiveColumns() {
		switch v := values[c.Name]; c.Type {
		case "string":
			if s, ok := v.(string); !ok || s == "" {
				t.Errorf("%s: %v", c.Name, v)
			}
		case "bigint":
			if n, ok := v.(float64); !ok || n != 2 {
				t.Errorf("%s: %v", c.Name, v)
			}
		case "timestamp":
			if v != "2026-11-23T08:15:00.187Z" {
				t.Errorf("%s: %v", c.Name, v)
			}
		default:
			t.Errorf("%s has the type %s, which no test knows", c.Name, c.Type)
		}
	}
}

func TestAppendRow_WhatIsAbsent_IsLeftOut(t *testing.T) {
	e := cloudevent.Event{ID: "i", Source: "s", Type: "t", Time: time.Unix(0, 0).UTC()}
	names, _ := members(t, appendRow(nil, &e, []byte(`{}`), place{}))
	absent := []string{"subject", "shard_id", "sequence_number", "partition_key", "arrival"}
	want := slices.DeleteFunc(columnNames(), func(name string) bool { return slices.Contains(absent, name) })
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestAppendRow_PartitionKeyThatIsNoText_StaysJSON(t *testing.T) {
	e := cloudevent.Event{ID: "i", Source: "s", Type: "t", Time: time.Unix(0, 0).UTC()}
	_, values := members(t, appendRow(nil, &e, []byte(`{}`), place{key: "a\xffb"}))
	if values["partition_key"] != "a\ufffdb" {
		t.Errorf("%q", values["partition_key"])
	}
}

func TestAppendRow_TimesOfOldAndFarYears_HaveFourDigits(t *testing.T) {
	var d cloudevent.Decoder
	for in, want := range map[string]string{
		"0001-01-01T00:00:01Z":           "0001-01-01T00:00:01.000Z",
		"9999-12-31T23:59:59.9999Z":      "9999-12-31T23:59:59.999Z",
		"2026-03-01T00:30:00.5+01:00":    "2026-02-28T23:30:00.500Z",
		"1969-12-31T23:59:59.001999999Z": "1969-12-31T23:59:59.001Z",
	} {
		var e cloudevent.Event
		text := []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","time":"` + in + `"}`)
		if err := d.Decode(&e, text); err != nil {
			t.Fatal(err)
		}
		if _, values := members(t, appendRow(nil, &e, text, place{})); values["time"] != want {
			t.Errorf("%s: %s, want %s", in, values["time"], want)
		}
	}
}
