package simulation

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// behave draws the answers that Chargebee's documentation leaves open, one switch at a time.
// About half of the switches keep their strict defaults. The draws are independent of the
// others of the site.
func (w *world) behave(config *chargebee.Config) {
	random := w.dice.of("site behaviours")
	config.ForeignCursor = chargebee.ForeignCursor(random.IntN(3))
	config.ShortPages = coin(random)
	config.IgnoresPaging = coin(random)
	config.CutWebhooks, config.CutAnswers = cut(random), cut(random)
	config.CutSilently = coin(random)
	config.BareWebhooks = coin(random)
	config.ClosedDraft = []*chargebee.Error{nil, nil, chargebee.ErrInvalidState, chargebee.ErrInvalidRequest}[random.IntN(4)]
	config.ShowsDeleted = coin(random)
	config.NewLineIDs = coin(random)
	config.OmitsNulls = coin(random)
	config.LenientSubscription = coin(random)
	config.AnySubscription = coin(random)
	config.EqualDates = coin(random)
	config.RoundDates = coin(random)
	config.RoundDatesOffset = time.Duration(random.IntN(25)-12) * time.Hour
	config.DescriptionInCodePoints = coin(random)
	config.QuantityDefaultsToOne = coin(random)
	config.IgnoresFlatFeeQuantity = coin(random)
	config.BothCatalogs = coin(random) && config.Catalog == chargebee.Catalog2

	if w.plan.otherReadings {
		config.WholeInvoices = random.IntN(4) == 0
		config.CutWebhooks, config.CutAnswers = random.IntN(3), 1+random.IntN(3)
		config.ClosedDraft = []*chargebee.Error{nil, chargebee.ErrInvalidState, chargebee.ErrInvalidRequest}[random.IntN(3)]
		config.NewLineIDs = random.IntN(4) > 0
	}
	if w.plan.strict {
		config.BareWebhooks, config.CutWebhooks = false, 0
		config.LenientSubscription, config.AnySubscription = false, false
	}
	if w.plan.shifts { // invoices are read in pages
		config.WholeInvoices = false
	}
	if w.plan.consumer.Invoice.TrustWebhook && config.CutWebhooks > 0 {
		// Nothing shows that such a message is incomplete: a site that sends them is not one
		// whose webhooks can be trusted.
		config.CutSilently = false
	}
}

// cut draws a number of lines, 0 for any number.
func cut(random *rand.Rand) int { return []int{0, 0, 0, 0, 1, 2}[random.IntN(6)] }

// pages lets the pages of lines be small where the request does not limit them: scenarios
// need not have a hundred lines.
type pages struct{ world *world }

// ServeHTTP implements http.Handler.
func (p pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, ok := strings.CutPrefix(r.URL.Path, "/api/v2/invoices/")
	if ok && r.Method == http.MethodGet && !strings.Contains(id, "/") {
		r = r.Clone(r.Context())
		query := r.URL.Query()
		if query.Has("line_items_offset") && p.world.plan.shifts {
			p.world.shift(id)
		}
		query.Set("line_items_limit", strconv.Itoa(p.world.plan.linesPerPage))
		r.URL.RawQuery = query.Encode()
	}
	p.world.site.ServeHTTP(w, r)
}

// api returns the API of the site.
func (w *world) api() http.Handler {
	if w.plan.linesPerPage == 0 || w.settings.WholeInvoices {
		return w.site
	}
	return pages{w}
}
