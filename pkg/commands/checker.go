package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/consumer"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/preflight"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

const (
	checkPermitTimeout = 5 * time.Second
	checkCallTimeout   = 10 * time.Second

	settledRecently = 7 * 24 * time.Hour
	maxRecordsRead  = 1000 // of the ledger, to find an invoice that was settled recently
)

// checker collects the state that package preflight evaluates. What cannot be read becomes a
// finding, and does not prevent the other checks.
type checker struct{ Deps }

// Check returns the findings of all checks, the most severe first.
func (d Deps) Check(ctx context.Context) []preflight.Finding {
	c := checker{d}
	var queues, events []preflight.Finding
	var checks sync.WaitGroup
	checks.Go(func() { queues = c.checkQueues(ctx) })
	checks.Go(func() { events = c.checkEvents(ctx) })
	ledger, usable := c.checkLedger(ctx)
	limit, noPermit := c.checkRateLimit(ctx, usable)
	site := c.probeSite(ctx, noPermit)
	checks.Wait()
	settings := preflight.MaxAmount(c.Settings.Invoice.MaxAmount)
	findings := slices.Concat(queues, events, ledger, c.checkInstallation(ctx, usable), limit, settings, preflight.SiteFindings(site))
	slices.SortStableFunc(findings, func(a, b preflight.Finding) int { return finding.Compare(a.Level, b.Level) })
	return findings
}

func (c checker) checkQueues(ctx context.Context) []preflight.Finding {
	main, deadLetters := c.describeQueues(ctx)
	return slices.Concat(
		c.evaluateQueues(main, deadLetters),
		preflight.Permissions(preflight.SubjectQueue, c.probeQueue(ctx, main)),
		preflight.Permissions(preflight.SubjectDeadLetters, c.probeQueue(ctx, deadLetters)),
	)
}

func (c checker) describeQueues(ctx context.Context) (main, deadLetters preflight.Queue) {
	return c.describeQueue(ctx, c.Settings.Queue.URL), c.describeQueue(ctx, c.Settings.Queue.DeadLetterURL)
}

func (c checker) describeQueue(ctx context.Context, url string) preflight.Queue {
	attributes, err := sqsqueue.Describe(ctx, c.sqs(), url)
	found := preflight.Queue{URL: url, Attributes: attributes}
	switch {
	case err == nil:
	case errors.Is(err, sqsqueue.ErrNoQueue):
		found.Missing = true
	case sqsqueue.Denied(err):
		found.Denied = true
	default:
		found.Err = err
	}
	return found
}

func (c checker) evaluateQueues(main, deadLetters preflight.Queue) []preflight.Finding {
	return preflight.Queues(main, deadLetters, preflight.Requirements{
		MinReceives: settlement.MinReceives,
		MaxAge:      settlement.MaxAge,
		MaxIdle:     consumer.SettlementSettings(c.Settings).MaxIdle(),
		Visibility:  c.Settings.Worker.VisibilityTimeout,
	})
}

// probeQueue probes the permissions on a queue, if it exists.
func (c checker) probeQueue(ctx context.Context, queue preflight.Queue) []finding.Probe {
	if queue.Missing || queue.Err != nil {
		return nil
	}
	describe := finding.Probe{Action: "sqs:GetQueueAttributes", Denied: queue.Denied}
	return append([]finding.Probe{describe}, sqsqueue.Probes(ctx, c.sqs(), queue.URL)...)
}

func (c checker) checkEvents(ctx context.Context) []preflight.Finding {
	setup, err := c.tables().DescribeEvents(ctx)
	found, probes := table(c.Settings.Events.Table, setup, err)
	found.NeedsIndex = true
	findings := preflight.TableFindings(preflight.SubjectEvents, found)
	if usable(found) {
		probes = append(probes, c.store().ProbeEvents(ctx)...)
		findings = append(findings, c.checkUnbilled(ctx)...)
	}
	return append(findings, preflight.Permissions(preflight.SubjectEvents, probes)...)
}

// checkUnbilled returns a finding if invoices are settled while no event is unbilled. It returns none if
// the tables cannot be scanned: that is a finding of Permissions.
func (c checker) checkUnbilled(ctx context.Context) []preflight.Finding {
	for _, err := range c.store().AllUnbilled(ctx) {
		_ = err
		return nil
	}
	read, since := 0, time.Now().Add(-settledRecently)
	for record, err := range c.store().Records(ctx) {
		if read++; err != nil || read > maxRecordsRead {
			return nil
		}
		if at := time.Unix(record.UpdatedAt, 0); record.State == billing.Finished && at.After(since) {
			return preflight.NothingUnbilled(c.Settings.Events.Table, at)
		}
	}
	return nil
}

