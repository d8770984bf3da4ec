// Package console serves a web page for operators, with the use cases of most operator commands (ports.go). The
// server renders each page as HTML. An action starts as a dry run, which the operator then confirms (jobs.go).
// server.go checks each request, and session.go its login.
package console

import (
	"context"
	"net/url"

	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/preflight"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/results"
	"github.com/billable-events/billable/pkg/settlement"
)

// Operations are the use cases of the page, which it shares with the commands.
type Operations interface {
	// Queues describes the queue and the dead-letter queue.
	Queues(ctx context.Context) (Queues, error)
	RateLimit(ctx context.Context) (RateLimit, error)
	Check(ctx context.Context) []preflight.Finding

	// Filter parses values of the flags of the dlq commands, by the name of the flag.
	Filter(flags url.Values) (deadletter.Filter, error)
	DeadLetters(ctx context.Context, filter deadletter.Filter) (deadletter.Listing, error)
	// DeadLetter returns the dead letter with the id of its message or webhook event, and its invoice.
	DeadLetter(ctx context.Context, id string) (results.DeadLetter, error)
	Invoices(ctx context.Context, filter inspect.Filter) (inspect.Listing, error)
	// Invoice returns the invoice with a draft or final id. The error for an unknown id is inspect.ErrUnknown.
	Invoice(ctx context.Context, id string) (results.Invoice, error)

	Replay(ctx context.Context, options deadletter.ReplayOptions, progress deadletter.Progress) (deadletter.Result, error)
	// Discard first releases the claims of the invoices if release is set.
	Discard(ctx context.Context, options deadletter.DiscardOptions, release bool, progress deadletter.Progress) (deadletter.Result, error)
	Release(ctx context.Context, order settlement.Order) (results.Release, error)
	Pause(ctx context.Context, reason string, dryRun bool) error
	// Resume ends the operator pause and returns it; the zero value if there is none.
	Resume(ctx context.Context, dryRun bool) (ratelimit.OperatorPause, error)
}

// Queues are the attributes of both queues.
type Queues struct{ Main, DeadLetters finding.QueueAttributes }

// RateLimit is the state of the rate limiter.
type RateLimit struct {
	ratelimit.State

	InUse int64   // calls per minute that all processes may make: less than configured after a 429
	Spent float64 // part of the burst that is spent, from 0 to 1; at 1, calls wait
}
