package preflight

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/finding"
)

// Queue is the observed state of a queue.
type Queue struct {
	URL        string
	Missing    bool  // there is no queue at the URL
	Denied     bool  // the permission to read its attributes is missing
	Err        error // another reason why its attributes could not be read
	Attributes finding.QueueAttributes
}

// Requirements are the requirements of consumers on their queue.
type Requirements struct {
	MinReceives int           // minimum of maxReceiveCount, with which consumers reject a message before SQS moves it
	MaxAge      time.Duration // age from which consumers reject a message
	MaxIdle     time.Duration // longest time from one receive of a message to the next
	Visibility  time.Duration // visibility timeout that consumers request
}

const (
	recommendedRetention = 7 * day
	maxRetention         = 14 * day // SQS allows no more
	maxMessageBytes      = 1 << 20  // SQS allows no more
	day                  = 24 * time.Hour
)

// The names of the findings that PreventsStart selects.
const (
	queuesSame          = "queue_urls_same"
	deadLettersRedriven = "dead_letters_redriven"
)

// Queues evaluates the queue and its dead-letter queue.
func Queues(main, deadLetters Queue, needs Requirements) []Finding {
	f, dead := &findings{subject: SubjectQueue}, &findings{subject: SubjectDeadLetters}
	if main.Attributes.ARN != "" && main.Attributes.ARN == deadLetters.Attributes.ARN { // their URLs may differ
		f.addf(finding.Error, queuesSame, "set queue.dead_letter_url to another queue",
			"queue.url and queue.dead_letter_url are the same queue: rejected messages would be handled again, forever")
		return f.list
	}
	if f.basics(main, "queue.url") {
		f.retention(main.Attributes, needs)
		f.redrive(main.Attributes, deadLetters.Attributes, needs)
		if size := main.Attributes.MaxMessageBytes; size < maxMessageBytes {
			f.addf(finding.Warning, "message_size_limited", "set MaximumMessageSize to 1048576",
				"messages above %d bytes are refused: webhooks of large invoices are answered 503", size)
		}
		f.summary(main.Attributes, needs)
	}
	if dead.basics(deadLetters, "queue.dead_letter_url") {
		dead.deadLetterQueue(deadLetters.Attributes, main.Attributes)
		dead.summary(deadLetters.Attributes, needs)
	}
	return append(f.list, dead.list...)
}

// PreventsStart reports whether consumers must not start because of a finding: both queues are the same,
// or possibly swapped, so that consumers would handle dead letters.
func PreventsStart(found Finding) bool {
	return found.Name == queuesSame || found.Name == deadLettersRedriven
}

// basics evaluates what both queues have in common. It returns false if nothing else can be evaluated: the
// queue is a FIFO queue, or its attributes are unknown.
func (f *findings) basics(queue Queue, setting string) bool {
	attributes := queue.Attributes
	switch {
	case strings.HasSuffix(queue.URL, ".fifo"), attributes.FIFO:
		f.addf(finding.Error, "queue_is_fifo", "make a standard queue, and set "+setting+" to it",
			"it is a FIFO queue: a delayed message blocks all others of its customer, and there are no fair queues")
		return false
	case queue.Missing:
		f.addf(finding.Error, "queue_missing", "check "+setting+", AWS_REGION and the account of the credentials", "there is no queue at %s", queue.URL)
		return false
	case queue.Denied: // Permissions reports it
		return false
	case queue.Err != nil:
		f.addf(finding.Error, "queue_unreachable", "check region, credentials and network", "%v", queue.Err)
		return false
	}
	if inURL, called := regionOfURL(queue.URL), regionOfARN(attributes.ARN); inURL != "" && called != "" && inURL != called {
		f.addf(finding.Error, "queue_region_differs", "set AWS_REGION to the region of "+setting,
			"the URL has the region %s, but calls go to %s, to a queue of the same name", inURL, called)
	}
	if !attributes.Encrypted {
		f.addf(finding.Warning, "queue_not_encrypted", "set SqsManagedSseEnabled, or a KMS key", "messages, which contain invoices of customers, are not encrypted")
	}
	if attributes.Delay > 0 {
		f.addf(finding.Warning, "queue_delays", "set DelaySeconds to 0", "every message waits %s before it can be received", attributes.Delay)
	}
	return true
}

// regionOfURL returns the region in a URL like https://sqs.eu-central-1.amazonaws.com/…; empty for other URLs.
// https://docs.aws.amazon.com/general/latest/gr/sqs-service.html
func regionOfURL(url string) string {
	_, host, _ := strings.Cut(url, "://")
	host, _, _ = strings.Cut(host, "/")
	parts := strings.Split(host, ".")
	if len(parts) < 4 || parts[0] != "sqs" || parts[2] != "amazonaws" {
		return ""
	}
	return parts[1]
}

// regionOfARN returns the region of an ARN, arn:aws:sqs:REGION:ACCOUNT:NAME; empty if arn is empty.
func regionOfARN(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 3 {
		return parts[3]
	}
	return ""
}

