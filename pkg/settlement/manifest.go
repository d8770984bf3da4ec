package settlement

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
)

// maxTrustedAge is the maximum age of a trusted webhook. The draft may have changed since an older one was sent.
const maxTrustedAge = 5 * time.Minute

// makeManifest makes the manifest of a new epoch from the draft. It reads the draft from Chargebee, unless
// the webhook is trusted. The first commitClaim writes the manifest to the ledger.
func (s *session) makeManifest(ctx context.Context) error {
	started := s.Now() // before the read: findFinal searches invoices that were updated since
	invoice, trusted := s.trustedInvoice(started)
	if !trusted {
		draft, missing, err := s.readDraft(ctx)
		switch {
		case err != nil:
			return err
		case missing:
			return s.rejectNotPending(ctx, draft, started)
		}
		if err := s.clearMissing(ctx); err != nil {
			return err
		}
		invoice, s.draft = draft, &draft
	}
	switch {
	case invoice.Date <= 0 || invoice.CurrencyCode == "" || invoice.CustomerID == "":
		return deferFor(readAgainDelay, "Chargebee shows "+invoice.ID+" without its date, currency or customer")
	case len(invoice.Lines) > billing.MaxLines:
		return &billing.Rejection{
			Reason: billing.LineLimits,
			Detail: fmt.Sprintf("%s has %d lines, at most %d are possible", invoice.ID, len(invoice.Lines), billing.MaxLines),
		}
	}
	if line, found := invoice.FindMarkedLine(); found {
		return &billing.Rejection{
			Reason: billing.AmbiguousLine,
			Detail: fmt.Sprintf("%s has the line %q with the marker of another plan: a restored ledger, or a copied line; remove the line, or close the invoice in Chargebee if its charges are right", invoice.ID, line.Description),
		}
	}
	s.manifest = billing.NewManifest(invoice, started.Unix())
	s.manifest.Epoch = billing.NewToken()
	s.planChecked = true
	return nil
}

// rejectNotPending rejects an invoice that does not exist or is not pending, before anything was claimed
// for it. A new invoice may not be visible yet. So an invoice that does not exist is rejected only when it
// would have to be visible; until then the message is deferred.
func (s *session) rejectNotPending(ctx context.Context, draft billing.Invoice, readAt time.Time) error {
	if draft.ID == "" { // it does not exist
		s.report.UnknownInvoice = s.record().MissingSince == 0
		if err := s.recordMissing(ctx, readAt); err != nil {
			return err
		}
		if confirmedAt := s.Settings.missingConfirmedAt(s.record()); readAt.Before(confirmedAt) {
			return s.deferUntil(confirmedAt, "Chargebee has no invoice "+s.invoice.ID)
		}
	}
	return &billing.Rejection{
		Reason: billing.InvoiceNotPending,
		Detail: fmt.Sprintf("%s is %s at Chargebee: nothing was claimed for it, the next invoice bills its events", s.invoice.ID, statusOrMissing(draft)),
	}
}

// statusOrMissing describes the status of an invoice. The zero invoice is one that Chargebee does not have.
func statusOrMissing(invoice billing.Invoice) string {
	return cmp.Or(invoice.Status, "missing (deleted, or unknown on this site)")
}

// clearMissing is called when a read showed the draft as pending. It corrects a record that has it as missing.
func (s *session) clearMissing(ctx context.Context) error {
	if s.record().MissingSince == 0 {
		return nil
	}
	return s.lease.commit(ctx, func(step *billing.Step) { step.Record.MissingSince, step.Record.Refused = 0, false })
}

// trustedInvoice returns the invoice as the webhook shows it, if the webhook is trusted: the settings allow it,
// there is no catalog, it is the first message for the invoice, and it is recent, complete and not a replay.
// The result has only ids and subscriptions of lines: with a catalog, lines of item prices are recognised by more
// (billing.Recognize).
func (s *session) trustedInvoice(now time.Time) (invoice billing.Invoice, trusted bool) {
	webhook := s.invoice
	age := now.Sub(time.Unix(s.occurredAt, 0))
	switch {
	case !s.Settings.TrustWebhook, len(s.Settings.Catalog) > 0:
		return billing.Invoice{}, false
	case !s.firstMessage, s.replayed, age > maxTrustedAge, age < -s.Settings.MaxSkew, !isComplete(webhook):
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

// isComplete reports whether a webhook shows a pending invoice with everything that a manifest needs.
func isComplete(webhook event.Invoice) bool {
	if webhook.Status != billing.StatusPending || webhook.Date <= 0 || webhook.CurrencyCode == "" || webhook.CustomerID == "" {
		return false
	}
	if webhook.LineItems == nil || webhook.MoreLines || len(webhook.LineItems) >= billing.DefaultLineLimit { //mutant:webhook-incomplete
		return false
	}
	for _, line := range webhook.LineItems {
		hasSubscription := cmp.Or(webhook.SubscriptionID, line.SubscriptionID) != ""
		if line.ID == "" || !hasSubscription {
			return false
		}
	}
	return webhook.SubscriptionID != "" || len(webhook.LineItems) > 0
}

// checkPlan compares the manifest with the draft while no line was added, and sets s.draft. If the draft changed, it
// starts to release the claims. A later session makes a new plan, once the index shows the events again.
func (s *session) checkPlan(ctx context.Context) error {
	draft, err := s.pendingDraft(ctx)
	if err != nil {
		return err
	}
	if s.manifest.Describes(draft) { //mutant:plan-stale
		s.draft, s.planChecked = &draft, true
		return nil
	}
	if err := s.lease.commit(ctx, applyReplan); err != nil {
		return err
	}
	return errReload
}

// applyReplan starts to release the claims. Without a Reason the message does not become a dead letter: it is
// retried, and begins a new epoch (Record.Replanned).
func applyReplan(step *billing.Step) {
	step.Record.Reason, step.Record.Detail = "", "the invoice changed before it was charged: it is planned again"
	step.Record.Attempts = 0
	applyRelease(step)
}
