package main

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/awslocal/esm"
	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/meter"
)

func TestIsHandlers_WhatTheTableRefuses_IsNot(t *testing.T) {
	for _, c := range []struct {
		class failure.Class
		text  string
		want  bool
	}{
		{failure.Refused, "no such customer", true},
		{failure.Refused, "refused by the table: the item is too large", false},
		{failure.Panic, "the handler panicked: refused by the table: ", true},
		{failure.GaveUp, "after 5 attempts: no", true},
		{failure.Invalid, "data.n is missing", false},
	} {
		if got := isHandlers(&failure.Record{Class: c.class, Text: c.text}); got != c.want {
			t.Errorf("%s, %s: %v", c.class, c.text, got)
		}
	}
}

func TestFailureDifferences_AreFoundBothWays(t *testing.T) {
	l := &load{spoiled: [][]byte{[]byte("s1"), []byte("s2")}, truth: &truth{refused: map[string]bool{"r1": true, "r2": true}}}
	for name, c := range map[string]struct {
		got  map[string]string
		want []string
	}{
		"all there": {map[string]string{"s1": "x", "s2": "x", "r1": "x", "r2": "x"}, nil},
		"one for another": {map[string]string{"s1": "x", "s2": "x", "r1": "x", "other": "late: old"}, []string{
			`failure queue: "other" is there as late: old`, `failure queue: lacks the record that no meter can count "r2"`,
		}},
		"a spoiled one for another": {map[string]string{"s1": "x", "other": "late: old", "r1": "x", "r2": "x"}, []string{
			`failure queue: "other" is there as late: old`, `failure queue: lacks the spoiled record "s2"`,
		}},
	} {
		if diff := cmp.Diff(c.want, failureDifferences(l, c.got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestNotCounted_EventThatTheLedgerHolds_IsNotAmongThem(t *testing.T) {
	s, err := start(t.Context(), options{}, "../..", &text{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	events := flights(t, 2)
	var d cloudevent.Decoder
	var e cloudevent.Event
	if err := d.Decode(&e, events[0]); err != nil {
		t.Fatal(err)
	}
	deltas, err := meters(t).NewEvaluator().Evaluate(&e)
	if err != nil {
		t.Fatal(err)
	}
	layout := ledger.Layout{Bits: 1, Epoch: 15 * time.Minute}
	table := ledger.New(dynamodb.NewFromConfig(s.endpoint.Config()), s.outputs[config.OutputTable], ledger.Options{Layout: layout})
	if r := table.Commit(t.Context(), ledger.LiveSet, "shardId-000000000000", []meter.Effect{{ID: e.Identity(), Deltas: deltas}}); r[0].Outcome != meter.Counted {
		t.Fatalf("%+v", r)
	}
	out, err := s.notCounted(t.Context(), map[string]bool{string(events[0]): true, string(events[1]): true})
	if diff := cmp.Diff(map[string]bool{string(events[1]): true}, out); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestSettled_AfterTheEnd_NotesNothing(t *testing.T) {
	var s settled
	s.add(esm.Settled{Records: make([]esm.Record, 3)})
	if latencies := s.end(); len(latencies) != 3 {
		t.Errorf("%d latencies", len(latencies))
	}
	s.add(esm.Settled{Records: make([]esm.Record, 3)})
	if len(s.latencies) != 0 || s.records != 3 {
		t.Errorf("%d latencies, %d records", len(s.latencies), s.records)
	}
}
