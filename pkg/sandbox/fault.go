package sandbox

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Kind is a kind of fault of a call.
type Kind int

// The faults, as seen by the caller of a service.
const (
	// None has no fault.
	None Kind = iota
	// Throttle answers with the service's own "slow down", without an effect.
	Throttle
	// Refuse answers with the service's own internal error, without an effect.
	Refuse
	// LoseReply lets the call take effect, then cuts the connection.
	LoseReply
	// ApplyLate cuts the connection at once; the call takes effect after Fault.Late.
	ApplyLate
	// Partial fails some entries of a batch. Single calls have no fault, unless the
	// service has something that they can conflict with.
	Partial
	// Duplicate makes the effect of the call visible twice: a message is
	// delivered again although it was handed out, a webhook is sent again.
	Duplicate
	// CutBody sends half of the answer, then cuts the connection.
	CutBody
	// EffectThenError lets the call take effect, then answers with the service's
	// own internal error.
	EffectThenError
	// DeliverLate lets the call take effect; the messages that it sends can be
	// received only later, each after a time of its own within Fault.Late.
	DeliverLate
)

// Fault is the fault of one call.
type Fault struct {
	Kind  Kind
	Delay time.Duration // before the service handles the call
	// Late is, for ApplyLate, from the cut to the effect; for Duplicate, from the
	// first delivery of a message to the second; for DeliverLate, the longest time
	// to the first.
	Late time.Duration
	// Lag is the age of the data that the call reads, where a service does not promise
	// that a read sees every earlier write.
	Lag time.Duration
	// Choice chooses what is left to the service: the entries of a batch that fail, or
	// the error of the service.
	Choice uint64
}

// AppliesTo reports whether a Partial fault fails an entry of a batch: Choice has a bit for
// each entry. A zero Choice fails every other entry, starting with the first.
func (f Fault) AppliesTo(entry int) bool {
	bits := f.Choice
	if bits == 0 {
		bits = 0x5555_5555_5555_5555
	}
	return f.Kind == Partial && bits>>(entry%64)&1 == 1
}

// Faults decides the fault of each call. Implementations are safe for concurrent use. With a
// nil Faults field of a service nothing fails.
type Faults interface {
	Next(operation string) Fault
}

// FaultFunc is a function that implements Faults.
type FaultFunc func(operation string) Fault

// Next calls f.
func (f FaultFunc) Next(operation string) Fault { return f(operation) }

// Rates are the rates of the faults, from 0 to 1.
type Rates struct {
	Throttle, Refuse, LoseReply, ApplyLate, Partial, Duplicate, CutBody, EffectThenError, DeliverLate float64

	DelayRate float64
	MaxDelay  time.Duration // a delay is drawn evenly from (0, MaxDelay]
	MaxLate   time.Duration // what is late comes within (0, MaxLate]

	LagRate float64
	MaxLag  time.Duration // a lag is drawn evenly from (0, MaxLag]
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
		{EffectThenError, s.rates.EffectThenError},
		{DeliverLate, s.rates.DeliverLate},
	} {
		if draw < choice.rate {
			fault.Kind = choice.kind
			break
		}
		draw -= choice.rate
	}
	switch fault.Kind {
	case ApplyLate, Duplicate, DeliverLate:
		fault.Late = s.upTo(s.rates.MaxLate)
	case Throttle, Partial:
		fault.Choice = s.random.Uint64()
	}
	if s.rates.LagRate > 0 && s.random.Float64() < s.rates.LagRate {
		fault.Lag = s.upTo(s.rates.MaxLag)
	}
	return fault
}

func (s *seeded) upTo(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return 1 + time.Duration(s.random.Int64N(int64(limit)))
}
