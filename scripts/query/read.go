package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/meter"
)

// findMeter reads the declaration: under its id the meter is stored.
func findMeter(o options) (*meter.Meter, error) {
	file := o.metersFile
	if file == "" {
		var err error
		if file, err = findMetersFile(); err != nil {
			return nil, err
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read meters: %w", err)
	}
	set, err := meter.Parse(file, b)
	if err != nil {
		return nil, err
	}
	if m := set.Find(o.meter); m != nil {
		return m, nil
	}
	var names []string
	for _, m := range set.Meters {
		names = append(names, m.Name)
	}
	return nil, fmt.Errorf("no meter %q: %s declares %s", o.meter, file, strings.Join(names, ", "))
}

func findMetersFile() (string, error) {
	dir, err := cli.FindUpwards(config.MetersFile)
	if err != nil {
		return "", fmt.Errorf("%w: -meters names the file", err)
	}
	return filepath.Join(dir, config.MetersFile), nil
}

// sortColumn gives the measure to sort by, -1 for the count.
func sortColumn(m *meter.Meter, name string) (int, error) {
	if name == "count" {
		return -1, nil
	}
	names := []string{"count"}
	for i, measure := range m.Measures {
		if measure.Name == name {
			return i, nil
		}
		names = append(names, measure.Name)
	}
	return 0, fmt.Errorf("-sort %s: meter %s has %s", name, m.Name, strings.Join(names, ", "))
}

// read reads the rows of all windows in the time asked for.
func read(ctx context.Context, o options, m *meter.Meter) ([]ledger.Row, []time.Time, error) {
	cfg, err := o.stack.Config(ctx)
	if err != nil {
		return nil, nil, err
	}
	outputs, err := o.stack.Outputs(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	table, err := outputs.Get(config.OutputTable)
	if err != nil {
		return nil, nil, err
	}
	meters, err := ledger.OpenMeters(ctx, dynamodb.NewFromConfig(cfg), table, o.set)
	if errors.Is(err, ledger.ErrEmpty) && o.set == ledger.LiveSet {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	starts, err := meters.Windows(ctx, m)
	if err != nil {
		return nil, nil, err
	}
	starts = slices.DeleteFunc(starts, func(t time.Time) bool {
		return t.Before(o.from) || !o.to.IsZero() && !t.Before(o.to)
	})
	rows, err := readWindows(ctx, starts, func(ctx context.Context, start time.Time) ([]ledger.Row, error) {
		if o.group == nil {
			return meters.Window(ctx, m, start)
		}
		return readGroups(ctx, meters, m, start, o.group)
	})
	return rows, starts, err
}

// parallelWindows are read at once; each takes a query a part, or a query for each group that was asked for.
const parallelWindows = 4

func readWindows(ctx context.Context, starts []time.Time, window func(context.Context, time.Time) ([]ledger.Row, error)) ([]ledger.Row, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelWindows)
	windows := make([][]ledger.Row, len(starts))
	for i, start := range starts {
		g.Go(func() (err error) {
			windows[i], err = window(ctx, start)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(windows...), nil
}

// readGroups reads the groups of one window that have these values: mostly one, more where a text may be a number's too.
func readGroups(ctx context.Context, meters *ledger.Meters, m *meter.Meter, start time.Time, values []string) ([]ledger.Row, error) {
	var rows []ledger.Row
	for _, group := range m.Groups(values) {
		row, err := meters.Group(ctx, m, start, group)
		if err != nil {
			return nil, err
		}
		if row.Count > 0 {
			rows = append(rows, row)
		}
	}
	return rows, nil
}
