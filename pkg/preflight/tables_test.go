package preflight_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/preflight"
)

func TestTableFindings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*preflight.Table)
		want   string
	}{
		"as it should be":     {func(*preflight.Table) {}, ""},
		"being updated":       {func(table *preflight.Table) { table.Status, table.IndexStatus = "UPDATING", "UPDATING" }, ""},
		"being created":       {func(table *preflight.Table) { table.Status, table.IndexStatus = "CREATING", "CREATING" }, "error table_not_active, error index_not_active"},
		"its key is lost":     {func(table *preflight.Table) { table.Status = "INACCESSIBLE_ENCRYPTION_CREDENTIALS" }, "error table_not_active"},
		"unreachable":         {func(table *preflight.Table) { table.Err = errors.New("no route") }, "error table_unreachable"},
		"not to be described": {func(table *preflight.Table) { table.Denied = true }, ""},
		"expiry unknown":      {func(table *preflight.Table) { table.TTLErr = errors.New("no route") }, "warning time_to_live_unknown"},
		"differs": {func(table *preflight.Table) {
			table.Differences = []finding.Difference{{Name: "index_missing", Text: "index unbilled is missing"}}
		}, "error index_missing"},
	} {
		table := preflight.Table{
			Name: "events", TableSetup: finding.TableSetup{Status: "ACTIVE", IndexStatus: "ACTIVE", Protected: true},
			NeedsIndex: true, NeedsTTL: true, TTLAttribute: "expires_at",
		}
		test.change(&table)
		if got := wrong(preflight.TableFindings(preflight.SubjectEvents, table)); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// Each finding has the use of the permission.
func TestPermissions(t *testing.T) {
	t.Parallel()
	findings := preflight.Permissions(preflight.SubjectQueue, []finding.Probe{
		{Action: "sqs:DeleteMessage", Denied: true},
		{Action: "sqs:SendMessage", Denied: true},
		{Action: "sqs:ChangeMessageVisibility", Err: errors.New("no answer")},
		{Action: "sqs:ReceiveMessage", Unproven: true},
		{Action: "sqs:GetQueueAttributes"},
	})
	if got := wrong(findings); got != "error permission_missing, warning permission_missing, warning permission_unknown" {
		t.Fatalf("got %q", got)
	}
	for i, want := range []string{"to delete billed messages", "for dlq replay and sweep", "no answer", "allowed: sqs:GetQueueAttributes; not denied, but not proven: sqs:ReceiveMessage"} {
		if !strings.Contains(findings[i].Message, want) {
			t.Errorf("got %q, want %q", findings[i].Message, want)
		}
	}
}
