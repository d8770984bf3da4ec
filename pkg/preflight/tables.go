package preflight

import (
	"time"

	"github.com/billable-events/billable/pkg/finding"
)

// Table is the observed state of a table.
type Table struct {
	Name    string
	Missing bool  // there is no table of this name
	Denied  bool  // the permission to read its configuration is missing
	Err     error // another reason why its configuration could not be read
	finding.TableSetup

	NeedsIndex bool

	NeedsTTL     bool   // evaluate the next two fields
	TTLAttribute string // empty: TTL is off
	TTLErr       error  // why the TTL could not be read
}

const expiresAt = "expires_at" // the TTL attribute of the ledger

// isUsable reports whether a table or an index with the status can be read and written.
func isUsable(status string) bool { return status == "ACTIVE" || status == "UPDATING" }

// TableFindings evaluates a table. The subject is SubjectEvents or SubjectLedger.
func TableFindings(subject string, table Table) []Finding {
	f := &findings{subject: subject}
	switch {
	case table.Missing:
		f.addf(finding.Error, "table_missing", "create it with consumer tables create, or check "+subject+".table, AWS_REGION and the account of the credentials",
			"there is no table %s", table.Name)
		return f.list
	case table.Denied: // Permissions reports it
		return nil
	case table.Err != nil:
		f.addf(finding.Error, "table_unreachable", "check region, credentials and network", "%v", table.Err)
		return f.list
	}
	if !isUsable(table.Status) {
		f.addf(finding.Error, "table_not_active", "wait while it is created; otherwise see the AWS console", "the table is %s", table.Status)
	}
	if table.NeedsIndex && table.IndexStatus != "" && !isUsable(table.IndexStatus) { // a missing index is a difference
		f.addf(finding.Error, "index_not_active", "start consumers when it is active", "the index is %s: unbilled events cannot be found", table.IndexStatus)
	}
	for _, difference := range table.Differences {
		f.addf(finding.Error, difference.Name, "create another table with consumer tables create; only an index can be added to this one", "%s", difference.Text)
	}
	if table.NeedsTTL {
		f.timeToLive(table)
	}
	if !table.Protected {
		f.addf(finding.Warning, "deletion_not_protected", "aws dynamodb update-table --table-name "+table.Name+" --deletion-protection-enabled",
			"one call can delete the table, and with it the record of what was billed")
	}
	f.addf(finding.OK, "table_set_up", "", "table %s is %s", table.Name, table.Status)
	return f.list
}

// NothingUnbilled returns the finding for an events table without unbilled events, if an invoice was settled
// at settledAt. Services possibly write to another table, and invoices are closed without charges.
func NothingUnbilled(table string, settledAt time.Time) []Finding {
	f := &findings{subject: SubjectEvents}
	f.addf(finding.Warning, "nothing_unbilled", "check events.table and AWS_REGION, and that services write events with the attribute unbilled",
		"table %s has no unbilled event, but invoices are settled, one at %s", table, settledAt.UTC().Format(time.RFC3339))
	return f.list
}

func (f *findings) timeToLive(table Table) {
	switch {
	case table.TTLErr != nil:
		f.addf(finding.Warning, "time_to_live_unknown", "run check again; otherwise check credentials and network", "%v", table.TTLErr)
	case table.TTLAttribute == "":
		f.addf(finding.Warning, "time_to_live_off", "enable it with consumer tables create", "finished invoices are never deleted: the table grows, and scans take longer")
	case table.TTLAttribute != expiresAt:
		f.addf(finding.Error, "time_to_live_differs", "set the TTL attribute to "+expiresAt, "the TTL attribute is %s: items of the ledger expire never, or too early", table.TTLAttribute)
	}
}
