package chargebee

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
	"unicode/utf8"
)

const maxKey = 100 // characters

// keys remembers the answers given under idempotency keys.
//
// A key belongs to the site: under another path, or with other bytes, it is
// refused. It is remembered from the arrival of its first call on. A twin that
// arrives while the first call is still worked on waits and gets the same
// answer, whatever it is, unless the site refuses twins; later, error answers
// are only replayed when the site stores them. What Chargebee does in these three points is not documented.
//
// https://apidocs.chargebee.com/docs/api/v1/idempotency
type keys struct {
	now         func() time.Time
	window      time.Duration
	storeErrors bool
	twin        *Error // what a simultaneous twin gets; nil: it waits

	mu      sync.Mutex
	entries map[string]*remembered
	order   []*remembered // as they came, some of them no longer in entries
}

// remembered is one use of a key.
type remembered struct {
	key         string
	fingerprint [sha256.Size]byte
	expires     time.Time
	finished    bool          // guarded by keys.mu
	done        chan struct{} // closed when answer is there
	answer      answer
}

func newKeys(config Config) *keys {
	return &keys{
		now:         config.Now,
		window:      config.IdempotencyWindow,
		storeErrors: config.StoreErrors,
		twin:        config.TwinRefusal,
		entries:     map[string]*remembered{},
	}
}

func checkKey(key string) error {
	if utf8.RuneCountInString(key) > maxKey {
		return wrongValue(keyHeader, "should not exceed 100 characters")
	}
	return nil
}

// begin enters a call under its key. The first one has to finish; others find
// the answer in the entry once it is done.
func (k *keys) begin(key string, fingerprint [sha256.Size]byte) (entry *remembered, first bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	k.forget(now)

	entry, known := k.entries[key]
	if known && !entry.stale(now) {
		if entry.fingerprint != fingerprint {
			return nil, false, ErrKeyReused
		}
		if !entry.finished && k.twin != nil {
			return nil, false, k.twin
		}
		return entry, false, nil
	}
	entry = &remembered{
		key: key, fingerprint: fingerprint, expires: now.Add(k.window), done: make(chan struct{}),
	}
	k.entries[key] = entry
	k.order = append(k.order, entry)
	return entry, true, nil
}

// finish hands the answer to the twins that wait, and keeps it if it is of a
// kind that is kept.
func (k *keys) finish(entry *remembered, answer answer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	entry.answer = answer
	entry.finished = true
	close(entry.done)
	if answer.code != "" && !k.storeErrors {
		k.drop(entry)
	}
}

// forget drops what has expired. One that is still worked on keeps its place,
// and those behind it for as long.
func (k *keys) forget(now time.Time) {
	for len(k.order) > 0 && k.order[0].stale(now) {
		k.drop(k.order[0])
		k.order = k.order[1:]
	}
}

func (k *keys) drop(entry *remembered) {
	if k.entries[entry.key] == entry {
		delete(k.entries, entry.key)
	}
}

// wait is the answer of the first call, as a twin gets it.
func (r *remembered) wait(ctx context.Context) answer {
	select {
	case <-r.done:
		replayed := r.answer
		replayed.replayed = true
		return replayed
	case <-ctx.Done():
		return failure(ErrCut)
	}
}

func (r *remembered) stale(now time.Time) bool {
	return r.finished && !now.Before(r.expires)
}
