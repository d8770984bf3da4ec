package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/diagnosis"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

const (
	checkPermit = 5 * time.Second  // the longest wait for a permit
	checkCall   = 10 * time.Second // for Chargebee's answer
)

// checkup asks all that a consumer depends on how it is, and has it judged. What cannot
// be asked is a finding, and keeps nothing else from being asked.
type checkup struct {
	settings config.Consumer
	around   Surroundings
	queues   *sqs.Client
	tables   *dynamostore.Tables
	store    *dynamostore.Store
}

func newCheckup(settings config.Consumer, aws aws.Config) *checkup {
	return &checkup{
		settings: settings,
		around:   Surroundings{AWS: aws},
		queues:   sqs.NewFromConfig(aws),
		tables:   &dynamostore.Tables{Client: dynamodb.NewFromConfig(aws), EventsTable: settings.Events.Table, LedgerTable: settings.Ledger.Table},
		store:    newStore(aws, settings),
	}
}

func (c *checkup) run(ctx context.Context) checked {
	var queues, events []diagnosis.Finding
	var parts sync.WaitGroup
	parts.Go(func() { queues = c.checkQueues(ctx) })
	parts.Go(func() { events = c.checkEvents(ctx) })
	ledger, usable := c.checkLedger(ctx)
	limit, unasked := c.checkRateLimit(ctx, usable)
	site := c.askSite(ctx, unasked)
	parts.Wait()
	result := checked{Findings: slices.Concat(queues, events, ledger, limit, diagnosis.SiteFindings(site))}
	slices.SortStableFunc(result.Findings, func(a, b diagnosis.Finding) int { return b.Level.Weight() - a.Level.Weight() })
	return result
}

func (c *checkup) checkQueues(ctx context.Context) []diagnosis.Finding {
	main, mainProbes := c.queue(ctx, c.settings.Queue.URL)
	letters, letterProbes := c.queue(ctx, c.settings.Queue.DeadLetterURL)
	needs := diagnosis.Needs{
		LeastReceives: settlement.LeastReceives,
		MaxAge:        settlement.MaxAge,
		LongestWait:   settlementSettings(c.settings).LongestWait(),
		Visibility:    c.settings.Worker.VisibilityTimeout,
	}
	return slices.Concat(
		diagnosis.Queues(main, letters, needs),
		diagnosis.Permissions(diagnosis.SubjectQueue, mainProbes),
		diagnosis.Permissions(diagnosis.SubjectDeadLetters, letterProbes),
	)
}

// queue describes a queue, and tries what may be done with it if it is there.
func (c *checkup) queue(ctx context.Context, url string) (diagnosis.Queue, []diagnosis.Probe) {
	attributes, err := sqsqueue.Describe(ctx, c.queues, url)
	found := diagnosis.Queue{URL: url}
	describe := diagnosis.Probe{Action: "sqs:GetQueueAttributes"}
	switch {
	case err == nil:
		found.Attributes = diagnosis.QueueAttributes(attributes)
	case errors.Is(err, sqsqueue.ErrNoQueue):
		found.Missing = true
		return found, nil
	case sqsqueue.Denied(err):
		found.Denied, describe.Denied = true, true
	default:
		found.Err = err
		return found, nil
	}
	probes := []diagnosis.Probe{describe}
	for _, probe := range sqsqueue.Probes(ctx, c.queues, url) {
		probes = append(probes, diagnosis.Probe(probe))
	}
	return found, probes
}

func (c *checkup) checkEvents(ctx context.Context) []diagnosis.Finding {
	setup, err := c.tables.DescribeEvents(ctx)
	found, probes := table(c.settings.Events.Table, setup, err)
	found.NeedsIndex = true
	if usable(found) {
		probes = append(probes, tableProbes(c.store.ProbeEvents(ctx))...)
	}
	return append(diagnosis.TableFindings(diagnosis.SubjectEvents, found), diagnosis.Permissions(diagnosis.SubjectEvents, probes)...)
}