// checkLedger also reports whether the ledger table can be used.
func (c checker) checkLedger(ctx context.Context) (findings []preflight.Finding, ok bool) {
	setup, err := c.tables().DescribeLedger(ctx)
	found, probes := table(c.Settings.Ledger.Table, setup, err)
	ok = usable(found)
	if ok {
		probes = append(probes, c.timeToLive(ctx, &found))
		probes = append(probes, c.store().ProbeLedger(ctx)...)
	}
	return append(preflight.TableFindings(preflight.SubjectLedger, found), preflight.Permissions(preflight.SubjectLedger, probes)...), ok
}

func (c checker) timeToLive(ctx context.Context, found *preflight.Table) finding.Probe {
	attribute, err := c.tables().TimeToLive(ctx)
	if dynamostore.Denied(err) {
		return finding.Probe{Action: "dynamodb:DescribeTimeToLive", Denied: true}
	}
	found.NeedsTTL, found.TTLAttribute, found.TTLErr = true, attribute, err
	return finding.Probe{Action: "dynamodb:DescribeTimeToLive", Unproven: err != nil}
}

func table(name string, setup finding.TableSetup, err error) (preflight.Table, []finding.Probe) {
	found := preflight.Table{Name: name, TableSetup: setup}
	describe := finding.Probe{Action: "dynamodb:DescribeTable"}
	switch {
	case err == nil:
	case errors.Is(err, dynamostore.ErrNoTable):
		found.Missing = true
		return found, nil
	case dynamostore.Denied(err):
		found.Denied, describe.Denied = true, true
	default:
		found.Err = err
		return found, nil
	}
	return found, []finding.Probe{describe}
}

// usable reports whether permissions on a table can be probed. A table of another layout refuses
// every call.
func usable(found preflight.Table) bool {
	return !found.Missing && found.Err == nil && len(found.Differences) == 0
}

// checkRateLimit returns findings about the rate limiter. noPermit is the reason why no permit for a
// call to Chargebee can be acquired.
func (c checker) checkRateLimit(ctx context.Context, usable bool) (findings []preflight.Finding, noPermit error) {
	if !usable {
		return nil, errors.New("the ledger table, which holds the state of the rate limiter, cannot be used")
	}
	state, err := c.store().RateLimit().Read(ctx)
	if err != nil {
		return preflight.RateLimitUnread(err, dynamostore.Denied(err)), fmt.Errorf("read the state of the rate limiter: %w", err)
	}
	return preflight.RateLimit(state, c.Settings), nil
}

// checkInstallation returns findings about the site of the ledger and the settings of running consumers. A read
// that is refused is a finding of the rate limit or the permissions.
func (c checker) checkInstallation(ctx context.Context, usable bool) []preflight.Finding {
	if !usable {
		return nil
	}
	found, err := c.store().Installation(ctx)
	if err != nil {
		return nil
	}
	return preflight.Installation(found, c.Settings, c.Clock()())
}

// probeSite makes one call to Chargebee, if a permit is granted soon.
func (c checker) probeSite(ctx context.Context, noPermit error) preflight.Site {
	found := preflight.Site{NotCalled: noPermit, MaxSkew: c.Settings.Clock.MaxSkew}
	if noPermit != nil {
		return found
	}
	found.NotCalled = c.withSite(ctx, func(site site) error {
		waiting, cancel := context.WithTimeoutCause(ctx, checkPermitTimeout, fmt.Errorf("no permit within %s", checkPermitTimeout))
		defer cancel()
		err := ratelimit.Do(waiting, site, func(permit *ratelimit.Permit) (err error) {
			ctx, cancel := context.WithTimeout(ctx, checkCallTimeout)
			defer cancel()
			found.Sent = time.Now()
			found.Time, err = site.Time(ctx, permit)
			found.Received = time.Now()
			return err
		})
		if _, sent := errors.AsType[*billing.Failure](err); err != nil && !sent {
			return err
		}
		found.Err = err
		return nil
	})
	return found
}
