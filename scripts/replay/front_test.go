package main

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/stream"
)

func TestFront_IsWhereTheSlowestShardUnderWayIs(t *testing.T) {
	page := func(behind time.Duration, arrivals ...int) *stream.Page {
		p := &stream.Page{Behind: behind}
		for _, minute := range arrivals {
			p.Records = append(p.Records, types.Record{ApproximateArrivalTimestamp: aws.Time(noon.Add(time.Duration(minute) * time.Minute))})
		}
		return p
	}
	var f front
	for _, step := range []struct {
		shard string
		page  *stream.Page
		want  float64
	}{
		{"a", page(time.Hour), 0},
		{"a", page(time.Hour, 0, 50), 0.5},
		{"b", page(time.Hour, 10, 20), 0.2},
		{"b", page(time.Hour), 0.2},
		{"b", page(time.Minute, 80), 0.5},
		{"a", &stream.Page{End: true}, 0.8},
		{"c", page(time.Minute, 60), 0.6}, // its child
		{"c", page(0), 0.8},
		{"b", page(0, 90), 0.9}, // more may have come with it
		{"b", page(0), 1},
	} {
		f.move(step.shard, step.page)
		if got := f.share(noon.Add(100 * time.Minute)); got != step.want {
			t.Errorf("shard %s: %v, want %v", step.shard, got, step.want)
		}
	}
}
