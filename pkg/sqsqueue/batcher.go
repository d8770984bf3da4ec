package sqsqueue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// groupCommit lets concurrent callers share batches, and gives each the outcome of
// its own entry.
//
// A batch under way is a flight. An entry that finds none departs at once, alone:
// nobody waits for company that may never come, and there is no timer. While
// flights are under way entries wait, and depart together as soon as they fill a
// batch and another flight is allowed, or as soon as the last flight lands. So the
// load itself sets the size of the batches, and an entry waits for those flights at
// most that were under way when it came, until maxFlights are.
type groupCommit[Entry, Result any] struct {
	// commit carries out one batch and returns an outcome for each entry, by
	// position. It must end by itself: no caller's context ends it, because each
	// batch has many callers.
	commit func(batch []Entry) []outcome[Result]
	// size is what an entry counts towards maxBytes.
	size func(Entry) int
	// waited, which may be nil, is told how long each entry waited for its flight.
	waited func(time.Duration)

	maxEntries int // of a batch
	maxBytes   int // of a batch; a larger entry flies alone
	maxFlights int // under way at once

	mu      sync.Mutex // never held while a flight is under way
	waiting []*ticket[Entry, Result]
	flights int           // under way; at least one whenever somebody waits
	moved   time.Time     // of the latest departure or landing
	closed  chan struct{} // nil until close; closed when the last flight has landed
}

// outcome is what became of one entry.
type outcome[Result any] struct {
	result Result
	err    error
}

// ticket is one entry and where its outcome goes.
type ticket[Entry, Result any] struct {
	entry   Entry
	bytes   int
	boarded time.Time
	outcome chan outcome[Result] // with room for the one outcome: a flight waits for no caller
}

// do commits one entry and returns its own outcome. A caller whose context ends
// leaves at once; an entry still waiting is taken back then, one in flight is
// committed all the same. Errors: ErrClosed, and those of commit.
func (g *groupCommit[Entry, Result]) do(ctx context.Context, entry Entry) (Result, error) {
	var none Result
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	t := &ticket[Entry, Result]{entry: entry, bytes: g.size(entry), boarded: time.Now(), outcome: make(chan outcome[Result], 1)}
	if err := g.board(t); err != nil {
		return none, err
	}
	select {
	case outcome := <-t.outcome:
		return outcome.result, outcome.err
	case <-ctx.Done():
		g.withdraw(t)
	}
	select {
	case outcome := <-t.outcome: // both at the same moment
		return outcome.result, outcome.err
	default:
		return none, context.Cause(ctx)
	}
}

func (g *groupCommit[Entry, Result]) board(t *ticket[Entry, Result]) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		return ErrClosed
	}
	g.waiting = append(g.waiting, t)
	if g.flights == 0 || g.flights < g.maxFlights && g.full() {
		g.flights++
		go g.fly(g.depart())
	}
	return nil
}

func (g *groupCommit[Entry, Result]) withdraw(t *ticket[Entry, Result]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(other *ticket[Entry, Result]) bool { return other == t })
}

// fly commits one batch after the other for as long as somebody waits.
func (g *groupCommit[Entry, Result]) fly(batch []*ticket[Entry, Result]) {
	for len(batch) > 0 {
		entries := make([]Entry, len(batch))
		for i, t := range batch {
			entries[i] = t.entry
			if g.waited != nil {
				g.waited(time.Since(t.boarded))
			}
		}
		outcomes := g.commit(entries)
		for i, t := range batch {
			t.outcome <- outcomes[i]
		}
		batch = g.land()
	}
}

// land ends a flight. Whoever waits departs with the next one, which it returns, if it
// is full or nobody else would take them along: at 2,000 entries a second those who did
// not wait for the last flight left six by six, and made two thirds more calls.
func (g *groupCommit[Entry, Result]) land() []*ticket[Entry, Result] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.full() || g.flights == 1 && len(g.waiting) > 0 {
		return g.depart()
	}
	g.flights--
	g.moved = time.Now()
	if g.closed != nil && g.flights == 0 {
		close(g.closed)
	}
	return nil
}

// depart takes the next batch out of those who wait, in the order of their coming.
func (g *groupCommit[Entry, Result]) depart() []*ticket[Entry, Result] {
	count := g.fitting()
	batch := slices.Clone(g.waiting[:count])
	g.waiting = slices.Delete(g.waiting, 0, count)
	g.moved = time.Now()
	return batch
}

// full tells whether those who wait fill a batch.
func (g *groupCommit[Entry, Result]) full() bool {
	count := g.fitting()
	return count == g.maxEntries || count < len(g.waiting)
}

// fitting counts how many of those who wait make the next batch.
func (g *groupCommit[Entry, Result]) fitting() int {
	count, bytes := 0, 0
	for _, t := range g.waiting {
		bytes += t.bytes
		if count == g.maxEntries || count > 0 && bytes > g.maxBytes {
			break
		}
		count++
	}
	return count
}

// close takes no further entries and waits until all that were taken are committed.
// It can be called again.
func (g *groupCommit[Entry, Result]) close(ctx context.Context) error {
	g.mu.Lock()
	if g.closed == nil {
		g.closed = make(chan struct{})
		if g.flights == 0 {
			close(g.closed)
		}
	}
	closed := g.closed
	g.mu.Unlock()

	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("sqs: batches are still under way: %w", context.Cause(ctx))
	}
}

// stalled returns an error when flights are under way and none has departed or
// landed for longer than the given time.
func (g *groupCommit[Entry, Result]) stalled(longest time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if still := time.Since(g.moved); g.flights > 0 && still > longest {
		return fmt.Errorf("sqs: %d batches under way, none has moved for %s", g.flights, still.Round(time.Second))
	}
	return nil
}
