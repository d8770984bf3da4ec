package preflight

import (
	"strings"

	"github.com/billable-events/billable/pkg/finding"
)

// purpose describes why a permission is required.
type purpose struct {
	use   string        // completes "it is required"
	level finding.Level // of the finding if the permission is missing
}

// purposes has the permissions for each subject, by action. The level is a warning if consumers settle
// invoices without the permission: commands may run with another role.
var purposes = map[string]map[string]purpose{
	SubjectQueue: {
		"sqs:ReceiveMessage":          {"to receive messages", finding.Error},
		"sqs:DeleteMessage":           {"to delete billed messages", finding.Error},
		"sqs:ChangeMessageVisibility": {"to extend the visibility timeout of a message, and to delay it", finding.Error},
		"sqs:GetQueueAttributes":      {"for /readyz and for this check", finding.Error},
		"sqs:SendMessage":             {"for dlq replay and sweep", finding.Warning},
	},
	SubjectDeadLetters: {
		"sqs:SendMessage":             {"to reject messages", finding.Error},
		"sqs:ReceiveMessage":          {"for dlq list, replay and discard", finding.Warning},
		"sqs:DeleteMessage":           {"for dlq replay and discard", finding.Warning},
		"sqs:ChangeMessageVisibility": {"for dlq list: to make messages visible again", finding.Warning},
		"sqs:GetQueueAttributes":      {"for the check of the queues at the start, for dlq list, and for this check", finding.Warning},
	},
	SubjectEvents: {
		"dynamodb:Query on the index": {"to find unbilled events", finding.Error},
		"dynamodb:UpdateItem":         {"to claim events and to mark them as billed", finding.Error},
		"dynamodb:Scan on the index":  {"for sweep", finding.Warning},
		"dynamodb:DescribeTable":      {"for this check", finding.Warning},
	},
	SubjectLedger: {
		"dynamodb:GetItem":            {"to read invoices and the rate limit", finding.Error},
		"dynamodb:PutItem":            {"to create invoices", finding.Error},
		"dynamodb:UpdateItem":         {"to update invoices and the rate limit", finding.Error},
		"dynamodb:Scan":               {"for sweep", finding.Warning},
		"dynamodb:DescribeTable":      {"for this check", finding.Warning},
		"dynamodb:DescribeTimeToLive": {"for this check", finding.Warning},
	},
}

// Permissions evaluates the permissions on the queue or the table that is the subject.
func Permissions(subject string, probes []finding.Probe) []Finding {
	f := &findings{subject: subject}
	var allowed, unproven []string
	for _, probe := range probes {
		switch {
		case probe.Denied:
			need := purposes[subject][probe.Action]
			f.addf(need.level, "permission_missing", "allow "+probe.Action+" in the policy of the role of this process",
				"%s is not allowed: it is required %s", probe.Action, need.use)
		case probe.Err != nil:
			f.addf(finding.Warning, "permission_unknown", "run check again; otherwise check credentials and network", "%s could not be tested: %v", probe.Action, probe.Err)
		case probe.Unproven:
			unproven = append(unproven, probe.Action)
		default:
			allowed = append(allowed, probe.Action)
		}
	}
	if len(allowed) > 0 {
		text := "allowed: " + strings.Join(allowed, ", ")
		if len(unproven) > 0 {
			text += "; not denied, but not proven: " + strings.Join(unproven, ", ")
		}
		f.addf(finding.OK, "permissions", "", "%s", text)
	}
	return f.list
}
