package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/sample"
	"github.com/millrace/millrace/internal/stream"
)

// put is one record to put on the stream.
type put struct {
	key  string
	data []byte
}

// load is what the run puts, in order, and what is to come of it.
type load struct {
	puts    []put
	copies  int // re-sent on purpose
	spoiled [][]byte
	truth   *truth
}

// readLoad reads the events, spoils and repeats what the options ask for, and reckons the truth over the rest.
func readLoad(ctx context.Context, o options, set *meter.Set, stdin io.Reader) (*load, error) {
	events, err := readEvents(ctx, o.events, stdin)
	if err != nil {
		return nil, err
	}
	l := &load{truth: newTruth(set)}
	rng := rand.New(rand.NewPCG(o.chaos, 1))
	var again []copied
	for i, p := range events {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		switch draw := rng.Float64(); {
		case draw < o.corrupt:
			p.data = spoil(p.data, i)
			l.spoiled = append(l.spoiled, p.data)
		case draw < o.corrupt+o.duplicates:
			again = append(again, copied{p, len(l.puts) + copyDistance})
			fallthrough
		default:
			if err := l.truth.add(p.data); err != nil {
				return nil, fmt.Errorf("event %d: %w", i+1, err)
			}
		}
		l.puts = append(l.puts, p)
		for len(again) > 0 && (again[0].at <= len(l.puts) || i == len(events)-1) {
			l.puts = append(l.puts, again[0].put)
			again = again[1:]
			l.copies++
		}
	}
	return l, nil
}

// leaveOut reckons the truth anew without some of the events, given as they were put.
func (l *load) leaveOut(events map[string]bool) error {
	if len(events) == 0 {
		return nil
	}
	out := maps.Clone(events)
	for _, p := range l.spoiled {
		out[string(p)] = true
	}
	l.truth = newTruth(l.truth.set)
	for i, p := range l.puts {
		if out[string(p.data)] {
			continue
		}
		if err := l.truth.add(p.data); err != nil {
			return fmt.Errorf("record %d: %w", i+1, err)
		}
	}
	return nil
}

// copied is a put that is to be repeated behind so many others.
type copied struct {
	put
	at int
}

// copyDistance is how many puts a copy comes after its event, while there are any: two batches on each of two shards,
// so that it is in another.
const copyDistance = 4000

func readEvents(ctx context.Context, file string, stdin io.Reader) ([]put, error) {
	switch file {
	case "":
		return readSample(ctx)
	case "-":
		return readLines(ctx, "input", stdin)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer f.Close()
	return readLines(ctx, file, f)
}

func readSample(ctx context.Context) ([]put, error) {
	puts := make([]put, 0, sample.Flights)
	for f, err := range sample.All() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		puts = append(puts, put{f.Origin, f.Event(nil)})
	}
	return puts, nil
}

func readLines(ctx context.Context, name string, in io.Reader) ([]put, error) {
	var puts []put
	for line, err := range cloudevent.Lines(name, in) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if reason := (stream.Record{Key: line.Key, Data: line.Data}).Refusal(); reason != "" {
			return nil, fmt.Errorf("%s:%d: cannot be put: %s", name, line.Number, reason)
		}
		puts = append(puts, put{line.Key, line.Data})
	}
	if len(puts) == 0 {
		return nil, fmt.Errorf("%s: holds no events", name)
	}
	return puts, nil
}

// spoil makes a record that cannot be counted, in one of four ways by turns. Each holds its number, so that no two are
// alike. data is a JSON object, however it is written.
func spoil(data []byte, n int) []byte {
	switch n % 4 {
	case 0:
		whole := append(fmt.Appendf(nil, `{"spoiled":%d,`, n), data[1:]...)
		return whole[:len(whole)-3] // broken JSON: the last brace at least is gone
	case 1:
		return rewrite(data, n, func(e map[string]json.RawMessage) { delete(e, "type") }) // an attribute missing
	case 2:
		return rewrite(data, n, func(e map[string]json.RawMessage) { e["specversion"] = []byte("1.0") }) // of another type
	}
	return append(fmt.Appendf(nil, "{\"spoiled\":\"%d \xff\xfe\",", n), data[1:]...) // not UTF-8
}

// rewrite changes the members of an object. Of what is none it makes one that lacks every attribute, which is as bad.
func rewrite(data []byte, n int, change func(map[string]json.RawMessage)) []byte {
	e := map[string]json.RawMessage{}
	_ = json.Unmarshal(data, &e)
	e["spoiled"] = fmt.Append(nil, n)
	change(e)
	out, _ := json.Marshal(e) // of parts that were JSON before
	return out
}
