package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/billable-events/billable/scripts/bench/report"
	"github.com/billable-events/billable/scripts/cli"
)

// rateLimitOptions are the options of the benchmark of the rate limiter.
type rateLimitOptions struct {
	binaries string
	reports  string
	quick    bool
	only     string
}

// benchRateLimit runs consumers with more work than calls against a site that enforces its
// limit, and prints and records how much of the limit they used.
func benchRateLimit(ctx context.Context, args []string, std streams) error {
	var o rateLimitOptions
	flags := flag.NewFlagSet("ratelimit", flag.ContinueOnError)
	flags.SetOutput(std.err)
	flags.StringVar(&o.binaries, "binaries", "bin", "directory of the binaries")
	flags.StringVar(&o.reports, "reports", "bench", "directory of the report")
	flags.BoolVar(&o.quick, "quick", false, "measure less of each, and record nothing")
	flags.StringVar(&o.only, "only", "", "measure only the fleets with these letters, for example a,c, and record nothing")
	switch err := cli.Parse(flags, args); {
	case err != nil:
		return err
	case flags.NArg() > 0:
		return cli.ErrUsage
	}
	sections := []report.Section{{
		Title:  "Consumers that share a rate limit",
		Text:   "Real consumers with more work than calls, against a site that answers 429 above its limit. A row is one stretch of time. Its use is what arrived at Chargebee, refused calls too. Most in 60 s is of any 60 s that end in it. Updates are those of the rate limiter's item, refused ones too.",
		Header: []string{"fleet", "site, calls/min", "when", "calls/min", "used", "least minute", "most in 60 s", "429s", "of calls", "updates/s"},
		Left:   3,
	}}
	for _, fleet := range fleets(o.quick) {
		if o.only != "" && !slices.Contains(strings.Split(o.only, ","), fleet.name[:1]) {
			continue
		}
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
	if err := m.print(std.out, sections); err != nil || o.quick || o.only != "" {
		return err
	}
	return report.Keep(filepath.Join(o.reports, "ratelimit.md"), []byte(rateLimitPage(m, sections)))
}

func rateLimitPage(m measured, sections []report.Section) string {
	var page strings.Builder
	_, _ = fmt.Fprintf(&page, "# How consumers share the rate limit\n\nMeasured by `make bench-ratelimit`, which wrote this page.\n\n%s.\n\n", m.run.Circumstances())
	for _, section := range sections {
		_, _ = io.WriteString(&page, section.Markdown())
	}
	_, _ = io.WriteString(&page, `
What to expect, with a jitter of 1 s: (N − burst) / 61.5 · 60 calls of a limit of N, which is 96.8 % of
3,500 and 1,000, and 95.6 % of 150. A neighbour that uses a part of the site's limit costs 429s for about
a minute, and then 40 % of the limit, of which 2 % are added every minute. On a machine that is busy with
other work the use is lower: permits expire before their calls are sent.

## The design before

Until the rate limiter of [decision 9](../docs/decisions/0009-one-item-for-the-rate-limit.md), consumers
leased parts of a budget. Measured on 2026-11-25 on AMD EPYC, 2 cores, with a load of 0.3:

| fleet | site, calls/min | when | calls/min | used | least minute | most in 60 s | 429s | of calls |
| --- | --- | --- | ---:| ---:| ---:| ---:| ---:| ---:|
| four | 600 | steady | 578 | 96.3 % | 96.2 % | 580 | 0 | 0.00 % |
| four, and a neighbour with 30 % | 600 | first | 268 | 44.6 % | 12.7 % | 460 | 3 | 0.56 % |
| four, and a neighbour with 30 % | 600 | after the first pause | 352 | 58.6 % | 57.5 % | 359 | 0 | 0.00 % |
| four, one killed | 600 | from 15 s after the kill | 578 | 96.3 % | 96.3 % | 578 | 0 | 0.00 % |
| ten | 150 | steady | 137 | 91.3 % | 90.7 % | 139 | 0 | 0.00 % |
`)
	return page.String()
}
