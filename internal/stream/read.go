package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// ReadAPI is what Read needs of the Kinesis client.
type ReadAPI interface {
	ListShardsAPI
	GetRecordsAPI
}

// ReadOptions say what Read reads. The zero value reads all that is in the stream.
type ReadOptions struct {
	From Position // a sequence number is for Shards of one
	// Until ends the reading of a shard before the first record that arrived then or later; zero is never.
	Until time.Time
	// Shards are the ids of the only shards to read; none is all.
	Shards []string
	// Follow goes on when a shard has nothing more to give, until ctx ends or all shards are closed. Without it a shard
	// is read until it is caught up with once.
	Follow bool
	// PageRecords is the most that a page has when it is read by GetRecords; 0 is MaxPageRecords.
	PageRecords int
	// Open opens a shard; nil is by GetRecords.
	Open func(shard string, from Position) Pages
}

// Read reads the shards of a stream, by its name, side by side and page by page, each shard after its parents; a page in
// each is read ahead, and each shard that has one gets its turn. Shards that come while it reads are taken up from their
// beginning. each is called by one goroutine at a time; its error ends the reading and is given back as it is. Shards
// that have left the stream before they could be read are passed over.
func Read(ctx context.Context, api ReadAPI, stream string, opt ReadOptions, each func(shard string, p Page) error) error {
	shards, err := ListShards(ctx, api, stream, opt.From)
	if err != nil {
		return err
	}
	if missing := unknown(opt.Shards, shards); len(missing) > 0 {
		return fmt.Errorf("stream %s has no shard %s to be read from there", stream, strings.Join(missing, ", "))
	}
	if opt.Open == nil {
		opt.Open = func(shard string, from Position) Pages {
			return NewShardReader(api, stream, shard, from, opt.PageRecords)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &reading{api: api, stream: stream, opt: opt, steps: make(chan step)}
	defer r.readers.Wait()
	defer cancel()
	r.lineage.Add(chosen(shards, opt.From, opt.Shards)...)
	r.start(ctx, opt.From)
	for r.running > 0 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case s := <-r.steps:
			if err := r.take(ctx, s, each); err != nil {
				return err
			}
		}
	}
	return nil
}

// reading is one call of Read. All of it belongs to Read's goroutine; those of the shards only send steps.
type reading struct {
	api     ReadAPI
	stream  string
	opt     ReadOptions
	lineage Lineage
	readers sync.WaitGroup
	running int
	steps   chan step // without a buffer: shards that wait to send come in turn
}

// step is what a shard's goroutine sends.
type step struct {
	shard string
	page  Page
	err   error
	done  bool // nothing follows
}

// start starts the shards that may be read now.
func (r *reading) start(ctx context.Context, from Position) {
	for _, s := range r.lineage.Next() {
		r.running++
		r.readers.Go(func() { r.shard(ctx, s.ID, from) })
	}
}

// shard sends a shard's pages until there is no more to send.
func (r *reading) shard(ctx context.Context, id string, from Position) {
	pages := r.opt.Open(id, from)
	defer pages.Close()
	for done := false; !done; {
		page, err := pages.Next(ctx)
		if errors.Is(err, ErrShardGone) {
			page, err = Page{End: true}, nil
		}
		page, reached := cut(page, r.opt.Until)
		done = err != nil || reached || page.End || page.CaughtUp() && !r.goesOn()
		if reached {
			page.End, page.Cut = false, true // of a part: what follows is not asked for, nor are the children
		}
		select {
		case r.steps <- step{id, page, err, done}:
		case <-ctx.Done():
			return
		}
	}
}

// goesOn tells whether a shard that is caught up with may still get what is asked for.
func (r *reading) goesOn() bool {
	return r.opt.Follow && (r.opt.Until.IsZero() || time.Now().Before(r.opt.Until))
}

// take hands a step over, and goes on to the children when it ends a shard.
func (r *reading) take(ctx context.Context, s step, each func(string, Page) error) error {
	if s.err != nil {
		return s.err
	}
	if err := each(s.shard, s.page); err != nil {
		return err
	}
	if s.done {
		r.running--
	}
	if !s.page.End {
		return nil
	}
	r.lineage.End(s.shard)
	if err := r.learn(ctx, s.page.Children); err != nil {
		return err
	}
	r.start(ctx, TrimHorizon)
	return nil
}

// learn makes an ended shard's children known. The stream is asked when it did not tell them, and when one of them has
// another parent that is not known: a merge of what another shard, still being read, has become. A parent that the
// stream does not list either is trimmed.
func (r *reading) learn(ctx context.Context, children []Shard) error {
	if len(children) == 0 || slices.ContainsFunc(children, r.lineage.lacksParent) {
		_, err := persist(ctx, func(ctx context.Context) (err error) {
			children, err = ListShards(ctx, r.api, r.stream, TrimHorizon)
			return err
		})
		if err != nil {
			return err
		}
	}
	r.lineage.AddDescendants(chosen(children, TrimHorizon, r.opt.Shards)...)
	return nil
}
