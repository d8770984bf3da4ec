package ratelimit

import "context"

// Store keeps the State that all processes share, in one item. Reads are strongly consistent. Grant and SetControl
// are conditional updates, and return the state after the update. If the condition does not hold, nothing is changed
// and applied is false. After an error the update may have been applied.
//
// While the item does not exist, the state is zero except for the scale, which is FullScale.
type Store interface {
	Read(ctx context.Context) (State, error)
	// Grant applies the update that the grant describes.
	Grant(ctx context.Context, grant Grant) (found State, applied bool, err error)
	// SetControl replaces the control, if the present control equals read.
	SetControl(ctx context.Context, read, control Control) (found State, applied bool, err error)
}

// State is the state that all processes share.
type State struct {
	// TAT is the theoretical arrival time of the last granted call: where that call would be
	// if calls arrived evenly at the rate. Microseconds on the fleet clock; 0: no grant yet.
	TAT int64
	// Clock is the fleet clock of the process that was granted calls last, at this grant. TAT <= Clock.
	Clock int64
	// RequestsPerMinute is the configured limit of the same process; 0: no grant yet.
	RequestsPerMinute int64
	Control
}

// Control is the part of the state that grants do not change.
type Control struct {
	Scale         int64 // the part of the configured limit in use, in thousandths; lower after a 429
	ScaleChanged  int64 // unix seconds; 0: never
	Pause         Pause // zero if there is none
	OperatorPause OperatorPause
}

// FullScale is the scale while Chargebee answers no 429.
const FullScale = 1000

// Pause is a rate-limit pause, after Chargebee answered 429 for the whole site. The package comment describes
// how processes serve it.
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
	Idle  bool  // the bucket was full by the state that was read
	From  int64 // Clock - depth of the bucket
	Until int64 // Clock - (calls that must stay in the bucket) · T
	Cost  int64 // (granted calls) · T
	Clock int64 // the fleet clock at the start of the update
	Scale int64 // the scale by which T was computed

	RequestsPerMinute int64 // the limit by which T was computed; kept for consumer check
}
