package dynamostore

import (
	"context"

	"github.com/billable-events/billable/pkg/billing"
)

// Head returns the head of the invoice; ok is false when there is none. Other items of the table
// have no state.
func (s *Store) Head(ctx context.Context, invoiceID string) (head billing.Head, ok bool, err error) {
	found, err := s.get(ctx, invoiceID)
	if err != nil || found == nil {
		return head, false, err
	}
	head = decodeHead(found)
	return head, head.State != "", nil
}

// FindHead returns the head of the invoice with the given draft or final id.
func (s *Store) FindHead(ctx context.Context, id string) (head billing.Head, ok bool, err error) {
	head, ok, err = s.Head(ctx, id)
	if ok || err != nil {
		return head, ok, err
	}
	alias, err := s.get(ctx, finalKey(id))
	if err != nil || alias == nil {
		return head, false, err
	}
	return s.Head(ctx, reader(alias).text("draft_id"))
}

// finalKey is the key of the item that leads from a final invoice id to the draft's.
func finalKey(finalInvoiceID string) string { return "#final#" + finalInvoiceID }

func encodeHead(head billing.Head) item {
	w := writer{attributeInvoiceID: text(head.InvoiceID)}
	w.text("state", string(head.State))
	w.text("resume", string(head.Resume))
	w.text("owner", head.Owner)
	w.number("generation", head.Generation)
	w.text(attributeWrite, head.Write)
	w.number("lease_until", head.LeaseUntil)
	w.number("attempts", int64(head.Attempts))
	w.text("epoch", head.Epoch)
	w.number("pages", int64(head.Pages))
	w.number("cursor", int64(head.Cursor))
	w.number("sending_since", head.SendingSince)
	w.flag("doubt", head.Doubt)
	w.number("gone_at", head.GoneAt)
	w.number("close_refusals", int64(head.CloseRefusals))
	w.text("verdict", string(head.Verdict))
	w.number("settled", int64(head.Settled))
	w.text("outcome", string(head.Outcome))
	w.text("reason", string(head.Reason))
	w.text("detail", head.Detail)
	w.text("final_invoice_id", head.FinalInvoiceID)
	w.number("updated_at", head.UpdatedAt)
	w.number(attributeExpiresAt, head.ExpiresAt)
	w.number("version", int64(head.Version))
	return item(w)
}

func decodeHead(from item) billing.Head {
	r := reader(from)
	return billing.Head{
		InvoiceID:      r.text(attributeInvoiceID),
		State:          billing.State(r.text("state")),
		Resume:         billing.State(r.text("resume")),
		Owner:          r.text("owner"),
		Generation:     r.number("generation"),
		Write:          r.text(attributeWrite),
		LeaseUntil:     r.number("lease_until"),
		Attempts:       int(r.number("attempts")),
		Epoch:          r.text("epoch"),
		Pages:          int(r.number("pages")),
		Cursor:         int(r.number("cursor")),
		SendingSince:   r.number("sending_since"),
		Doubt:          r.flag("doubt"),
		GoneAt:         r.number("gone_at"),
		CloseRefusals:  int(r.number("close_refusals")),
		Verdict:        billing.Dispositions(r.text("verdict")),
		Settled:        int(r.number("settled")),
		Outcome:        billing.Result(r.text("outcome")),
		Reason:         billing.Reason(r.text("reason")),
		Detail:         r.text("detail"),
		FinalInvoiceID: r.text("final_invoice_id"),
		UpdatedAt:      r.number("updated_at"),
		ExpiresAt:      r.number(attributeExpiresAt),
		Version:        int(r.number("version")),
	}
}
