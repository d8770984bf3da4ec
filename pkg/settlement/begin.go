package settlement

import (
	"context"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
)

// maxTrustedAge is the most age of a webhook that is trusted: the draft may have changed since.
const maxTrustedAge = 5 * time.Minute

// begin makes the manifest of a new epoch from the draft as Chargebee shows it. Of the webhook
// only the invoice's id is believed, unless the settings trust it. The manifest is written with
// the first claim.
func (h *session) makeManifest(ctx context.Context) error {
	started := h.Now() // before the read: what happens to the draft from now on is looked for
	invoice, trusted := h.trustedInvoice(started)
	if !trusted {
		draft, gone, err := h.readDraft(ctx)
		switch {
		case err != nil:
			return err
		case gone:
			return h.rejectNotPending(ctx, draft, started)
		}
		if err := h.clearMissing(ctx); err != nil {
			return err
		}
		invoice, h.draft = draft, &draft
	}
	switch {
	case invoice.Date <= 0 || invoice.CurrencyCode == "" || invoice.CustomerID == "":
		return deferFor(readAgainWait, "Chargebee shows "+invoice.ID+" without its date, currency or customer")
	case len(invoice.Lines) > billing.MaxLines:
		return &billing.Rejection{
			Reason: billing.LineLimits,
			Detail: fmt.Sprintf("%s has %d lines, at most %d are possible", invoice.ID, len(invoice.Lines), billing.MaxLines),
		}
	}
	h.manifest = billing.NewManifest(invoice, started.Unix())
	h.manifest.Epoch = billing.NewToken()
	h.planChecked = true
	return nil
}

// notPending decides on an invoice that does not exist or is not pending, before anything was
// claimed for it. One that does not exist may only not show yet: the message comes back once,
// when it must show.
func (h *session) rejectNotPending(ctx context.Context, draft billing.Invoice, readAt time.Time) error {
	exists := draft.ID != ""
	if !exists && h.record().MissingSince == 0 {
		err := h.lease.commit(ctx, func(step *billing.Step) { step.Record.MissingSince = readAt.Unix() })
		if err != nil {
			return err
		}
	}
	if shows := h.Settings.missingConfirmedAt(h.record()); !exists && readAt.Before(shows) {
		return h.deferUntil(shows, "Chargebee does not know "+h.invoice.ID)
	}
	return &billing.Rejection{
		Reason: billing.InvoiceNotPending,
		Detail: fmt.Sprintf("%s is %s at Chargebee: nothing was claimed for it, its events wait for the next invoice", h.invoice.ID, orMissing(draft.Status)),
	}
}

func orMissing(status string) string {
	if status == "" {
		return "missing"
	}
	return status
}

// forgetGone notes that the draft exists, if the ledger has it as gone.
func (h *session) clearMissing(ctx context.Context) error {
	if h.record().MissingSince == 0 {
		return nil
	}
	return h.lease.commit(ctx, func(step *billing.Step) { step.Record.MissingSince = 0 })
}

// trustedInvoice returns the invoice as the webhook shows it, if the settings trust a webhook
// and this one shows everything: it is the first message for the invoice, recent, complete, and
// not a replay. Its lines have ids and subscriptions only. That is not enough to recognise
// lines of item prices: with a catalog no webhook is trusted.
func (h *session) trustedInvoice(now time.Time) (invoice billing.Invoice, trusted bool) {
	webhook := h.invoice
	age := now.Sub(time.Unix(h.occurredAt, 0))
	switch {
	case !h.Settings.TrustWebhook, len(h.Settings.Catalog) > 0:
		return billing.Invoice{}, false
	case !h.firstMessage, h.replayed, age > maxTrustedAge, age < -h.Settings.MaxSkew, !isComplete(webhook):
		return billing.Invoice{}, false
	}
	invoice = billing.Invoice{
		ID:             webhook.ID,
		CustomerID:     webhook.CustomerID,
		SubscriptionID: webhook.SubscriptionID,
		CurrencyCode:   webhook.CurrencyCode,
		Status:         webhook.Status,
		Date:           webhook.Date,
	}
	for _, line := range webhook.LineItems {
		invoice.Lines = append(invoice.Lines, billing.InvoiceLine{ID: line.ID, SubscriptionID: line.SubscriptionID})
	}
	return invoice, true
}

// isComplete reports whether a webhook shows everything that a manifest needs.
func isComplete(webhook event.Invoice) bool {
	if webhook.Status != billing.StatusPending || webhook.Date <= 0 || webhook.CurrencyCode == "" || webhook.CustomerID == "" {
		return false
	}
	if webhook.LineItems == nil || webhook.MoreLines || len(webhook.LineItems) >= billing.DefaultLineLimit { //mutant:webhook-incomplete
		return false
	}
	for _, line := range webhook.LineItems {
		if line.ID == "" || webhook.SubscriptionID == "" && line.SubscriptionID == "" {
			return false
		}
	}
	return webhook.SubscriptionID != "" || len(webhook.LineItems) > 0
}

// checkPlan reads the draft, on which nothing of the plan is yet. If the plan no longer fits it,
// the claims are released and the invoice is planned again. That takes until the index shows the
// events again: the message comes back then.
func (h *session) checkPlan(ctx context.Context) error {
	draft, err := h.pendingDraft(ctx)
	if err != nil {
		return err
	}
	if h.manifest.Describes(draft) { //mutant:plan-stale
		h.draft, h.planChecked = &draft, true
		return nil
	}
	if err := h.lease.commit(ctx, applyReplan); err != nil {
		return err
	}
	return errReload
}

// planAgain releases the claims of an invoice. It ends as a rejected one whose claims were
// released, but without a reason (billing.Head.PlannedAgain): its message begins a new epoch
// instead of becoming a dead letter.
func applyReplan(step *billing.Step) {
	step.Record.Reason, step.Record.Detail = "", "the invoice changed before it was charged: it is planned again"
	step.Record.Attempts = 0
	applyRelease(step)
}
