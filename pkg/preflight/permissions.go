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

// purpose is what a permission is for.
type purpose struct {
	what   string
	level  finding.Level // of the finding if the permission is missing
	action string
}

// purposes are what each permission is for, by subject. Those that consumers do without are
// a warning: who runs the commands may be another role.
var purposes = map[string][]purpose{
	SubjectQueue: {
		{"to receive messages", finding.Error, "sqs:ReceiveMessage"},
		{"to delete what is billed", finding.Error, "sqs:DeleteMessage"},
		{"to keep a message while it is worked on, and to wait", finding.Error, "sqs:ChangeMessageVisibility"},
		{"to tell whether the queue answers (/readyz), and for this check", finding.Error, "sqs:GetQueueAttributes"},
		{"for dlq replay and sweep", finding.Warning, "sqs:SendMessage"},
	},
	SubjectDeadLetters: {
		{"to reject messages", finding.Error, "sqs:SendMessage"},
		{"for dlq list, replay and discard", finding.Warning, "sqs:ReceiveMessage"},
		{"for dlq replay and discard", finding.Warning, "sqs:DeleteMessage"},
		{"to give back what dlq list has seen", finding.Warning, "sqs:ChangeMessageVisibility"},
		{"for dlq list, and for this check", finding.Warning, "sqs:GetQueueAttributes"},
	},
	SubjectEvents: {
		{"to find unbilled events", finding.Error, "dynamodb:Query on the index"},
		{"to claim and to settle events", finding.Error, "dynamodb:UpdateItem"},
		{"for sweep", finding.Warning, "dynamodb:Scan on the index"},
		{"for this check", finding.Warning, "dynamodb:DescribeTable"},
	},
	SubjectLedger: {
		{"to read what is billed, and the rate limit", finding.Error, "dynamodb:GetItem"},
		{"to begin an invoice", finding.Error, "dynamodb:PutItem"},
		{"to take every step of an invoice, and for the rate limit", finding.Error, "dynamodb:UpdateItem"},
		{"for sweep", finding.Warning, "dynamodb:Scan"},
		{"for this check", finding.Warning, "dynamodb:DescribeTable"},
		{"for this check", finding.Warning, "dynamodb:DescribeTimeToLive"},
	},
}

// Permissions judges what may be done with a queue or a table.
func Permissions(subject string, probes []finding.Probe) []Finding {
	f := &findings{subject: subject}
	var allowed, unproven []string
	for _, probe := range probes {
		switch {
		case probe.Denied:
			need := purposeOf(subject, probe.Action)
			f.addf(need.level, "permission_missing", "allow "+probe.Action+" in the policy of the role that this runs as",
				"%s is not allowed: it is needed %s", probe.Action, need.what)
		case probe.Err != nil:
			f.addf(finding.Warning, "permission_unknown", "start it again; otherwise check credentials and network", "%s could not be tried: %v", probe.Action, probe.Err)
		case probe.Unproven:
			unproven = append(unproven, probe.Action)
		default:
			allowed = append(allowed, probe.Action)
		}
	}
	text := "allowed: " + strings.Join(allowed, ", ")
	if len(unproven) > 0 {
		text += "; not denied, and not proven: " + strings.Join(unproven, ", ")
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
	return purpose{what: "for reasons that are not known here", level: finding.Warning, action: action}
}
