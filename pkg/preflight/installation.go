package preflight

import (
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/installation"
)

// Installation evaluates whether a consumer with the settings may use the ledger, and whether running
// consumers have the same settings.
func Installation(state installation.State, settings config.Consumer, now time.Time) []Finding {
	f := &findings{subject: SubjectLedger}
	for _, refusal := range state.Refusals(settings, now) {
		f.addf(finding.Error, refusal.Name, refusal.Remedy, "%s: %s: a consumer with these settings does not start", refusal.Key, refusal.Problem)
	}
	if state.Site == "" {
		f.addf(finding.OK, "ledger_site", "", "the ledger belongs to no site yet: the first consumer binds it to its own")
	} else {
		f.addf(finding.OK, "ledger_site", "", "the ledger belongs to the site %s", state.Site)
	}
	f.subject = subjectConsumers
	running := state.Live(now, settings.Clock.MaxSkew)
	differences := installation.Differences(settings.Shared(), running)
	for _, difference := range differences {
		f.addf(finding.Warning, "settings_differ", "use the same settings for all consumers and commands; during a rollout, wait for its end", "%s", difference)
	}
	if len(differences) == 0 {
		f.addf(finding.OK, "settings", "", "%s", describeRunning(len(running)))
	}
	return f.list
}

// describeRunning describes the number of running consumers, all of which have the settings of this command.
func describeRunning(count int) string {
	switch count {
	case 0:
		return "no consumer is running"
	case 1:
		return "1 consumer is running, with the settings of this command"
	default:
		return fmt.Sprintf("%d consumers are running, with the settings of this command", count)
	}
}

// MaxAmount evaluates invoice.max_amount, in minor units; 0: not set.
func MaxAmount(maxAmount int64) []Finding {
	f := &findings{subject: subjectSettings}
	if maxAmount == 0 {
		f.addf(finding.Warning, "max_amount_not_set", "set invoice.max_amount above the largest charge that you expect on one invoice, in minor units",
			"invoice.max_amount is not set: one wrong event can charge any amount")
	} else {
		f.addf(finding.OK, "max_amount", "", "charges above %d minor units on one invoice are rejected", maxAmount)
	}
	return f.list
}
