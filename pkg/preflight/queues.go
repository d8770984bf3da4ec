package preflight

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/finding"
)

// Queue is a queue as it was found.
type Queue struct {
	URL        string
	Missing    bool  // there is none at this URL
	Denied     bool  // it may not be described: nothing is known of it
	Err        error // why nothing is known of it otherwise
	Attributes finding.QueueAttributes
}

// Needs is what settlement needs of its queue.
type Requirements struct {
	MinReceives int           // that a message is allowed, so that it is rejected before it is moved
	MaxAge      time.Duration // of a message, at which it is rejected
	MaxIdle     time.Duration // from one receive of a message to the next
	Visibility  time.Duration // that the consumer asks for
}

const (
	bestRetention  = 7 * day
	deadLetterTime = 14 * day // the most that SQS allows
	bestBytes      = 1 << 20  // of a message: the most that SQS allows
	day            = 24 * time.Hour
)

// Queues judges the queue and its dead-letter queue.
func Queues(main, deadLetters Queue, needs Requirements) []Finding {
	f, dead := &findings{subject: SubjectQueue}, &findings{subject: SubjectDeadLetters}
	if main.URL == deadLetters.URL {
		f.addf(finding.Error, "queue_urls_same", "set queue.dead_letter_url to another queue",
			"queue.url and queue.dead_letter_url are one queue: what is rejected would be handled again, for ever")
		return f.list
	}
	known := f.basics(main, "queue.url")
	lettersKnown := dead.basics(deadLetters, "queue.dead_letter_url")
	if known {
		f.retention(main.Attributes, needs)
		f.redrive(main.Attributes, deadLetters.Attributes, needs)
		if size := main.Attributes.MaxMessageBytes; size < bestBytes {
			f.addf(finding.Warning, "message_size_limited", "set MaximumMessageSize to 1048576",
				"messages above %d bytes are refused: webhooks of large invoices are answered 503", size)
		}
	}
	if lettersKnown {
		dead.letters(deadLetters.Attributes, main.Attributes)
	}
	f.summary(main, known, needs)
	dead.summary(deadLetters, lettersKnown, needs)
	return append(f.list, dead.list...)
}

// basics judges what both queues have in common, and tells whether there is more to judge.
func (f *findings) basics(queue Queue, setting string) bool {
	attributes := queue.Attributes
	switch {
	case strings.HasSuffix(queue.URL, ".fifo"), attributes.FIFO:
		f.addf(finding.Error, "queue_is_fifo", "make a standard queue, and set "+setting+" to it",
			"it is a FIFO queue: one message that waits holds up all of its customer's, and there are no fair queues")
		return false
	case queue.Missing:
		f.addf(finding.Error, "queue_missing", "check "+setting+", AWS_REGION and the account of the credentials", "there is no queue at %s", queue.URL)
		return false
	case queue.Denied: // which is a finding of Permissions
		return false
	case queue.Err != nil:
		f.addf(finding.Error, "queue_unreachable", "check region, credentials and network", "%v", queue.Err)
		return false
	}
	if named, is := region(queue.URL), arnPart(attributes.ARN, 3); named != "" && is != "" && named != is {
		f.addf(finding.Error, "queue_region_differs", "set AWS_REGION to the region that "+setting+" names",
			"the URL names the region %s, and calls go to %s: a queue of the same name is used there", named, is)
	}
	if !attributes.Encrypted {
		f.addf(finding.Warning, "queue_not_encrypted", "set SqsManagedSseEnabled, or a KMS key", "messages, which hold customers' invoices, lie there in the clear")
	}
	if attributes.Delay > 0 {
		f.addf(finding.Warning, "queue_delays", "set DelaySeconds to 0", "every message waits %s before it can be received", attributes.Delay)
	}
	return true
}

// region is the region in the URL of a queue at AWS; others name none.
// https://docs.aws.amazon.com/general/latest/gr/sqs-service.html
func region(url string) string {
	_, host, _ := strings.Cut(url, "://")
	host, _, _ = strings.Cut(host, "/")
	parts := strings.Split(host, ".")
	if len(parts) < 4 || parts[0] != "sqs" || parts[2] != "amazonaws" {
		return ""
	}
	return parts[1]
}

func arnPart(arn string, n int) string {
	if parts := strings.Split(arn, ":"); len(parts) > n {
		return parts[n]
	}
	return ""
}

