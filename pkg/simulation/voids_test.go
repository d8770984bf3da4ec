package simulation_test

import (
	"context"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/settlement"
)

// voidInvoices voids or deletes issued invoices, and releases their events.
func (e *env) voidInvoices(ctx context.Context, as *process) {
	random := e.rng.rand("voids invoices")
	for !e.faultsOff.Load() {
		time.Sleep(between(random, 5*time.Second, e.scenario.chaos/3))
		issued := slices.DeleteFunc(e.site.Invoices(), func(invoice chargebee.Invoice) bool { return invoice.DraftID == "" || isWithdrawn(invoice) })
		if len(issued) > 0 {
			void, kind := e.site.VoidInvoice, "voids"
			if coin(random) {
				void, kind = e.site.DeleteInvoice, "deletes"
			}
			invoice := issued[random.IntN(len(issued))]
			e.timeline.logf(as.name, "%s %s, which was %s: %v", kind, invoice.ID, invoice.DraftID, void(invoice.ID))
			if coin(random) {
				time.Sleep(between(random, 10*time.Millisecond, 5*time.Second))
				e.regenerate(as, invoice)
			}
		}
		if coin(random) {
			e.releaseVoided(ctx, as)
		}
	}
}

// regenerate makes a new pending invoice for the subscription of one that was voided or deleted.
func (e *env) regenerate(as *process, voided chargebee.Invoice) {
	invoice, _, err := e.site.RegenerateInvoice(voided.ID)
	if err == nil {
		e.recorder.recordInvoice(invoiceRecord{renewal: -1, draft: invoice.ID, date: invoice.Date, subscriptions: []string{invoice.SubscriptionID}})
	}
	e.timeline.logf(as.name, "regenerates %s as %s: %v", voided.ID, invoice.ID, err)
}

// releaseVoided tries once to release the events of each invoice that was voided or deleted after it was
// issued, and by mistake of some others. It returns the number of those voided or deleted that still bill
// events.
func (e *env) releaseVoided(ctx context.Context, as *process) (remaining int) {
	for _, invoice := range e.site.Invoices() {
		byMistake := e.rng.rand("releases by mistake", invoice.ID).IntN(4) == 0
		if invoice.DraftID == "" || !isWithdrawn(invoice) && !byMistake {
			continue
		}
		record, ok, err := e.store(as).Record(ctx, invoice.DraftID)
		order := settlement.Order{InvoiceID: invoice.DraftID, Reason: "it was voided"}
		switch {
		case err != nil || !ok:
			continue
		case record.State == billing.Rejected && record.HoldsClaims() && isWithdrawn(invoice): // before those that are billed
			order.NotCharged = "its invoice was voided"
		case !record.HasBilled():
			continue
		}
		_, err = e.commandDeps(as).Release(ctx, order)
		e.timeline.logf(as.name, "releases the events of %s, which is %s, deleted %t: %v", invoice.DraftID, invoice.Status, invoice.Deleted, err)
		if (err != nil || order.NotCharged != "") && isWithdrawn(invoice) {
			remaining++
		}
	}
	return remaining
}
