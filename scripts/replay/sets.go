package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/ledger"
)

// listSets writes the names of the sets, a line each.
func listSets(ctx context.Context, o options, cfg aws.Config, stdout io.Writer) error {
	names, _, err := sets(ctx, o, cfg)
	if err != nil {
		return err
	}
	if o.json {
		return cli.WriteObject(stdout, struct {
			Sets []string `json:"sets"`
		}{names})
	}
	for _, name := range names {
		fmt.Fprintln(stdout, name)
	}
	return nil
}

func sets(ctx context.Context, o options, cfg aws.Config) (names []string, table string, err error) {
	if table, err = o.stack.Output(ctx, cfg, config.OutputTable); err != nil {
		return nil, "", err
	}
	names, err = ledger.Sets(ctx, dynamodb.NewFromConfig(cfg), table)
	return names, table, err
}

// dropped is what a drop did.
type dropped struct {
	Set     string `json:"set"`
	Items   int64  `json:"items"`
	Dropped bool   `json:"dropped"` // whole
	DryRun  bool   `json:"dryRun,omitempty"`
}

// dropSet removes a set, or with -dry-run only sees whether it is there.
func dropSet(ctx context.Context, o options, cfg aws.Config, stdout, stderr io.Writer) error {
	names, table, err := sets(ctx, o, cfg)
	if err != nil {
		return err
	}
	if !slices.Contains(names, o.drop) {
		return fmt.Errorf("set %s in table %s: %w: it has %s", o.drop, table, ledger.ErrNoSet, cmp.Or(strings.Join(names, ", "), "none"))
	}
	d := dropped{Set: o.drop, DryRun: o.dryRun}
	if !o.dryRun {
		progress := cli.NewProgress(stderr, "removed", "item", 0)
		err = ledger.Drop(ctx, dynamodb.NewFromConfig(cfg), table, o.drop, func(n int) {
			d.Items += int64(n)
			progress.Add(int64(n))
		})
		progress.End()
		d.Dropped = err == nil
	}
	return d.report(o, table, err, stdout, stderr)
}

func (d *dropped) report(o options, table string, err error, stdout, stderr io.Writer) error {
	if err != nil {
		fmt.Fprintf(stderr, "set %s cannot be read any more, and is not gone: run the same command again\n", d.Set)
	}
	switch {
	case o.json:
		if failed := cli.WriteObject(stdout, d); err == nil {
			err = failed
		}
	case d.DryRun:
		fmt.Fprintf(stdout, "set %s is in table %s, and would be removed with all that it has counted\n", d.Set, table)
	case d.Dropped:
		fmt.Fprintf(stdout, "set %s is removed from table %s: %s\n", d.Set, table, cli.Count(d.Items, "item"))
	}
	return err
}
