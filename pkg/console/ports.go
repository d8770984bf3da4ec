// Package console is the web page of operators: what the operator commands show and do, in a browser. Pages
// are rendered on the server. Each action is a dry run first (jobs.go), and the use case of a command
// (ports.go). Sessions and the checks of each request are in session.go and server.go.
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

// Operations are the use cases of the page. The commands use the same ones.
type Operations interface {
	// Queues describes the queue and the dead-letter queue.
	Queues(ctx context.Context) (Queues, error)
	RateLimit(ctx context.Context) (RateLimit, error)
	Check(ctx context.Context) []preflight.Finding

	// Filter returns the filter of flags of the dlq commands.
	Filter(flags url.Values) (deadletter.Filter, error)
	DeadLetters(ctx context.Context, filter deadletter.Filter) (deadletter.Listing, error)
	// DeadLetter returns the dead letter with a message or event id, and its invoice.
	DeadLetter(ctx context.Context, id string) (results.DeadLetter, error)
	Invoices(ctx context.Context, filter inspect.Filter) (inspect.Listing, error)
	// Invoice returns the invoice with a draft or final id. The error for an unknown one is
	// inspect.ErrUnknown.
	Invoice(ctx context.Context, id string) (results.Invoice, error)

	Replay(ctx context.Context, options deadletter.ReplayOptions, progress deadletter.Progress) (deadletter.Result, error)
	// Discard releases the claims of invoices first if release is set.
	Discard(ctx context.Context, options deadletter.DiscardOptions, release bool, progress deadletter.Progress) (deadletter.Result, error)
	Release(ctx context.Context, order settlement.Order) (results.Release, error)
	Pause(ctx context.Context, reason string, dryRun bool) error
	// Resume ends an operator pause, and returns it. Its zero value means that there was none.
	Resume(ctx context.Context, dryRun bool) (ratelimit.OperatorPause, error)
}

// Queues are the attributes of both queues.
type Queues struct{ Main, DeadLetters finding.QueueAttributes }

// RateLimit is the state of the rate limiter.
type RateLimit struct {
	ratelimit.State

	InUse int64   // calls per minute that all processes may make: less than configured after a 429
	Spent float64 // share of the burst, from 0 to 1. At 1 calls wait
}
