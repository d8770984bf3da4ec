package simulation

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// podDraft is a draft as one pod handles it.
type podDraft struct{ pod, draft string }

// called notes a call that a pod sends to Chargebee.
func (b *books) called(pod string, request *http.Request) {
	id, ok := strings.CutPrefix(request.URL.Path, "/api/v2/invoices/")
	if !ok {
		return
	}
	draft, operation, _ := strings.Cut(id, "/")
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.charged[draft]; ok || operation != "add_charge" && operation != "add_charge_item" {
		return
	}
	version := b.reads[podDraft{pod, draft}]
	b.charged[draft] = version
	if version == 0 && !b.world.plan.consumer.Invoice.TrustWebhook && !b.world.isInDoubt(draft) {
		b.world.faults.addf("%s charges %s, and has not read it", pod, draft)
	}
}

// mostRefusals is how often a close may be refused under one key: a pod may crash before it
// writes down that the key has to change, but not again and again.
const mostRefusals = 2

// resourceVersion finds the version of an invoice in an answer.
var resourceVersion = regexp.MustCompile(`"resource_version":(\d+)`)

// answered notes an answer that a pod got from Chargebee.
func (b *books) answered(pod string, request *http.Request, status int, body []byte) {
	id, ok := strings.CutPrefix(request.URL.Path, "/api/v2/invoices/")
	if !ok {
		return
	}
	draft, operation, _ := strings.Cut(id, "/")
	b.mu.Lock()
	defer b.mu.Unlock()
	switch found := resourceVersion.FindSubmatch(body); {
	case operation == "" && status == http.StatusOK && found != nil:
		version, _ := strconv.ParseInt(string(found[1]), 10, 64)
		b.reads[podDraft{pod, draft}] = version
	case operation == "close" && isRefusal(status, body):
		key := request.Header.Get("chargebee-idempotency-key")
		b.refused[key]++
		if b.refused[key] == mostRefusals+1 {
			b.world.faults.addf("the close of %s is refused %d times under one key", draft, b.refused[key])
		}
	}
}

// isRefusal reports whether an answer of Chargebee refuses a call for good. One that was cut
// may be anything, and credentials that are refused are not about the call.
func isRefusal(status int, body []byte) bool {
	var refusal struct {
		Code string `json:"api_error_code"`
	}
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict:
		return json.Unmarshal(body, &refusal) == nil && refusal.Code != "" && refusal.Code != chargebee.ErrSiteNotFound.Code
	default:
		return false
	}
}

// isInDoubt reports whether the ledger has a charge of the draft that may have been sent: the
// pod before may have sent none.
func (w *world) isInDoubt(draft string) bool {
	head := w.ledgerHead(draft)
	return head["doubt"] != nil
}

// ledgerHead returns the ledger's record of a draft; nil: there is none.
func (w *world) ledgerHead(draft string) attribute.Item {
	for _, item := range w.tables.Items(w.plan.consumer.Ledger.Table) {
		if word(item["invoice_id"]) == draft {
			return item
		}
	}
	return nil
}

// checkReason checks the reason of a rejection: no dead letter without a cause.
func (b *books) checkReason(pod string, line []byte) {
	var logged struct {
		InvoiceID string         `json:"invoice_id"`
		Outcome   string         `json:"outcome"`
		Reason    billing.Reason `json:"reason"`
	}
	if json.Unmarshal(line, &logged) != nil || logged.Outcome != "rejected" {
		return
	}
	b.mu.Lock()
	b.rejected++
	b.mu.Unlock()
	if b.hasCause(pod, logged.InvoiceID, logged.Reason) {
		return
	}
	b.world.faults.addf("%s rejects %s without a cause: %s", pod, logged.InvoiceID, logged.Reason)
}

// hasCause reports whether something in the scenario leads to a rejection.
func (b *books) hasCause(pod, draft string, reason billing.Reason) bool {
	plan := b.world.plan
	switch reason {
	case billing.InvoiceChanged:
		return b.wasStale(draft) || b.mayLag(draft)
	case billing.ChargebeeRefused:
		// Once a line is on it, the plan stays as it is.
		stale := b.isStale(pod, draft) || b.wasStale(draft) && b.world.isCharged(draft)
		// A draft that was closed may refuse a charge as it refuses a wrong one.
		closed := b.world.settings.ClosedDraft == chargebee.ErrInvalidRequest && !b.world.isPending(draft)
		return plan.refuses() || stale || closed
	case billing.CloseRefused:
		// A close that takes effect late occupies its key meanwhile: the repeated one is
		// refused, and the draft may show for twice as long as it is looked at.
		concurrent := b.world.settings.TwinRefusal != nil && b.world.settings.LateKeepsKey && plan.trouble.appliesLate()
		return plan.refuses() || plan.uncollected > 0 || concurrent
	case billing.SuccessorUnknown, billing.InvoiceNotPending, billing.LineRemoved, billing.DuplicateLine, billing.AmbiguousLine:
		// The line of an item price is not recognised under another subscription.
		moved := reason == billing.AmbiguousLine && b.isMoved(draft)
		lost := reason == billing.SuccessorUnknown && b.isUntraceable(draft)
		return plan.persons > 0 || plan.autoClose > 0 || plan.releases || b.denied(draft) || moved || lost
	default:
		return true
	}
}

