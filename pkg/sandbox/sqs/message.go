package sqs

import (
	"container/list"
	"fmt"
	"time"
)

// State is where a message stands in its queue.
type State string

// The states of a message.
const (
	Visible  State = "visible"   // can be received
	Delayed  State = "delayed"   // sent, but not yet to be received
	InFlight State = "in flight" // received, and hidden until its visibility timeout
)

// messageID is the id of a message, a UUID.
type messageID [16]byte

func (id messageID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// message is a message and its place in its queue.
type message struct {
	content
	id        messageID
	sequence  uint64    // the order of sending
	sentAt    time.Time // kept when the message is dead-lettered
	sourceARN string    // the queue it was dead-lettered from
	receives

	state      State
	due        time.Time     // when a delayed or in-flight message becomes visible
	element    *list.Element // among the visible ones
	dueSlot    int           // in the schedule of due times
	expirySlot int           // in the schedule of expiry
}

// content is what the sender gave. It never changes.
type content struct {
	body             string
	bodyDigest       string
	attributes       attributes
	attributesDigest string
	system           attributes
	systemDigest     string
	groupID          string
	size             int // in bytes, attributes included
}

// receives is what receiving a message has left on it.
type receives struct {
	total   int       // over all queues; also the number of the latest receive
	inQueue int       // since it came into this queue: what a redrive policy counts
	first   time.Time // when it was received first
	latest  time.Time // when it was received last
}
