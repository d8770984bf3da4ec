package simulation

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// dice draws from a seed. Every decision has a name, and what is drawn for it depends
// on nothing but seed and name: not on what else was drawn before.
type dice uint64

// of returns the randomness of the decision with this name.
func (d dice) of(name ...string) *rand.Rand {
	hash := fnv.New64a()
	for _, part := range name {
		_, _ = hash.Write([]byte(part))
		_, _ = hash.Write([]byte{0})
	}
	return rand.New(rand.NewPCG(uint64(d), hash.Sum64())) //nolint:gosec // a history, not a secret
}

// between draws evenly from a stretch of time, to the nanosecond: no two of what is
// drawn fall on the same moment, whose order would be left to chance.
func between(random *rand.Rand, least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(random.Int64N(int64(most-least)))
}

// chance is true so often, from 0 to 1.
func chance(random *rand.Rand, rate float64) bool { return random.Float64() < rate }
