package diagnosis

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/pace"
)

// Share is one process's part of the budget.
type Share struct {
	Process        string  `json:"process"`
	State          string  `json:"state"` // calls, waits for a share, has no work, has left
	CallsPerMinute float64 `json:"calls_per_minute"`
	Slots          int64   `json:"slots"` // simultaneous calls
}

// The states of a process.
const (
	stateCalls   = "calls"
	stateWaits   = "waits for a share"
	stateNoWork  = "has no work"
	stateHasLeft = "has left"
)

// Shares lists the processes that share the budget, the largest shares first.
func Shares(budget pace.Budget) []Share {
	shares := []Share{}
	for name, entry := range budget.Entries {
		share := Share{Process: name, State: stateCalls, CallsPerMinute: pace.PerMinute(entry.Rate), Slots: entry.Slots}
		switch {
		case entry.Left:
			share.State = stateHasLeft
		case entry.Rate > 0:
		case entry.Want > pace.ReadyWant:
			share.State = stateWaits
		default:
			share.State = stateNoWork
		}
		shares = append(shares, share)
	}
	slices.SortFunc(shares, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.CallsPerMinute, a.CallsPerMinute), strings.Compare(a.Process, b.Process))
	})
	return shares
}

// BudgetUnread judges that the budget could not be read. If that was denied, it is a
// finding of Permissions.
func BudgetUnread(err error, denied bool) []Finding {
	if denied {
		return nil
	}
	j := judgement{subject: "budget"}
	j.findf(Error, "budget_unread", "check ledger.table, region, credentials and network", "%v", err)
	return j.findings
}

// mostPerMinute is what the largest plan allows a site.
// https://www.chargebee.com/docs/billing/2.0/kb/platform/what-are-the-chargebee-api-limits
const mostPerMinute = 3500

// Budget judges the budget of calls to Chargebee: requestsPerMinute is the setting of the
// process that asks.
func Budget(budget pace.Budget, requestsPerMinute int) []Finding {
	j := judgement{subject: "budget"}
	granted, waiting := 0.0, 0
	for _, share := range Shares(budget) {
		granted += share.CallsPerMinute
		if share.State == stateWaits {
			waiting++
		}
	}
	j.findf(OK, "budget", "", "%d processes share %d calls a minute, of which %.0f are granted", budget.Running(), requestsPerMinute, granted)

	if hold := budget.Hold; hold != nil {
		j.findf(Warning, "calls_held", "let them go on with: consumer resume --yes",
			"an operator stopped all calls at %s: %s", time.Unix(hold.Since, 0).UTC().Format(time.RFC3339), hold.Reason)
	}
	if pause := budget.Pause; pause != nil {
		j.findf(Warning, "calls_paused", "none: they go on by themselves", "no calls for %d s: %s", pause.Seconds, pause.Reason)
	}
	if budget.Limit < pace.FullLimit {
		j.findf(Warning, "limit_reduced", "lower chargebee.requests_per_minute to what others leave of the site's limit, or find out who else calls it",
			"after a refusal %.1f %% of the limit are used; 2 %% come back every minute", float64(budget.Limit)*100/pace.FullLimit)
	}
	if waiting > 0 && budget.Pause == nil && budget.Hold == nil {
		j.findf(Warning, "processes_without_share", "run fewer consumers, or raise chargebee.requests_per_minute if the site's plan allows it",
			"%d processes have work and no share, and receive no messages: there is one share for each 30 calls a minute", waiting)
	}
	if budget.Used > int64(requestsPerMinute)*pace.FullLimit {
		j.findf(Error, "requests_per_minute_differs", "give all consumers and commands the same chargebee.requests_per_minute",
			"the shares together cost %d calls a minute, chargebee.requests_per_minute is %d here", (budget.Used+999)/1000, requestsPerMinute)
	}
	if requestsPerMinute > mostPerMinute {
		j.findf(Warning, "requests_per_minute_above_plans", "set chargebee.requests_per_minute to what the site's plan allows, less what other integrations use",
			"chargebee.requests_per_minute is %d, and no plan of Chargebee allows more than %d by itself", requestsPerMinute, mostPerMinute)
	}
	return j.findings
}
