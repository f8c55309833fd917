package kinesis

import (
	"cmp"
	"fmt"
	"time"
)

// Trim takes the records that arrived before a time out of a stream, named by its name or ARN, as if their retention had
// ended; the zero time takes all that are there. It tells how many.
func (s *Service) Trim(stream string, before time.Time) (records int, err error) {
	st, err := s.stream(stream)
	if err != nil {
		return 0, fmt.Errorf("trim %s: %w", stream, err)
	}
	for _, sh := range st.shards.Load().all {
		records += sh.forget(before)
	}
	return records, nil
}

func (sh *shard) forget(before time.Time) int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.trim()
	cutoff := sh.log.last + 1
	if !before.IsZero() {
		cutoff = ceilMillis(before)
	}
	oldest := sh.log.oldest
	sh.log.trim(cutoff)
	return int(sh.log.oldest - oldest)
}

// ExpireIterators makes all shard iterators of a stream, named by its name or ARN, expire that were given out so far.
// Cursors and subscriptions go on.
func (s *Service) ExpireIterators(stream string) error {
	st, err := s.stream(stream)
	if err != nil {
		return fmt.Errorf("expire iterators of %s: %w", stream, err)
	}
	st.iterators.Add(1)
	return nil
}

// SplitShard halves an open shard of a stream, named by its name or ARN, in the middle of its hash keys; for id "" the
// first of the widest. It gives the ids of the two children. On-demand streams are split too: AWS does so by itself.
func (s *Service) SplitShard(stream, id string) (children []string, err error) {
	st, err := s.stream(stream)
	if err != nil {
		return nil, fmt.Errorf("split a shard of %s: %w", stream, err)
	}
	made, err := st.change(func() ([]*shard, error) {
		sh, err := st.parent(cmp.Or(id, st.widest().id))
		if err != nil {
			return nil, err
		}
		middle := sh.keys.middle()
		return st.splitAt(sh, middle, middle.String())
	})
	if err != nil {
		return nil, fmt.Errorf("split a shard of %s: %w", stream, err)
	}
	return idsOf(made), nil
}

// widest gives the first of the open shards with most hash keys.
func (st *stream) widest() *shard {
	open := st.shards.Load().open
	most := open[0]
	for _, sh := range open {
		if most.keys.width().less(sh.keys.width()) {
			most = sh
		}
	}
	return most
}

// MergeShards merges an open shard of a stream, named by its name or ARN, with the one whose hash keys follow; for id ""
// the first two. It gives the id of the child.
func (s *Service) MergeShards(stream, id string) (child string, err error) {
	st, err := s.stream(stream)
	if err != nil {
		return "", fmt.Errorf("merge shards of %s: %w", stream, err)
	}
	made, err := st.change(func() ([]*shard, error) {
		a, err := st.parent(cmp.Or(id, st.shards.Load().open[0].id))
		if err != nil {
			return nil, err
		}
		if a.keys.hi == maxHash {
			return nil, invalid("No hash keys follow those of shard %s.", a.id)
		}
		return st.merge(a, st.shards.Load().route(a.keys.hi.next()))
	})
	if err != nil {
		return "", fmt.Errorf("merge shards of %s: %w", stream, err)
	}
	return made[0].id, nil
}

func idsOf(list []*shard) []string {
	var ids []string
	for _, sh := range list {
		ids = append(ids, sh.id)
	}
	return ids
}
