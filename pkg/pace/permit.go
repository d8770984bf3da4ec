// Package pace holds the words of the call budget that all pods share: the
// permit for one call to Chargebee.
package pace

import (
	"errors"
	"sync/atomic"
	"time"
)

// PermitLife is how long a permit may take from its issue to the wire. One that
// is older is spent: the budget counts calls as they arrive at Chargebee.
const PermitLife = 500 * time.Millisecond

// ErrSpent says that a permit was used before or is too old. Nothing was sent.
var ErrSpent = errors.New("pace: the permit is spent")

// Permit allows one call. It is not to be copied; every permit must be released.
type Permit struct {
	issued  time.Time
	release func()

	used     atomic.Bool
	released atomic.Bool
}

// NewPermit returns a permit for one call; release, which may be nil, is called
// once when the permit is given back.
func NewPermit(issued time.Time, release func()) *Permit {
	return &Permit{issued: issued, release: release}
}

// Issued is when the permit was handed out.
func (p *Permit) Issued() time.Time { return p.issued }

// Spend uses the permit up, just before its call goes onto the wire.
func (p *Permit) Spend(now time.Time) error {
	if p.age(now) > PermitLife || !p.used.CompareAndSwap(false, true) {
		return ErrSpent
	}
	return nil
}

// Fresh tells whether the permit could still be spent at now.
func (p *Permit) Fresh(now time.Time) bool {
	return !p.used.Load() && p.age(now) <= PermitLife
}

// age is how old the permit is, by the clock that says more: the monotonic one may stand
// still while a machine does.
func (p *Permit) age(now time.Time) time.Duration {
	return max(now.Sub(p.issued), now.Round(0).Sub(p.issued.Round(0)))
}

// Release gives the permit's slot for a simultaneous call back. Further calls do
// nothing.
func (p *Permit) Release() {
	if p.released.CompareAndSwap(false, true) && p.release != nil {
		p.release()
	}
}
