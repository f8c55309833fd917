package kinesis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Limits of a stream, from "Quotas and limits" of the Kinesis Data Streams guide.
const (
	onDemandShards   = 4 // that an on-demand stream begins with
	maxShards        = 20_000
	minRetention     = 24 * time.Hour
	maxRetention     = 365 * 24 * time.Hour
	defaultMaxRecord = 1 << 20 // bytes of data and key
	largestMaxRecord = 10 << 20
)

// The two modes of a stream.
const (
	provisioned = "PROVISIONED"
	onDemand    = "ON_DEMAND"
)

// stream is one stream. What stands above retention never changes.
type stream struct {
	service   *Service
	serial    uint64 // no two streams of a service have the same
	name      string
	arn       string
	made      int64 // ms
	maxRecord int   // bytes of data and key

	retention atomic.Int64           // ms
	onDemand  atomic.Bool            // its mode; else it is provisioned
	key       atomic.Pointer[string] // KMS key that records are said to be encrypted with; nil for none
	iterators atomic.Uint32          // how often all shard iterators were made to expire
	shards    atomic.Pointer[shards]

	reshard   sync.Mutex // held while shards are put in others' place, and to end the stream
	gone      bool       // the stream is deleted; guarded by reshard
	consumers consumers
}

// shards is a stream's shards at one time. It never changes: resharding puts another in its place.
type shards struct {
	all  []*shard // by number, closed ones too
	open []*shard // by hash key: together they cover the hash space, each key once
}

