package sandbox

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Kind is one way in which a call to a service can go wrong.
type Kind int

// The faults, as seen by the caller of a service.
const (
	// None lets the call through.
	None Kind = iota
	// Throttle answers with the service's own "slow down", without an effect.
	Throttle
	// Refuse answers with the service's own internal error, without an effect.
	Refuse
	// LoseReply lets the call take effect, then cuts the connection.
	LoseReply
	// ApplyLate cuts the connection at once; the call takes effect after Fault.Late.
	ApplyLate
	// Partial lets part of a batch fail, entry by entry. Calls that are no
	// batch go through.
	Partial
	// Duplicate makes the effect of the call visible twice: a message is
	// delivered again although it was handed out, a webhook is sent again.
	Duplicate
	// CutBody sends half of the answer, then cuts the connection.
	CutBody
)

// Fault is what happens to one call.
type Fault struct {
	Kind  Kind
	Delay time.Duration // how long the call waits before it is looked at
	Late  time.Duration // for ApplyLate: from the cut to the effect
}

// Faults decides the fate of each call. Implementations are safe for
// concurrent use. A nil Faults field of a service means that nothing fails.
type Faults interface {
	Next(operation string) Fault
}

// FaultFunc makes a function a Faults.
type FaultFunc func(operation string) Fault

// Next calls f.
func (f FaultFunc) Next(operation string) Fault { return f(operation) }

// Rates is how often, from 0 to 1, each fault strikes a call.
type Rates struct {
	Throttle, Refuse, LoseReply, ApplyLate, Partial, Duplicate, CutBody float64

	DelayRate float64
	MaxDelay  time.Duration // a delay is drawn evenly from (0, MaxDelay]
	MaxLate   time.Duration // a late effect comes within (0, MaxLate]
}

// Seeded draws faults at the given rates from a seed: the same seed and the
// same order of calls give the same faults.
func Seeded(seed uint64, rates Rates) Faults {
	return &seeded{rates: rates, random: rand.New(rand.NewPCG(seed, 0x5eed))}
}

type seeded struct {
	rates Rates

	mu     sync.Mutex
	random *rand.Rand
}

func (s *seeded) Next(string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()

	var fault Fault
	if s.random.Float64() < s.rates.DelayRate {
		fault.Delay = s.upTo(s.rates.MaxDelay)
	}
	draw := s.random.Float64()
	for _, choice := range []struct {
		kind Kind
		rate float64
	}{
		{Throttle, s.rates.Throttle},
		{Refuse, s.rates.Refuse},
		{LoseReply, s.rates.LoseReply},
		{ApplyLate, s.rates.ApplyLate},
		{Partial, s.rates.Partial},
		{Duplicate, s.rates.Duplicate},
		{CutBody, s.rates.CutBody},
	} {
		if draw < choice.rate {
			fault.Kind = choice.kind
			break
		}
		draw -= choice.rate
	}
	if fault.Kind == ApplyLate {
		fault.Late = s.upTo(s.rates.MaxLate)
	}
	return fault
}

func (s *seeded) upTo(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return 1 + time.Duration(s.random.Int64N(int64(limit)))
}
