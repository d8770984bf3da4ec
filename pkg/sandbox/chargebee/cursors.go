package chargebee

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"sync"
)

// cursors are the values of line_items_next_offset that the site has issued.
// They are pseudo-random and depend on the seed and their place alone, not on
// the order of simultaneous calls.
type cursors struct {
	seed uint64

	mu     sync.Mutex
	issued map[string]linePlace
}

// linePlace is a place in the lines of an invoice. Lines that are added later
// do not move it.
type linePlace struct {
	invoiceID string
	index     int
}

func newCursors(seed uint64) *cursors {
	return &cursors{seed: seed, issued: map[string]linePlace{}}
}

// issue returns the cursor of a place.
func (c *cursors) issue(place linePlace) string {
	sum := c.draw("cursor", place.invoiceID, place.index)
	cursor := base64.RawURLEncoding.EncodeToString(sum[:24])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issued[cursor] = place
	return cursor
}

// find returns the place of a cursor, if the site has issued it.
func (c *cursors) find(cursor string) (place linePlace, issued bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	place, issued = c.issued[cursor]
	return place, issued
}

// shorten returns a limit from 1 to the given one.
func (c *cursors) shorten(invoice Invoice, first, limit int) int {
	sum := c.draw("limit", invoice.ID, invoice.ResourceVersion, first, limit)
	return 1 + int(binary.BigEndian.Uint64(sum[:8])%uint64(limit))
}

// draw returns pseudo-random bytes for a purpose.
func (c *cursors) draw(purpose ...any) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendln(nil, append(purpose, c.seed)...))
}
