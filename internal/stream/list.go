package stream

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// ListShardsAPI is what listing shards needs of the Kinesis client.
type ListShardsAPI interface {
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
}

// ListShards gives the shards of a stream, by its name, that may hold records from a position on: for AtTime those that
// were open then or later, else all that are not trimmed.
func ListShards(ctx context.Context, api ListShardsAPI, stream string, from Position) (shards []Shard, err error) {
	in := &kinesis.ListShardsInput{StreamName: &stream}
	if at := from.at(); at != nil {
		in.ShardFilter = &types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: at}
	}
	for {
		out, err := api.ListShards(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list shards of stream %s: %w", stream, err)
		}
		for i := range out.Shards {
			shards = append(shards, shardOf(&out.Shards[i]))
		}
		if out.NextToken == nil {
			return shards, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken} // which names the stream: both is refused
	}
}
