package simulation_test

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// rng draws from a seed. Every decision has a name, and what is drawn for it depends on the seed
// and the name alone, not on the order of the decisions. A changed name changes all scenarios.
type rng uint64

// rand returns the randomness of the decision with this name.
func (r rng) rand(name ...string) *rand.Rand {
	hash := fnv.New64a()
	for _, part := range name {
		_, _ = hash.Write([]byte(part))
		_, _ = hash.Write([]byte{0})
	}
	return rand.New(rand.NewPCG(uint64(r), hash.Sum64()))
}

// between draws a duration, to the nanosecond: things that happen at the same instant would have
// a random order.
func between(random *rand.Rand, low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(random.Int64N(int64(high-low)))
}

// chance is true with the given probability.
func chance(random *rand.Rand, probability float64) bool { return random.Float64() < probability }

func coin(random *rand.Rand) bool { return random.IntN(2) == 0 }

// entropy takes the place of crypto/rand.Reader in a scenario. What it returns depends on the
// seed, the virtual time and the number of reads at that time.
type entropy struct {
	rng rng

	mu    sync.Mutex
	now   time.Time
	draws uint64
}

// Read implements io.Reader.
func (e *entropy) Read(into []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := time.Now(); !now.Equal(e.now) {
		e.now, e.draws = now, 0
	}
	e.draws++
	random := e.rng.rand("entropy", strconv.FormatInt(e.now.UnixNano(), 10), strconv.FormatUint(e.draws, 10))
	for i := range into {
		into[i] = byte(random.Uint32())
	}
	return len(into), nil
}
