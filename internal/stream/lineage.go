package stream

import (
	"cmp"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Shard is a shard in its lineage.
type Shard struct {
	ID      string
	Parents []string // one after a split, two after a merge; they may have left the stream
	Closed  bool     // takes no more records
}

func shardOf(s *types.Shard) Shard {
	shard := Shard{ID: aws.ToString(s.ShardId)}
	for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
		if parent != nil {
			shard.Parents = append(shard.Parents, *parent)
		}
	}
	// "Shards in the OPEN state have an ending sequence number of null" (API reference of SequenceNumberRange).
	shard.Closed = s.SequenceNumberRange != nil && s.SequenceNumberRange.EndingSequenceNumber != nil
	return shard
}

// childrenOf reads what the end of a shard tells of its children.
func childrenOf(list []types.ChildShard) (children []Shard) {
	for _, c := range list {
		children = append(children, Shard{ID: aws.ToString(c.ShardId), Parents: c.ParentShards})
	}
	return children
}

// Lineage decides which shards may be read: each after its parents, so that the records of a key come in the order in
// which they were put. It is a value without clock or network. A parent that it does not know, because it was trimmed or
// is not to be read, holds up nobody.
type Lineage struct {
	shards map[string]*lineal
}

type lineal struct {
	Shard
	given, ended bool
}

// Add makes shards known. Those that are known already are left as they are.
func (l *Lineage) Add(shards ...Shard) {
	if l.shards == nil {
		l.shards = map[string]*lineal{}
	}
	for _, s := range shards {
		if l.shards[s.ID] == nil {
			l.shards[s.ID] = &lineal{Shard: s}
		}
	}
}

// AddDescendants makes those shards known that descend from known ones, and tells whether there were any.
func (l *Lineage) AddDescendants(shards ...Shard) (found bool) {
	for again := true; again; {
		again = false
		for _, s := range shards {
			if l.shards[s.ID] == nil && slices.ContainsFunc(s.Parents, l.knows) {
				l.Add(s)
				again, found = true, true
			}
		}
	}
	return found
}

func (l *Lineage) knows(id string) bool { return l.shards[id] != nil }

func (l *Lineage) lacksParent(s Shard) bool {
	return slices.ContainsFunc(s.Parents, func(parent string) bool { return !l.knows(parent) })
}

// Next gives the shards that may be read from now on, in the order of their ids: each is given once.
func (l *Lineage) Next() (ready []Shard) {
	for _, s := range l.shards {
		if !s.given && !slices.ContainsFunc(s.Parents, l.holdsUp) {
			s.given = true
			ready = append(ready, s.Shard)
		}
	}
	slices.SortFunc(ready, func(a, b Shard) int { return cmp.Compare(a.ID, b.ID) })
	return ready
}

func (l *Lineage) holdsUp(parent string) bool {
	s := l.shards[parent]
	return s != nil && !s.ended
}

// End says that a shard has been read to its end.
func (l *Lineage) End(id string) { l.shards[id].ended = true }

// chosen gives those of a stream's shards that are to be read from a position: for Latest the open ones. only names
// shards to keep to; empty, it names all.
func chosen(shards []Shard, from Position, only []string) []Shard {
	return slices.DeleteFunc(slices.Clone(shards), func(s Shard) bool {
		if len(only) > 0 {
			return !slices.Contains(only, s.ID)
		}
		return from == Latest && s.Closed
	})
}

// unknown gives the names that no shard has.
func unknown(only []string, shards []Shard) []string {
	names := map[string]bool{}
	for _, id := range only {
		names[id] = true
	}
	for _, s := range shards {
		delete(names, s.ID)
	}
	return slices.Sorted(maps.Keys(names))
}
