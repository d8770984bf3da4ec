package preflight

import "github.com/billable-events/billable/pkg/finding"

// Table is a table as it was found.
type Table struct {
	Name    string
	Missing bool  // there is none of this name
	Denied  bool  // it may not be described: nothing is known of it
	Err     error // why nothing is known of it otherwise
	finding.TableSetup

	NeedsIndex bool

	Expires    bool   // its items have to expire by expires_at
	ExpiresBy  string // the attribute by which they do; empty: they do not
	ExpiresErr error  // why that is not known
}

const (
	active    = "ACTIVE"
	updating  = "UPDATING" // it can be used all the while
	expiresAt = "expires_at"
)

// TableFindings judges a table; the subject is events or ledger.
func TableFindings(subject string, table Table) []Finding {
	f := &findings{subject: subject}
	switch {
	case table.Missing:
		f.addf(finding.Error, "table_missing", "consumer tables create makes it; or check "+subject+".table, AWS_REGION and the account of the credentials",
			"there is no table %s", table.Name)
		return f.list
	case table.Denied: // which is a finding of Permissions
		return nil
	case table.Err != nil:
		f.addf(finding.Error, "table_unreachable", "check region, credentials and network", "%v", table.Err)
		return f.list
	}
	if table.Status != active && table.Status != updating {
		f.addf(finding.Error, "table_not_active", "wait while it is being created; look into the AWS console otherwise", "the table is %s", table.Status)
	}
	if table.NeedsIndex && table.IndexStatus != "" && table.IndexStatus != active && table.IndexStatus != updating {
		f.addf(finding.Error, "index_not_active", "wait until it is active before consumers start", "the index is %s: unbilled events are not found", table.IndexStatus)
	}
	for _, difference := range table.Differences {
		f.addf(finding.Error, difference.Name, "make another table, with consumer tables create; only an index can be added to this one", "%s", difference.Text)
	}
	if table.Expires {
		f.expiry(table)
	}
	if !table.Protected {
		f.addf(finding.Warning, "deletion_not_protected", "aws dynamodb update-table --table-name "+table.Name+" --deletion-protection-enabled",
			"the table can be deleted by one call, and then nobody knows what is billed")
	}
	f.addf(finding.OK, "table_set_up", "", "table %s is %s", table.Name, table.Status)
	return f.list
}

func (f *findings) expiry(table Table) {
	switch {
	case table.ExpiresErr != nil:
		f.addf(finding.Warning, "time_to_live_unknown", "start it again; otherwise check credentials and network", "%v", table.ExpiresErr)
	case table.ExpiresBy == "":
		f.addf(finding.Warning, "time_to_live_off", "consumer tables create turns it on", "what is finished is kept for ever: the table grows, and reading all of it takes longer and longer")
	case table.ExpiresBy != expiresAt:
		f.addf(finding.Error, "time_to_live_differs", "set the attribute of the time to live to "+expiresAt, "items expire by %s: the ledger's own do never, or too early", table.ExpiresBy)
	}
}
