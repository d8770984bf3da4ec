package simulation

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// siteConfig draws what the site is like. Where Chargebee's documentation is silent,
// either way is drawn: the product has to be right with both.
func (w *world) siteConfig(seed uint64) chargebee.Config {
	random := w.dice.of("site")
	times := w.plan.consumer.Chargebee
	config := chargebee.Config{
		APIKey:            apiKey,
		Seed:              seed,
		Faults:            w.trouble(site, w.plan.trouble.site),
		Latency:           5 * time.Millisecond,
		IdempotencyWindow: times.IdempotencyWindow,
		Throttles:         throttles(random),
		Refusals:          refusals(random, w.plan.stubborn),
		LostReplies:       lostReplies(random),
		MaxReadLag:        times.MaxEffectDelay - w.plan.margin,
		StoreErrors:       coin(random),
		LateKeepsKey:      coin(random),
		KeepDate:          coin(random),
		WholeInvoices:     coin(random),
		Events:            []string{chargebee.EventPendingInvoiceCreated},
		AutoClose:         w.plan.autoClose,
	}
	if w.plan.trouble.outages[site].locks {
		config.Throttles = []*chargebee.Error{chargebee.ErrLockTimeout}
	}
	if coin(random) {
		config.TwinRefusal = []*chargebee.Error{chargebee.ErrLockTimeout, chargebee.ErrInvalidState}[random.IntN(2)]
	}
	if coin(random) {
		config.LockWait = between(random, 0, time.Second)
	}
	if coin(random) && len(w.plan.charges) == 0 {
		config.Catalog = chargebee.Catalog1
	}
	if coin(random) {
		config.Events = append(config.Events, chargebee.EventPendingInvoiceUpdated, chargebee.EventInvoiceGenerated, chargebee.EventInvoiceDeleted)
	}
	if w.plan.uncollected > 0 {
		config.Collect = w.collect
	}
	w.behave(&config)
	return config
}

// sell adds the item prices of the plan's charge codes to the catalog.
func (w *world) sell() error {
	for _, id := range w.plan.itemPrices() {
		model := pricingModel(w.dice, id)
		if err := w.site.AddItemPrice(chargebee.ItemPrice{ID: id, Description: "Item", CurrencyCode: "EUR", PricingModel: model, UnitAmount: 1}); err != nil {
			return err
		}
	}
	return nil
}

// pricingModel draws the pricing model of an item price. The site and the consumers' settings
// have the same.
func pricingModel(dice dice, itemPriceID string) string {
	if coin(dice.of("item price", itemPriceID)) {
		return chargebee.PerUnit
	}
	return chargebee.FlatFee
}

func coin(random *rand.Rand) bool { return random.IntN(2) == 0 }

// collect decides how the payment for an invoice that is closed goes.
func (w *world) collect(invoice chargebee.Invoice) chargebee.Collection {
	random := w.dice.of("collect", invoice.ID, time.Since(w.began).String())
	if w.calm.Load() || !chance(random, w.plan.uncollected) {
		return chargebee.CollectAsConfigured
	}
	return []chargebee.Collection{chargebee.CollectUnpaid, chargebee.CollectRefused, chargebee.CollectRefusedButClosed}[random.IntN(3)]
}

// throttles are mostly about one invoice: the whole site is seldom over its limit.
func throttles(random *rand.Rand) []*chargebee.Error {
	return shuffled(random, []*chargebee.Error{
		chargebee.ErrLockTimeout, chargebee.ErrLockTimeout, chargebee.ErrLockTimeout, chargebee.ErrThirdPartyLimited,
		chargebee.ErrRateLimited, chargebee.ErrRateLimited.After(20 * time.Second),
	})
}

// refusals are every documented one, and pages of a gateway; those that pass come more
// often. A key that was used for another call is left out: that must never be.
func refusals(random *rand.Rand, stubborn bool) []*chargebee.Error {
	all := slices.DeleteFunc(chargebee.Documented(), func(e *chargebee.Error) bool {
		return e.Status == http.StatusUnprocessableEntity || e.Status == http.StatusTooManyRequests
	})
	passing := 8
	if stubborn {
		passing = 1
	}
	for range passing {
		all = append(all, chargebee.ErrTemporary, chargebee.ErrInternal, chargebee.Page(http.StatusBadGateway), chargebee.Page(http.StatusServiceUnavailable))
	}
	return shuffled(random, all)
}

// lostReplies leave open what happened.
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
