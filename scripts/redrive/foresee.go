package main

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/direct"
)

// foresight is what -go would hand over of one shard.
type foresight struct {
	Shard     string `json:"shard"`
	Failures  int    `json:"failures"`
	InMessage int    `json:"inMessage"` // records that come with their message
	InStream  int    `json:"inStream"`  // records that are read back
	Trimmed   int    `json:"trimmed"`   // failures that are not whole any more: they would be kept
}

// foresee is -dry-run: it reads all that -go would read.
func (d *desk) foresee(ctx context.Context) error {
	p, err := d.snapshot(ctx)
	if err != nil {
		return err
	}
	shards := make([]foresight, len(p.shards))
	for i, w := range p.shards {
		if shards[i], err = d.source.foresee(ctx, w); err != nil {
			return err
		}
	}
	return d.writeForesight(shards, p.missingRanges())
}

func (s *source) foresee(ctx context.Context, w *work) (foresight, error) {
	f := foresight{Shard: w.shard, Failures: len(w.payloads)}
	err := s.walk(ctx, w, func(_ direct.Record, owners []*item) error {
		if owners[0].kind() == kindRecord {
			f.InMessage++
		} else {
			f.InStream++
		}
		return nil
	})
	for _, it := range w.waiting() {
		f.Failures++
		if it.missing() != 0 {
			f.Trimmed++
		}
	}
	return f, err
}

func (d *desk) writeForesight(shards []foresight, missing []missingRange) error {
	if d.options.json {
		return writeObject(d.stdout, struct {
			Shards  []foresight    `json:"shards"`
			Trimmed []missingRange `json:"trimmed"`
		}{shards, missing})
	}
	if len(shards) == 0 {
		return nil
	}
	t := cli.NewTable("shard", "failures", "records in messages", "records in stream", "failures trimmed")
	records := 0
	for _, f := range shards {
		t.Add(cli.ShortShard(f.Shard), f.Failures, f.InMessage, f.InStream, f.Trimmed)
		records += f.InMessage + f.InStream
	}
	if err := t.Write(d.stdout, cli.Text); err != nil {
		return err
	}
	fmt.Fprintf(d.stderr, "-go would hand over %s; of those that are counted already nothing is counted again\n", cli.Count(int64(records), "record"))
	return writeMissing(d.stdout, missing)
}
