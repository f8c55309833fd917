package kinesis

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Pages of the operations that list. AWS gives at most 10,000 whatever is asked for.
const (
	describeShards = 100
	listedStreams  = 100
	maxListed      = 10_000
)

// description is what every answer about a stream has, in AWS's names.
type description struct {
	StreamName              string
	StreamARN               string
	StreamStatus            string
	StreamModeDetails       modeDetails
	StreamCreationTimestamp float64 // Unix seconds
}

func (st *stream) describe() description {
	return description{st.name, st.arn, "ACTIVE", modeDetails{st.mode()}, seconds(st.made)}
}

// seconds gives a time in ms as AWS JSON writes times: Unix seconds with a fraction.
func seconds(ms int64) float64 { return float64(ms) / 1000 }

// millis reads such a time.
func millis(seconds float64) int64 {
	return time.UnixMicro(int64(seconds * 1e6)).Round(time.Millisecond).UnixMilli()
}

// details are what both kinds of description have besides.
type details struct {
	RetentionPeriodHours int
	EnhancedMonitoring   []monitoring
	EncryptionType       string
	KeyID                string `json:"KeyId,omitzero"`
}

type monitoring struct{ ShardLevelMetrics []string }

func (st *stream) details() details {
	kind, key := st.encryption()
	return details{st.retentionHours(), []monitoring{{}}, kind, key}
}

type describeStreamInput struct {
	target
	Limit                 *int
	ExclusiveStartShardID string `json:"ExclusiveStartShardId"`
}

type streamDescription struct {
	description
	details
	Shards        []shardDescription
	HasMoreShards bool
}

type describeStreamOutput struct{ StreamDescription streamDescription }

func (s *Service) describeStream(_ context.Context, in *describeStreamInput) (*describeStreamOutput, error) {
	var v violations
	limit := v.limit(in.Limit, describeShards, maxListed, "limit")
	v.optional(in.ExclusiveStartShardID, "exclusiveStartShardId")
	in.check(&v)
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, err := s.find(in.target)
	if err != nil {
		return nil, err
	}
	listed, err := after(st.visible(), in.ExclusiveStartShardID)
	if err != nil {
		return nil, err
	}
	page := listed[:min(limit, len(listed))]
	return &describeStreamOutput{streamDescription{st.describe(), st.details(), describeAll(page), len(page) < len(listed)}}, nil
}

type streamSummary struct {
	description
	details
	OpenShardCount     int
	ConsumerCount      int
	MaxRecordSizeInKiB int
}

type describeStreamSummaryOutput struct{ StreamDescriptionSummary streamSummary }

func (s *Service) describeStreamSummary(_ context.Context, in *target) (*describeStreamSummaryOutput, error) {
	var v violations
	in.check(&v)
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, err := s.find(*in)
	if err != nil {
		return nil, err
	}
	open := len(st.shards.Load().open)
	return &describeStreamSummaryOutput{streamSummary{st.describe(), st.details(), open, st.consumers.count(), st.maxRecord >> 10}}, nil
}

type listStreamsInput struct {
	Limit                    *int
	ExclusiveStartStreamName string
	NextToken                string // the last name of the page before
}

type listStreamsOutput struct {
	StreamNames     []string
	StreamSummaries []description
	HasMoreStreams  bool
	NextToken       string `json:",omitzero"`
}

func (s *Service) listStreams(_ context.Context, in *listStreamsInput) (*listStreamsOutput, error) {
	var v violations
	limit := v.limit(in.Limit, listedStreams, maxListed, "limit")
	v.optional(in.ExclusiveStartStreamName, "exclusiveStartStreamName")
	if err := v.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := slices.Sorted(maps.Keys(s.streams))
	from := max(in.ExclusiveStartStreamName, in.NextToken)
	names = slices.DeleteFunc(names, func(name string) bool { return name <= from })
	out := &listStreamsOutput{StreamNames: names[:min(limit, len(names))], HasMoreStreams: limit < len(names)}
	for _, name := range out.StreamNames {
		out.StreamSummaries = append(out.StreamSummaries, s.streams[name].describe())
	}
	if out.HasMoreStreams {
		out.NextToken = names[limit-1]
	}
	return out, nil
}
