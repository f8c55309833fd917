package main

import (
	"io"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/stream"
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

// A shard in which little arrives may have its last record of the range long before the end of that.
func TestReading_ShardReadBeyondTheRange_HoldsUpNoFront(t *testing.T) {
	page := func(minute int) stream.Page {
		return stream.Page{Records: []types.Record{{ApproximateArrivalTimestamp: aws.Time(noon.Add(time.Duration(minute) * time.Minute))}}}
	}
	progress := cli.NewProgress(io.Discard, "read", "record", 0)
	defer progress.End()
	each := func(string, []types.Record, bool) error { return nil }
	r := newReading(&source{}, &options{span: span{until: noon.Add(100 * time.Minute)}}, progress, each)
	quiet := page(10)
	quiet.Cut = true
	for _, step := range []struct {
		shard string
		page  stream.Page
	}{{"busy", page(0)}, {"quiet", quiet}, {"busy", page(90)}} {
		if !r.begun[step.shard] {
			r.front.begin(step.shard)
		}
		if err := r.take(step.shard, step.page); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.front.share(r.span.until); got != 0.9 {
		t.Errorf("%v of the time has been read", got)
	}
}
