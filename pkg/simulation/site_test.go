package simulation_test

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// siteConfig draws the behaviour of the site. Where Chargebee's documentation leaves it open, every
// possibility is drawn: the product has to be right with all.
func (e *env) siteConfig(seed uint64) chargebee.Config {
	random := e.rng.rand("site")
	times := e.scenario.consumer.Chargebee
	cfg := chargebee.Config{
		APIKey:            apiKey,
		Seed:              seed,
		Faults:            e.faults(site, e.scenario.faults.site),
		Latency:           5 * time.Millisecond,
		IdempotencyWindow: times.IdempotencyWindow,
		Throttles:         throttles(random),
		Refusals:          refusals(random, e.scenario.permanentRefusals),
		LostReplies:       lostReplies(random),
		MaxReadLag:        times.MaxEffectDelay - e.scenario.margin,
		StoreErrors:       coin(random),
		LateKeepsKey:      coin(random),
		KeepDate:          coin(random),
		WholeInvoices:     coin(random),
		Events:            []string{chargebee.EventPendingInvoiceCreated},
		AutoClose:         e.scenario.autoClose,
	}
	if e.scenario.faults.outages[site].locks {
		cfg.Throttles = []*chargebee.Error{chargebee.ErrLockTimeout}
	}
	if coin(random) {
		cfg.ConcurrentRefusal = []*chargebee.Error{chargebee.ErrLockTimeout, chargebee.ErrInvalidState}[random.IntN(2)]
	}
	if coin(random) {
		cfg.LockWait = between(random, 0, time.Second)
	}
	if coin(random) && len(e.scenario.charges) == 0 {
		cfg.Catalog = chargebee.Catalog1
	}
	if coin(random) {
		cfg.Events = append(cfg.Events, chargebee.EventPendingInvoiceUpdated, chargebee.EventInvoiceGenerated, chargebee.EventInvoiceDeleted)
	}
	if e.scenario.paymentFailures > 0 {
		cfg.Collect = e.collectPayment
	}
	e.drawBehaviour(&cfg)
	if e.rotatesAPIKey() {
		cfg.APIKey, cfg.KeysPerAPIKey = "", true
	}
	return cfg
}

// rotatesAPIKey draws whether there are two API keys, each with idempotency keys of its own.
func (e *env) rotatesAPIKey() bool { return e.rng.rand("rotates the API key").IntN(4) == 0 }

// createItemPrices adds the item prices of the charge codes to the catalog.
func (e *env) createItemPrices() error {
	for _, id := range e.scenario.itemPrices() {
		model := pricingModel(e.rng, id)
		if err := e.site.AddItemPrice(chargebee.ItemPrice{ID: id, Description: "Item", CurrencyCode: "EUR", PricingModel: model, UnitAmount: 1}); err != nil {
			return err
		}
	}
	return nil
}

// pricingModel draws the pricing model of an item price. The site and the consumers' settings
// have the same.
func pricingModel(r rng, itemPriceID string) string {
	if coin(r.rand("item price", itemPriceID)) {
		return chargebee.PerUnit
	}
	return chargebee.FlatFee
}

// collectPayment decides on the payment for an invoice that is closed.
func (e *env) collectPayment(invoice chargebee.Invoice) chargebee.Collection {
	random := e.rng.rand("collect", invoice.ID, time.Since(e.began).String())
	if e.faultsOff.Load() || !chance(random, e.scenario.paymentFailures) {
		return chargebee.CollectAsConfigured
	}
	return []chargebee.Collection{chargebee.CollectUnpaid, chargebee.CollectRefused, chargebee.CollectRefusedButClosed}[random.IntN(3)]
}

// throttles returns the answers to throttled calls. Most are about one invoice: the site is seldom
// over its limit.
func throttles(random *rand.Rand) []*chargebee.Error {
	return shuffled(random, []*chargebee.Error{
		chargebee.ErrLockTimeout, chargebee.ErrLockTimeout, chargebee.ErrLockTimeout, chargebee.ErrThirdPartyLimited,
		chargebee.ErrRateLimited, chargebee.ErrRateLimited.After(20 * time.Second),
	})
}

// refusals returns all documented refusals and pages of a gateway. Temporary ones are more frequent.
// The refusal of a key that was used for another call is left out: that must never happen.
func refusals(random *rand.Rand, permanent bool) []*chargebee.Error {
	all := slices.DeleteFunc(chargebee.Documented(), func(e *chargebee.Error) bool {
		return e.Status == http.StatusUnprocessableEntity || e.Status == http.StatusTooManyRequests
	})
	temporary := 8
	if permanent {
		temporary = 1
	}
	for range temporary {
		all = append(all, chargebee.ErrTemporary, chargebee.ErrInternal, chargebee.Page(http.StatusBadGateway), chargebee.Page(http.StatusServiceUnavailable))
	}
	return shuffled(random, all)
}

