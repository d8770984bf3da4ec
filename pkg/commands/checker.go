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

	maxSettledAge  = 7 * 24 * time.Hour // of an invoice that checkUnbilled looks for
	maxRecordsRead = 1000               // by checkUnbilled, of the ledger
)

// checker reads the state of the installation, which package preflight evaluates. If a part cannot be read, that is a
// finding. The rate limiter and the installation are read, and Chargebee is called, only if the ledger is usable.
type checker struct{ Deps }

// Check returns the findings of all checks, the most severe first.
func (d Deps) Check(ctx context.Context) []preflight.Finding {
	c := checker{d}
	var queues, events []preflight.Finding
	var checks sync.WaitGroup
	checks.Go(func() { queues = c.checkQueues(ctx) })
	checks.Go(func() { events = c.checkEvents(ctx) })
	ledger, ledgerUsable := c.checkLedger(ctx)
	rateLimit, noPermit := c.checkRateLimit(ctx, ledgerUsable)
	site := preflight.SiteFindings(c.probeSite(ctx, noPermit))
	installation := c.checkInstallation(ctx, ledgerUsable)
	checks.Wait()
	maxAmount := preflight.MaxAmount(c.Settings.Invoice.MaxAmount)
	findings := slices.Concat(queues, events, ledger, installation, rateLimit, maxAmount, site)
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

// probeQueue tests the permissions on a queue. It returns no probes if the queue is missing or could not be described.
func (c checker) probeQueue(ctx context.Context, queue preflight.Queue) []finding.Probe {
	if queue.Missing || queue.Err != nil {
		return nil
	}
	describe := finding.Probe{Action: "sqs:GetQueueAttributes", Denied: queue.Denied}
	return append([]finding.Probe{describe}, sqsqueue.Probes(ctx, c.sqs(), queue.URL)...)
}

func (c checker) checkEvents(ctx context.Context) []preflight.Finding {
	setup, err := c.tables().DescribeEvents(ctx)
	found, probes := observeTable(c.Settings.Events.Table, setup, err)
	found.NeedsIndex = true
	findings := preflight.TableFindings(preflight.SubjectEvents, found)
	if usable(found) {
		probes = append(probes, c.store().ProbeEvents(ctx)...)
		findings = append(findings, c.checkUnbilled(ctx)...)
	}
	return append(findings, preflight.Permissions(preflight.SubjectEvents, probes)...)
}

// checkUnbilled returns a finding if there is no unbilled event, but an invoice that was settled within maxSettledAge
// among the first maxRecordsRead records. It returns none if a scan fails: Check also probes the permissions.
func (c checker) checkUnbilled(ctx context.Context) []preflight.Finding {
	for _, err := range c.store().AllUnbilled(ctx) {
		_ = err // an unbilled event was found, or the scan failed
		return nil
	}
	recordsRead, since := 0, time.Now().Add(-maxSettledAge)
	for record, err := range c.store().Records(ctx) {
		if recordsRead++; err != nil || recordsRead > maxRecordsRead {
			return nil
		}
		if settledAt := time.Unix(record.UpdatedAt, 0); record.State == billing.Finished && settledAt.After(since) {
			return preflight.NothingUnbilled(c.Settings.Events.Table, settledAt)
		}
	}
	return nil
}

// checkLedger returns findings about the ledger table, and whether the table is usable.
func (c checker) checkLedger(ctx context.Context) (findings []preflight.Finding, ledgerUsable bool) {
	setup, err := c.tables().DescribeLedger(ctx)
	found, probes := observeTable(c.Settings.Ledger.Table, setup, err)
	ledgerUsable = usable(found)
	if ledgerUsable {
		probes = append(probes, c.readTimeToLive(ctx, &found))
		probes = append(probes, c.store().ProbeLedger(ctx)...)
	}
	return append(preflight.TableFindings(preflight.SubjectLedger, found), preflight.Permissions(preflight.SubjectLedger, probes)...), ledgerUsable
}

// readTimeToLive adds the TTL to a table, and returns the tested permission.
func (c checker) readTimeToLive(ctx context.Context, found *preflight.Table) finding.Probe {
	attribute, err := c.tables().TimeToLive(ctx)
	if dynamostore.Denied(err) {
		return finding.Probe{Action: "dynamodb:DescribeTimeToLive", Denied: true}
	}
	found.NeedsTTL, found.TTLAttribute, found.TTLErr = true, attribute, err
	return finding.Probe{Action: "dynamodb:DescribeTimeToLive", Unproven: err != nil}
}

// observeTable returns the state of a table, and the tested permission, from the result of DescribeTable. The permission
// is not known if the table is missing or the call failed for another reason.
func observeTable(name string, setup finding.TableSetup, err error) (preflight.Table, []finding.Probe) {
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

// usable reports whether the table exists and is not known to differ from the required layout. A table with another
// layout refuses every call.
func usable(found preflight.Table) bool {
	return !found.Missing && found.Err == nil && len(found.Differences) == 0
}

// checkRateLimit returns findings about the rate limiter. noPermit is the reason why no permit for a
// call to Chargebee can be acquired; nil if none is known.
func (c checker) checkRateLimit(ctx context.Context, ledgerUsable bool) (findings []preflight.Finding, noPermit error) {
	if !ledgerUsable {
		return nil, errors.New("the ledger table, which holds the state of the rate limiter, cannot be used")
	}
	state, err := c.store().RateLimit().Read(ctx)
	if err != nil {
		return preflight.RateLimitUnread(err, dynamostore.Denied(err)), fmt.Errorf("read the state of the rate limiter: %w", err)
	}
	return preflight.RateLimit(state, c.Settings), nil
}

// checkInstallation returns findings about the site of the ledger and the settings of running consumers. It returns no
// findings if they cannot be read: checkLedger and checkRateLimit read the same table, and report why.
func (c checker) checkInstallation(ctx context.Context, ledgerUsable bool) []preflight.Finding {
	if !ledgerUsable {
		return nil
	}
	state, err := c.store().Installation(ctx)
	if err != nil {
		return nil
	}
	return preflight.Installation(state, c.Settings, c.Clock()())
}

// probeSite makes one call to Chargebee, unless noPermit is set or no permit is granted within checkPermitTimeout.
func (c checker) probeSite(ctx context.Context, noPermit error) preflight.Site {
	found := preflight.Site{NotCalled: noPermit, MaxSkew: c.Settings.Clock.MaxSkew}
	if noPermit != nil {
		return found
	}
	found.NotCalled = c.withSite(ctx, func(site limitedSite) error {
		waitCtx, cancel := context.WithTimeoutCause(ctx, checkPermitTimeout, fmt.Errorf("no permit within %s", checkPermitTimeout))
		defer cancel()
		err := ratelimit.Do(waitCtx, site, func(permit *ratelimit.Permit) (err error) {
			callCtx, cancel := context.WithTimeout(ctx, checkCallTimeout)
			defer cancel()
			found.Sent = time.Now()
			found.Time, err = site.Time(callCtx, permit)
			found.Received = time.Now()
			return err
		})
		if _, called := errors.AsType[*billing.Failure](err); err != nil && !called {
			return err
		}
		found.Err = err
		return nil
	})
	return found
}
