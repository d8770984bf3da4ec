package ratelimit

import "context"

// Store keeps the State that all processes share, in one item. Reads are strongly consistent. Each write is one
// conditional update, and returns the state after it. If its condition does not hold, it changes nothing, and
// applied is false. After an error the write may have been applied.
//
// If the item does not exist, the state has FullScale and is otherwise zero.
type Store interface {
	Read(ctx context.Context) (State, error)
	// Grant moves State.TAT as described by the grant.
	Grant(ctx context.Context, grant Grant) (found State, applied bool, err error)
	// SetControl replaces the control, if it is the one that was read.
	SetControl(ctx context.Context, read, control Control) (found State, applied bool, err error)
}

// State is the state that all processes share.
type State struct {
	// TAT is the theoretical arrival time of the last granted call: where that call would be
	// if calls arrived evenly at the rate. Microseconds on the fleet clock; 0: no grant yet.
	TAT int64
	// Clock is the fleet clock of the process that was granted calls last. It is never behind
	// TAT.
	Clock int64
	// RequestsPerMinute is the configured limit of the process of Clock; 0: no grant yet.
	RequestsPerMinute int64
	Control
}

// Control is the part of the state that changes rarely. It is comparable.
type Control struct {
	Scale         int64 // thousandths of the configured limit in use: less after a 429
	ScaleChanged  int64 // unix seconds; 0: never
	Pause         Pause // zero if there is none
	OperatorPause OperatorPause
}

// FullScale is the scale while Chargebee answers no 429.
const FullScale = 1000

// Pause is a rate-limit pause: Chargebee answered 429 for the whole site. Each process
// serves it by its own monotonic clock, from when it first reads it.
type Pause struct {
	ID      string // random, not empty
	Seconds int64
	Reason  string
}

// InForce reports whether there is a pause.
func (p Pause) InForce() bool { return p.ID != "" }

// OperatorPause stops all calls until an operator resumes them.
type OperatorPause struct {
	Reason string
	Since  int64 // unix seconds, not 0
}

// InForce reports whether there is a pause.
func (p OperatorPause) InForce() bool { return p.Since != 0 }

// Grant describes the update that grants calls. It is applied if no pause is in force, the
// scale is Scale, and
//
//	Idle:      TAT < From                    then TAT = From + Cost, Clock = Grant.Clock
//	otherwise: From <= TAT <= Until - Cost   then TAT = TAT + Cost,  Clock = Grant.Clock
type Grant struct {
	Idle  bool  // the bucket is expected to be full
	From  int64 // Clock - depth of the bucket
	Until int64 // Clock - the calls that must stay in the bucket · T
	Cost  int64 // granted calls · T
	Clock int64 // the fleet clock at the start of the update
	Scale int64 // the scale by which T was computed

	RequestsPerMinute int64 // the limit by which T was computed; kept for consumer check
}