// checkLedger tells besides whether the ledger's table can be used at all.
func (c *checkup) checkLedger(ctx context.Context) (findings []diagnosis.Finding, ok bool) {
	setup, err := c.tables.DescribeLedger(ctx)
	found, probes := table(c.settings.Ledger.Table, setup, err)
	ok = usable(found)
	if ok {
		probes = append(probes, c.expiry(ctx, &found))
		probes = append(probes, tableProbes(c.store.ProbeLedger(ctx))...)
	}
	return append(diagnosis.TableFindings(diagnosis.SubjectLedger, found), diagnosis.Permissions(diagnosis.SubjectLedger, probes)...), ok
}

// expiry asks by which attribute the ledger's items expire.
func (c *checkup) expiry(ctx context.Context, found *diagnosis.Table) diagnosis.Probe {
	attribute, err := c.tables.TimeToLive(ctx)
	if dynamostore.Denied(err) {
		return diagnosis.Probe{Action: "dynamodb:DescribeTimeToLive", Denied: true}
	}
	found.Expires, found.ExpiresBy, found.ExpiresErr = true, attribute, err
	return diagnosis.Probe{Action: "dynamodb:DescribeTimeToLive", Unproven: err != nil}
}

func table(name string, setup dynamostore.Setup, err error) (diagnosis.Table, []diagnosis.Probe) {
	found := diagnosis.Table{Name: name, Status: setup.Status, IndexStatus: setup.IndexStatus, Protected: setup.Protected}
	for _, difference := range setup.Differences {
		found.Differences = append(found.Differences, diagnosis.TableDifference(difference))
	}
	describe := diagnosis.Probe{Action: "dynamodb:DescribeTable"}
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
	return found, []diagnosis.Probe{describe}
}

// usable tells whether it makes sense to try what may be done with a table: one of
// another layout refuses everything.
func usable(found diagnosis.Table) bool {
	return !found.Missing && found.Err == nil && len(found.Differences) == 0
}

func tableProbes(tried []dynamostore.Probe) []diagnosis.Probe {
	probes := make([]diagnosis.Probe, len(tried))
	for i, probe := range tried {
		probes[i] = diagnosis.Probe(probe)
	}
	return probes
}

// checkRateLimit returns findings about the rate limiter. unasked is why no permit for a call
// to Chargebee can be acquired.
func (c *checkup) checkRateLimit(ctx context.Context, usable bool) (findings []diagnosis.Finding, unasked error) {
	if !usable {
		return nil, errors.New("the ledger's table, which holds the state of the rate limiter, cannot be used")
	}
	state, err := c.store.RateLimit().Read(ctx)
	if err != nil {
		return diagnosis.RateLimitUnread(err, dynamostore.Denied(err)), fmt.Errorf("the state of the rate limiter cannot be read: %w", err)
	}
	return diagnosis.RateLimit(state, diagnosis.Limits{
		RequestsPerMinute: c.settings.Chargebee.RequestsPerMinute,
		MaxConcurrent:     c.settings.Chargebee.MaxConcurrent,
		Concurrency:       c.settings.Worker.Concurrency,
	}), nil
}

// askSite asks Chargebee once, if a permit for the call is granted soon.
func (c *checkup) askSite(ctx context.Context, unasked error) diagnosis.Site {
	found := diagnosis.Site{Unasked: unasked, MaxSkew: c.settings.Clock.MaxSkew}
	if unasked != nil {
		return found
	}
	found.Unasked = callSite(ctx, c.settings, c.around, func(site site) error {
		waiting, cancel := context.WithTimeoutCause(ctx, checkPermit, fmt.Errorf("no call was free within %s", checkPermit))
		defer cancel()
		err := site.once(waiting, func(permit *ratelimit.Permit) (err error) {
			calling, stop := context.WithTimeout(ctx, checkCall)
			defer stop()
			found.Sent = time.Now()
			found.Time, err = site.Time(calling, permit)
			found.Received = time.Now()
			return err
		})
		if _, answered := errors.AsType[*billing.Failure](err); err != nil && !answered { // nothing was sent
			return err
		}
		found.Err = err
		return nil
	})
	return found
}
