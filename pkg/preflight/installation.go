package preflight

import (
	"fmt"

	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/installation"
)

// Installation is the observed state of the consumers that share the ledger.
type Installation struct {
	Site        string // host that the ledger belongs to; empty: none yet
	Refusals    []installation.Refusal
	Running     int // consumers
	Differences []installation.Difference
}

// InstallationFindings evaluates the site of the ledger, and the settings of running consumers.
func InstallationFindings(found Installation) []Finding {
	f := &findings{subject: SubjectLedger}
	for _, refusal := range found.Refusals {
		f.addf(finding.Error, refusal.Name, refusal.Remedy, "%s: %s: a consumer with these settings does not start", refusal.Key, refusal.Problem)
	}
	if found.Site == "" {
		f.addf(finding.OK, "ledger_site", "", "the ledger belongs to no site yet: the first consumer binds it to its own")
	} else {
		f.addf(finding.OK, "ledger_site", "", "the ledger belongs to the site %s", found.Site)
	}
	f.subject = "consumers"
	for _, difference := range found.Differences {
		f.addf(finding.Warning, "settings_differ", "use the same settings for all consumers and commands; during a rollout, wait for its end", "%s", difference)
	}
	if len(found.Differences) == 0 {
		f.addf(finding.OK, "settings", "", "%s", consumersWithSettings(found.Running))
	}
	return f.list
}

func consumersWithSettings(running int) string {
	switch running {
	case 0:
		return "no consumer is running"
	case 1:
		return "1 consumer is running, with the settings of this command"
	default:
		return fmt.Sprintf("%d consumers are running, with the settings of this command", running)
	}
}
