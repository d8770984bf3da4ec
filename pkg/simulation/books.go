package simulation

import (
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// books is what is known of what should be.
//
// Within a subscription every event has an amount that is a power of two and, now and
// then, a fraction so small that all fractions together round to nothing. The amount
// of a line on an invoice is a sum, so it tells by itself which events it charges, and
// what has a wrong amount names an event that is charged for the wrong one.
type books struct {
	world *world

	mu        sync.Mutex
	events    map[string]*writtenEvent
	amounts   map[string]int // amounts given out, by subscription
	invoices  []openedInvoice
	strange   map[string]bool // lines that a person added
	handlings int             // handlings that pods reported
}

// writtenEvent is an event as its producer knows it.
type writtenEvent struct {
	subscription string
	certain      int64 // since then (unix seconds) it is known to be there as it is
}

// openedInvoice is an invoice as it was made.
type openedInvoice struct {
	draft         string
	date          int64 // unix seconds
	subscriptions []string
}

func newBooks(w *world) *books {
	return &books{
		world: w, events: map[string]*writtenEvent{}, amounts: map[string]int{},
		strange: map[string]bool{},
	}
}

// mostAmounts are the powers of two that an int64 has room for.
const mostAmounts = 60

// newEvent enters an event and gives it an amount.
func (b *books) newEvent(subscription, id string, random *rand.Rand) (amount string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events[id] = &writtenEvent{subscription: subscription}
	amount = b.draw(subscription)
	if random.IntN(4) == 0 {
		amount += ".004"
	}
	return amount
}

// newAmount gives an event another amount.
func (b *books) newAmount(id string) (amount string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.draw(b.events[id].subscription)
}

// draw returns the next power of two; when none is left, events cost nothing.
func (b *books) draw(subscription string) string {
	power := b.amounts[subscription]
	if power == mostAmounts {
		return "0"
	}
	b.amounts[subscription]++
	return strconv.FormatInt(1<<power, 10)
}

func (b *books) wrote(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events[id].certain = time.Now().Unix()
}

// settledBefore tells whether an event was there, as it is, before the given time.
func (b *books) settledBefore(id string, at int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	certain := b.events[id].certain
	return certain != 0 && certain < at
}

func (b *books) written() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.events)
}

func (b *books) opened(invoice openedInvoice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.invoices = append(b.invoices, invoice)
}

func (b *books) foreign(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.strange[line] = true
}

func (b *books) isForeign(line string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.strange[line]
}

// openedInvoices are the invoices so far, in the order of their making.
func (b *books) openedInvoices() []openedInvoice {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.invoices)
}

func (b *books) handled() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handlings++
}

// groundless are reasons that only a person, or the site by itself, gives.
var groundless = regexp.MustCompile(`"invoice_id":"([^"]+)".*"reason":"(successor_unknown|invoice_not_pending|line_removed|duplicate_line|ambiguous_line)"`)

// rejected looks at how a pod explains a rejection: nobody is to be alarmed when
// nobody did anything.
func (b *books) rejected(line []byte) {
	plan := b.world.plan
	if plan.persons > 0 || plan.autoClose > 0 || plan.releases {
		return
	}
	if found := groundless.FindSubmatch(line); found != nil && !b.denied(string(found[1])) {
		b.world.faults.addf("a groundless rejection: %s", found[2])
	}
}

// denied tells whether the site said more than once of a pending invoice that it is not
// there. Whoever asks twice, far enough apart, has to believe it.
func (b *books) denied(id string) bool {
	invoice, ok := b.world.site.Invoice(id)
	if !ok || invoice.Deleted || invoice.Status != billing.StatusPending {
		return false
	}
	denials := 0
	for _, call := range b.world.site.Calls() {
		if call.InvoiceID == id && call.Operation == "retrieve" && call.Status == http.StatusNotFound {
			denials++
		}
	}
	return denials > 1
}
