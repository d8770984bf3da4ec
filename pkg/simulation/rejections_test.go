package simulation_test

import (
	"net/http"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// hasCause reports whether something in the scenario leads to a rejection.
func (r *recorder) hasCause(pod, draft string, reason billing.Reason) bool {
	e, s := r.env, &r.env.scenario
	switch reason {
	case billing.InvoiceChanged:
		return r.wasStale(draft) || r.mayLag(draft)
	case billing.ChargebeeRefused:
		// Once a line is on the invoice, its plan stays as it is. A trusted message does not
		// cause a stale read: the draft is read before a refused charge counts.
		stale := r.wasEditedSince(draft, r.lastRead(pod, draft)) || r.wasStale(draft) && e.isCharged(draft)
		// A draft that was closed may refuse a charge as it refuses a wrong one.
		closed := e.settings.ClosedDraft == chargebee.ErrInvalidRequest && !e.isPending(draft)
		return s.refuses() || stale || closed
	case billing.CloseRefused:
		// While a close that takes effect late occupies its key, the repeated one is refused, and
		// the draft may be shown for twice as long as the consumer reads it. A draft whose
		// lines were removed cannot be closed.
		concurrent := e.settings.ConcurrentRefusal != nil && e.settings.LateKeepsKey && s.siteHas(s.faults.site.ApplyLate, sandbox.ApplyLate)
		return s.refuses() || s.paymentFailures > 0 || concurrent || !e.hasLines(draft)
	case billing.SuccessorUnknown, billing.InvoiceNotPending, billing.LineRemoved, billing.DuplicateLine, billing.AmbiguousLine:
		// The line of an item price is not recognised under another subscription.
		edited := reason == billing.AmbiguousLine && r.wasEdited(draft)
		untraceable := reason == billing.SuccessorUnknown && r.isUntraceable(draft)
		return s.manualEdits > 0 || s.autoClose > 0 || s.releases || s.voids || r.wasReportedMissing(draft) || edited || untraceable
	default:
		return true
	}
}

// refuses reports whether the site refuses calls without a cause.
func (s *scenario) refuses() bool { return s.siteHas(s.faults.site.Refuse, sandbox.Refuse) }

func (s *scenario) siteHas(rate float64, kind sandbox.Kind) bool {
	return rate > 0 || slices.Contains(s.faults.outages[site].kinds, kind)
}

func (e *env) isCharged(draft string) bool {
	invoice, _ := e.site.Invoice(draft)
	return slices.ContainsFunc(invoice.LineItems, isCharge)
}

func (e *env) hasLines(draft string) bool {
	invoice, _ := e.site.Invoice(draft)
	return len(invoice.LineItems) > 0
}

func (e *env) isPending(draft string) bool {
	invoice, ok := e.site.Invoice(draft)
	return ok && isPending(invoice)
}

func isPending(invoice chargebee.Invoice) bool {
	return invoice.Status == chargebee.StatusPending && !invoice.Deleted
}

// isWithdrawn reports whether an invoice charges nothing anymore.
func isWithdrawn(invoice chargebee.Invoice) bool {
	return invoice.Status == chargebee.StatusVoided || invoice.Deleted
}

// isInDoubt reports whether the ledger has a charge of the draft that may have been sent.
func (e *env) isInDoubt(draft string) bool { return e.ledgerRecord(draft)["doubt"] != nil }

// ledgerRecord returns the ledger's record of a draft; nil: there is none.
func (e *env) ledgerRecord(draft string) attribute.Item {
	for _, item := range e.tables.Items(e.scenario.consumer.Ledger.Table) {
		if stringOf(item["invoice_id"]) == draft {
			return item
		}
	}
	return nil
}

// wasStale reports whether the pod that first charged a draft did not read a manual edit of its
// subscription, or trusted the message.
func (r *recorder) wasStale(draft string) bool {
	r.mu.Lock()
	version := r.charged[draft]
	r.mu.Unlock()
	return r.wasEditedSince(draft, version) || r.env.scenario.consumer.Invoice.TrustWebhook && r.wasEdited(draft)
}

func (r *recorder) lastRead(pod, draft string) (version int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads[podDraft{pod, draft}]
}

// wasEditedSince reports whether a draft has an edit of its subscription after the given version.
func (r *recorder) wasEditedSince(draft string, version int64) bool {
	return r.hasEdit(func(edit subscriptionEdit) bool { return edit.draft == draft && edit.version > version })
}

func (r *recorder) wasEdited(draft string) bool { return r.wasEditedSince(draft, 0) }

// mayLag reports whether a read may still show a draft as it was before an edit.
func (r *recorder) mayLag(draft string) bool {
	return r.env.scenario.faults.site.LagRate > 0 && r.hasEdit(func(edit subscriptionEdit) bool {
		return edit.draft == draft && time.Since(edit.at) <= r.env.settings.MaxReadLag+r.env.scenario.consumer.Chargebee.CallTimeout
	})
}

func (r *recorder) hasEdit(condition func(subscriptionEdit) bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.edits, condition)
}

// isUntraceable reports whether nothing leads to the invoice that a draft became: all its lines are of
// item prices or have new ids, and no repeated close was answered with the invoice. The last is a
// defect of the consumer unless its key was forgotten, or the site refused the repeated close: after
// a refusal, another key is used.
func (r *recorder) isUntraceable(draft string) bool {
	hasOriginal := !r.env.settings.NewLineIDs && r.env.finalHas(draft, func(line chargebee.LineItem) bool { return !isAdded(line) })
	if hasOriginal || r.env.finalHas(draft, isMarked) {
		return false
	}
	r.mu.Lock()
	refused := r.closeRefused[draft] // a proxy may refuse what the site did
	r.mu.Unlock()
	if refused {
		return true
	}
	var first time.Time
	for _, call := range r.env.site.Calls() {
		if call.InvoiceID != draft || call.Operation != "close" {
			continue
		}
		if first.IsZero() {
			first = call.At
		}
		if call.Status/100 == 4 && call.Status != http.StatusTooManyRequests {
			return true
		}
	}
	return !first.IsZero() && time.Since(first) >= r.env.settings.IdempotencyWindow
}

// finalHas reports whether the invoice that a draft became has a line that meets the condition.
func (e *env) finalHas(draft string, condition func(chargebee.LineItem) bool) bool {
	return slices.ContainsFunc(e.site.Invoices(), func(invoice chargebee.Invoice) bool {
		return invoice.DraftID == draft && slices.ContainsFunc(invoice.LineItems, condition)
	})
}

// isMarked reports whether a line is an ad-hoc line of the product.
func isMarked(line chargebee.LineItem) bool {
	return isCharge(line) && line.EntityType == chargebee.EntityAdhoc
}

// wasReportedMissing reports whether the site answered more than once that a pending invoice does
// not exist. A consumer that reads twice, with enough time between, has to accept that.
//
// The refused read of a new invoice counts, too, where a list that lags does not have it.
func (r *recorder) wasReportedMissing(draft string) bool {
	if !r.env.isPending(draft) {
		return false
	}
	created, _ := r.invoice(func(record invoiceRecord) bool { return record.draft == draft })
	answers := 0
	for _, call := range r.env.site.Calls() {
		if call.InvoiceID != draft || call.Operation != "retrieve" {
			continue
		}
		unlisted := r.env.scenario.faults.site.LagRate > 0 && call.At.Sub(time.Unix(created.date, 0)) <= r.env.settings.MaxReadLag
		if call.Status == http.StatusNotFound || unlisted && (call.Status == http.StatusBadRequest || call.Status == http.StatusConflict) {
			answers++
		}
	}
	return answers > 1
}
