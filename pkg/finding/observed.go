package finding

import "time"

// QueueAttributes is the configuration of a queue, as far as Billable depends on it.
type QueueAttributes struct {
	ARN             string
	FIFO            bool
	Retention       time.Duration
	Delay           time.Duration // of every message
	Visibility      time.Duration // default of a receive
	MaxMessageBytes int
	Encrypted       bool
	KMSKey          string // empty: owned by SQS

	RedriveTarget     string // ARN; empty: messages are never moved
	MaxReceives       int    // of a message before it is moved
	RedrivePermission string // allowAll, denyAll, byQueue; empty: allowAll
	Sources           string // ARNs that byQueue allows, separated by spaces

	Visible  int // messages; SQS counts with up to a minute of delay
	InFlight int // received and not deleted
	Delayed  int
}

// TableSetup is the configuration of a table, as far as this system depends on it.
type TableSetup struct {
	Status      string // ACTIVE, UPDATING, …
	IndexStatus string // of the required index; empty if there is none
	Differences []Difference
	Protected   bool // against deletion
}

// Probe is the result of testing one permission by a call that changes nothing.
type Probe struct {
	Action   string // as in policies, for example sqs:SendMessage
	Denied   bool
	Unproven bool  // not denied, but perhaps refused before the permission was checked
	Err      error // of the call: the permission is unknown
}

// Difference is a part of a table's configuration that is not as required.
type Difference struct {
	Name string // of the finding
	Text string
}
