package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/billable-events/billable/scripts/bench/report"
	"github.com/billable-events/billable/scripts/cli"
)

// budgetOptions is how the shared budget is measured.
type budgetOptions struct {
	binaries string
	reports  string
	quick    bool
}

// benchBudget has fleets of consumers share a site's budget, with all the work that they
// can do, and prints and records how much of it they used.
func benchBudget(ctx context.Context, args []string, std streams) error {
	var o budgetOptions
	flags := flag.NewFlagSet("budget", flag.ContinueOnError)
	flags.SetOutput(std.err)
	flags.StringVar(&o.binaries, "binaries", "bin", "directory of the binaries")
	flags.StringVar(&o.reports, "reports", "bench", "directory of the report")
	flags.BoolVar(&o.quick, "quick", false, "a minute of each, which is not recorded")
	switch err := cli.Parse(flags, args); {
	case err != nil:
		return err
	case flags.NArg() > 0:
		return cli.ErrUsage
	}
	sections := []report.Section{{
		Title:  "Consumers that share a budget",
		Text:   "Real consumers with endless work, against a site that refuses what is above its limit. A row is one stretch of time; its use is what arrived at Chargebee, refused calls too.",
		Header: []string{"fleet", "site, calls/min", "when", "calls/min", "used", "least minute", "most in 60 s", "429s", "of calls"},
		Left:   3,
	}}
	for _, fleet := range fleets(o.quick) {
		rows, err := fleet.run(ctx, o.binaries, std.err)
		if err != nil {
			return fmt.Errorf("%s: %w", fleet.name, err)
		}
		sections[0].Rows = append(sections[0].Rows, rows...)
	}
	run, err := report.NewRun[result](ctx)
	if err != nil {
		return err
	}
	m := measured{run: run}
	if err := m.print(std.out, sections); err != nil || o.quick {
		return err
	}
	return report.Keep(filepath.Join(o.reports, "budget.md"), []byte(budgetPage(m, sections)))
}

func budgetPage(m measured, sections []report.Section) string {
	var page strings.Builder
	_, _ = fmt.Fprintf(&page, "# How consumers share a budget\n\nMeasured by `make bench-budget`, which wrote this page.\n\n%s.\n\n", m.run.Circumstances())
	for _, section := range sections {
		_, _ = io.WriteString(&page, section.Markdown())
	}
	_, _ = io.WriteString(&page, `
What to expect: at a rate r an entry costs (60.5 s + jitter) · r + 2 calls, with a jitter of 1 s. n
consumers of a site with b calls a minute so use at most (b − 2n) / b · 60 / 61.5 of it: 96.3 % of 600
with four. Of ten consumers at 150 a minute five have a share (one for each 30 calls), and what they cost
by themselves makes 91 % the most. A neighbour that the fleet does not know of costs one pause of about a
minute's refusals, and then 40 % of the limit, of which 2 % come back every minute: it is adapted to, not
fought.
`)
	return page.String()
}
