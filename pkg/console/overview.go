package console

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/preflight"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// reportLifetime is the time for which a report is kept, because a new one receives every dead letter, scans the
// ledger and calls Chargebee.
const reportLifetime = 5 * time.Minute

// report is the part of the overview that is slow to read.
type report struct {
	ReadAt         time.Time
	DeadLetters    deadletter.Listing
	DeadLettersErr error
	States         []stateCount // of the invoices that are not finished
	InvoicesErr    error
	Findings       []preflight.Finding // except those of the level OK
	Checked        int                 // number of all findings
}

type stateCount struct {
	State  string
	Count  int
	Oldest *time.Time // last update of the invoice that was not updated for the longest time
}

type overview struct {
	mu     sync.Mutex
	latest report
}

// read returns the latest report within its lifetime. Without one, or if refresh is set, it makes a new one.
func (o *overview) read(ctx context.Context, operations Operations, now time.Time, refresh bool) report {
	o.mu.Lock()
	latest := o.latest
	o.mu.Unlock()
	if !refresh && !latest.ReadAt.IsZero() && now.Sub(latest.ReadAt) < reportLifetime {
		return latest
	}
	latest = newReport(ctx, operations, now)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latest = latest
	return latest
}

func newReport(ctx context.Context, operations Operations, now time.Time) report {
	made := report{ReadAt: now}
	unfinished := slices.DeleteFunc(inspect.States(), func(state billing.State) bool { return state == billing.Finished })
	var reads sync.WaitGroup
	reads.Go(func() { made.DeadLetters, made.DeadLettersErr = operations.DeadLetters(ctx, deadletter.Filter{}) })
	reads.Go(func() {
		var listing inspect.Listing
		listing, made.InvoicesErr = operations.Invoices(ctx, inspect.Filter{States: unfinished})
		made.States = countStates(listing.Invoices)
	})
	reads.Go(func() {
		found := operations.Check(ctx)
		made.Checked = len(found)
		made.Findings = slices.DeleteFunc(found, func(f preflight.Finding) bool { return f.Level == finding.OK })
	})
	reads.Wait()
	return made
}

// countStates counts invoices by state. The invoices are sorted by their last update, the oldest first.
func countStates(invoices []inspect.Summary) (counts []stateCount) {
	for _, invoice := range invoices {
		i := slices.IndexFunc(counts, func(counted stateCount) bool { return counted.State == invoice.State })
		if i < 0 {
			i = len(counts)
			counts = append(counts, stateCount{State: invoice.State, Oldest: invoice.UpdatedAt})
		}
		counts[i].Count++
	}
	return counts
}

// live is the part of the overview that the browser refreshes every few seconds.
type live struct {
	sample

	Plots []plot
}

func (c *Console) readLive(r request) live {
	samples := c.samples.all()
	if len(samples) == 0 { // Run has not finished the first one yet
		c.samples.take(r.Context())
		samples = c.samples.all()
	}
	return live{
		sample: samples[len(samples)-1],
		Plots: []plot{
			newPlot("Messages in the queue, last hour", "", 1, samples,
				curve{"waiting", func(s sample) float64 { return float64(s.Queues.Main.Visible) }},
				curve{"in flight", func(s sample) float64 { return float64(s.Queues.Main.InFlight) }},
				curve{"dead letters", func(s sample) float64 { return float64(s.Queues.DeadLetters.Visible) }}),
			newPlot("Rate limit, last hour (calls wait while the burst is spent)", " %", 100, samples,
				curve{"burst spent", func(s sample) float64 { return s.RateLimit.Spent * 100 }},
				curve{"limit allowed", func(s sample) float64 { return 100 * float64(s.RateLimit.Scale) / ratelimit.FullScale }}),
		},
	}
}

func (c *Console) showOverview(r request) (response, error) {
	return response{template: "overview", title: "Overview", data: struct {
		Live   live
		Report report
	}{c.readLive(r), c.overview.read(r.Context(), c.cfg.Operations, c.cfg.Now(), r.FormValue("again") != "")}}, nil
}

func (c *Console) showLive(r request) (response, error) {
	return response{template: "live", data: c.readLive(r)}, nil
}