// retention: a message has to be received once more after it became too old, and before
// the queue forgets it.
func (f *findings) retention(main finding.QueueAttributes, needs Requirements) {
	const remedy = "set MessageRetentionPeriod to 604800 (7 days)"
	switch least := needs.MaxAge + needs.MaxIdle; {
	case main.Retention < least:
		f.addf(finding.Error, "retention_too_short", remedy,
			"it forgets messages after %s, and they are rejected as too old only up to %s after they were sent: the rest come to nothing", span(main.Retention), span(least))
	case main.Retention < bestRetention:
		f.addf(finding.Warning, "retention_short", remedy, "it forgets messages after %s: one that is too old (after %s) has only until then to be rejected", span(main.Retention), span(needs.MaxAge))
	}
}

func (f *findings) redrive(main, deadLetters finding.QueueAttributes, needs Requirements) {
	switch {
	case main.RedriveTarget == "":
		f.addf(finding.Error, "redrive_policy_missing", "give it a RedrivePolicy to the dead-letter queue, with maxReceiveCount 1000",
			"a message that no consumer can handle is forgotten, with its invoice unbilled")
		return
	case deadLetters.ARN != "" && main.RedriveTarget != deadLetters.ARN:
		f.addf(finding.Error, "redrive_target_differs", "set deadLetterTargetArn to the queue of queue.dead_letter_url, or that to the target's",
			"it moves messages to %s, where no command looks for them", main.RedriveTarget)
	case deadLetters.ARN != "" && !admits(deadLetters, main.ARN):
		f.addf(finding.Error, "redrive_not_allowed", "let the dead-letter queue's RedriveAllowPolicy name this queue",
			"the dead-letter queue takes no messages from it (%s)", deadLetters.AllowsSources)
	}
	if main.MaxReceives < needs.MinReceives {
		f.addf(finding.Error, "max_receive_count_low", "set maxReceiveCount to 1000",
			"it moves a message after %d receives; waiting for Chargebee can take up to %d until it is too old, and what is moved has no reason", main.MaxReceives, needs.MinReceives)
	}
}

func admits(deadLetters finding.QueueAttributes, source string) bool {
	switch deadLetters.AllowsSources {
	case "denyAll":
		return false
	case "byQueue":
		return slices.Contains(strings.Fields(deadLetters.Sources), source)
	default:
		return true
	}
}

// letters judges what is special about a dead-letter queue.
func (f *findings) letters(deadLetters, main finding.QueueAttributes) {
	if deadLetters.RedriveTarget != "" {
		f.addf(finding.Error, "dead_letters_redriven", "take its RedrivePolicy away",
			"it moves messages on to %s: every look at a dead letter is a receive, and after %d of them it is gone", deadLetters.RedriveTarget, deadLetters.MaxReceives)
	}
	switch remedy := "set MessageRetentionPeriod to 1209600 (14 days)"; {
	case deadLetters.Retention < main.Retention:
		f.addf(finding.Error, "dead_letter_retention_too_short", remedy,
			"it forgets messages after %s, the queue after %s: the age counts from the first, and what the queue moves late is gone at once", span(deadLetters.Retention), span(main.Retention))
	case deadLetters.Retention < deadLetterTime:
		f.addf(finding.Warning, "dead_letter_retention_short", remedy, "it forgets dead letters after %s, and nothing else leads to their claimed events", span(deadLetters.Retention))
	}
	if deadLetters.MaxMessageBytes < main.MaxMessageBytes {
		f.addf(finding.Error, "dead_letter_size_limited", "set MaximumMessageSize to 1048576",
			"messages above %d bytes are refused, and the queue takes %d: a large one cannot be rejected", deadLetters.MaxMessageBytes, main.MaxMessageBytes)
	}
}

// summary says how a queue is set up.
func (f *findings) summary(queue Queue, known bool, needs Requirements) {
	if !known {
		return
	}
	found := queue.Attributes
	key := "SQS's own key"
	switch {
	case found.KMSKey != "":
		key = found.KMSKey + " (whether it may be used only a message shows)"
	case !found.Encrypted:
		key = "no key"
	}
	f.addf(finding.OK, "queue_set_up", "", "keeps messages %s, encrypts with %s, hides what is received %s (consumers ask for %s); holds about %d, %d in flight, %d delayed",
		span(found.Retention), key, found.Visibility, needs.Visibility, found.Visible, found.InFlight, found.Delayed)
}

// span is a time in days where it is one.
func span(d time.Duration) string {
	if d%day != 0 || d == 0 {
		return d.String()
	}
	return fmt.Sprintf("%d days", d/day)
}
