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
// A key belongs to the site, or with Config.KeysPerAPIKey to an API key: with another path or body
// it is refused. It is remembered from the arrival of its first call. A concurrent duplicate waits and
// gets the same response, unless Config.ConcurrentRefusal is set; later, error responses are only
// replayed with Config.StoreErrors. Chargebee does not document these points.
//
// https://apidocs.chargebee.com/docs/api/v1/idempotency
type keys struct {
	config Config

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
	return &keys{config: config, entries: map[string]*remembered{}}
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
	now := k.config.Now()
	k.forget(now)

	entry, known := k.entries[key]
	if known && !entry.stale(now) {
		if entry.fingerprint != fingerprint {
			return nil, false, ErrKeyReused
		}
		if !entry.finished && k.config.ConcurrentRefusal != nil {
			return nil, false, k.config.ConcurrentRefusal
		}
		return entry, false, nil
	}
	entry = &remembered{
		key: key, fingerprint: fingerprint, expires: now.Add(k.config.IdempotencyWindow), done: make(chan struct{}),
	}
	k.entries[key] = entry
	k.order = append(k.order, entry)
	return entry, true, nil
}

// finish gives the response to the duplicates that wait, and stores it if responses of its
// kind are stored.
func (k *keys) finish(entry *remembered, answer answer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	entry.answer = answer
	entry.finished = true
	close(entry.done)
	if answer.code != "" && !k.config.StoreErrors {
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

// wait returns the answer of the first call, for a duplicate.
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