func (w *world) isCharged(draft string) bool {
	invoice, ok := w.site.Invoice(draft)
	return ok && slices.ContainsFunc(invoice.LineItems, isCharge)
}

func (w *world) isPending(draft string) bool {
	invoice, ok := w.site.Invoice(draft)
	return ok && invoice.Status == chargebee.StatusPending && !invoice.Deleted
}

// refuses reports whether the site refuses calls without a cause.
func (p *plan) refuses() bool {
	return p.trouble.site.Refuse > 0 || slices.Contains(p.trouble.outages[site].kinds, sandbox.Refuse)
}

func (t *trouble) appliesLate() bool {
	return t.site.ApplyLate > 0 || slices.Contains(t.outages[site].kinds, sandbox.ApplyLate)
}

// wasStale reports whether an operator changed the subscription of a draft, and the pod that first
// charged it had not read that, or trusted the message.
func (b *books) wasStale(draft string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.editedSince(draft, b.charged[draft]) || b.world.plan.consumer.Invoice.TrustWebhook && b.editedSince(draft, 0)
}

// mayLag reports whether a read may still show a draft as it was before an edit.
func (b *books) mayLag(draft string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.world.plan.trouble.site.LagRate > 0 && slices.ContainsFunc(b.edits, func(e edit) bool {
		return e.draft == draft && time.Since(e.at) <= b.world.settings.MaxReadLag+b.world.plan.consumer.Chargebee.CallTimeout
	})
}

// isStale reports whether an operator changed the subscription of a draft, and a pod has not read
// that. A trusted message is no excuse: the draft is read before a refused charge counts.
func (b *books) isStale(pod, draft string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.editedSince(draft, b.reads[podDraft{pod, draft}])
}

// editedSince reports whether a draft has an edit that a version does not show. The caller
// holds b.mu.
func (b *books) editedSince(draft string, version int64) bool {
	return slices.ContainsFunc(b.edits, func(e edit) bool { return e.draft == draft && e.version > version })
}

// isMoved reports whether an operator changed the subscription of a draft.
func (b *books) isMoved(draft string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.editedSince(draft, 0)
}

// isUntraceable reports whether nothing leads to the invoice that a draft became: ids of lines
// change, all lines are of item prices, and no repeated close was answered with the invoice.
// That is the fault of the consumer unless its key was forgotten, or the site refused the
// repeated close: after a refusal, another key is used.
func (b *books) isUntraceable(draft string) bool {
	world := b.world
	if !world.settings.NewLineIDs || world.hasMarker(draft) {
		return false
	}
	var first time.Time
	for _, call := range world.site.Calls() {
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
	return !first.IsZero() && time.Since(first) >= world.settings.IdempotencyWindow
}

// hasMarker reports whether the invoice that a draft became has an ad-hoc line of the product.
func (w *world) hasMarker(draft string) bool {
	return slices.ContainsFunc(w.site.Invoices(), func(invoice chargebee.Invoice) bool {
		return invoice.DraftID == draft && slices.ContainsFunc(invoice.LineItems, func(line chargebee.LineItem) bool {
			return isCharge(line) && line.EntityType == chargebee.EntityAdhoc
		})
	})
}

// denied reports whether the site answered more than once that a pending invoice does not
// exist. A consumer that reads twice, with enough time between, has to believe it.
//
// It is an answer, too, that a read of a new invoice is refused and a list that lags lacks it.
func (b *books) denied(id string) bool {
	if !b.world.isPending(id) {
		return false
	}
	denials := 0
	for _, call := range b.world.site.Calls() {
		if call.InvoiceID != id || call.Operation != "retrieve" {
			continue
		}
		unlisted := b.world.plan.trouble.site.LagRate > 0 && call.At.Sub(b.openedAt(id)) <= b.world.settings.MaxReadLag
		if call.Status == http.StatusNotFound || unlisted && (call.Status == http.StatusBadRequest || call.Status == http.StatusConflict) {
			denials++
		}
	}
	return denials > 1
}

// openedAt returns when an invoice was made.
func (b *books) openedAt(draft string) time.Time {
	for _, invoice := range b.openedInvoices() {
		if invoice.draft == draft {
			return time.Unix(invoice.date, 0)
		}
	}
	return time.Time{}
}
