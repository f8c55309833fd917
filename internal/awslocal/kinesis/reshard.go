package kinesis

import (
	"cmp"
	"context"
	"slices"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// maxScaled is how many shards UpdateShardCount may be asked for: "default limits" of it in the API reference.
const maxScaled = 10_000

// replace closes open shards that lie side by side and opens their children. The lock for resharding is held.
//
// A put holds one shard's lock. Whoever has the lock of a parent before us has stored its records in the parent; whoever
// gets it after us finds the parent closed, and the children in place, for they are stored while the parents are locked.
func (st *stream) replace(parents []*shard, ranges ...keyRange) []*shard {
	for _, p := range parents {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	now := st.service.nowMillis()
	for _, p := range parents {
		now = max(now, p.log.last) // a clock may be set back
	}
	old := st.shards.Load()
	made := children(parents, ranges, uint32(len(old.all)), now)
	at := slices.Index(old.open, parents[0])
	st.shards.Store(&shards{
		all:  slices.Concat(old.all, made),
		open: slices.Concat(old.open[:at], made, old.open[at+len(parents):]),
	})
	for _, p := range parents {
		p.closed = now
		p.changed()
	}
	return made
}

// children makes the shards that follow others, with numbers from one on.
func children(parents []*shard, ranges []keyRange, number uint32, now int64) []*shard {
	created := now / 1000
	adjacent := ""
	for i, p := range parents {
		created = max(created, p.created+1)
		if i > 0 {
			adjacent = p.id
		}
	}
	var made []*shard
	for _, keys := range ranges {
		made = append(made, &shard{
			stream: parents[0].stream, number: number, id: shardID(number), keys: keys, made: now, created: created,
			parent: parents[0].id, adjacent: adjacent,
		})
		number++
	}
	return made
}

// change runs a change of the stream's shards, one at a time, unless the stream is deleted.
func (st *stream) change(f func() ([]*shard, error)) ([]*shard, error) {
	st.reshard.Lock()
	defer st.reshard.Unlock()
	if st.gone {
		return nil, notFound("Stream %s under account %s not found.", st.name, st.service.account)
	}
	return f()
}

// provisioned gives the stream that a request names, unless it is on-demand. The text is as moto has it
// (moto/kinesis/exceptions.py).
func (s *Service) provisioned(t target) (*stream, error) {
	st, err := s.find(t)
	if err == nil && st.onDemand.Load() {
		return nil, wire.Errorf("ValidationException", "Request is invalid. Stream %s under account %s is in On-Demand mode.", st.name, s.account)
	}
	return st, err
}

// parent finds a shard that is to be split or merged. AWS has another text for it than where a shard is read.
func (st *stream) parent(id string) (*shard, error) {
	number, ok := parseShardID(id)
	if !ok {
		return nil, st.service.noShardID(id, st.name)
	}
	all := st.shards.Load().all
	if int(number) >= len(all) {
		return nil, st.service.noShardID(shardID(number), st.name)
	}
	return all[number], nil
}

// mayChange checks that the shard is open. The text is as moto has it (moto/kinesis/models.py).
func (sh *shard) mayChange() error {
	if sh.closedAt() == 0 {
		return nil
	}
	return invalid("Shard %s in stream %s under account %s has already been merged or split, and thus is not eligible for merging or splitting.",
		sh.id, sh.stream.name, sh.stream.service.account)
}

// splitAt splits a shard in two. text is the hash key as it was asked for. The lock for resharding is held.
func (st *stream) splitAt(sh *shard, at hash, text string) ([]*shard, error) {
	r := sh.keys
	if !r.lo.less(at) || at == r.lo.next() || !at.less(r.hi) {
		return nil, invalid("NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account %s is not both greater than one plus "+
			"the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.", text, sh.id, st.name, st.service.account, r.lo, r.hi)
	}
	if err := sh.mayChange(); err != nil {
		return nil, err
	}
	if n := len(st.shards.Load().open); n >= maxShards { // the text is ours: AWS's counts the account's shards
		return nil, wire.Errorf("LimitExceededException", "A stream of %d shards would exceed the limit of %d.", n+1, maxShards)
	}
	return st.replace([]*shard{sh}, splitStep(0, r, at).into...), nil
}

// merge makes one shard of two, of which the first has the lower hash keys. The lock for resharding is held.
func (st *stream) merge(a, b *shard) ([]*shard, error) {
	if a.keys.hi == maxHash || a.keys.hi.next() != b.keys.lo {
		return nil, invalid("Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging",
			a.id, b.id, st.name, st.service.account)
	}
	if err := cmp.Or(a.mayChange(), b.mayChange()); err != nil {
		return nil, err
	}
	return st.replace([]*shard{a, b}, mergeStep(0, a.keys, b.keys).into...), nil
}

// scale splits and merges until so many open shards have equal parts of the hash space. The lock for resharding is held.
func (st *stream) scale(target int) {
	var open []keyRange
	for _, sh := range st.shards.Load().open {
		open = append(open, sh.keys)
	}
	for _, s := range uniform(open, target) {
		st.replace(slices.Clone(st.shards.Load().open[s.at:s.at+s.shards]), s.into...)
	}
}

type splitShardInput struct {
	target
	ShardToSplit       string
	NewStartingHashKey string
}

func (s *Service) splitShard(_ context.Context, in *splitShardInput) (*empty, error) {
	var v violations
	v.given(in.NewStartingHashKey, "newStartingHashKey")
	at, shaped, ok := parseHash([]byte(in.NewStartingHashKey))
	if in.NewStartingHashKey != "" && !shaped {
		v.Mismatch(in.NewStartingHashKey, "newStartingHashKey", hashPattern)
	}
	v.name(in.ShardToSplit, "shardToSplit")
	in.check(&v)
	if err := cmp.Or(v.Err(), s.checkIDs(in.target, in.ShardToSplit)); err != nil {
		return nil, err
	}
	st, err := s.provisioned(in.target)
	if err != nil {
		return nil, err
	}
	_, err = st.change(func() ([]*shard, error) {
		sh, err := st.parent(in.ShardToSplit)
		if err != nil {
			return nil, err
		}
		if !ok { // 2^128 or more: no shard has it
			at = sh.keys.lo
		}
		return st.splitAt(sh, at, in.NewStartingHashKey)
	})
	return &empty{}, err
}

type mergeShardsInput struct {
	target
	ShardToMerge         string
	AdjacentShardToMerge string
}

func (s *Service) mergeShards(_ context.Context, in *mergeShardsInput) (*empty, error) {
	var v violations
	v.name(in.ShardToMerge, "shardToMerge")
	v.name(in.AdjacentShardToMerge, "adjacentShardToMerge")
	in.check(&v)
	if err := cmp.Or(v.Err(), s.checkIDs(in.target, in.ShardToMerge, in.AdjacentShardToMerge)); err != nil {
		return nil, err
	}
	st, err := s.provisioned(in.target)
	if err != nil {
		return nil, err
	}
	_, err = st.change(func() ([]*shard, error) {
		a, err := st.parent(in.ShardToMerge)
		if err != nil {
			return nil, err
		}
		b, err := st.parent(in.AdjacentShardToMerge)
		if err != nil {
			return nil, err
		}
		return st.merge(a, b)
	})
	return &empty{}, err
}

type updateShardCountInput struct {
	target
	TargetShardCount *int
	ScalingType      string
}

type updateShardCountOutput struct {
	StreamName        string
	StreamARN         string
	CurrentShardCount int
	TargetShardCount  int
}

func (s *Service) updateShardCount(_ context.Context, in *updateShardCountInput) (*updateShardCountOutput, error) {
	var v violations
	v.oneOf(in.ScalingType, "scalingType", "UNIFORM_SCALING")
	target := v.count(in.TargetShardCount, "targetShardCount")
	in.check(&v)
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, err := s.provisioned(in.target)
	if err != nil {
		return nil, err
	}
	out := &updateShardCountOutput{StreamName: st.name, StreamARN: st.arn, TargetShardCount: target}
	_, err = st.change(func() ([]*shard, error) {
		out.CurrentShardCount = len(st.shards.Load().open)
		if err := checkScaling(out.CurrentShardCount, target); err != nil {
			return nil, err
		}
		st.scale(target)
		return nil, nil
	})
	return out, err
}

// checkScaling holds UpdateShardCount to its limits. How often it is called in a day is not counted.
func checkScaling(open, target int) error {
	refused := func(format string, args ...any) error {
		return wire.Errorf("LimitExceededException", format+" Current open shard count: %d, Target shard count: %d", append(args, open, target)...)
	}
	switch {
	case target > maxScaled:
		return refused("Target shard count or number of open shards cannot be greater than %d.", maxScaled)
	case target > 2*open:
		return refused("UpdateShardCount cannot scale up over double your current open shard count.")
	case 2*target < open:
		return refused("UpdateShardCount cannot scale down below half your current open shard count.")
	}
	return nil
}