// retention evaluates the retention of the queue. A consumer rejects an old message when it next receives
// it, up to MaxIdle after MaxAge. SQS must keep the message until then.
func (f *findings) retention(main finding.QueueAttributes, needs Requirements) {
	const solution = "set MessageRetentionPeriod to 604800 (7 days)"
	switch minimum := needs.MaxAge + needs.MaxIdle; {
	case main.Retention < minimum:
		f.addf(finding.Error, "retention_too_short", solution,
			"it deletes messages after %s, but consumers reject old ones up to %s after they were sent: some would be lost", formatDays(main.Retention), formatDays(minimum))
	case main.Retention < recommendedRetention:
		f.addf(finding.Warning, "retention_short", solution, "it deletes messages after %s, and consumers reject them after %s: little time is left", formatDays(main.Retention), formatDays(needs.MaxAge))
	}
}

// redrive evaluates the redrive policy, by which SQS moves a message after maxReceiveCount receives.
func (f *findings) redrive(main, deadLetters finding.QueueAttributes, needs Requirements) {
	switch {
	case main.RedriveTarget == "":
		f.addf(finding.Error, "redrive_policy_missing", "give it a RedrivePolicy to the dead-letter queue, with maxReceiveCount 1000",
			"a message that no consumer can handle is deleted at the end of its retention, with its invoice unbilled")
		return
	case deadLetters.ARN != "" && main.RedriveTarget != deadLetters.ARN:
		f.addf(finding.Error, "redrive_target_differs", "set deadLetterTargetArn and queue.dead_letter_url to the same queue",
			"it moves messages to %s, which the commands do not read", main.RedriveTarget)
	case deadLetters.ARN != "" && !allowsSource(deadLetters, main.ARN):
		f.addf(finding.Error, "redrive_not_allowed", "add this queue to the RedriveAllowPolicy of the dead-letter queue",
			"the dead-letter queue does not accept its messages (%s)", deadLetters.RedrivePermission)
	}
	if main.MaxReceives < needs.MinReceives {
		f.addf(finding.Error, "max_receive_count_low", "set maxReceiveCount to 1000",
			"it moves a message after %d receives, without a reason; waiting for Chargebee can take %d receives until the message is too old", main.MaxReceives, needs.MinReceives)
	}
}

// allowsSource reports whether the RedriveAllowPolicy of the dead-letter queue allows the ARN of a source queue.
func allowsSource(deadLetters finding.QueueAttributes, source string) bool {
	switch deadLetters.RedrivePermission {
	case "denyAll":
		return false
	case "byQueue":
		return slices.Contains(strings.Fields(deadLetters.Sources), source)
	default:
		return true
	}
}

// deadLetterQueue evaluates what only the dead-letter queue needs.
func (f *findings) deadLetterQueue(deadLetters, main finding.QueueAttributes) {
	if deadLetters.RedriveTarget != "" {
		f.addf(finding.Error, deadLettersRedriven, "check whether queue.url and queue.dead_letter_url are swapped; otherwise remove its RedrivePolicy",
			"it moves messages to %s: each command that reads a dead letter receives it, and it is moved after %d receives", deadLetters.RedriveTarget, deadLetters.MaxReceives)
	}
	switch solution := "set MessageRetentionPeriod to 1209600 (14 days)"; {
	case deadLetters.Retention < main.Retention:
		f.addf(finding.Error, "dead_letter_retention_too_short", solution,
			"it deletes messages after %s, the queue after %s: the age counts from the first queue, so a message that is moved late is deleted at once", formatDays(deadLetters.Retention), formatDays(main.Retention))
	case deadLetters.Retention < maxRetention:
		f.addf(finding.Warning, "dead_letter_retention_short", solution, "it deletes dead letters after %s, and only they refer to their claimed events", formatDays(deadLetters.Retention))
	}
	if deadLetters.MaxMessageBytes < main.MaxMessageBytes {
		f.addf(finding.Error, "dead_letter_size_limited", "set MaximumMessageSize to 1048576",
			"it refuses messages above %d bytes, the queue accepts %d: a large one cannot be rejected", deadLetters.MaxMessageBytes, main.MaxMessageBytes)
	}
}

// summary adds a finding that is ok with the attributes, also if other findings are not.
func (f *findings) summary(found finding.QueueAttributes, needs Requirements) {
	key := "a key of SQS"
	switch {
	case found.KMSKey != "":
		key = found.KMSKey + " (its permissions are not tested)"
	case !found.Encrypted:
		key = "no key"
	}
	f.addf(finding.OK, "queue_set_up", "", "retention %s, encryption with %s, visibility timeout %s (consumers request %s); about %d visible messages, %d in flight, %d delayed",
		formatDays(found.Retention), key, found.Visibility, needs.Visibility, found.Visible, found.InFlight, found.Delayed)
}

func formatDays(d time.Duration) string {
	if d%day != 0 || d == 0 {
		return d.String()
	}
	return fmt.Sprintf("%d days", d/day)
}
