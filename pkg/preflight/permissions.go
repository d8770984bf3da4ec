package preflight

import (
	"slices"
	"strings"

	"github.com/billable-events/billable/pkg/finding"
)

// The subjects that have permissions.
const (
	SubjectQueue       = "queue"
	SubjectDeadLetters = "dead-letter queue"
	SubjectEvents      = "events"
	SubjectLedger      = "ledger"
)

type purpose struct {
	use    string
	level  finding.Level // if the permission is missing
	action string
}

// purposes has the permissions of each subject. Those that only commands need are a warning:
// another role may run the commands.
var purposes = map[string][]purpose{
	SubjectQueue: {
		{"to receive messages", finding.Error, "sqs:ReceiveMessage"},
		{"to delete billed messages", finding.Error, "sqs:DeleteMessage"},
		{"to extend the visibility timeout of a message, and to delay it", finding.Error, "sqs:ChangeMessageVisibility"},
		{"for /readyz and for this check", finding.Error, "sqs:GetQueueAttributes"},
		{"for dlq replay and sweep", finding.Warning, "sqs:SendMessage"},
	},
	SubjectDeadLetters: {
		{"to reject messages", finding.Error, "sqs:SendMessage"},
		{"for dlq list, replay and discard", finding.Warning, "sqs:ReceiveMessage"},
		{"for dlq replay and discard", finding.Warning, "sqs:DeleteMessage"},
		{"for dlq list: to make messages visible again", finding.Warning, "sqs:ChangeMessageVisibility"},
		{"for the check of the queues at the start, for dlq list, and for this check", finding.Warning, "sqs:GetQueueAttributes"},
	},
	SubjectEvents: {
		{"to find unbilled events", finding.Error, "dynamodb:Query on the index"},
		{"to claim events and to mark them as billed", finding.Error, "dynamodb:UpdateItem"},
		{"for sweep", finding.Warning, "dynamodb:Scan on the index"},
		{"for this check", finding.Warning, "dynamodb:DescribeTable"},
	},
	SubjectLedger: {
		{"to read invoices and the rate limit", finding.Error, "dynamodb:GetItem"},
		{"to create invoices", finding.Error, "dynamodb:PutItem"},
		{"to update invoices and the rate limit", finding.Error, "dynamodb:UpdateItem"},
		{"for sweep", finding.Warning, "dynamodb:Scan"},
		{"for this check", finding.Warning, "dynamodb:DescribeTable"},
		{"for this check", finding.Warning, "dynamodb:DescribeTimeToLive"},
	},
}

// Permissions evaluates the permissions on a queue or a table.
func Permissions(subject string, probes []finding.Probe) []Finding {
	f := &findings{subject: subject}
	var allowed, unproven []string
	for _, probe := range probes {
		switch {
		case probe.Denied:
			need := purposeOf(subject, probe.Action)
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
	text := "allowed: " + strings.Join(allowed, ", ")
	if len(unproven) > 0 {
		text += "; not denied, but not proven: " + strings.Join(unproven, ", ")
	}
	if len(allowed) > 0 {
		f.addf(finding.OK, "permissions", "", "%s", text)
	}
	return f.list
}

func purposeOf(subject, action string) purpose {
	needs := purposes[subject]
	if at := slices.IndexFunc(needs, func(p purpose) bool { return p.action == action }); at >= 0 {
		return needs[at]
	}
	return purpose{use: "for an unknown purpose", level: finding.Warning, action: action}
}