// route finds the shard that serves a hash key.
func (s *shards) route(h hash) *shard {
	i, found := slices.BinarySearchFunc(s.open, h, func(sh *shard, h hash) int {
		switch {
		case sh.keys.lo.less(h):
			return -1
		case h.less(sh.keys.lo):
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	return s.open[i]
}

// visible gives the shards that are listed: not those whose last record is beyond the retention.
func (st *stream) visible() []*shard {
	horizon := st.horizon()
	var out []*shard
	for _, sh := range st.shards.Load().all {
		if closed := sh.closedAt(); closed == 0 || closed >= horizon {
			out = append(out, sh)
		}
	}
	return out
}

// horizon is the arrival of the oldest record that may still be read, in ms.
func (st *stream) horizon() int64 { return st.service.nowMillis() - st.retention.Load() }

// shard gives a visible shard by its id.
func (st *stream) shard(id string) (*shard, error) {
	number, ok := parseShardID(id)
	if !ok {
		return nil, st.service.noShardID(id, st.name)
	}
	all := st.shards.Load().all
	if int(number) < len(all) {
		sh := all[number]
		if closed := sh.closedAt(); closed == 0 || closed >= st.horizon() {
			return sh, nil
		}
	}
	return nil, st.service.noShard(number, st.name)
}

func (s *Service) noShardID(id, stream string) error {
	return notFound("Could not find shard %s in stream %s under account %s.", id, stream, s.account)
}

func (s *Service) noShard(number uint32, stream string) error {
	return notFound("Shard %s in stream %s under account %s does not exist", shardID(number), stream, s.account)
}

// plan is what a stream is to be.
type plan struct {
	name      string
	shards    *int // nil was not given
	mode      string
	retention time.Duration
	maxRecord int
}

func (p plan) check() error {
	var v violations
	if p.mode == provisioned {
		v.count(p.shards, "shardCount")
	}
	v.name(p.name, "streamName")
	v.mode(p.mode)
	v.Within(p.maxRecord>>10, "maxRecordSizeInKiB", defaultMaxRecord>>10, largestMaxRecord>>10)
	if err := v.Err(); err != nil {
		return err
	}
	if *p.shards > maxShards { // the text is ours: AWS's counts the account's shards
		return wire.Errorf("LimitExceededException", "A stream of %d shards would exceed the limit of %d.", *p.shards, maxShards)
	}
	return checkRetention(p.retention)
}

// create makes a stream, which is ACTIVE at once.
func (s *Service) create(p plan) (*stream, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[p.name] != nil {
		return nil, wire.Errorf("ResourceInUseException", "Stream %s under account %s already exists.", p.name, s.account)
	}
	s.created++
	st := &stream{
		service: s, serial: s.created, name: p.name, made: s.nowMillis(), maxRecord: p.maxRecord,
		arn: "arn:aws:kinesis:" + s.region + ":" + s.account + ":stream/" + p.name,
	}
	st.onDemand.Store(p.mode == onDemand)
	st.retention.Store(p.retention.Milliseconds())
	st.shards.Store(st.firstShards(*p.shards))
	s.streams[p.name] = st
	return st, nil
}

func (st *stream) firstShards(n int) *shards {
	made := make([]*shard, n)
	for i, keys := range evenRanges(n) {
		number := uint32(i)
		made[i] = &shard{stream: st, number: number, id: shardID(number), keys: keys, made: st.made, created: st.made / 1000}
	}
	return &shards{all: made, open: made}
}

// Stream is what Create makes.
type Stream struct {
	Name         string
	Shards       int // an on-demand stream has four, whatever is asked for
	OnDemand     bool
	Retention    time.Duration // whole hours, a day to 365; 0 is a day
	MaxRecordKiB int           // data and key of the largest record, 1,024 to 10,240; 0 is 1,024
	Key          string        // KMS key that records are said to be encrypted with; "" is none
}

// Create makes a stream, which can be used at once.
func (s *Service) Create(in Stream) (arn string, err error) {
	p := plan{
		name: in.Name, shards: &in.Shards, mode: provisioned,
		retention: cmp.Or(in.Retention, minRetention), maxRecord: cmp.Or(in.MaxRecordKiB<<10, defaultMaxRecord),
	}
	if in.OnDemand {
		p.shards, p.mode = new(onDemandShards), onDemand
	}
	st, err := s.create(p)
	if err != nil {
		return "", fmt.Errorf("create stream %s: %w", in.Name, err)
	}
	if in.Key != "" {
		st.key.Store(&in.Key)
	}
	return st.arn, nil
}

type modeDetails struct{ StreamMode string }

type createStreamInput struct {
	StreamName         string
	ShardCount         *int
	StreamModeDetails  *modeDetails
	MaxRecordSizeInKiB *int
}

func (s *Service) createStream(_ context.Context, in *createStreamInput) (*empty, error) {
	p := plan{name: in.StreamName, shards: in.ShardCount, mode: provisioned, retention: minRetention, maxRecord: defaultMaxRecord}
	if in.StreamModeDetails != nil {
		p.mode = in.StreamModeDetails.StreamMode
	}
	if p.mode == onDemand {
		p.shards = new(onDemandShards)
	}
	if in.MaxRecordSizeInKiB != nil {
		p.maxRecord = *in.MaxRecordSizeInKiB << 10
	}
	_, err := s.create(p)
	return &empty{}, err
}

type deleteStreamInput struct {
	target
	EnforceConsumerDeletion bool
}

func (s *Service) deleteStream(_ context.Context, in *deleteStreamInput) (*empty, error) {
	var v violations
	in.check(&v)
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, err := s.find(in.target)
	if err != nil {
		return nil, err
	}
	if !in.EnforceConsumerDeletion && st.consumers.count() > 0 {
		// As in https://github.com/hashicorp/terraform-provider-aws/issues/8420.
		return nil, wire.Errorf("ResourceInUseException", "DeleteStream can't delete %s:%s because there are consumers associated with this data stream. "+
			"To delete %s anyway, set the EnforceConsumerDeletion parameter to true to force the deletion of all the consumers that are associated with it.",
			s.account, st.name, st.name)
	}
	s.mu.Lock()
	if s.streams[st.name] == st {
		delete(s.streams, st.name)
	}
	s.mu.Unlock()
	st.remove()
	return &empty{}, nil
}

// remove ends the stream: who waits for its shards is woken, and nothing is resharded any more.
func (st *stream) remove() {
	st.reshard.Lock()
	defer st.reshard.Unlock()
	st.gone = true
	for _, sh := range st.shards.Load().all {
		sh.remove()
	}
}
