package finding

import "time"

// QueueAttributes is the configuration of a queue, as far as Billable depends on it.
type QueueAttributes struct {
	ARN             string
	FIFO            bool
	Retention       time.Duration
	Delay           time.Duration // between the sending of any message and its first receive
	Visibility      time.Duration // visibility timeout of a receive that requests none
	MaxMessageBytes int
	Encrypted       bool
	KMSKey          string // empty: a key of SQS, if Encrypted

	RedriveTarget     string // ARN; empty: messages are never moved
	MaxReceives       int    // of a message, before SQS moves it
	RedrivePermission string // allowAll, denyAll, byQueue; empty: allowAll
	Sources           string // ARNs that byQueue allows, separated by spaces

	Visible  int // messages; like the next two, up to a minute old
	InFlight int // received and not deleted
	Delayed  int
}

// TableSetup is the configuration of a table, as far as Billable depends on it.
type TableSetup struct {
	Status      string // ACTIVE, UPDATING, …
	IndexStatus string // of the index of unbilled events; empty if the table has none
	Differences []Difference
	Protected   bool // against deletion
}

// Probe is the result of testing one permission by a call that changes nothing.
type Probe struct {
	Action   string // as in policies, for example sqs:SendMessage; may have the suffix " on the index"
	Denied   bool
	Unproven bool  // not denied, but AWS may check the permission later than what it refused
	Err      error // of the call: the permission is unknown
}

// Difference is a part of a table's configuration that is not as required.
type Difference struct {
	Name string // finding.Name
	Text string // what differs
}
