package main

import (
	"testing"
	"time"
)

func TestFront_IsWhereTheSlowestShardUnderWayIs(t *testing.T) {
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	var f front
	f.begin("a")
	f.begin("b")
	for _, step := range []struct {
		name string
		do   func()
		want float64
	}{
		{"nothing is read", func() {}, 0},
		{"of b nothing is read", func() { f.move("a", at(0), at(50)) }, 0},
		{"b is slower", func() { f.move("b", at(10), at(20)) }, 0.2},
		{"b is faster", func() { f.move("b", at(30), at(80)) }, 0.5},
		{"a has ended", func() { f.end("a") }, 0.8},
		{"its child begins", func() { f.begin("c") }, 0.8},
		{"and has older records", func() { f.move("c", at(55), at(60)) }, 0.6},
		{"and ends", func() { f.end("c") }, 0.8},
		{"b has ended", func() { f.end("b") }, 1},
		{"the last shard begins", func() { f.begin("d") }, 0.8},
	} {
		step.do()
		if got := f.share(at(100)); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}