// lostReplies returns answers that do not show whether the call had an effect.
func lostReplies(random *rand.Rand) []*chargebee.Error {
	return shuffled(random, []*chargebee.Error{
		chargebee.ErrCut, chargebee.ErrCut, chargebee.ErrInternal, chargebee.ErrTemporary, chargebee.ErrDatabaseConnection,
		chargebee.Page(http.StatusOK), chargebee.Page(http.StatusBadGateway), chargebee.Page(http.StatusGatewayTimeout),
	})
}

func shuffled(random *rand.Rand, errors []*chargebee.Error) []*chargebee.Error {
	random.Shuffle(len(errors), func(i, j int) { errors[i], errors[j] = errors[j], errors[i] })
	return errors
}

// drawBehaviour draws the answers that Chargebee's documentation leaves open. About half of the
// switches keep their strict defaults.
func (e *env) drawBehaviour(cfg *chargebee.Config) {
	random := e.rng.rand("site behaviours")
	cfg.ForeignCursor = chargebee.ForeignCursor(random.IntN(3))
	cfg.ShortPages = coin(random)
	cfg.IgnoresPaging = coin(random)
	cfg.CutWebhooks, cfg.CutAnswers = cut(random), cut(random)
	cfg.CutSilently = coin(random)
	cfg.BareWebhooks = coin(random)
	cfg.ClosedDraft = []*chargebee.Error{nil, nil, chargebee.ErrInvalidState, chargebee.ErrInvalidRequest}[random.IntN(4)]
	cfg.ShowsDeleted = coin(random)
	cfg.NewLineIDs = coin(random)
	cfg.OmitsNulls = coin(random)
	cfg.LenientSubscription = coin(random)
	cfg.AnySubscription = coin(random)
	cfg.EqualDates = coin(random)
	cfg.RoundDates = coin(random)
	cfg.RoundDatesOffset = time.Duration(random.IntN(25)-12) * time.Hour
	cfg.DescriptionInCodePoints = coin(random)
	cfg.QuantityDefaultsToOne = coin(random)
	cfg.IgnoresFlatFeeQuantity = coin(random)
	cfg.BothCatalogs = coin(random) && cfg.Catalog == chargebee.Catalog2

	if e.scenario.unusualSite {
		cfg.WholeInvoices = random.IntN(4) == 0
		cfg.CutWebhooks, cfg.CutAnswers = random.IntN(3), 1+random.IntN(3)
		cfg.ClosedDraft = []*chargebee.Error{nil, chargebee.ErrInvalidState, chargebee.ErrInvalidRequest}[random.IntN(3)]
		cfg.NewLineIDs = random.IntN(4) > 0
	}
	if e.scenario.strict {
		cfg.BareWebhooks, cfg.CutWebhooks = false, 0
		cfg.LenientSubscription, cfg.AnySubscription = false, false
	}
	if e.scenario.removesLines { // invoices are read in pages
		cfg.WholeInvoices = false
	}
	if e.scenario.consumer.Invoice.TrustWebhook && cfg.CutWebhooks > 0 {
		// A message that is silently incomplete cannot be trusted.
		cfg.CutSilently = false
	}
}

// cut draws the maximum number of lines; 0: no limit.
func cut(random *rand.Rand) int { return []int{0, 0, 0, 0, 1, 2}[random.IntN(6)] }

// smallPages limits the pages of lines, so that a scenario needs no hundred lines.
type smallPages struct{ env *env }

// ServeHTTP implements http.Handler.
func (p smallPages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, ok := strings.CutPrefix(r.URL.Path, "/api/v2/invoices/")
	if ok && r.Method == http.MethodGet && !strings.Contains(id, "/") {
		r = r.Clone(r.Context())
		query := r.URL.Query()
		if query.Has("line_items_offset") && p.env.scenario.removesLines {
			p.env.removeFirstLine(id)
		}
		query.Set("line_items_limit", strconv.Itoa(p.env.scenario.linesPerPage))
		r.URL.RawQuery = query.Encode()
	}
	p.env.site.ServeHTTP(w, r)
}

// api returns the API of the site.
func (e *env) api() http.Handler {
	if e.scenario.linesPerPage == 0 || e.settings.WholeInvoices {
		return e.site
	}
	return smallPages{e}
}
