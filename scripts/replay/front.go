package main

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/millrace/millrace/internal/stream"
)

// front is how far the reading has come in time: all that arrived before it has been read, about. Nobody knows how many
// records there are, and by this it can be said how long the rest will take. The zero value has begun nothing.
type front struct {
	first time.Time            // arrival of the first record
	at    map[string]time.Time // of the shards under way: arrival of the last record that was read
}

// move notes a page of a shard.
func (f *front) move(shard string, p *stream.Page) {
	n := len(p.Records)
	switch {
	case p.CaughtUp():
		delete(f.at, shard)
		return
	case n == 0:
		return
	case f.at == nil:
		f.at = map[string]time.Time{}
	}
	if first := aws.ToTime(p.Records[0].ApproximateArrivalTimestamp); f.first.IsZero() || first.Before(f.first) {
		f.first = first
	}
	f.at[shard] = aws.ToTime(p.Records[n-1].ApproximateArrivalTimestamp)
}

// share is how much of the time until the end has passed, from 0 to 1.
func (f *front) share(end time.Time) float64 {
	at := end
	for _, shard := range f.at {
		if shard.Before(at) {
			at = shard
		}
	}
	if f.first.IsZero() || !f.first.Before(end) {
		return 0
	}
	return float64(at.Sub(f.first)) / float64(end.Sub(f.first))
}
