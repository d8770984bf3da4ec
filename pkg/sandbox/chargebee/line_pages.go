package chargebee

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"sync"
)

// ForeignCursor is the answer to a line_items_offset that the site has not
// issued for the invoice. Chargebee does not document it.
type ForeignCursor int

const (
	// ForeignCursorRefused answers 400 param_wrong_value.
	ForeignCursorRefused ForeignCursor = iota
	// ForeignCursorFirstPage answers the first page.
	ForeignCursorFirstPage
	// ForeignCursorEmptyPage answers a page without lines and without a next
	// offset.
	ForeignCursorEmptyPage
)

const (
	limitParameter  = "line_items_limit"
	offsetParameter = "line_items_offset"

	defaultLinesPerPage = 100
)

// linePage is the part of an invoice's lines that an answer shows.
type linePage struct {
	first  int  // index of the first line
	limit  int  // in lines; 0: none
	silent bool // a cut page has no next offset
}

// take returns the lines of the page. next is the index of the first line after
// them; -1 means that there is none.
func (p linePage) take(all []LineItem) (lines []LineItem, next int) {
	first := min(p.first, len(all))
	if end := first + p.limit; p.limit > 0 && end < len(all) {
		return all[first:end], end
	}
	return all[first:], -1
}

// cut returns the invoice with the lines of a page only.
func (s *Service) cut(invoice Invoice, page linePage) Invoice {
	lines, next := page.take(invoice.LineItems)
	invoice.LineItems = lines
	if next >= 0 && !page.silent {
		invoice.LineItemsNextOffset = s.cursors.issue(linePlace{invoice.ID, next})
	}
	return invoice
}

// requestedPage returns the page of lines that a retrieve asks for.
func (s *Service) requestedPage(invoice Invoice, fields fields) (linePage, error) {
	if s.config.WholeInvoices {
		return linePage{}, s.refusePaging(fields)
	}
	first, err := s.requestedPlace(invoice, fields)
	if err != nil {
		return linePage{}, err
	}
	limit := int(fields.integer(limitParameter, defaultLinesPerPage))
	if s.config.ShortPages {
		limit = s.cursors.shorten(invoice, first, limit)
	}
	return linePage{first: first, limit: limit}, nil
}

// refusePaging refuses the parameters that need Enterprise-scale Invoicing.
func (s *Service) refusePaging(fields fields) error {
	for _, name := range []string{limitParameter, offsetParameter} {
		if fields.has(name) && !s.config.IgnoresPaging {
			return incompatible("Enterprise-scale Invoicing is not enabled for the site", name)
		}
	}
	return nil
}

// requestedPlace returns the index of the line at which the page starts.
func (s *Service) requestedPlace(invoice Invoice, fields fields) (int, error) {
	if !fields.has(offsetParameter) {
		return 0, nil
	}
	place, issued := s.cursors.find(fields.text(offsetParameter))
	if issued && place.invoiceID == invoice.ID {
		return place.index, nil
	}
	switch s.config.ForeignCursor {
	case ForeignCursorFirstPage:
		return 0, nil
	case ForeignCursorEmptyPage:
		return len(invoice.LineItems), nil
	default:
		return 0, wrongValue(offsetParameter, "should be the line_items_next_offset of an earlier answer for the invoice")
	}
}

// responsePage returns the lines in the answer to a call that changed the
// invoice. Paging is documented for retrieve only; a site that pages at all is
// assumed to cut these answers at the default page.
func (s *Service) responsePage() linePage {
	page := linePage{limit: s.config.CutAnswers, silent: s.config.CutSilently}
	if page.limit == 0 {
		page.limit = s.listedPage().limit
	}
	return page
}

// listedPage returns the lines of each invoice in a list.
func (s *Service) listedPage() linePage {
	if s.config.WholeInvoices {
		return linePage{}
	}
	return linePage{limit: defaultLinesPerPage}
}

// webhookPage returns the lines of the invoice in a webhook.
func (s *Service) webhookPage() linePage {
	return linePage{limit: s.config.CutWebhooks, silent: s.config.CutSilently}
}

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
