package kinesis

import (
	"context"
	"encoding/base64"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

const (
	listedShards = 1000    // of a page of ListShards, when no other number is asked for, and at most
	tokenLife    = 300_000 // ms for which a NextToken may be used
)

type hashKeyRange struct{ StartingHashKey, EndingHashKey string }

type sequenceNumberRange struct {
	StartingSequenceNumber string
	EndingSequenceNumber   string `json:",omitzero"`
}

type shardDescription struct {
	ShardID               string `json:"ShardId"`
	ParentShardID         string `json:"ParentShardId,omitzero"`
	AdjacentParentShardID string `json:"AdjacentParentShardId,omitzero"`
	HashKeyRange          hashKeyRange
	SequenceNumberRange   sequenceNumberRange
}

func (r keyRange) describe() hashKeyRange { return hashKeyRange{r.lo.String(), r.hi.String()} }

func (sh *shard) describe() shardDescription {
	d := shardDescription{
		ShardID: sh.id, ParentShardID: sh.parent, AdjacentParentShardID: sh.adjacent,
		HashKeyRange:        sh.keys.describe(),
		SequenceNumberRange: sequenceNumberRange{StartingSequenceNumber: sh.starting().String()},
	}
	if closed := sh.closedAt(); closed != 0 {
		d.SequenceNumberRange.EndingSequenceNumber = sh.ending(closed).String()
	}
	return d
}

func describeAll(list []*shard) []shardDescription {
	out := make([]shardDescription, len(list))
	for i, sh := range list {
		out[i] = sh.describe()
	}
	return out
}

// after gives the shards behind one that is named; all of them for "".
func after(list []*shard, id string) ([]*shard, error) {
	if id == "" {
		return list, nil
	}
	number, ok := parseShardID(id)
	if !ok { // the text is ours
		return nil, invalid("ExclusiveStartShardId %s is not the id of a shard.", id)
	}
	i := slices.IndexFunc(list, func(sh *shard) bool { return sh.number > number })
	if i < 0 {
		i = len(list)
	}
	return list[i:], nil
}

// shardFilter picks the shards that ListShards lists.
type shardFilter struct {
	Type      string
	ShardID   string   `json:"ShardId,omitzero"`
	Timestamp *float64 `json:",omitzero"` // Unix seconds
}

// apply picks of a stream's visible shards, as the ShardFilter page of the API reference has it.
func (f shardFilter) apply(list []*shard, horizon int64) ([]*shard, error) {
	since := horizon
	switch f.Type {
	case "FROM_TRIM_HORIZON":
		return list, nil
	case "AFTER_SHARD_ID":
		if f.ShardID == "" {
			return nil, invalid("ShardId must be provided with a ShardFilter of type AFTER_SHARD_ID.")
		}
		return after(list, f.ShardID)
	case "AT_LATEST":
		return slices.DeleteFunc(list, func(sh *shard) bool { return sh.closedAt() != 0 }), nil
	case "AT_TIMESTAMP", "FROM_TIMESTAMP":
		if f.Timestamp == nil {
			return nil, invalid("Timestamp must be provided with a ShardFilter of type %s.", f.Type)
		}
		since = max(horizon, millis(*f.Timestamp))
	case "AT_TRIM_HORIZON":
	default:
		var v violations
		v.OneOf(f.Type, "shardFilter.type",
			"AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP", "FROM_TIMESTAMP")
		return nil, v.Err()
	}
	return slices.DeleteFunc(list, func(sh *shard) bool {
		closed := sh.closedAt()
		late := sh.made > since && sh.parent != "" // a stream's first shards reach back to every time
		return closed != 0 && closed < since || late && f.Type != "FROM_TIMESTAMP"
	}), nil
}

type listShardsInput struct {
	target
	NextToken               string
	ExclusiveStartShardID   string `json:"ExclusiveStartShardId"`
	MaxResults              *int
	StreamCreationTimestamp *float64 // Unix seconds
	ShardFilter             *shardFilter
}

type listShardsOutput struct {
	Shards    []shardDescription
	NextToken string `json:",omitzero"`
}

// listing is a NextToken: what is listed, and from where on.
type listing struct {
	Stream string // ARN
	Serial uint64
	Made   int64 // when the token was given out, ms
	After  string
	Filter *shardFilter
}

func (s *Service) listShards(_ context.Context, in *listShardsInput) (*listShardsOutput, error) {
	var v violations
	limit := min(v.limit(in.MaxResults, listedShards, maxListed, "maxResults"), listedShards)
	v.optional(in.ExclusiveStartShardID, "exclusiveStartShardId")
	in.check(&v)
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, l, err := s.listing(in)
	if err != nil {
		return nil, err
	}
	list := st.visible()
	if l.Filter != nil {
		if list, err = l.Filter.apply(list, st.horizon()); err != nil {
			return nil, err
		}
	}
	if list, err = after(list, l.After); err != nil {
		return nil, err
	}
	out := &listShardsOutput{}
	if len(list) > limit {
		list = list[:limit]
		l.After = list[limit-1].id
		out.NextToken, err = l.token()
	}
	out.Shards = describeAll(list)
	return out, err
}

// listing tells what a call lists: what its token says, or what the call itself says.
func (s *Service) listing(in *listShardsInput) (*stream, listing, error) {
	if in.NextToken != "" {
		if in.StreamName != "" {
			return nil, listing{}, invalid("NextToken and StreamName cannot be provided together.")
		}
		if in.StreamARN != "" { // as in https://github.com/aws/aws-cli/issues/9635
			return nil, listing{}, invalid("NextToken and StreamARN cannot be provided together.")
		}
		return s.resume(in.NextToken)
	}
	if in.target == (target{}) {
		return nil, listing{}, invalid("Either NextToken or StreamName should be provided.")
	}
	st, l, err := s.begin(in.target, in.StreamCreationTimestamp)
	l.After, l.Filter = in.ExclusiveStartShardID, in.ShardFilter
	return st, l, err
}

// begin starts a list of what a stream has. made, if given, has to be when the stream was created.
func (s *Service) begin(t target, made *float64) (*stream, listing, error) {
	st, err := s.find(t)
	if err != nil {
		return nil, listing{}, err
	}
	if made != nil && millis(*made)/1000 != st.made/1000 {
		return nil, listing{}, notFound("Stream %s under account %s not found.", st.name, s.account)
	}
	return st, listing{Stream: st.arn, Serial: st.serial, Made: s.nowMillis()}, nil
}

// resume reads a token and renews it.
func (s *Service) resume(token string) (*stream, listing, error) {
	var l listing
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil {
		return nil, l, invalid("NextToken is invalid.")
	}
	now := s.nowMillis()
	if now-l.Made > tokenLife {
		return nil, l, wire.Errorf("ExpiredNextTokenException", "NextToken has expired: it may be used for %d seconds.", tokenLife/1000)
	}
	st, err := s.stream(l.Stream)
	if err != nil {
		return nil, l, err
	}
	if st.serial != l.Serial {
		return nil, l, notFound("Stream %s under account %s not found.", st.name, s.account)
	}
	l.Made = now
	return st, l, nil
}

func (l listing) token() (string, error) {
	text, err := json.Marshal(l)
	return base64.RawURLEncoding.EncodeToString(text), err
}
