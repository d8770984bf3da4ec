package simulation

import (
	"strconv"
	"sync"
	"time"
)

// Entropy is what crypto/rand gives while a history happens. It depends on the seed
// and the moment of virtual time only, so that whatever else is drawn, in whatever
// order, changes nothing for those who draw later.
type Entropy struct {
	dice dice

	mu     sync.Mutex
	moment time.Time
	drawn  uint64 // at this moment
}

// NewEntropy returns the randomness of a seed, to be put into crypto/rand.Reader.
func NewEntropy(seed uint64) *Entropy { return &Entropy{dice: dice(seed)} }

// Read implements io.Reader.
func (e *Entropy) Read(into []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if !now.Equal(e.moment) {
		e.moment, e.drawn = now, 0
	}
	e.drawn++
	random := e.dice.of("entropy", strconv.FormatInt(now.UnixNano(), 10), strconv.FormatUint(e.drawn, 10))
	for i := range into {
		into[i] = byte(random.Uint32())
	}
	return len(into), nil
}
